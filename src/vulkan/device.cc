#include "vulkan/device.h"

#include <algorithm>

#include "vulkan/device_internals.h"
#include "vulkan/memory_plan.h"

namespace tfvk::vulkan {
namespace {

constexpr size_t kMostCollisions = 16;

double MiB(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

const DevicePlan& UsablePlan(const Instance& instance, int index) {
  if (!instance.problem().empty()) Fail(ErrorCode::kFailedPrecondition, "There is no Vulkan. {}", instance.problem());
  if (index < 0 || index >= static_cast<int>(instance.plans().size())) {
    Fail(ErrorCode::kInvalidArgument, "There is no Vulkan device {}; there are {}.", index, instance.plans().size());
  }
  const DevicePlan& plan = instance.plans()[index];
  if (!plan.usable) {
    Fail(ErrorCode::kFailedPrecondition, "{} cannot be used. {}", instance.snapshots()[index].name, fmt::join(plan.reasons, " "));
  }
  return plan;
}

}  // namespace

Device::Internals::Internals(Instance& instance, int index)
    : instance(instance), index(index), snapshot(instance.snapshots().at(index)), plan(UsablePlan(instance, index)) {}

Device::Internals::~Internals() {
  if (!device) return;
  queue.reset();  // waits for its work
  pipelines.reset();
  small_pieces.reset();
  tables.reset();
  if (memory) {
    for (const Leaving& l : leaving) memory->Destroy(l.block);
    for (const auto& [host, block] : pinned) memory->Destroy(block);
  }
  if (layout) f.DestroyPipelineLayout(device, layout, nullptr);
  if (f.DestroyDevice) f.DestroyDevice(device, nullptr);
}

bool Device::Internals::Reclaim(bool wait) {
  std::vector<Leaving> gone;
  {
    std::lock_guard lock(usage_mutex);
    while (!leaving.empty() && (wait || queue->Done(leaving.front().ticket))) {
      gone.push_back(leaving.front());
      leaving.pop_front();
    }
  }
  for (const Leaving& l : gone) {
    if (wait) {
      try {
        queue->Wait(l.ticket);
      } catch (const Error&) {  // a lost device is done with everything
      }
    }
    memory->Destroy(l.block);
  }
  return !gone.empty();
}

void Device::Internals::Leave(const MemoryBlock& block) {
  Ticket ticket = queue->Record();
  std::lock_guard lock(usage_mutex);
  leaving.push_back({ticket, block});
}

MemoryBlock Device::Internals::CreateReclaiming(uint64_t bytes, uint32_t memory_type, bool map, const char* purpose) {
  Reclaim(false);
  try {
    return memory->Create(bytes, memory_type, map, purpose);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kResourceExhausted || !Reclaim(true)) throw;
  }
  return memory->Create(bytes, memory_type, map, purpose);
}

MemoryBlock Device::Internals::CreateApart(uint64_t bytes, AddressReservation* reservation) {
  std::vector<MemoryBlock> colliding;  // kept until there is another, or the driver would give the same again
  std::optional<AddressReservation> made;
  MemoryBlock block;
  const auto destroy_colliding = [&] {
    for (const MemoryBlock& b : colliding) memory->Destroy(b);
  };
  try {
    for (;;) {
      block = CreateReclaiming(bytes, plan.memory.device, false, "tensors");
      // A software device works in the process's own memory.
      made = snapshot.type == DeviceType::kCpu ? AddressReservation() : AddressReservation::Make(block.address, block.bytes);
      if (made) break;
      colliding.push_back(block);
      if (colliding.size() == kMostCollisions) {
        Fail(ErrorCode::kResourceExhausted, "{} gave {} blocks of {:.1f} MiB, the last at {:#x}, and all at addresses that host memory has already.",
             snapshot.name, colliding.size(), MiB(bytes), block.address);
      }
    }
  } catch (...) {
    destroy_colliding();
    throw;
  }
  destroy_colliding();
  *reservation = std::move(*made);
  return block;
}

Device::Device(Instance& instance, int index) {
  UsablePlan(instance, index);
  internals_ = std::make_unique<Internals>(instance, index);
  Internals& d = *internals_;
  CreateLogicalDevice(d);
  d.memory = std::make_unique<MemoryBlocks>(d.f, d.device, d.snapshot, d.plan.memory, SparseQueue{d.sparse_queue, &d.vk_queue_mutex});
  std::string problem;
  const MemoryPlan planned = d.plan.memory;  // with the limits of driver faults
  d.plan.memory = PlanMemory(d.snapshot, d.memory->AllowedTypes(), &problem);
  d.plan.memory.max_block_bytes = std::min(d.plan.memory.max_block_bytes, planned.max_block_bytes);
  d.plan.memory.max_allocation_bytes = std::min(d.plan.memory.max_allocation_bytes, planned.max_allocation_bytes);
  if (!problem.empty()) Fail(ErrorCode::kFailedPrecondition, "{} cannot be used. {}", d.snapshot.name, problem);
  d.small_pieces = std::make_unique<Arena>(*d.memory, d.plan.memory.device, false, uint64_t{4} << 20, "constants");
  d.tables = std::make_unique<Arena>(*d.memory, d.plan.memory.arguments, true, uint64_t{1} << 20, "argument tables");
  d.queue = std::make_unique<Queue>(*this);
  d.pipelines = std::make_unique<PipelineCache>(*this, DefaultCacheFolder());
}

Device::~Device() {
  for (Address start : BlockStarts()) Free(start);
}

std::vector<Address> Device::BlockStarts() const {
  std::lock_guard lock(internals_->usage_mutex);
  std::vector<Address> starts;
  for (const auto& [start, block] : internals_->blocks) starts.push_back(start);
  return starts;
}

const DeviceSnapshot& Device::snapshot() const { return internals_->snapshot; }
const DevicePlan& Device::plan() const { return internals_->plan; }
Queue& Device::queue() { return *internals_->queue; }
PipelineCache& Device::pipelines() { return *internals_->pipelines; }
uint64_t Device::max_block_bytes() const { return internals_->plan.memory.max_block_bytes; }

Address Device::Allocate(uint64_t bytes) {
  Internals& d = *internals_;
  if (bytes > max_block_bytes()) {
    MemoryUsage usage = Usage();
    Fail(ErrorCode::kResourceExhausted, "{} was asked for one block of {:.1f} MiB; its largest is {:.1f} MiB ({:.1f} MiB in use, {:.1f} MiB in all).",
         d.snapshot.name, MiB(bytes), MiB(max_block_bytes()), MiB(usage.in_use_bytes), MiB(usage.total_bytes));
  }
  AddressReservation reservation;
  const MemoryBlock block = d.CreateApart(bytes, &reservation);
  std::lock_guard lock(d.usage_mutex);
  d.blocks.emplace(block.address, Internals::TensorBlock{std::max<uint64_t>(bytes, 1), std::move(reservation)});
  d.usage.in_use_bytes += block.bytes;
  d.usage.peak_bytes = std::max(d.usage.peak_bytes, d.usage.in_use_bytes);
  ++d.usage.block_count;
  return block.address;
}

void Device::Free(Address start) {
  if (start == 0) return;
  Internals& d = *internals_;
  MemoryBlock block;
  {
    std::lock_guard lock(d.usage_mutex);
    if (!d.blocks.erase(start) || !d.memory->Forget(start, &block)) {
      Fail(ErrorCode::kInvalidArgument, "No block of device memory of {} starts at {:#x}.", d.snapshot.name, start);
    }
    d.usage.in_use_bytes -= block.bytes;
    --d.usage.block_count;
  }
  d.Leave(block);
  d.Reclaim(false);
}

Address Device::AllocateSmall(uint64_t bytes) {
  Internals& d = *internals_;
  d.small_pieces->Reclaim(d.queue->Completed());
  ArenaPiece piece = d.small_pieces->Allocate(bytes);
  std::lock_guard lock(d.usage_mutex);
  d.small[piece.address] = piece;
  return piece.address;
}

void Device::FreeSmall(Address start) {
  if (start == 0) return;
  Internals& d = *internals_;
  Ticket ticket = d.queue->Record();
  std::lock_guard lock(d.usage_mutex);
  auto it = d.small.find(start);
  if (it == d.small.end()) Fail(ErrorCode::kInvalidArgument, "No small piece of device memory of {} starts at {:#x}.", d.snapshot.name, start);
  d.small_pieces->Free(it->second, ticket);
  d.small.erase(it);
}

void* Device::AllocatePinned(uint64_t bytes) {
  Internals& d = *internals_;
  MemoryBlock block = d.CreateReclaiming(bytes, d.plan.memory.download, true, "pinned host memory");
  std::lock_guard lock(d.usage_mutex);
  d.pinned[reinterpret_cast<uintptr_t>(block.mapped)] = block;
  d.usage.pinned_bytes += block.bytes;
  return block.mapped;
}

void Device::FreePinned(void* memory) {
  if (!memory) return;
  Internals& d = *internals_;
  MemoryBlock block;
  {
    std::lock_guard lock(d.usage_mutex);
    auto it = d.pinned.find(reinterpret_cast<uintptr_t>(memory));
    if (it == d.pinned.end()) Fail(ErrorCode::kInvalidArgument, "{} is not the start of pinned memory of {}.", memory, d.snapshot.name);
    block = it->second;
    d.pinned.erase(it);
    d.usage.pinned_bytes -= block.bytes;
  }
  d.Leave(block);
  d.Reclaim(false);
}

Address Device::Internals::PinnedRange(const void* host, uint64_t bytes) const {
  auto at = reinterpret_cast<uintptr_t>(host);
  std::lock_guard lock(usage_mutex);
  auto it = pinned.upper_bound(at);
  if (it == pinned.begin()) return 0;
  --it;
  uint64_t offset = at - it->first;
  return offset < it->second.bytes && bytes <= it->second.bytes - offset ? it->second.address + offset : 0;
}

Address Device::PinnedAddress(const void* host) const { return internals_->PinnedRange(host, 1); }

MemoryUsage Device::Usage() const {
  Internals& d = *internals_;
  uint32_t heap = d.snapshot.memory_types.at(d.plan.memory.device).heap;
  MemoryUsage usage;
  {
    std::lock_guard lock(d.usage_mutex);
    usage = d.usage;
  }
  usage.total_bytes = d.snapshot.heaps.at(heap).bytes;
  usage.free_bytes = usage.total_bytes - std::min(usage.total_bytes, usage.in_use_bytes);
  if (d.snapshot.HasExtension("VK_EXT_memory_budget")) {
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{};
    budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
    VkPhysicalDeviceMemoryProperties2 properties{};
    properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
    properties.pNext = &budget;
    d.instance.functions().GetPhysicalDeviceMemoryProperties2(static_cast<VkPhysicalDevice>(d.instance.physical_device(d.index)), &properties);
    uint64_t left = budget.heapBudget[heap] - std::min(budget.heapBudget[heap], budget.heapUsage[heap]);
    usage.free_bytes = std::min(usage.free_bytes, left);
  }
  return usage;
}

bool Device::HoldsTensors(Address address) const {
  std::lock_guard lock(internals_->usage_mutex);
  auto block = internals_->blocks.upper_bound(address);
  if (block == internals_->blocks.begin()) return false;
  --block;
  return address - block->first < block->second.bytes;
}

std::optional<Device::Location> Device::Locate(Address address) const { return internals_->memory->Locate(address); }

}  // namespace tfvk::vulkan
