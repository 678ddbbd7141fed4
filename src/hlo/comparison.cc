#include "hlo/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "hlo/element_numbers.h"
#include "types/error.h"

namespace tfvk::hlo {
namespace {

double RootMeanSquare(DType dtype, const std::vector<uint8_t>& bytes) {
  double sum = 0;
  int64_t count = 0;
  for (size_t at = 0; at < bytes.size(); at += ByteSize(dtype)) {
    const double value = LoadNumber(dtype, &bytes[at]);
    if (!std::isfinite(value) || std::abs(value) > 1e30) continue;
    sum += value * value;
    ++count;
  }
  return count == 0 ? 0 : std::sqrt(sum / count);
}

void VisitNodes(const ir::Graph& graph, double& tolerance) {
  for (const auto& node : graph.nodes()) {
    for (const ir::TensorType& type : node->results) tolerance = std::max(tolerance, ToleranceOf(type.dtype));
    for (const auto& region : node->regions) VisitNodes(*region, tolerance);
  }
}

}  // namespace

std::string Difference::ToText() const {
  std::string text = fmt::format("max abs {:.3g}, root mean square {:.3g}, max rel {:.3g}", max_absolute, rms, max_relative);
  if (mismatches != 0)
    text += fmt::format(", {} of {} elements differ, first at {}: expected {:.9g}, got {:.9g}", mismatches, elements, first, expected, actual);
  return text;
}

Difference Compare(const ir::TensorType& type, const std::vector<uint8_t>& expected, const std::vector<uint8_t>& actual, double tolerance, double floor,
                   const std::vector<double>& slack) {
  const size_t size = ByteSize(type.dtype);
  Difference result;
  result.elements = ElementCount(type.shape);
  if (expected.size() != result.elements * size || actual.size() != expected.size()) {
    Fail(ErrorCode::kInvalidArgument, "[Compare] {} elements of {} are {} bytes, but {} were expected and {} came", result.elements, Name(type.dtype),
         result.elements * size, expected.size(), actual.size());
  }
  double squares = 0;
  const double scale = IsFloat(type.dtype) ? std::max(RootMeanSquare(type.dtype, expected) / 4, floor) : 0;
  for (int64_t i = 0; i < result.elements; ++i) {
    const uint8_t *e = &expected[i * size], *a = &actual[i * size];
    if (std::memcmp(e, a, size) == 0) continue;
    const double want = LoadNumber(type.dtype, e), got = LoadNumber(type.dtype, a), error = std::abs(got - want);
    bool matches = false;
    if (IsFloat(type.dtype)) {
      matches = (std::isnan(want) && std::isnan(got)) || want == got || (std::isfinite(want) && error <= tolerance * (std::abs(want) + scale));
    }
    if (!slack.empty()) matches = matches || std::isinf(slack[i]) || error <= slack[i];
    if (std::isfinite(error)) {
      result.max_absolute = std::max(result.max_absolute, error);
      if (want != 0) result.max_relative = std::max(result.max_relative, error / std::abs(want));
      squares += error * error;
    } else if (!matches) {
      ++result.not_finite;
    }
    if (matches) continue;
    if (result.mismatches++ == 0) {
      result.first = i;
      result.expected = want;
      result.actual = got;
    }
  }
  if (result.elements != 0) result.rms = std::sqrt(squares / static_cast<double>(result.elements));
  return result;
}

double ToleranceOf(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return 3e-2;
    case DType::kF16:
      return 4e-3;
    case DType::kF32:
      return 1e-4;
    default:
      return IsFloat(dtype) ? 1e-10 : 0;
  }
}

double ToleranceOf(const ir::Graph& graph) {
  double tolerance = 0;
  VisitNodes(graph, tolerance);
  return tolerance;
}

}  // namespace tfvk::hlo
