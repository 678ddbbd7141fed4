// StatelessRandomGammaV2 and V3: TensorFlow's sampler step by step, in fp64 as there, so that the same seeds give the same samples; an element differs from
// the CPU's by what the two differ in logarithms, sines and powers. Each sample has 256 blocks of Philox's numbers of its own, drawn as Marsaglia and Tsang's
// method needs them (ACM TOMS 26, 2000): pairs of normal numbers and pairs of uniform ones, the second of a pair before the first.
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/platform.h"
#include "plugin/random_ops.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/framework/rng_alg.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/constants.h"

namespace tfvk::plugin {
namespace {

using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

constexpr int64_t kBlocksPerSample = 256;

XlaOp Like(XlaOp prototype, double value) {
  const xla::Shape shape = *prototype.builder()->GetShape(prototype);
  return xla::Broadcast(xla::ConvertElementType(xla::ConstantR0<double>(prototype.builder(), value), shape.element_type()), shape.dimensions());
}

XlaOp Word(XlaOp like, uint32_t value) {
  const xla::Shape shape = *like.builder()->GetShape(like);
  return xla::Broadcast(xla::ConstantR0<uint32_t>(like.builder(), value), shape.dimensions());
}

// The low and the high half of numbers of 64 bits.
XlaOp Low(XlaOp x) { return xla::ConvertElementType(x, xla::U32); }
XlaOp High(XlaOp x) {
  const xla::Shape shape = *x.builder()->GetShape(x);
  return xla::ConvertElementType(xla::ShiftRightLogical(x, xla::Broadcast(xla::ConstantR0<uint64_t>(x.builder(), 32), shape.dimensions())), xla::U32);
}
XlaOp Joined(XlaOp high, XlaOp low) {
  const XlaOp wide = xla::ConvertElementType(high, xla::U64);
  const xla::Shape shape = *high.builder()->GetShape(high);
  return xla::Or(xla::ShiftLeft(wide, xla::Broadcast(xla::ConstantR0<uint64_t>(high.builder(), 32), shape.dimensions())),
                 xla::ConvertElementType(low, xla::U64));
}

struct Block {
  XlaOp words[4];
};

// Philox 4x32 of ten rounds (Salmon et al., SC 2011) of counters, all of one shape with the key.
Block Philox(Block counter, XlaOp key0, XlaOp key1) {
  const XlaOp like = counter.words[0];
  const XlaOp m0 = xla::ConvertElementType(Word(like, 0xD2511F53), xla::U64), m1 = xla::ConvertElementType(Word(like, 0xCD9E8D57), xla::U64);
  for (int round = 0; round < 10; ++round) {
    const auto& w = counter.words;
    const XlaOp a = m0 * xla::ConvertElementType(w[0], xla::U64), b = m1 * xla::ConvertElementType(w[2], xla::U64);
    counter = {{xla::Xor(xla::Xor(High(b), w[1]), key0), Low(b), xla::Xor(xla::Xor(High(a), w[3]), key1), Low(a)}};
    key0 = key0 + Word(like, 0x9E3779B9);
    key1 = key1 + Word(like, 0xBB67AE85);
  }
  return counter;
}

// Two words as a number in [0, 1) with 52 random bits.
XlaOp Uniform(XlaOp high, XlaOp low) {
  const XlaOp bits = Joined(xla::Or(xla::And(high, Word(high, 0xFFFFF)), Word(high, 0x3FF00000)), low);
  const XlaOp number = xla::BitcastConvertType(bits, xla::F64);
  return number - Like(number, 1);
}

// The generator's key and counter: scalars of 64 bits.
struct Seed {
  XlaOp key, low, high;
};

// The blocks of every sample.
class Stream {
 public:
  Stream(const Seed& seed, XlaOp sample_number) : size_(sample_number.builder()->GetShape(sample_number)->dimensions(0)) {
    const XlaOp first = sample_number * xla::Broadcast(xla::ConstantR0<uint64_t>(sample_number.builder(), kBlocksPerSample), {size_});
    key0_ = Low(All(seed.key));
    key1_ = High(All(seed.key));
    low_ = All(seed.low) + first;
    high_ = Carried(All(seed.high), low_, first);
  }
  Stream(XlaOp key0, XlaOp key1, XlaOp low, XlaOp high)
      : size_(low.builder()->GetShape(low)->dimensions(0)), key0_(key0), key1_(key1), low_(low), high_(high) {}

  std::vector<XlaOp> Values() const { return {key0_, key1_, low_, high_}; }

  // Block `number` (U32) of each sample.
  Block At(XlaOp number) const {
    const XlaOp step = xla::ConvertElementType(number, xla::U64), low = low_ + step, high = Carried(high_, low, step);
    return Philox({{Low(low), High(low), Low(high), High(high)}}, key0_, key1_);
  }

  // A pair of uniform numbers, in the order in which they are used.
  std::pair<XlaOp, XlaOp> Uniforms(XlaOp number) const {
    const Block block = At(number);
    return {Uniform(block.words[2], block.words[3]), Uniform(block.words[0], block.words[1])};
  }

  // The same of normal ones, by Box and Muller.
  std::pair<XlaOp, XlaOp> Normals(XlaOp number) const {
    const Block block = At(number);
    const XlaOp u = Uniform(block.words[0], block.words[1]), angle = Uniform(block.words[2], block.words[3]) * Like(u, 2 * 3.14159265358979323846);
    const XlaOp radius = xla::Sqrt(Like(u, -2) * xla::Log(xla::Max(u, Like(u, 1e-7))));
    return {xla::Cos(angle) * radius, xla::Sin(angle) * radius};
  }

 private:
  XlaOp All(XlaOp scalar) const { return xla::Broadcast(scalar, {size_}); }
  // `high` and one more where adding `step` made `low` overflow.
  static XlaOp Carried(XlaOp high, XlaOp low, XlaOp step) { return high + xla::ConvertElementType(xla::Lt(low, step), xla::U64); }

  int64_t size_;
  XlaOp key0_, key1_, low_, high_;
};

// What the loop carries of each sample: the next block, a uniform number left from the last and whether there is one, whether the sample is found, and which.
struct State {
  XlaOp is_any_left, next, left, has_left, is_found, result, d, c;
  Stream stream;

  std::vector<XlaOp> Values() const {
    std::vector<XlaOp> values = {is_any_left, next, left, has_left, is_found, result, d, c};
    for (const XlaOp value : stream.Values()) values.push_back(value);
    return values;
  }
  static State Of(XlaOp tuple) {
    const auto at = [&](int i) { return xla::GetTupleElement(tuple, i); };
    return {at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), Stream(at(8), at(9), at(10), at(11))};
  }

  // The next uniform number of the samples that `take` it.
  XlaOp TakeUniform(XlaOp take) {
    const auto [now, later] = stream.Uniforms(next);
    const XlaOp opens = xla::And(take, xla::Not(has_left)), number = xla::Select(has_left, left, now);
    next = next + xla::ConvertElementType(opens, xla::U32);
    left = xla::Select(opens, later, left);
    has_left = xla::Xor(has_left, take);
    return number;
  }

  // One attempt of the samples that are not found, from a normal number.
  void Try(XlaOp x) {
    const XlaOp one = Like(x, 1), base = one + c * x;
    const XlaOp tries = xla::And(xla::Not(is_found), xla::Not(xla::Le(base, Like(x, 0))));
    const XlaOp v = base * base * base, u = TakeUniform(tries), x2 = x * x;
    const XlaOp is_inside = xla::Lt(u, one - Like(x, 0.0331) * x2 * x2);
    const XlaOp is_below = xla::Lt(xla::Log(u), Like(x, 0.5) * x * x + d * (one - v + xla::Log(v)));
    const XlaOp found = xla::And(tries, xla::Or(is_inside, is_below));
    result = xla::Select(found, d * v, result);
    is_found = xla::Or(is_found, found);
  }
};

xla::XlaComputation Condition(xla::XlaBuilder* parent, const xla::Shape& shape) {
  const auto builder = parent->CreateSubBuilder("IsSampleLeft");
  xla::GetTupleElement(xla::Parameter(builder.get(), 0, shape, "state"), 0);
  return *builder->Build();
}

// Two attempts, of a pair of normal numbers.
xla::XlaComputation Body(xla::XlaBuilder* parent, const xla::Shape& shape) {
  const auto builder = parent->CreateSubBuilder("TrySamples");
  State state = State::Of(xla::Parameter(builder.get(), 0, shape, "state"));
  const auto [first, second] = state.stream.Normals(state.next);
  state.next = xla::Select(state.is_found, state.next, state.next + Word(state.next, 1));
  state.Try(first);
  state.Try(second);
  state.is_any_left =
      xla::Reduce(xla::Not(state.is_found), xla::ConstantR0<bool>(builder.get(), false), xla::CreateScalarOrComputation(xla::PRED, builder.get()), {0});
  xla::Tuple(builder.get(), state.Values());
  return *builder->Build();
}

// Samples [n] in fp64 of distributions with `alpha` [n].
XlaOp Sample(const Seed& seed, XlaOp alpha) {
  xla::XlaBuilder* builder = alpha.builder();
  const int64_t size = builder->GetShape(alpha)->dimensions(0);
  const Stream stream(seed, xla::Iota(builder, xla::U64, size));
  const XlaOp zero = Like(alpha, 0), one = Like(alpha, 1), none = xla::Broadcast(xla::ConstantR0<uint32_t>(builder, 0), {size});
  const XlaOp no = xla::Broadcast(xla::ConstantR0<bool>(builder, false), {size});
  const XlaOp is_small = xla::Lt(alpha, one), is_exponential = xla::Eq(alpha, one);
  const XlaOp d = alpha + xla::Select(is_small, Like(alpha, 2.0 / 3), Like(alpha, -1.0 / 3));
  const State begin{xla::ConstantR0<bool>(builder, true), none, zero, no, is_exponential, zero, d, Like(alpha, 1.0 / 3) / xla::Sqrt(d), stream};
  const XlaOp init = xla::Tuple(builder, begin.Values());
  const xla::Shape shape = *builder->GetShape(init);
  State end = State::Of(xla::While(Condition(builder, shape), Body(builder, shape), init));
  const XlaOp power = xla::Pow(end.TakeUniform(is_small), one / alpha);
  const XlaOp exponential = -xla::Log1p(-stream.Uniforms(none).first);
  return xla::Select(is_exponential, exponential, xla::Select(is_small, end.result * power, end.result));
}

class RandomGammaKernel : public tensorflow::XlaOpKernel {
 public:
  explicit RandomGammaKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction), has_key_(construction->num_inputs() == 5) {}

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  absl::Status Build(XlaOpKernelContext* context) const {
    TensorShape shape;
    TF_RETURN_IF_ERROR(context->ConstantInputAsShape(0, &shape));
    const TensorShape alpha_shape = context->InputShape("alpha");
    const xla::PrimitiveType type = context->InputXlaType("alpha");
    if (shape.num_elements() == 0) {
      context->SetOutput(0, xla::Broadcast(xla::Zero(context->builder(), type), shape.dim_sizes()));
      return absl::OkStatus();
    }
    TF_ASSIGN_OR_RETURN(const Seed seed, has_key_ ? ReadKey(context) : MixSeed(context));
    if (!tensorflow::TensorShapeUtils::EndsWith(shape, alpha_shape)) {
      return absl::InvalidArgumentError(absl::StrCat("Shape passed in must end with broadcasted shape."));
    }
    const int64_t alphas = alpha_shape.num_elements(), samples = shape.num_elements() / alphas;
    // One distribution's samples have neighbouring numbers, and stand in the output `alphas` apart.
    const XlaOp alpha = xla::BroadcastInDim(xla::Reshape(xla::ConvertElementType(context->Input("alpha"), xla::F64), {alphas}), {alphas, samples}, {0});
    XlaOp result = Sample(seed, xla::Reshape(alpha, {alphas * samples}));
    if (type == xla::F16 || type == xla::BF16) result = xla::ConvertElementType(result, xla::F32);  // TensorFlow rounds twice, too
    result = xla::Transpose(xla::Reshape(xla::ConvertElementType(result, type), {alphas, samples}), {1, 0});
    context->SetOutput(0, xla::Reshape(result, shape.dim_sizes()));
    return absl::OkStatus();
  }

  static absl::StatusOr<Seed> ReadKey(XlaOpKernelContext* context) {
    int64_t algorithm = 0;
    TF_RETURN_IF_ERROR(context->ConstantInputAsIntScalar(3, &algorithm));
    if (algorithm != tensorflow::RNG_ALG_PHILOX && algorithm != tensorflow::RNG_ALG_AUTO_SELECT) {
      return absl::UnimplementedError(absl::StrCat("Samples of the gamma distribution from the random number generator ", algorithm, " instead of Philox"));
    }
    const TensorShape key = context->InputShape(1), counter = context->InputShape(2);
    if (key.dims() != 1 || key.dim_size(0) < 1) return absl::InvalidArgumentError(absl::StrCat("key must have shape [1], not ", key.DebugString()));
    if (counter.dims() != 1 || counter.dim_size(0) < 2) {
      return absl::InvalidArgumentError(absl::StrCat("counter must be a vector with at least 2 elements, not ", counter.DebugString()));
    }
    const auto at = [](XlaOp x, int64_t i) { return xla::Reshape(xla::SliceInDim(x, i, i + 1, 1, 0), {}); };
    return Seed{at(context->Input(1), 0), at(context->Input(2), 0), at(context->Input(2), 1)};
  }

  // Philox of the seeds with a key that TensorFlow fixed gives the key and the upper half of the counter.
  static absl::StatusOr<Seed> MixSeed(XlaOpKernelContext* context) {
    const TensorShape shape = context->InputShape(1);
    if (shape.dims() != 1 || shape.dim_size(0) != 2) return absl::InvalidArgumentError(absl::StrCat("seed must have shape [2], not ", shape.DebugString()));
    const XlaOp seeds = xla::ConvertElementType(xla::ConvertElementType(context->Input(1), xla::S64), xla::U64);
    const XlaOp first = xla::SliceInDim(seeds, 0, 1, 1, 0), second = xla::SliceInDim(seeds, 1, 2, 1, 0), like = Low(first);
    const Block mixed = Philox({{Low(first), High(first), Low(second), High(second)}}, Word(like, 0x3EC8F720), Word(like, 0x02461E29));
    const auto joined = [&](int low, int high) { return xla::Reshape(Joined(mixed.words[high], mixed.words[low]), {}); };
    return Seed{joined(0, 1), xla::ConstantR0<uint64_t>(context->builder(), 0), joined(2, 3)};
  }

  const bool has_key_;
};

}  // namespace

void RegisterRandomGammaOps() {
  if (!ActiveBackend()->Supports(DType::kF64)) return;
  REGISTER_XLA_OP(Name("StatelessRandomGammaV2").Device("XLA_GPU_JIT").CompileTimeConstantInput("shape"), RandomGammaKernel);
  REGISTER_XLA_OP(Name("StatelessRandomGammaV3").Device("XLA_GPU_JIT").CompileTimeConstantInput("shape").CompileTimeConstantInput("alg"), RandomGammaKernel);
}

}  // namespace tfvk::plugin
