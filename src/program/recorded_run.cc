#include "program/recorded_run.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "program/limits.h"
#include "program/memory_kernels.h"
#include "types/error.h"
#include "vulkan/early_results.h"

namespace tfvk::program {
namespace {

constexpr size_t kShortest = 12;  // launches; fewer are as quick one by one, and then overlap with their neighbours

// Outputs that are published: the host reads few and small ones, and a submission more costs a few microseconds, so some launches must be left to wait for.
constexpr size_t kMostPublished = 8;
constexpr size_t kFewestLeft = 8;

struct EarlyOutputs {
  std::vector<int> outputs;
  size_t behind = 0;  // the step that writes the last of them
};

std::vector<const BufferSlice*> WrittenBy(const Step& step) {
  if (auto* copy = std::get_if<Copy>(&step.action)) return {&copy->destination};
  if (auto* fill = std::get_if<Fill>(&step.action)) return {&fill->destination};
  std::vector<const BufferSlice*> written;
  for (const LaunchArgument& a : std::get<Launch>(step.action).arguments) {
    if (a.kind == LaunchArgument::Kind::kWrite || a.kind == LaunchArgument::Kind::kReadWrite) written.push_back(&a.slice);
  }
  return written;
}

// The outputs that the host can have while at least kFewestLeft steps are to come.
EarlyOutputs FindEarlyOutputs(const StraightRun& steps, const Program& program) {
  std::map<int, size_t> last_write;
  for (size_t i = 0; i < steps.size(); ++i) {
    for (const BufferSlice* slice : WrittenBy(*steps[i])) {
      if (slice->kind == BufferSlice::Kind::kOutput) last_write[slice->index] = i;
    }
  }
  EarlyOutputs early;
  for (const auto& [output, step] : last_write) {
    const program::TensorInfo& tensor = program.outputs.at(output);
    const auto bytes = static_cast<uint64_t>(ElementCount(tensor.shape, {})) * ByteSize(tensor.dtype);
    const bool aliased = static_cast<size_t>(output) < program.aliases.size() && program.aliases[output] >= 0;
    if (aliased || bytes == 0 || bytes > vulkan::EarlyResults::kPlaceBytes || step + kFewestLeft >= steps.size()) continue;
    if (early.outputs.size() == kMostPublished) break;
    early.outputs.push_back(output);
    early.behind = std::max(early.behind, step);
  }
  return early;
}

}  // namespace

class RunRecorder {
 public:
  RunRecorder(RecordedRun& run, const Program& program, const std::vector<const vulkan::Pipeline*>& pipelines, const AddressMap& addresses,
              const std::vector<uint64_t>& temporary_offsets, vulkan::Device& device)
      : run_(run), program_(program), pipelines_(pipelines), addresses_(addresses), temporary_offsets_(temporary_offsets), device_(device) {}

  // Behind the step that was added last.
  void Publish(int output) {
    const program::TensorInfo& tensor = program_.outputs.at(output);
    const BufferSlice slice{BufferSlice::Kind::kOutput, output, 0, {tensor.shape, static_cast<int64_t>(ByteSize(tensor.dtype))}};
    const uint64_t bytes = Bytes(slice);
    const auto kernel = MakeCopyKernel(static_cast<int64_t>(std::gcd(bytes, uint64_t{16})), LimitsOf(device_.plan()));
    if (!kernel) return;
    const size_t first = AddMemoryKernel(*kernel, {AccessOf(slice, false)}, {Of(slice), {AddressMap::kNumber, 0}}, bytes / kernel->unit, "early result");
    run_.recording_.Publish(first, first + 1, bytes);
  }

  // False when the step cannot be recorded.
  bool Add(const Step& step) {
    if (auto* launch = std::get_if<Launch>(&step.action)) return AddLaunch(*launch);
    if (auto* copy = std::get_if<Copy>(&step.action)) return AddCopy(*copy);
    return AddFill(std::get<Fill>(step.action));
  }

 private:
  Location Of(const BufferSlice& slice) const { return addresses_.Of(slice, temporary_offsets_); }
  static uint64_t Bytes(const BufferSlice& slice) { return static_cast<uint64_t>(slice.bytes.Evaluate({})); }
  vulkan::RecordedAccess AccessOf(const BufferSlice& slice, bool write) {
    Location at = Of(slice);
    if (write) NoteWritten(at, Bytes(slice));
    return {addresses_.SharedWith(at.buffer), at.offset, Bytes(slice), write};
  }
  void NoteWritten(const Location& at, uint64_t bytes) {
    for (RecordedRun::Written& w : run_.written_) {
      if (w.buffer != at.buffer) continue;
      w.begin = std::min(w.begin, at.offset);
      w.end = std::max(w.end, at.offset + bytes);
      return;
    }
    run_.written_.push_back({at.buffer, at.offset, at.offset + bytes});
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

  // Gives the place of its first word in the table.
  size_t AddMemoryKernel(const MemoryKernel& kernel, std::vector<vulkan::RecordedAccess> accesses, std::vector<Location> words, uint64_t count,
                         const char* name) {
    words.push_back({AddressMap::kNumber, count});
    vulkan::RecordedLaunch recorded;
    recorded.pipeline = &device_.pipelines().Get(kernel.module.words, 0, kernel.module.name);
    recorded.argument_count = static_cast<uint32_t>(words.size());
    recorded.workgroups = MemoryKernelWorkgroups(static_cast<int64_t>(count));
    recorded.accesses = std::move(accesses);
    recorded.name = name;
    const size_t first = run_.recording_.Launch(std::move(recorded));
    AddWords(first, words);
    return first;
  }

  bool AddCopy(const Copy& copy) {
    uint64_t bytes = Bytes(copy.destination);
    if (bytes == 0) return true;
    Location from = Of(copy.source), to = Of(copy.destination);
    if (from.buffer == to.buffer && from.offset == to.offset) return true;
    uint64_t alignment = std::gcd(std::gcd(from.offset, to.offset), std::gcd(bytes, uint64_t{16}));
    auto kernel = MakeCopyKernel(static_cast<int64_t>(alignment), LimitsOf(device_.plan()));
    if (!kernel) return false;
    AddMemoryKernel(*kernel, {AccessOf(copy.source, false), AccessOf(copy.destination, true)}, {from, to}, bytes / kernel->unit, "copy");
    return true;
  }

  bool AddFill(const Fill& fill) {
    uint64_t bytes = Bytes(fill.destination);
    if (bytes == 0) return true;
    Location to = Of(fill.destination);
    if (bytes % 4 || to.offset % 4) return false;
    AddMemoryKernel(MakeFillKernel(), {AccessOf(fill.destination, true)}, {to, {AddressMap::kNumber, fill.pattern}}, bytes / 4, "fill");
    return true;
  }

  RecordedRun& run_;
  const Program& program_;
  const std::vector<const vulkan::Pipeline*>& pipelines_;
  const AddressMap& addresses_;
  const std::vector<uint64_t>& temporary_offsets_;
  vulkan::Device& device_;
};

std::unique_ptr<RecordedRun> RecordedRun::Make(const StraightRun& steps, const Program& program, const std::vector<const vulkan::Pipeline*>& pipelines,
                                               const AddressMap& addresses, const std::vector<uint64_t>& temporary_offsets, vulkan::Device& device,
                                               bool made_once) {
  if (steps.size() < kShortest) return nullptr;
  auto run = std::make_unique<RecordedRun>(device);
  RunRecorder recorder(*run, program, pipelines, addresses, temporary_offsets, device);
  const EarlyOutputs early = made_once ? FindEarlyOutputs(steps, program) : EarlyOutputs();
  for (size_t i = 0; i < steps.size(); ++i) {
    if (!recorder.Add(*steps[i])) return nullptr;
    if (i != early.behind) continue;
    for (const int output : early.outputs) recorder.Publish(output);
  }
  return run;
}

void RecordedRun::Replay(vulkan::Queue& queue, const std::vector<uint64_t>& bases) {
  std::vector<uint64_t> table(recording_.table_words());
  for (const Word& word : words_) table[word.place] = bases[word.location.buffer] + word.location.offset;
  std::vector<vulkan::Access> writes;
  writes.reserve(written_.size());
  for (const Written& w : written_) writes.push_back({bases[w.buffer] + w.begin, w.end - w.begin, true});
  queue.Replay(recording_, table, writes);
}

}  // namespace tfvk::program
