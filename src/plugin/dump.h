// TFVK_DUMP=DIR writes every compilation to DIR: NUMBER.NAME.hlo.txt as tf2xla made it, NUMBER.NAME.program.txt what became of it.
#pragma once

#include <string>

#include "plugin/backend.h"

namespace tfvk::plugin {

// One compilation's files. Does nothing when TFVK_DUMP is not set; a folder that cannot be written is reported once and otherwise ignored.
class Dump {
 public:
  explicit Dump(const std::string& name);
  bool enabled() const { return !prefix_.empty(); }
  void WriteModule(const xla::HloModule& module) const;
  void WriteProgram(const Executable& executable) const;

 private:
  void Write(const std::string& suffix, const std::string& text) const;
  std::string prefix_;
};

}  // namespace tfvk::plugin
