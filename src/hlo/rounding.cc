#include "hlo/rounding.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "hlo/element_numbers.h"

namespace tfvk::hlo {
namespace {

double UnitRoundoffOf(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return 0x1p-8;
    case DType::kF16:
      return 0x1p-11;
    case DType::kF32:
      return 0x1p-24;
    default:
      return IsFloat(dtype) ? 0x1p-53 : 0;
  }
}

}  // namespace

double UnitRoundoff(const ir::Graph& graph) {
  double unit = 0;
  for (const auto& node : graph.nodes()) {
    for (const ir::TensorType& type : node->results) unit = std::max(unit, UnitRoundoffOf(type.dtype));
    for (const auto& region : node->regions) unit = std::max(unit, UnitRoundoff(*region));
  }
  return unit;
}

std::vector<std::vector<uint8_t>> Perturb(const std::vector<ir::TensorType>& types, std::vector<std::vector<uint8_t>> inputs, double unit, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const DType dtype = types[i].dtype;
    if (!IsFloat(dtype)) continue;
    const double range = std::max(unit, 2 * UnitRoundoffOf(dtype));  // what moves by less is rounded back
    for (size_t at = 0; at < inputs[i].size(); at += ByteSize(dtype)) {
      const double u = (static_cast<double>(random() >> 11) * 0x1p-52 - 1) * range;
      StoreNumber(dtype, LoadNumber(dtype, &inputs[i][at]) * (1 + u), &inputs[i][at]);
    }
  }
  return inputs;
}

std::set<size_t> ParametersReadAsBits(const ir::Graph& graph) {
  std::set<size_t> numbers;
  for (size_t i = 0; i < graph.parameters().size(); ++i) {
    for (const auto& node : graph.nodes()) {
      if (node->op == ir::Op::kBitcastConvert && node->operands[0].node == graph.parameters()[i]) numbers.insert(i);
    }
  }
  return numbers;
}

void Movement::Add(const Difference& difference) {
  largest_.max_absolute = std::max(largest_.max_absolute, difference.max_absolute);
  largest_.rms = std::max(largest_.rms, difference.rms);
  largest_.not_finite = std::max(largest_.not_finite, difference.not_finite);
}

bool Movement::Covers(const Difference& difference) const {
  return difference.max_absolute <= kFactor * largest_.max_absolute && difference.rms <= kFactor * largest_.rms &&
         difference.not_finite <= kFactor * largest_.not_finite;
}

std::string Movement::ToText() const {
  return fmt::format("rounding moves it by up to {:.3g}, root mean square {:.3g}, {} elements infinite or NaN", largest_.max_absolute, largest_.rms,
                     largest_.not_finite);
}

void Widen(std::vector<double>& slack, const ir::TensorType& type, const std::vector<uint8_t>& expected, const std::vector<uint8_t>& moved) {
  const size_t size = ByteSize(type.dtype);
  slack.resize(expected.size() / size);
  for (size_t i = 0; i < slack.size(); ++i) {
    const double from = LoadNumber(type.dtype, &expected[i * size]), to = LoadNumber(type.dtype, &moved[i * size]);
    if (from == to || (std::isnan(from) && std::isnan(to))) continue;
    const bool both = std::isfinite(from) && std::isfinite(to);
    slack[i] = std::max(slack[i], both ? Movement::kFactor * std::abs(to - from) : std::numeric_limits<double>::infinity());
  }
}

}  // namespace tfvk::hlo
