#include "vulkan/host_copy.h"

#include <algorithm>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

namespace tfvk::vulkan {
namespace {

constexpr uint64_t kPerThread = 1 << 20;  // below this a thread costs more to start than it saves
constexpr uint64_t kMostThreads = 6;      // more do not add bandwidth
constexpr uint64_t kPage = 4096;

}  // namespace

void CopyOnHost(void* destination, const void* source, uint64_t bytes) {
  const uint64_t cores = std::max(1u, std::thread::hardware_concurrency());
  const uint64_t threads = std::min({bytes / kPerThread, kMostThreads, std::max<uint64_t>(1, cores / 2)});
  if (threads <= 1) {
    std::memcpy(destination, source, bytes);
    return;
  }
  const uint64_t part = (bytes / threads + kPage - 1) / kPage * kPage;
  auto copy = [=](uint64_t begin) {
    std::memcpy(static_cast<uint8_t*>(destination) + begin, static_cast<const uint8_t*>(source) + begin, std::min(part, bytes - begin));
  };
  std::vector<std::thread> others;
  others.reserve(threads);  // nothing but starting a thread may fail below
  uint64_t begin = part;
  try {
    for (; begin < bytes; begin += part) others.emplace_back(copy, begin);
  } catch (const std::system_error&) {  // no more threads: this one does the rest
    for (; begin < bytes; begin += part) copy(begin);
  }
  copy(0);
  for (std::thread& thread : others) thread.join();
}

}  // namespace tfvk::vulkan
