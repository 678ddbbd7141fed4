#include "kernels/random.h"

#include <algorithm>

#include "types/error.h"

namespace tfvk::kernels {

using spirv::Value;

std::array<Value, 4> Philox4x32(Emitter& e, std::array<Value, 4> counter, std::array<Value, 2> key) {
  auto& b = e.b();
  constexpr uint32_t kMultiplier[2] = {0xD2511F53, 0xCD9E8D57}, kWeyl[2] = {0x9E3779B9, 0xBB67AE85};
  for (int round = 0; round < 10; ++round) {
    const auto [low0, high0] = b.MulExtended(counter[0], b.U32(kMultiplier[0]));
    const auto [low1, high1] = b.MulExtended(counter[2], b.U32(kMultiplier[1]));
    counter = {high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0};
    for (int i = 0; i < 2; ++i) key[i] = key[i] + kWeyl[i];
  }
  return counter;
}

std::array<Value, 2> Threefry2x32(Emitter& e, std::array<Value, 2> counter, std::array<Value, 2> key) {
  auto& b = e.b();
  constexpr uint32_t kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const Value schedule[3] = {key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA};
  Value x = counter[0] + key[0], y = counter[1] + key[1];
  for (uint32_t group = 0; group < 5; ++group) {
    for (uint32_t rotation : kRotations[group % 2]) {
      x = x + y;
      y = x ^ ((y << b.U32(rotation)) | (y >> b.U32(32 - rotation)));
    }
    x = x + schedule[(group + 1) % 3];
    y = y + schedule[(group + 2) % 3] + (group + 1);
  }
  return {x, y};
}

namespace {

constexpr uint32_t kThreads = 128;

std::array<Value, 2> Halves(Emitter& e, Value u64) { return {e.b().Convert(u64, DType::kU32), e.b().Convert(u64 >> e.b().U64(32), DType::kU32)}; }

// A number of 128 bits as two u64, the low one first, plus a u64.
std::array<Value, 2> Add(Emitter& e, const std::array<Value, 2>& number, Value u64) {
  const Value low = number[0] + u64;
  return {low, e.b().Select(low < number[0], number[1] + 1, number[1])};
}

class RandomBits {
 public:
  RandomBits(const RandomBitsSpec& spec, const DeviceLimits& limits) : spec_(spec), limits_(limits) {
    const int64_t words = spec.state.shape.size() == 1 ? spec.state.shape[0].value : 0;
    Require(words == 2 || (words == 3 && philox()), "[{}] a state of {} words", spec.name, words);
    Require(IsStatic(spec.shape), "[{}] random bits of a run-time shape", spec.name);
    wide_ = spec.dtype == DType::kU64;
    count_ = ElementCount(spec.shape);
    if (!philox() && !wide_) SplitShape();
    blocks_ = philox() ? (count_ * (wide_ ? 2 : 1) + 3) / 4 : wide_ ? count_ : ElementCount(half_shape_);
  }

  Kernel Make() const {
    Emitter e({spec_.name, {kThreads, 1, 1}}, limits_);
    auto& b = e.b();
    const Value block = b.GlobalLinearId();
    b.If(block == 0, [&] { WriteState(e); });
    b.If(block < blocks_, [&] { philox() ? WritePhilox(e, block) : WriteThreefry(e, block); });
    // At least one workgroup, for the state.
    return e.Finish({{std::max<int64_t>(blocks_, 1)}, kThreads, 1, {}});
  }

 private:
  bool philox() const { return spec_.algorithm == RandomBitsSpec::Algorithm::kPhilox; }
  Value State(Emitter& e, uint32_t word) const { return e.ReadLinear(spec_.state, e.b().U32(word)); }

  // Threefry makes two words at a time. XLA gives them to neighbours along the first dimension of even size, or else along the longest one (rounded up).
  void SplitShape() {
    half_shape_ = spec_.shape;
    if (half_shape_.empty()) return;
    const auto even = std::find_if(half_shape_.begin(), half_shape_.end(), [](const Size& s) { return s.value % 2 == 0; });
    const auto longest = std::max_element(half_shape_.begin(), half_shape_.end(), [](const Size& a, const Size& b) { return a.value < b.value; });
    split_ = (even != half_shape_.end() ? even : longest) - half_shape_.begin();
    half_shape_[split_] = (half_shape_[split_].value + 1) / 2;
  }

  // A state of two words has no room for the counter's high half: XLA takes the key for it.
  std::array<Value, 2> PhiloxCounter(Emitter& e) const {
    const bool full = spec_.state.shape[0] == Size(3);
    return {State(e, 1), full ? State(e, 2) : State(e, 0)};
  }

  void WriteState(Emitter& e) const {
    const Tensor result{Tensor::Role::kResult, 0, DType::kU64, spec_.state.shape};
    const auto next = philox() ? Add(e, PhiloxCounter(e), e.b().U64(static_cast<uint64_t>(blocks_)))
                               : std::array<Value, 2>{State(e, 1) + e.b().U64(static_cast<uint64_t>(blocks_)), Value()};
    e.WriteLinear(result, e.b().U32(0), State(e, 0));
    e.WriteLinear(result, e.b().U32(1), next[0]);
    if (spec_.state.shape[0] == Size(3)) e.WriteLinear(result, e.b().U32(2), next[1]);
  }

  // Bits from 32-bit words, of which narrow dtypes keep the low end.
  void Write(Emitter& e, Value linear, Value bits) const {
    if (spec_.dtype == DType::kU8) bits = bits & 0xff;
    if (spec_.dtype == DType::kU16) bits = bits & 0xffff;
    e.WriteLinear({Tensor::Role::kResult, 1, spec_.dtype, spec_.shape}, linear, bits);
  }
  static Value Join(Emitter& e, Value low, Value high) {
    auto& b = e.b();
    return b.Convert(low, DType::kU64) | (b.Convert(high, DType::kU64) << b.U64(32));
  }

  void WritePhilox(Emitter& e, Value block) const {
    auto& b = e.b();
    const auto counter = Add(e, PhiloxCounter(e), b.Convert(block, DType::kU64));
    const auto low = Halves(e, counter[0]), high = Halves(e, counter[1]);
    const auto words = Philox4x32(e, {low[0], low[1], high[0], high[1]}, Halves(e, State(e, 0)));
    const int in_block = wide_ ? 2 : 4;
    for (int i = 0; i < in_block; ++i) {
      const Value linear = block * in_block + i;
      const Value inside = count_ % in_block == 0 ? b.Bool(true) : linear < count_;
      b.If(inside, [&] { Write(e, linear, wide_ ? Join(e, words[2 * i], words[2 * i + 1]) : words[i]); });
    }
  }

  void WriteThreefry(Emitter& e, Value block) const {
    auto& b = e.b();
    const auto words = Threefry2x32(e, Halves(e, State(e, 1) + b.Convert(block, DType::kU64)), Halves(e, State(e, 0)));
    if (wide_ || spec_.shape.empty()) return Write(e, block, wide_ ? Join(e, words[0], words[1]) : words[0]);
    Index index = e.Delinearize(half_shape_, block);
    const Value first = index[split_] * 2;
    for (int i = 0; i < 2; ++i) {
      index[split_] = first + i;
      const Value inside = spec_.shape[split_].value % 2 == 0 ? b.Bool(true) : index[split_] < spec_.shape[split_].value;
      b.If(inside, [&] { Write(e, e.Linearize(spec_.shape, index), words[i]); });
    }
  }

  const RandomBitsSpec& spec_;
  const DeviceLimits& limits_;
  bool wide_ = false;
  int64_t count_ = 0, blocks_ = 0;  // a block: one application of the cipher
  Shape half_shape_;
  int64_t split_ = 0;
};

}  // namespace

KernelSequence MakeRandomBits(const RandomBitsSpec& spec, const DeviceLimits& limits) {
  if (!IsUnsigned(spec.dtype)) Fail(ErrorCode::kUnimplemented, "[{}] random bits of dtype {}", spec.name, Name(spec.dtype));
  KernelSequence sequence;
  sequence.kernels.push_back(RandomBits(spec, limits).Make());
  return sequence;
}

}  // namespace tfvk::kernels
