#include "plugin/statistics.h"

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace tfvk::plugin {

Statistics& statistics() {
  static auto* const instance = new Statistics;  // leaked: printed at exit
  return *instance;
}

void Statistics::CountPlacedOnCpu(const std::string& op) {
  std::lock_guard<std::mutex> lock(mutex_);
  ++placed_on_cpu_[op];
}

void Statistics::CountRunOnCpu(const std::string& op) {
  std::lock_guard<std::mutex> lock(mutex_);
  ++run_on_cpu_[op];
}

std::string Statistics::ToJson() const {
  std::lock_guard<std::mutex> lock(mutex_);
  const nlohmann::ordered_json json = {
      {"programs_compiled", programs_compiled.load()},
      {"functions_compiled", functions_compiled.load()},
      {"cache_hits", cache_hits.load()},
      {"runs", runs.load()},
      {"function_runs", function_runs.load()},
      {"launches", launches.load()},
      {"bytes_uploaded", bytes_uploaded.load()},
      {"bytes_downloaded", bytes_downloaded.load()},
      {"bytes_copied", bytes_copied.load()},
      {"bridge_seconds", static_cast<double>(bridge_microseconds.load()) * 1e-6},
      {"compile_seconds", static_cast<double>(compile_microseconds.load()) * 1e-6},
      {"ops_placed_on_cpu", placed_on_cpu_},
      {"ops_run_on_cpu", run_on_cpu_},
  };
  return json.dump();
}

void StartStatistics() {
  const char* wanted = std::getenv("TFVK_STATS");
  if (wanted == nullptr || *wanted == '\0' || *wanted == '0') return;
  std::atexit([] { std::fprintf(stderr, "tensorflow-vulkan statistics: %s\n", statistics().ToJson().c_str()); });
}

}  // namespace tfvk::plugin

// JSON, valid until the thread's next call: for Python through ctypes.
extern "C" const char* tfvk_statistics_json() {
  thread_local std::string json;
  json = tfvk::plugin::statistics().ToJson();
  return json.c_str();
}
