#include "vulkan/command_buffers.h"

#include <algorithm>

namespace tfvk::vulkan {
namespace {

constexpr uint32_t kTimestamps = 512;  // of a command buffer of the queue

constexpr VkPipelineStageFlags kWork = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;

}  // namespace

// ---- Timestamps ----

TimestampPool::TimestampPool(Device::Internals& device, uint32_t capacity) : d_(device), capacity_(capacity) {
  VkQueryPoolCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
  info.queryType = VK_QUERY_TYPE_TIMESTAMP;
  info.queryCount = capacity;
  Check(d_.f.CreateQueryPool(d_.device, &info, nullptr, &pool_), "vkCreateQueryPool");
}

TimestampPool::~TimestampPool() { d_.f.DestroyQueryPool(d_.device, pool_, nullptr); }

void TimestampPool::Begin(VkCommandBuffer commands) {
  names_.clear();
  d_.f.CmdResetQueryPool(commands, pool_, 0, capacity_);
  d_.f.CmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool_, 0);
}

void TimestampPool::After(VkCommandBuffer commands, std::string name) {
  names_.push_back(std::move(name));
  d_.f.CmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool_, static_cast<uint32_t>(names_.size()));
}

void TimestampPool::Read(std::vector<LaunchTiming>* timings) const {
  if (names_.empty()) return;
  std::vector<uint64_t> ticks(names_.size() + 1);
  VkResult result = d_.f.GetQueryPoolResults(d_.device, pool_, 0, static_cast<uint32_t>(ticks.size()), ticks.size() * sizeof(uint64_t), ticks.data(),
                                             sizeof(uint64_t), VK_QUERY_RESULT_64_BIT);
  if (result != VK_SUCCESS) return;  // timings are never worth a failure
  uint32_t bits = d_.snapshot.queue_families[d_.plan.queue_family].timestamp_bits;
  uint64_t mask = bits >= 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  auto ns = [&](uint64_t t) { return static_cast<uint64_t>(static_cast<double>(t & mask) * d_.snapshot.limits.timestamp_period_ns); };
  for (size_t i = 0; i < names_.size(); ++i) timings->push_back({names_[i], ns(ticks[i]), ns((ticks[i + 1] - ticks[i]) & mask)});
}

// ---- Command buffers ----

CommandBuffer MakeCommandBuffer(Device::Internals& d) {
  CommandBuffer buffer;
  VkCommandPoolCreateInfo pool{};
  pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  pool.queueFamilyIndex = d.plan.queue_family;
  Check(d.f.CreateCommandPool(d.device, &pool, nullptr, &buffer.pool), "vkCreateCommandPool");
  VkCommandBufferAllocateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  info.commandPool = buffer.pool;
  info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  info.commandBufferCount = 1;
  Check(d.f.AllocateCommandBuffers(d.device, &info, &buffer.commands), "vkAllocateCommandBuffers");
  return buffer;
}

void DestroyCommandBuffer(Device::Internals& d, CommandBuffer& buffer) {
  buffer.timestamps.reset();
  if (buffer.pool) d.f.DestroyCommandPool(d.device, buffer.pool, nullptr);
  buffer.pool = VK_NULL_HANDLE;
}

void BeginCommandBuffer(Device::Internals& d, VkCommandBuffer commands, bool once) {
  VkCommandBufferBeginInfo begin{};
  begin.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  begin.flags = once ? VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT : 0;
  Check(d.f.BeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
}

void RecordBarrier(const DeviceFunctions& f, VkCommandBuffer commands) {
  VkMemoryBarrier barrier{};
  barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  f.CmdPipelineBarrier(commands, kWork, kWork, 0, 1, &barrier, 0, nullptr, 0, nullptr);
}

void RecordHostBarrier(const DeviceFunctions& f, VkCommandBuffer commands) {
  VkMemoryBarrier barrier{};
  barrier.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  barrier.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
  f.CmdPipelineBarrier(commands, kWork, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, nullptr, 0, nullptr);
}

std::array<uint32_t, 2> FoldWorkgroups(const DevicePlan& plan, uint64_t workgroups) {
  uint64_t most_x = plan.max_workgroups[0], most_y = plan.max_workgroups[1];
  uint64_t y = (workgroups + most_x - 1) / most_x;
  if (y > most_y) Fail(ErrorCode::kUnimplemented, "A launch of {} workgroups is more than the device takes ({} x {}).", workgroups, most_x, most_y);
  uint64_t x = (workgroups + y - 1) / y;  // rows of nearly one length: few workgroups too many
  return {static_cast<uint32_t>(x), static_cast<uint32_t>(y)};
}

CommandBufferPool::~CommandBufferPool() {
  for (auto& b : used_) DestroyCommandBuffer(d_, *b);
  for (auto& b : idle_) DestroyCommandBuffer(d_, *b);
}

std::unique_ptr<CommandBuffer> CommandBufferPool::Take(bool timed) {
  std::unique_ptr<CommandBuffer> buffer;
  if (idle_.empty()) {
    buffer = std::make_unique<CommandBuffer>(MakeCommandBuffer(d_));
  } else {
    buffer = std::move(idle_.back());
    idle_.pop_back();
    Check(d_.f.ResetCommandPool(d_.device, buffer->pool, 0), "vkResetCommandPool");
  }
  BeginCommandBuffer(d_, buffer->commands, true);
  if (timed && !buffer->timestamps) buffer->timestamps = std::make_unique<TimestampPool>(d_, kTimestamps);
  if (!timed) buffer->timestamps.reset();
  if (timed) buffer->timestamps->Begin(buffer->commands);
  return buffer;
}

void CommandBufferPool::Retire(Ticket done, std::vector<LaunchTiming>* timings) {
  while (!used_.empty() && used_.front()->ticket <= done) {
    if (used_.front()->timestamps) used_.front()->timestamps->Read(timings);
    idle_.push_back(std::move(used_.front()));
    used_.pop_front();
  }
}

}  // namespace tfvk::vulkan
