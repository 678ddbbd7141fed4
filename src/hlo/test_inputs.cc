#include "hlo/test_inputs.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

#include "hlo/element_numbers.h"
#include "types/error.h"

namespace tfvk::hlo {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014); the standard library's distributions differ between implementations.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  double Uniform() { return static_cast<double>(Bits() >> 11) * 0x1p-53; }
  double Normal() { return std::sqrt(-2 * std::log(1 - Uniform())) * std::cos(6.283185307179586 * Uniform()); }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }

 private:
  uint64_t state_;
};

double Draw(DType dtype, const InputKind& kind, Random& random) {
  const bool integer = IsInteger(dtype);
  switch (kind.name) {
    case InputKind::Name::kPositive:
      return integer ? random.Uniform(1, 9) : random.Uniform(0.1, 1);
    case InputKind::Name::kRange:
      return random.Uniform(kind.low, kind.high + (integer ? 1 : 0));
    default:
      return integer ? random.Uniform(IsSigned(dtype) ? -3 : 0, 9) : random.Normal();
  }
}

void StoreSpecial(DType dtype, Random& random, uint8_t* to) {
  const uint64_t choice = random.Bits() % 8;
  if (IsFloat(dtype)) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    const double largest = dtype == DType::kF16 ? 65504 : dtype == DType::kF64 ? std::numeric_limits<double>::max() : 3.3e38;
    const double values[8] = {std::nan(""), kInfinity, -kInfinity, 0.0, -0.0, 1.0, largest, -largest};
    return StoreNumber(dtype, values[choice], to);
  }
  const int bits = BitSize(dtype);
  const uint64_t top = uint64_t{1} << (bits - 1);
  const uint64_t values[8] = {0, 1, ~uint64_t{0}, top, top - 1, top + 1, ~uint64_t{1}, 2};
  std::memcpy(to, &values[choice], ByteSize(dtype));
}

std::vector<uint8_t> MakeInput(const ir::TensorType& type, const InputKind& kind, Random random) {
  const size_t size = ByteSize(type.dtype);
  std::vector<uint8_t> bytes(ElementCount(type.shape) * size);
  for (size_t at = 0; at < bytes.size(); at += size) {
    uint8_t* to = &bytes[at];
    const uint64_t bits = random.Bits();
    if (type.dtype == DType::kBool) {
      *to = bits >> 63;
    } else if (kind.name == InputKind::Name::kBits) {
      std::memcpy(to, &bits, size);
    } else if (kind.name == InputKind::Name::kSpecial && bits >> 62 == 0) {
      StoreSpecial(type.dtype, random, to);
    } else {
      StoreNumber(type.dtype, Draw(type.dtype, kind, random), to);
    }
  }
  return bytes;
}

InputKind ReadKind(std::istringstream& line, const std::string& whole) {
  std::string name;
  line >> name;
  if (name == "small") return {InputKind::Name::kSmall};
  if (name == "positive") return {InputKind::Name::kPositive};
  if (name == "bits") return {InputKind::Name::kBits};
  if (name == "special") return {InputKind::Name::kSpecial};
  InputKind range{InputKind::Name::kRange};
  if (name == "range" && line >> range.low >> range.high && range.low <= range.high) return range;
  Fail(ErrorCode::kInvalidArgument, "[HLO test file] No kind of input in \"{}\": small, positive, range LOW HIGH, bits and special are known", whole);
}

}  // namespace

TestDirectives ReadDirectives(const std::string& text) {
  TestDirectives directives;
  std::istringstream lines(text);
  for (std::string whole; std::getline(lines, whole);) {
    std::istringstream line(whole);
    std::string slashes, word, which;
    if (!(line >> slashes >> word) || slashes != "//") continue;
    if (word == "tolerance:") {
      double tolerance = 0;
      if (!(line >> tolerance)) Fail(ErrorCode::kInvalidArgument, "[HLO test file] No number in \"{}\"", whole);
      directives.tolerance = tolerance;
    } else if (word == "input") {
      line >> which;
      if (which == "*:") {
        directives.all = ReadKind(line, whole);
      } else if (which.size() > 1 && which.back() == ':' && which.find_first_not_of("0123456789") == which.size() - 1) {
        directives.one[std::stoi(which)] = ReadKind(line, whole);
      } else {
        Fail(ErrorCode::kInvalidArgument, "[HLO test file] No parameter number in \"{}\"", whole);
      }
    }
  }
  return directives;
}

std::vector<std::vector<uint8_t>> MakeInputs(const std::vector<ir::TensorType>& parameters, const TestDirectives& directives, uint64_t seed) {
  std::vector<std::vector<uint8_t>> inputs;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto own = directives.one.find(static_cast<int>(i));
    inputs.push_back(MakeInput(parameters[i], own == directives.one.end() ? directives.all : own->second, Random(seed * 1000003 + i)));
  }
  return inputs;
}

}  // namespace tfvk::hlo
