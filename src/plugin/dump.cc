#include "plugin/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tfvk::plugin {

Dump::Dump(const std::string& name) {
  const char* folder = std::getenv("TFVK_DUMP");
  if (folder == nullptr || *folder == '\0') return;
  static std::atomic<int> count{0};
  std::string file = name.substr(0, 80);
  std::replace_if(
      file.begin(), file.end(), [](unsigned char c) { return !std::isalnum(c) && c != '_'; }, '_');
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  prefix_ = fmt::format("{}/{:05}.{}", folder, count++, file);
}

void Dump::WriteModule(const xla::HloModule& module) const {
  if (enabled()) Write(".hlo.txt", hlo::ToText(module));
}

void Dump::WriteProgram(const Executable& executable) const {
  if (enabled()) Write(".program.txt", executable.Describe());
}

void Dump::Write(const std::string& suffix, const std::string& text) const {
  std::ofstream stream(prefix_ + suffix);
  stream << text;
  static std::atomic<bool> told{false};
  if (!stream && !told.exchange(true)) std::fprintf(stderr, "tensorflow-vulkan: TFVK_DUMP: %s%s cannot be written\n", prefix_.c_str(), suffix.c_str());
}

}  // namespace tfvk::plugin
