#include "program/executable.h"

#include <map>

#include "program/address_map.h"
#include "program/recorded_run.h"
#include "program/schedule.h"
#include "types/error.h"

namespace tfvk::program {

struct Executable::State {
  State(vulkan::Device& device, Program program);
  ~State() { device.FreeSmall(constants); }

  void UploadConstants();
  void RecordRuns(const Schedule& nodes, bool made_once);

  vulkan::Device& device;
  const Program program;
  Schedule schedule;                               // points into `program`
  std::vector<const vulkan::Pipeline*> pipelines;  // one a kernel
  vulkan::Address constants = 0;
  std::vector<uint64_t> constant_offsets;
  AddressMap addresses;
  std::vector<uint64_t> static_temporary_offsets;
  std::map<const StraightRun*, std::unique_ptr<RecordedRun>> recorded;
};

namespace {

std::vector<uint64_t> ConstantOffsets(const Program& program) {
  std::vector<uint64_t> offsets;
  uint64_t next = 0;
  for (const auto& constant : program.constants) {
    offsets.push_back(next);
    next += (constant.size() + 255) / 256 * 256;
  }
  return offsets;
}

// One run: the steps with their addresses.
class Runner {
 public:
  Runner(Executable::State& state, const Arguments& arguments, std::vector<uint64_t> temporary_offsets)
      : s_(state),
        queue_(state.device.queue()),
        symbols_(arguments.symbols),
        temporary_offsets_(std::move(temporary_offsets)),
        bases_(state.addresses.Bases(arguments, state.constants)) {}

  void Run(const Schedule& nodes) {
    for (const ScheduleNode& node : nodes) {
      if (auto* run = std::get_if<StraightRun>(&node)) {
        RunStraight(*run);
      } else if (auto* loop = std::get_if<std::unique_ptr<ScheduledWhile>>(&node)) {
        RunWhile(**loop);
      } else {
        RunConditional(*std::get<std::unique_ptr<ScheduledConditional>>(node));
      }
    }
  }

 private:
  uint64_t AddressOf(const BufferSlice& slice) const {
    Location at = s_.addresses.Of(slice, temporary_offsets_);
    return bases_[at.buffer] + at.offset;
  }
  uint64_t BytesOf(const BufferSlice& slice) const { return static_cast<uint64_t>(slice.bytes.Evaluate(symbols_)); }

  void RunStraight(const StraightRun& run) {
    auto recorded = s_.recorded.find(&run);
    if (recorded != s_.recorded.end()) {
      recorded->second->Replay(queue_, bases_);
      return;
    }
    for (const Step* step : run) {
      if (auto* launch = std::get_if<Launch>(&step->action)) {
        RunLaunch(*launch);
      } else if (auto* copy = std::get_if<Copy>(&step->action)) {
        queue_.Copy(AddressOf(copy->destination), AddressOf(copy->source), BytesOf(copy->destination));
      } else {
        const Fill& fill = std::get<Fill>(step->action);
        queue_.Fill(AddressOf(fill.destination), fill.pattern, BytesOf(fill.destination));
      }
    }
  }

  void RunLaunch(const Launch& launch) {
    const kernels::Kernel& kernel = s_.program.kernels[launch.kernel];
    words_.clear();
    accesses_.clear();
    for (const LaunchArgument& a : launch.arguments) {
      if (a.kind == LaunchArgument::Kind::kSize) {
        words_.push_back(static_cast<uint64_t>(symbols_.at(a.symbol)));
        continue;
      }
      words_.push_back(AddressOf(a.slice));
      if (uint64_t bytes = BytesOf(a.slice)) accesses_.push_back({words_.back(), bytes, a.kind != LaunchArgument::Kind::kRead});
    }
    vulkan::LaunchInfo info;
    info.pipeline = s_.pipelines[launch.kernel];
    info.arguments = words_;
    info.workgroups = static_cast<uint64_t>(kernel.workgroups.Evaluate(symbols_));
    info.accesses = accesses_;
    info.name = launch.name;
    info.flops = kernel.flops;
    queue_.Launch(info);
  }

  template <class T>
  T ReadBack(const BufferSlice& slice) {
    T value{};
    queue_.Download(&value, AddressOf(slice), sizeof(T));
    queue_.Synchronize();
    return value;
  }

  void RunWhile(const ScheduledWhile& loop) {
    if (loop.trip_count) {
      for (int64_t i = 0; i < *loop.trip_count; ++i) Run(loop.body);
      return;
    }
    for (;;) {
      Run(loop.condition);
      if (!ReadBack<uint8_t>(loop.loop->predicate)) return;
      Run(loop.body);
    }
  }

  void RunConditional(const ScheduledConditional& c) {
    size_t last = c.branches.size() - 1, branch = 0;
    if (c.choice->selector_is_bool) {
      branch = ReadBack<uint8_t>(c.choice->selector) ? 0 : 1;
    } else {
      auto selected = ReadBack<int32_t>(c.choice->selector);
      branch = selected < 0 || static_cast<size_t>(selected) > last ? last : static_cast<size_t>(selected);
    }
    Run(c.branches.at(branch));
  }

  Executable::State& s_;
  vulkan::Queue& queue_;
  const std::vector<int64_t>& symbols_;
  std::vector<uint64_t> temporary_offsets_;
  std::vector<uint64_t> bases_;
  std::vector<uint64_t> words_;  // of the launch at hand
  std::vector<vulkan::Access> accesses_;
};

void CheckLaunches(const Block& block, const Program& program) {
  for (const Step& step : block) {
    if (auto* launch = std::get_if<Launch>(&step.action)) {
      Require(launch->kernel >= 0 && static_cast<size_t>(launch->kernel) < program.kernels.size(), "[{}] a launch names kernel {} of {}.", program.name,
              launch->kernel, program.kernels.size());
      const kernels::Kernel& kernel = program.kernels[launch->kernel];
      Require(launch->arguments.size() == kernel.arguments.size(), "[{}] the launch \"{}\" of kernel {} has {} arguments instead of {}.", program.name,
              launch->name, kernel.module.name, launch->arguments.size(), kernel.arguments.size());
    } else if (auto* loop = std::get_if<While>(&step.action)) {
      CheckLaunches(loop->condition, program);
      CheckLaunches(loop->body, program);
    } else if (auto* choice = std::get_if<Conditional>(&step.action)) {
      Require(!choice->branches.empty(), "[{}] a conditional has no branches.", program.name);
      for (const Block& branch : choice->branches) CheckLaunches(branch, program);
    }
  }
}

}  // namespace

Executable::State::State(vulkan::Device& device_, Program program_)
    : device(device_), program(std::move(program_)), constant_offsets(ConstantOffsets(program)), addresses(program, constant_offsets) {
  CheckLaunches(program.steps, program);
  for (const kernels::Kernel& kernel : program.kernels) {
    pipelines.push_back(&device.pipelines().Get(kernel.module.words, kernel.required_subgroup_size, kernel.module.name));
  }
  UploadConstants();
  schedule = MakeSchedule(program.steps);
  int64_t bytes = 0;
  if (IsStatic(program)) {
    static_temporary_offsets = AddressMap::TemporaryOffsets(program, {}, &bytes);
    RecordRuns(schedule, true);
  }
}

void Executable::State::UploadConstants() {
  if (program.constants.empty()) return;
  std::vector<uint8_t> all(constant_offsets.back() + program.constants.back().size());
  for (size_t i = 0; i < program.constants.size(); ++i) std::copy(program.constants[i].begin(), program.constants[i].end(), all.begin() + constant_offsets[i]);
  if (all.empty()) return;
  constants = device.AllocateSmall(all.size());
  device.queue().Upload(constants, all.data(), all.size());
}

void Executable::State::RecordRuns(const Schedule& nodes, bool made_once) {
  for (const ScheduleNode& node : nodes) {
    if (auto* run = std::get_if<StraightRun>(&node)) {
      auto made = RecordedRun::Make(*run, program, pipelines, addresses, static_temporary_offsets, device, made_once);
      if (made) recorded[run] = std::move(made);
    } else if (auto* loop = std::get_if<std::unique_ptr<ScheduledWhile>>(&node)) {
      RecordRuns((*loop)->condition, false);
      RecordRuns((*loop)->body, false);
    } else {
      for (const Schedule& branch : std::get<std::unique_ptr<ScheduledConditional>>(node)->branches) RecordRuns(branch, false);
    }
  }
}

Executable::Executable(vulkan::Device& device, Program program) : state_(std::make_unique<State>(device, std::move(program))) {}
Executable::~Executable() = default;

const Program& Executable::program() const { return state_->program; }
bool Executable::recorded() const { return !state_->recorded.empty(); }

int64_t Executable::TemporaryBytes(const std::vector<int64_t>& symbols) const {
  int64_t bytes = 0;
  AddressMap::TemporaryOffsets(state_->program, symbols, &bytes);
  return bytes;
}

void Executable::Run(const Arguments& arguments) {
  State& s = *state_;
  const Program& p = s.program;
  if (arguments.parameters.size() != p.parameters.size() || arguments.outputs.size() != p.outputs.size() ||
      arguments.symbols.size() != static_cast<size_t>(p.symbol_count)) {
    Fail(ErrorCode::kInvalidArgument, "[{}] was run with {} parameters, {} outputs and {} run-time sizes instead of {}, {} and {}.", p.name,
         arguments.parameters.size(), arguments.outputs.size(), arguments.symbols.size(), p.parameters.size(), p.outputs.size(), p.symbol_count);
  }
  std::vector<uint64_t> offsets = s.static_temporary_offsets;
  if (!IsStatic(p)) {
    int64_t bytes = 0;
    offsets = AddressMap::TemporaryOffsets(p, arguments.symbols, &bytes);
  }
  Runner(s, arguments, std::move(offsets)).Run(s.schedule);
}

}  // namespace tfvk::program
