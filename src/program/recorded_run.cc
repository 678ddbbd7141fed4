#include "program/recorded_run.h"

#include <numeric>

#include "program/limits.h"
#include "program/memory_kernels.h"
#include "types/error.h"

namespace tfvk::program {
namespace {

constexpr size_t kShortest = 12;  // launches; fewer are as quick one by one, and then overlap with their neighbours

}  // namespace

class RunRecorder {
 public:
  RunRecorder(RecordedRun& run, const Program& program, const std::vector<const vulkan::Pipeline*>& pipelines, const AddressMap& addresses,
              const std::vector<uint64_t>& temporary_offsets, vulkan::Device& device)
      : run_(run), program_(program), pipelines_(pipelines), addresses_(addresses), temporary_offsets_(temporary_offsets), device_(device) {}

  // False when the step cannot be recorded.
  bool Add(const Step& step) {
    if (auto* launch = std::get_if<Launch>(&step.action)) return AddLaunch(*launch);
    if (auto* copy = std::get_if<Copy>(&step.action)) return AddCopy(*copy);
    return AddFill(std::get<Fill>(step.action));
  }

 private:
  Location Of(const BufferSlice& slice) const { return addresses_.Of(slice, temporary_offsets_); }
  static uint64_t Bytes(const BufferSlice& slice) { return static_cast<uint64_t>(slice.bytes.Evaluate({})); }
  vulkan::RecordedAccess AccessOf(const BufferSlice& slice, bool write) const {
    Location at = Of(slice);
    return {addresses_.SharedWith(at.buffer), at.offset, Bytes(slice), write};
  }
  void AddWords(size_t first, const std::vector<Location>& words) {
    for (size_t i = 0; i < words.size(); ++i) run_.words_.push_back({first + i, words[i]});
  }

  bool AddLaunch(const Launch& launch) {
    const kernels::Kernel& kernel = program_.kernels.at(launch.kernel);
    vulkan::RecordedLaunch recorded;
    recorded.pipeline = pipelines_.at(launch.kernel);
    recorded.argument_count = static_cast<uint32_t>(launch.arguments.size());
    recorded.workgroups = static_cast<uint64_t>(kernel.workgroups.Evaluate({}));
    recorded.name = launch.name;
    recorded.flops = kernel.flops;
    std::vector<Location> words;
    for (const LaunchArgument& a : launch.arguments) {
      Require(a.kind != LaunchArgument::Kind::kSize, "A launch of a Program without run-time sizes takes one.");
      words.push_back(Of(a.slice));
      if (Bytes(a.slice)) recorded.accesses.push_back(AccessOf(a.slice, a.kind != LaunchArgument::Kind::kRead));
    }
    if (recorded.workgroups == 0) return true;
    AddWords(run_.recording_.Launch(std::move(recorded)), words);
    return true;
  }

  bool AddMemoryKernel(const MemoryKernel& kernel, std::vector<vulkan::RecordedAccess> accesses, std::vector<Location> words, uint64_t count,
                       const char* name) {
    words.push_back({AddressMap::kNumber, count});
    vulkan::RecordedLaunch recorded;
    recorded.pipeline = &device_.pipelines().Get(kernel.module.words, 0, kernel.module.name);
    recorded.argument_count = static_cast<uint32_t>(words.size());
    recorded.workgroups = MemoryKernelWorkgroups(static_cast<int64_t>(count));
    recorded.accesses = std::move(accesses);
    recorded.name = name;
    AddWords(run_.recording_.Launch(std::move(recorded)), words);
    return true;
  }

  bool AddCopy(const Copy& copy) {
    uint64_t bytes = Bytes(copy.destination);
    if (bytes == 0) return true;
    Location from = Of(copy.source), to = Of(copy.destination);
    if (from.buffer == to.buffer && from.offset == to.offset) return true;
    uint64_t alignment = std::gcd(std::gcd(from.offset, to.offset), std::gcd(bytes, uint64_t{16}));
    auto kernel = MakeCopyKernel(static_cast<int64_t>(alignment), LimitsOf(device_.plan()));
    if (!kernel) return false;
    return AddMemoryKernel(*kernel, {AccessOf(copy.source, false), AccessOf(copy.destination, true)}, {from, to}, bytes / kernel->unit, "copy");
  }

  bool AddFill(const Fill& fill) {
    uint64_t bytes = Bytes(fill.destination);
    if (bytes == 0) return true;
    Location to = Of(fill.destination);
    if (bytes % 4 || to.offset % 4) return false;
    return AddMemoryKernel(MakeFillKernel(), {AccessOf(fill.destination, true)}, {to, {AddressMap::kNumber, fill.pattern}}, bytes / 4, "fill");
  }

  RecordedRun& run_;
  const Program& program_;
  const std::vector<const vulkan::Pipeline*>& pipelines_;
  const AddressMap& addresses_;
  const std::vector<uint64_t>& temporary_offsets_;
  vulkan::Device& device_;
};

std::unique_ptr<RecordedRun> RecordedRun::Make(const StraightRun& steps, const Program& program, const std::vector<const vulkan::Pipeline*>& pipelines,
                                               const AddressMap& addresses, const std::vector<uint64_t>& temporary_offsets, vulkan::Device& device) {
  if (steps.size() < kShortest) return nullptr;
  auto run = std::make_unique<RecordedRun>(device);
  RunRecorder recorder(*run, program, pipelines, addresses, temporary_offsets, device);
  for (const Step* step : steps) {
    if (!recorder.Add(*step)) return nullptr;
  }
  return run;
}

void RecordedRun::Replay(vulkan::Queue& queue, const std::vector<uint64_t>& bases) {
  std::vector<uint64_t> table(recording_.table_words());
  for (const Word& word : words_) table[word.place] = bases[word.location.buffer] + word.location.offset;
  queue.Replay(recording_, table);
}

}  // namespace tfvk::program
