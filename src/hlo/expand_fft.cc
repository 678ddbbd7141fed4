#include "hlo/expand_fft.h"

#include <complex>
#include <numeric>
#include <utility>
#include <vector>

#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/xla_builder.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_instructions.h"
#include "xla/literal_util.h"
#include "xla/service/hlo_creation_utils.h"

namespace tfvk::hlo {
namespace {

using xla::XlaOp;
using Numbers = std::vector<std::complex<double>>;

constexpr int64_t kLongestFactor = 64, kLongestMatrix = 128;

int64_t LargestFactor(int64_t n, int64_t limit) {
  for (int64_t factor = std::min(n - 1, limit); factor > 1; --factor) {
    if (n % factor == 0) return factor;
  }
  return 1;
}

// exp(sign * 2 pi i k / n), exact at the multiples of a quarter turn.
std::complex<double> Root(int64_t k, int64_t n, int sign) {
  k %= n;
  if (4 * k % n == 0) {
    constexpr double kReal[] = {1, 0, -1, 0}, kImaginary[] = {0, 1, 0, -1};
    return {kReal[4 * k / n], sign * kImaginary[4 * k / n]};
  }
  return std::polar(1.0, sign * 2 * 3.14159265358979323846 * static_cast<double>(k) / static_cast<double>(n));
}

// Of a power of two, on the host.
Numbers Transform(const Numbers& x) {
  const int64_t n = static_cast<int64_t>(x.size());
  if (n == 1) return x;
  Numbers halves[2];
  for (int64_t i = 0; i < n; ++i) halves[i % 2].push_back(x[i]);
  const Numbers even = Transform(halves[0]), odd = Transform(halves[1]);
  Numbers result(n);
  for (int64_t k = 0; k < n / 2; ++k) {
    const std::complex<double> term = Root(k, n, -1) * odd[k];
    result[k] = even[k] + term;
    result[k + n / 2] = even[k] - term;
  }
  return result;
}

// Transforms of the rows of a matrix: sign -1 forwards, +1 backwards, not scaled.
class RowTransform {
 public:
  RowTransform(xla::XlaBuilder* builder, xla::PrimitiveType type) : builder_(builder), type_(type) {}

  // x: [rows, n], and so is the result.
  XlaOp Apply(XlaOp x, int64_t rows, int64_t n, int sign) const {
    if (n == 1) return x;
    if (n <= kLongestMatrix) return Product(x, 1, n, sign);
    int64_t factor = LargestFactor(n, kLongestFactor);
    if (factor == 1) factor = LargestFactor(n, kLongestMatrix);
    return factor == 1 ? Bluestein(x, rows, n, sign) : CooleyTukey(x, rows, factor, n / factor, sign);
  }

 private:
  XlaOp Constant(const Numbers& numbers, const std::vector<int64_t>& dimensions) const {
    if (type_ == xla::C128) {
      xla::Literal literal = xla::LiteralUtil::CreateR1<xla::complex128>(numbers);
      return xla::Reshape(xla::ConstantLiteral(builder_, literal), dimensions);
    }
    const std::vector<xla::complex64> narrow(numbers.begin(), numbers.end());
    return xla::Reshape(xla::ConstantLiteral(builder_, xla::LiteralUtil::CreateR1<xla::complex64>(narrow)), dimensions);
  }

  // Transforms `dimension`, of size n, by the matrix of roots; it becomes the last one.
  XlaOp Product(XlaOp x, int64_t dimension, int64_t n, int sign) const {
    Numbers roots;
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t k = 0; k < n; ++k) roots.push_back(Root(j * k, n, sign));
    }
    xla::DotDimensionNumbers numbers;
    numbers.add_lhs_contracting_dimensions(dimension);
    numbers.add_rhs_contracting_dimensions(0);
    xla::PrecisionConfig precision;
    for (int i = 0; i < 2; ++i) precision.add_operand_precision(xla::PrecisionConfig::HIGHEST);
    return xla::DotGeneral(x, Constant(roots, {n, n}), numbers, &precision);
  }

  // n = a * b: with j = j1 b + j2 and k = k1 + a k2, transforms over j1, multiplies by the roots of j2 k1, and transforms over j2.
  XlaOp CooleyTukey(XlaOp x, int64_t rows, int64_t a, int64_t b, int sign) const {
    Numbers twiddles;
    for (int64_t j2 = 0; j2 < b; ++j2) {
      for (int64_t k1 = 0; k1 < a; ++k1) twiddles.push_back(Root(j2 * k1, a * b, sign));
    }
    const XlaOp inner = Product(xla::Reshape(x, {rows, a, b}), 1, a, sign);  // [rows, j2, k1]
    const XlaOp turned = xla::Transpose(xla::Mul(inner, Constant(twiddles, {b, a}), {1, 2}), {0, 2, 1});
    const XlaOp outer = Apply(xla::Reshape(turned, {rows * a, b}), rows * a, b, sign);  // [rows k1, k2]
    return xla::Reshape(xla::Transpose(xla::Reshape(outer, {rows, a, b}), {0, 2, 1}), {rows, a * b});
  }

  // jk = (j^2 + k^2 - (k - j)^2) / 2 makes the transform a convolution with exp(-sign pi i j^2 / n).
  XlaOp Bluestein(XlaOp x, int64_t rows, int64_t n, int sign) const {
    int64_t m = 1;
    while (m < 2 * n - 1) m *= 2;
    Numbers chirp, filter(m);
    for (int64_t j = 0; j < n; ++j) {
      chirp.push_back(Root(static_cast<int64_t>(static_cast<__int128>(j) * j % (2 * n)), 2 * n, sign));
      filter[j] = filter[(m - j) % m] = std::conj(chirp[j]) / static_cast<double>(m);
    }
    const XlaOp chirps = Constant(chirp, {n});
    xla::PaddingConfig padding;
    padding.add_dimensions();
    padding.add_dimensions()->set_edge_padding_high(m - n);
    const XlaOp padded = xla::Pad(xla::Mul(x, chirps, {1}), xla::Zero(builder_, type_), padding);
    const XlaOp product = xla::Mul(Apply(padded, rows, m, -1), Constant(Transform(filter), {m}), {1});
    const XlaOp convolved = xla::Slice(Apply(product, rows, m, 1), {0, 0}, {rows, n}, {1, 1});
    return xla::Mul(convolved, chirps, {1});
  }

  xla::XlaBuilder* builder_;
  xla::PrimitiveType type_;
};

// An array on its way through transforms of its dimensions.
class Transformer {
 public:
  Transformer(xla::XlaBuilder* builder, const xla::Shape& shape, xla::PrimitiveType type)
      : rows_(builder, type), dimensions_(shape.dimensions().begin(), shape.dimensions().end()) {}

  XlaOp Apply(XlaOp x, int64_t dimension, int sign) const {
    const int64_t last = static_cast<int64_t>(dimensions_.size()) - 1, n = dimensions_[dimension];
    std::vector<int64_t> order(dimensions_.size()), turned = dimensions_;
    std::iota(order.begin(), order.end(), 0);
    std::swap(order[dimension], order[last]);
    std::swap(turned[dimension], turned[last]);
    if (dimension != last) x = xla::Transpose(x, order);
    const int64_t rows = std::accumulate(turned.begin(), turned.end() - 1, int64_t{1}, std::multiplies<int64_t>());
    x = xla::Reshape(rows_.Apply(xla::Reshape(x, {rows, n}), rows, n, sign), turned);
    return dimension == last ? x : xla::Transpose(x, order);
  }

  // Cuts the last dimension down to its first `size` elements.
  XlaOp Cut(XlaOp x, int64_t size) {
    dimensions_.back() = size;
    return xla::Slice(x, std::vector<int64_t>(dimensions_.size(), 0), dimensions_, std::vector<int64_t>(dimensions_.size(), 1));
  }

  // The last dimension of a real signal's transform, n / 2 + 1 elements, to all n of them: the rest are the conjugates in reverse.
  XlaOp Complete(XlaOp x, int64_t n) {
    const int64_t last = static_cast<int64_t>(dimensions_.size()) - 1, half = dimensions_[last];
    std::vector<int64_t> starts(dimensions_.size(), 0), limits = dimensions_;
    starts[last] = 1;
    limits[last] = 1 + n - half;
    const XlaOp rest = xla::Rev(xla::Conj(xla::Slice(x, starts, limits, std::vector<int64_t>(dimensions_.size(), 1))), {last});
    dimensions_[last] = n;
    return xla::ConcatInDim(x.builder(), {x, rest}, last);
  }

 private:
  RowTransform rows_;
  std::vector<int64_t> dimensions_;
};

XlaOp Scaled(XlaOp x, int64_t n, xla::PrimitiveType type) { return xla::Mul(x, xla::ConstantR0WithType(x.builder(), type, 1.0 / static_cast<double>(n))); }

XlaOp Build(const xla::HloFftInstruction& fft, XlaOp x) {
  const xla::Shape& shape = fft.operand(0)->shape();
  const bool wide = shape.element_type() == xla::F64 || shape.element_type() == xla::C128;
  const xla::PrimitiveType type = wide ? xla::C128 : xla::C64, part = wide ? xla::F64 : xla::F32;
  const int64_t rank = static_cast<int64_t>(shape.dimensions().size()), count = static_cast<int64_t>(fft.fft_length().size());
  const int64_t length = std::accumulate(fft.fft_length().begin(), fft.fft_length().end(), int64_t{1}, std::multiplies<int64_t>());
  Transformer transformer(x.builder(), shape, type);
  const int sign = fft.fft_type() == xla::FftType::IFFT || fft.fft_type() == xla::FftType::IRFFT ? 1 : -1;
  if (fft.fft_type() == xla::FftType::RFFT) {
    x = transformer.Apply(xla::Complex(x, xla::ZerosLike(x)), rank - 1, sign);
    x = transformer.Cut(x, fft.shape().dimensions(rank - 1));
  } else if (fft.fft_type() != xla::FftType::IRFFT) {
    x = transformer.Apply(x, rank - 1, sign);
  }
  for (int64_t i = 2; i <= count; ++i) x = transformer.Apply(x, rank - i, sign);
  if (fft.fft_type() == xla::FftType::IFFT) return Scaled(x, length, type);
  if (fft.fft_type() != xla::FftType::IRFFT) return x;
  x = transformer.Complete(x, fft.fft_length().back());
  return Scaled(xla::Real(transformer.Apply(x, rank - 1, sign)), length, part);
}

}  // namespace

bool FftExpander::InstructionMatchesPattern(xla::HloInstruction* instruction) {
  return instruction->opcode() == xla::HloOpcode::kFft && !xla::ShapeUtil::IsZeroElementArray(instruction->shape());
}

absl::StatusOr<xla::HloInstruction*> FftExpander::ExpandInstruction(xla::HloInstruction* instruction) {
  xla::XlaBuilder builder("fft");
  xla::XlaOp x = xla::Parameter(&builder, 0, instruction->operand(0)->shape(), "x");
  TF_ASSIGN_OR_RETURN(xla::XlaComputation made, builder.Build(Build(*xla::Cast<xla::HloFftInstruction>(instruction), x)));
  TF_ASSIGN_OR_RETURN(xla::HloComputation * computation, xla::XlaComputationToHloComputation(made, instruction->GetModule()));
  return instruction->parent()->AddInstruction(xla::HloInstruction::CreateCall(instruction->shape(), instruction->operands(), computation));
}

}  // namespace tfvk::hlo
