// What the plugin did in this process: TFVK_STATS=1 prints it at exit, tfvk_statistics_json() gives it to Python.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace tfvk::plugin {

class Statistics {
 public:
  std::atomic<uint64_t> programs_compiled{0};   // of functions and of single ops
  std::atomic<uint64_t> functions_compiled{0};  // of these the functions'
  std::atomic<uint64_t> cache_hits{0};
  std::atomic<uint64_t> runs{0};           // of compiled programs
  std::atomic<uint64_t> function_runs{0};  // of these the functions'
  std::atomic<uint64_t> launches{0};       // of kernels in all runs
  std::atomic<uint64_t> bytes_uploaded{0}, bytes_downloaded{0}, bytes_copied{0};
  std::atomic<uint64_t> bridge_microseconds{0};   // TensorFlow to HLO
  std::atomic<uint64_t> compile_microseconds{0};  // HLO to a program of the device

  // An op that has no kernel here and that TensorFlow placed on the CPU, in a function that also uses the device.
  void CountPlacedOnCpu(const std::string& op);
  // An op whose kernel here copied its tensors to the host and ran TensorFlow's CPU kernel.
  void CountRunOnCpu(const std::string& op);

  std::string ToJson() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> placed_on_cpu_, run_on_cpu_;
};

// The process's statistics.
Statistics& statistics();

// Prints the statistics at exit when TFVK_STATS is set.
void StartStatistics();

}  // namespace tfvk::plugin
