// A Program for people: its buffers, its steps and which kernel each launches.
#pragma once

#include <string>

#include "program/program.h"

namespace tfvk::hlo {

std::string ToText(const program::Program& program);

}  // namespace tfvk::hlo
