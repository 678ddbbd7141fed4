#include "kernels/emitter.h"

#include <algorithm>

#include "types/error.h"

namespace tfvk::kernels {

using spirv::Builder;
using spirv::Id;
using spirv::Pointer;
using spirv::Value;

DType ComputeType(DType t) {
  switch (t) {
    case DType::kF16:
    case DType::kBF16:
      return DType::kF32;
    case DType::kS8:
    case DType::kS16:
      return DType::kS32;
    case DType::kU8:
    case DType::kU16:
      return DType::kU32;
    default:
      return t;
  }
}

struct Emitter::Consecutive {
  // An index made from a linear one, so that linearizing it again costs nothing.
  struct KnownIndex {
    Shape shape;
    std::vector<Id> ids;
    Value linear;
  };
  // A vector load that serves several consecutive reads.
  struct VectorLoad {
    Tensor::Role role;
    int index;
    DType dtype;
    std::vector<Id> row;  // the ids of the outer dimensions' indices; empty for the whole linear range
    Shape shape;
    std::vector<Value> elements;
  };
  std::vector<KnownIndex> known_indices;
  // The ids of the elements' linear indices, of their last dimension's, and of the outer dimensions'; the block they start in.
  std::vector<Id> linear, last, outer;
  Value first_linear, first_last;
  Id block = 0;
  std::vector<VectorLoad> loads;
};

namespace {

spirv::BuilderOptions WithFloatControls(spirv::BuilderOptions options, const DeviceLimits& limits) {
  options.preserve_nan_inf_f32 |= limits.preserve_nan_inf_f32;
  options.round_to_even_f16 |= limits.round_to_even_f16;
  options.preserve_denormals_f16 |= limits.preserve_denormals_f16;
  // Not on Intel's GPUs, where the conversions cost registers that products' epilogues do not have.
  const bool has_registers = limits.vendor != DeviceLimits::Vendor::kIntel;
  options.exact_f16_conversion |= limits.float16 && limits.round_to_even_f16 && limits.preserve_denormals_f16 && limits.preserve_nan_inf_f16 && has_registers;
  return options;
}

bool NeedsWideIndex(const Shape& shape) { return IsStatic(shape) && ElementCount(shape) > int64_t{0xffffffff}; }

std::vector<Id> IdsOf(const Index& index) {
  std::vector<Id> ids;
  ids.reserve(index.size());
  for (const Value& v : index) ids.push_back(v.id());
  return ids;
}

}  // namespace

Emitter::Emitter(spirv::BuilderOptions options, const DeviceLimits& limits)
    : b_(WithFloatControls(std::move(options), limits)), limits_(limits), at_(std::make_shared<Consecutive>()) {}

Value Emitter::ArgumentFor(KernelArgument::Kind kind, int index) {
  for (size_t k = 0; k < arguments_.size(); ++k) {
    if (arguments_[k].kind == kind && arguments_[k].index == index) {
      return kind == KernelArgument::Kind::kSize ? b_.SizeArgument(static_cast<uint32_t>(k)) : b_.Argument(static_cast<uint32_t>(k));
    }
  }
  arguments_.push_back({kind, index});
  auto k = static_cast<uint32_t>(arguments_.size() - 1);
  return kind == KernelArgument::Kind::kSize ? b_.SizeArgument(k) : b_.Argument(k);
}

void Emitter::CheckDType(DType dtype) const {
  if (!limits_.int64) Fail(ErrorCode::kUnimplemented, "[Kernel] this device has no 64-bit integers, which addresses need.");
  if (BitSize(dtype) == 8 && !limits_.storage_8bit) {
    Fail(ErrorCode::kUnimplemented, "[Kernel] this device cannot load and store 8-bit elements, which {} needs.", Name(dtype));
  }
  if (BitSize(dtype) == 16 && !limits_.storage_16bit) {
    Fail(ErrorCode::kUnimplemented, "[Kernel] this device cannot load and store 16-bit elements, which {} needs.", Name(dtype));
  }
  if (dtype == DType::kF64 && !limits_.float64) Fail(ErrorCode::kUnimplemented, "[Kernel] f64 arithmetic is missing on this device.");
}

// ---- Sizes and indices ----

Value Emitter::SizeOf(const Size& size) {
  if (!size.is_static()) return ArgumentFor(KernelArgument::Kind::kSize, size.symbol);
  if (size.value > int64_t{0xffffffff}) return b_.U64(static_cast<uint64_t>(size.value));
  return b_.U32(static_cast<uint32_t>(size.value));
}

Value Emitter::CountOf(const Shape& shape) {
  if (NeedsWideIndex(shape)) return b_.U64(static_cast<uint64_t>(ElementCount(shape)));
  Value count = b_.U32(1);
  for (const Size& size : shape) count = count * SizeOf(size);
  return count;
}

Value Emitter::Linearize(const Shape& shape, const Index& index) {
  Require(shape.size() == index.size(), "[Kernel] an index of {} dimensions into a shape of {}.", index.size(), shape.size());
  if (!at_->known_indices.empty()) {
    std::vector<Id> ids = IdsOf(index);
    for (auto known = at_->known_indices.rbegin(); known != at_->known_indices.rend(); ++known) {
      if (known->ids == ids && known->shape == shape) return known->linear;
    }
  }
  DType wide = NeedsWideIndex(shape) ? DType::kU64 : DType::kU32;
  Value linear = b_.Constant(wide, int64_t{0});
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == Size(1)) continue;
    linear = linear * b_.Convert(SizeOf(shape[d]), wide) + b_.Convert(index[d], wide);
  }
  return linear;
}

Index Emitter::Delinearize(const Shape& shape, Value linear) {
  Index index(shape.size());
  Value rest = linear;
  size_t first = 0;
  while (first < shape.size() && shape[first] == Size(1)) ++first;
  for (size_t d = shape.size(); d-- > 0;) {
    DType dtype = shape[d].is_static() && shape[d].value > int64_t{0xffffffff} ? DType::kU64 : DType::kU32;
    if (shape[d] == Size(1)) {
      index[d] = b_.U32(0);
    } else if (d == first) {
      index[d] = b_.Convert(rest, dtype);
    } else {
      Value size = b_.Convert(SizeOf(shape[d]), rest.dtype());
      Value quotient = rest / size;
      index[d] = b_.Convert(rest - quotient * size, dtype);
      rest = quotient;
    }
  }
  // An index of constants alone could be met where `linear` is out of reach.
  bool varies = std::any_of(index.begin(), index.end(), [](const Value& v) { return !v.constant(); });
  if (!linear.constant() && varies) at_->known_indices.push_back({shape, IdsOf(index), linear});
  return index;
}

int Emitter::LaneOf(const std::vector<Id>& ids, Value v) {
  for (size_t k = 0; k < ids.size(); ++k) {
    if (ids[k] == v.id()) return static_cast<int>(k);
  }
  return -1;
}

void Emitter::ForgetConsecutive() {
  at_ = std::make_shared<Consecutive>();
  at_->block = b_.CurrentBlock();
}

std::shared_ptr<const Emitter::Consecutive> Emitter::Announced() const { return at_; }

void Emitter::GoOnWith(const Consecutive& consecutive) {
  at_ = std::make_shared<Consecutive>(consecutive);
  at_->block = b_.CurrentBlock();
}

std::vector<Index> Emitter::RowLanes(const Shape& shape, const Index& first, Value linear, int count) {
  std::vector<Index> lanes(static_cast<size_t>(count), first);
  for (int k = 0; k < count; ++k) {
    Value here = k == 0 ? linear : linear + k;
    at_->linear.push_back(here.id());
    if (k > 0) lanes[static_cast<size_t>(k)].back() = first.back() + k;
    at_->known_indices.push_back({shape, IdsOf(lanes[static_cast<size_t>(k)]), here});
  }
  at_->first_linear = linear;
  at_->first_last = first.back();
  for (const Index& lane : lanes) at_->last.push_back(lane.back().id());
  at_->outer = IdsOf(first);
  at_->outer.pop_back();
  return lanes;
}

std::vector<Index> Emitter::BeginConsecutive(const Shape& shape, Value linear, int count) {
  ForgetConsecutive();
  Index first = Delinearize(shape, linear);
  if (count == 1) return {first};
  if (!shape.empty() && shape.back().is_static() && shape.back().value % count == 0) return RowLanes(shape, first, linear, count);
  std::vector<Index> lanes = {first};
  at_->first_linear = linear;
  at_->linear.push_back(linear.id());
  for (int k = 1; k < count; ++k) {
    Value here = linear + k;
    at_->linear.push_back(here.id());
    lanes.push_back(Delinearize(shape, here));
  }
  return lanes;
}

std::vector<Index> Emitter::BeginConsecutive(const Shape& shape, const Index& first, int count) {
  ForgetConsecutive();
  if (count == 1) return {first};
  Value linear = Linearize(shape, first);
  return RowLanes(shape, first, linear, count);
}

// ---- Reads ----

Value Emitter::LoadElement(const Tensor& tensor, Value linear) {
  CheckDType(tensor.dtype);
  Pointer p = Address(tensor);
  p.dtype = tensor.dtype;
  return b_.Convert(b_.Load(p, linear), ComputeType(tensor.dtype));
}

Value Emitter::ReadLinear(const Tensor& tensor, Value linear) {
  int lane = LaneOf(at_->linear, linear);
  if (lane < 0) return LoadElement(tensor, linear);
  for (const Consecutive::VectorLoad& load : at_->loads) {
    if (load.role == tensor.role && load.index == tensor.index && load.dtype == tensor.dtype && load.shape.empty()) {
      return load.elements[static_cast<size_t>(lane)];
    }
  }
  // A load in a branch would be unknown to the others.
  if (b_.CurrentBlock() != at_->block) return LoadElement(tensor, linear);
  auto elements = ReadConsecutive(tensor, at_->first_linear, static_cast<int>(at_->linear.size()));
  at_->loads.push_back({tensor.role, tensor.index, tensor.dtype, {}, {}, elements});
  return elements[static_cast<size_t>(lane)];
}

// A read whose last index runs over the consecutive elements while the others stand still, in a tensor whose rows hold whole vectors.
std::optional<Value> Emitter::ReadFromRow(const Tensor& tensor, const Index& index) {
  if (at_->last.empty() || index.empty()) return std::nullopt;
  auto count = static_cast<int64_t>(at_->last.size());
  int lane = LaneOf(at_->last, index.back());
  if (lane < 0 || !tensor.shape.back().is_static() || tensor.shape.back().value % count != 0) return std::nullopt;
  std::vector<Id> row = IdsOf(index);
  row.pop_back();
  for (size_t d = 0; d < row.size(); ++d) {
    if (!index[d].constant() && LaneOf(at_->outer, index[d]) < 0) return std::nullopt;
  }
  for (const Consecutive::VectorLoad& load : at_->loads) {
    if (load.role == tensor.role && load.index == tensor.index && load.dtype == tensor.dtype && load.row == row && load.shape == tensor.shape) {
      return load.elements[static_cast<size_t>(lane)];
    }
  }
  if (b_.CurrentBlock() != at_->block) return std::nullopt;
  Index start = index;
  start.back() = at_->first_last;
  auto elements = ReadConsecutive(tensor, Linearize(tensor.shape, start), static_cast<int>(count));
  at_->loads.push_back({tensor.role, tensor.index, tensor.dtype, row, tensor.shape, elements});
  return elements[static_cast<size_t>(lane)];
}

Value Emitter::Read(const Tensor& tensor, const Index& index) {
  Value linear = Linearize(tensor.shape, index);
  if (LaneOf(at_->linear, linear) < 0) {
    if (auto element = ReadFromRow(tensor, index)) return *element;
  }
  return ReadLinear(tensor, linear);
}

namespace {

// The 1- or 2-byte element `k` of little-endian words, in its compute type.
Value Unpack(Builder& b, DType dtype, const std::vector<Value>& words, int k) {
  int bits = BitSize(dtype), per_word = 32 / bits, shift = k % per_word * bits;
  Value word = words[static_cast<size_t>(k / per_word)];
  int64_t mask = (int64_t{1} << bits) - 1;
  switch (dtype) {
    case DType::kBF16:
      return b.Bitcast(shift ? word & int64_t{0xffff0000} : word << 16, DType::kF32);
    case DType::kS8:
    case DType::kS16:
      return b.Bitcast(word << (32 - bits - shift), DType::kS32) >> b.S32(32 - bits);
    case DType::kBool:
      return ((word >> shift) & mask) != 0;
    default:
      return (word >> shift) & mask;
  }
}

// The bits of a 1- or 2-byte element as u32.
Value BitsOf(Builder& b, DType dtype, Value element) {
  if (dtype == DType::kBF16) return b.Convert(b.Bitcast(b.Convert(element, DType::kBF16), DType::kU16), DType::kU32);
  if (dtype == DType::kBool) return b.Convert(element, DType::kU32);
  return b.Convert(element, DType::kU32) & ((int64_t{1} << BitSize(dtype)) - 1);
}

}  // namespace

std::vector<Value> Emitter::ReadConsecutive(const Tensor& tensor, Value linear, int count) {
  Require(count == 2 || count == 4, "[Kernel] ReadConsecutive takes 2 or 4 elements, not {}.", count);
  CheckDType(tensor.dtype);
  Pointer p = Address(tensor);
  p.dtype = tensor.dtype;
  int bytes = static_cast<int>(ByteSize(tensor.dtype)) * count;
  std::vector<Value> elements;
  if (bytes < 4) {
    for (int k = 0; k < count; ++k) elements.push_back(LoadElement(tensor, linear + k));
    return elements;
  }
  if (ByteSize(tensor.dtype) < 4 && tensor.dtype != DType::kF16) {
    int words = bytes / 4;
    p.dtype = DType::kU32;
    Value loaded = b_.Load(p, linear / (4 / static_cast<int>(ByteSize(tensor.dtype))), words, static_cast<uint32_t>(bytes));
    std::vector<Value> parts;
    for (int k = 0; k < words; ++k) parts.push_back(b_.Extract(loaded, k));
    for (int k = 0; k < count; ++k) elements.push_back(Unpack(b_, tensor.dtype, parts, k));
    return elements;
  }
  int lanes = bytes > 16 ? 16 / static_cast<int>(ByteSize(tensor.dtype)) : count;
  for (int start = 0; start < count; start += lanes) {
    Value loaded = b_.Load(p, linear + start, lanes, static_cast<uint32_t>(std::min(bytes, 16)));
    loaded = b_.Convert(loaded, ComputeType(tensor.dtype));
    for (int k = 0; k < lanes; ++k) elements.push_back(b_.Extract(loaded, k));
  }
  return elements;
}

// ---- Writes ----

void Emitter::Write(const Tensor& tensor, const Index& index, Value element) { WriteLinear(tensor, Linearize(tensor.shape, index), element); }

void Emitter::WriteLinear(const Tensor& tensor, Value linear, Value element) {
  Require(element.dtype() == ComputeType(tensor.dtype), "[Kernel] an element of {} is written as {}.", Name(tensor.dtype), Name(element.dtype()));
  CheckDType(tensor.dtype);
  Pointer p = Address(tensor);
  p.dtype = tensor.dtype;
  b_.Store(p, linear, b_.Convert(element, tensor.dtype));
}

void Emitter::WriteConsecutive(const Tensor& tensor, Value linear, const std::vector<Value>& elements) {
  auto count = static_cast<int>(elements.size());
  Require(count == 2 || count == 4, "[Kernel] WriteConsecutive takes 2 or 4 elements, not {}.", count);
  CheckDType(tensor.dtype);
  int size = static_cast<int>(ByteSize(tensor.dtype)), bytes = size * count;
  Pointer p = Address(tensor);
  p.dtype = tensor.dtype;
  if (bytes < 4) {
    for (int k = 0; k < count; ++k) WriteLinear(tensor, linear + k, elements[static_cast<size_t>(k)]);
    return;
  }
  for (const Value& element : elements) {
    Require(element.dtype() == ComputeType(tensor.dtype), "[Kernel] an element of {} is written as {}.", Name(tensor.dtype), Name(element.dtype()));
  }
  if (size < 4 && tensor.dtype != DType::kF16) {
    std::vector<Value> words;
    for (int k = 0; k < count; ++k) {
      int per_word = 4 / size, shift = k % per_word * BitSize(tensor.dtype);
      Value bits = BitsOf(b_, tensor.dtype, elements[static_cast<size_t>(k)]) << shift;
      if (shift == 0) {
        words.push_back(bits);
      } else {
        words.back() = words.back() | bits;
      }
    }
    p.dtype = DType::kU32;
    b_.Store(p, linear / (4 / size), words.size() == 1 ? words[0] : b_.Composite(words), static_cast<uint32_t>(bytes));
    return;
  }
  int lanes = bytes > 16 ? 16 / size : count;
  for (int start = 0; start < count; start += lanes) {
    Value vector = b_.Composite({elements.begin() + start, elements.begin() + start + lanes});
    b_.Store(p, linear + start, b_.Convert(vector, tensor.dtype), static_cast<uint32_t>(std::min(bytes, 16)));
  }
}

// ---- Addresses and the end ----

Pointer Emitter::Address(const Tensor& tensor) {
  auto kind = tensor.role == Tensor::Role::kOperand ? KernelArgument::Kind::kRead : KernelArgument::Kind::kWrite;
  return {ArgumentFor(kind, tensor.index), tensor.dtype == DType::kBool ? DType::kU8 : tensor.dtype};
}

Pointer Emitter::Scratch(DType dtype, int64_t offset) {
  return {ArgumentFor(KernelArgument::Kind::kScratch, 0) + offset, dtype == DType::kBool ? DType::kU8 : dtype};
}

// ---- Maxima ----

void Emitter::TakeMaximum(const Tensor& result, Value v) {
  auto found = std::find_if(maxima_.begin(), maxima_.end(), [&](const Maximum& m) { return m.result.index == result.index; });
  if (found == maxima_.end()) found = maxima_.insert(found, {result, b_.DeclareFromStart(b_.U32(0))});
  found->largest.Set(b_.Max(found->largest.Get(), v));
}

// Few maxima are larger than all before, so that most workgroups only look. One look a workgroup: all of a launch's fall on one place in memory.
void Emitter::WriteMaxima() {
  const auto [x, y, z] = b_.workgroup();
  const uint32_t invocations = x * y * z;
  const bool together = b_.shared_bytes() + invocations * 4 <= limits_.shared_bytes;
  std::optional<spirv::Shared> shared;
  if (together && !maxima_.empty()) shared = b_.SharedArray(DType::kU32, invocations);
  for (const Maximum& m : maxima_) {
    Value largest = m.largest.Get();
    if (shared) {
      largest = MaximumOfWorkgroup(b_, *shared, largest);
    } else if (limits_.subgroup_arithmetic) {
      largest = b_.SubgroupReduce(spirv::SubgroupOp::kMax, largest);
    }
    const Pointer result = {Address(m.result).address, DType::kU32};
    b_.If(shared ? b_.LocalLinearId() == 0 : b_.Bool(true),
          [&] { b_.If(largest > b_.AtomicLoad(result, b_.U32(0)), [&] { b_.AtomicMax(result, b_.U32(0), largest); }); });
  }
}

Value MaximumOfWorkgroup(Builder& b, spirv::Shared shared, Value v) {
  const Value me = b.LocalLinearId();
  b.Store(shared, me, v);
  b.Barrier();
  uint32_t distance = 1;
  while (2 * distance < shared.count) distance *= 2;
  for (; distance > 0; distance /= 2) {
    b.If(me < std::min(distance, shared.count - distance), [&] { b.Store(shared, me, b.Max(b.Load(shared, me), b.Load(shared, me + distance))); });
    b.Barrier();
  }
  return b.Load(shared, b.U32(0));
}

Kernel Emitter::Finish(WorkgroupCount workgroups) {
  WriteMaxima();
  Kernel kernel;
  kernel.module = b_.Finish();
  kernel.arguments = arguments_;
  kernel.workgroups = std::move(workgroups);
  return kernel;
}

}  // namespace tfvk::kernels
