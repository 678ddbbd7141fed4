// Copies between host memory, by several threads where that is faster: one thread reaches a fraction of the bandwidth of the memory or of the bus behind it.
#pragma once

#include <cstdint>

namespace tfvk::vulkan {

// As memcpy; returns when all bytes are copied.
void CopyOnHost(void* destination, const void* source, uint64_t bytes);

}  // namespace tfvk::vulkan
