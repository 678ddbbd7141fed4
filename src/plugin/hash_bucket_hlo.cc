// _TensorToHashBucketFast: the bucket of an integer by the FarmHash fingerprint (farmhashna::Hash64) of its decimal digits.
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "plugin/hash_bucket.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/primitive_util.h"

namespace tfvk::plugin {
namespace {

using xla::XlaOp;

constexpr uint64_t kMultiplier0 = 0xc3a5c85c97cb3127u, kMultiplier1 = 0xb492b66fbe98f273u, kMultiplier2 = 0x9ae16a3b2f90404fu;

// Numbers of 64 bits for each of the strings; those of fewer bits are in the low ones.
class Words {
 public:
  explicit Words(xla::XlaBuilder* builder) : builder_(builder) {}

  XlaOp Number(uint64_t value) const { return xla::ConstantR0<uint64_t>(builder_, value); }
  XlaOp Right(XlaOp x, XlaOp bits) const { return xla::ShiftRightLogical(x, bits); }
  XlaOp Right(XlaOp x, uint64_t bits) const { return Right(x, Number(bits)); }
  XlaOp Left(XlaOp x, uint64_t bits) const { return xla::ShiftLeft(x, Number(bits)); }
  XlaOp Rotated(XlaOp x, uint64_t bits) const { return xla::Or(Right(x, bits), Left(x, 64 - bits)); }
  XlaOp Low(XlaOp x, uint64_t bits) const { return xla::And(x, Number((uint64_t{1} << bits) - 1)); }

  XlaOp Mixed(XlaOp u, XlaOp v, XlaOp multiplier) const {
    const XlaOp a = (xla::Xor(u, v)) * multiplier, b = xla::Xor(v, xla::Xor(a, Right(a, 47))) * multiplier;
    return xla::Xor(b, Right(b, 47)) * multiplier;
  }

 private:
  xla::XlaBuilder* builder_;
};

// The strings in words: their first two, their last two (which overlap the first ones in short strings) and their lengths.
struct Strings {
  XlaOp first, second, last, next_to_last, length;
};

// The decimal digits of `x`, with a sign where it is negative. At most `most` characters, of which there are no more than 24.
Strings Decimal(XlaOp x, bool is_signed, int most) {
  xla::XlaBuilder* builder = x.builder();
  const Words words(builder);
  const XlaOp wide = is_signed ? xla::ConvertElementType(x, xla::S64) : xla::ConvertElementType(x, xla::U64), zero = xla::ConstantR0<int64_t>(builder, 0);
  XlaOp rest = is_signed ? xla::BitcastConvertType(wide, xla::U64) : wide, sign = xla::ZerosLike(rest);
  if (is_signed) {
    const XlaOp is_negative = xla::Lt(wide, zero);
    sign = xla::ConvertElementType(is_negative, xla::U64);
    rest = xla::Select(is_negative, xla::ZerosLike(rest) - rest, rest);
  }
  XlaOp length = sign;
  std::vector<XlaOp> aligned(3, xla::ZerosLike(rest));  // 24 bytes, of which the strings are the last
  for (int k = 0; k < most; ++k) {
    const XlaOp none = xla::Eq(rest, words.Number(0)), digit = xla::Rem(rest, words.Number(10)) + words.Number('0');
    const XlaOp is_sign = xla::And(xla::Eq(sign, words.Number(1)), xla::Eq(length, words.Number(k + 1)));
    const XlaOp after = xla::Select(is_sign, words.Number('-') + xla::ZerosLike(rest), xla::ZerosLike(rest));
    const XlaOp character = k == 0 ? digit : xla::Select(none, after, digit);
    aligned[2 - k / 8] = xla::Or(aligned[2 - k / 8], words.Left(character, 8 * (7 - k % 8)));
    length = length + (k == 0 ? words.Number(1) : xla::ConvertElementType(xla::Not(none), xla::U64));
    rest = xla::Div(rest, words.Number(10));
  }
  const XlaOp skipped = words.Number(24) - length, bits = words.Left(words.Low(skipped, 3), 3), up = words.Number(63) - bits;
  const XlaOp is_later = xla::Ge(skipped, words.Number(16)), is_first = xla::Lt(skipped, words.Number(8)), nothing = xla::ZerosLike(length);
  const auto choose = [&](XlaOp at0, XlaOp at1, XlaOp at2) { return xla::Select(is_later, at2, xla::Select(is_first, at0, at1)); };
  const auto joined = [&](XlaOp low, XlaOp high) { return xla::Or(words.Right(low, bits), words.Left(xla::ShiftLeft(high, up), 1)); };
  const XlaOp word0 = choose(aligned[0], aligned[1], aligned[2]), word1 = choose(aligned[1], aligned[2], nothing), word2 = choose(aligned[2], nothing, nothing);
  return {joined(word0, word1), joined(word1, word2), aligned[2], aligned[1], length};
}

XlaOp Fingerprint(const Strings& s, int most) {
  const Words words(s.length.builder());
  const XlaOp k0 = words.Number(kMultiplier0), k1 = words.Number(kMultiplier1), k2 = words.Number(kMultiplier2);
  const XlaOp multiplier = k2 + words.Left(s.length, 1);

  const XlaOp middle = words.Right(s.first, words.Left(words.Right(s.length, 1), 3));  // the character in the middle is its lowest byte
  const XlaOp y = words.Low(s.first, 8) + words.Left(words.Low(middle, 8), 8), z = s.length + words.Left(words.Right(s.last, 56), 2);
  const XlaOp mixed = xla::Xor(y * k2, z * k0), upto3 = xla::Xor(mixed, words.Right(mixed, 47)) * k2;
  if (most <= 3) return upto3;

  const XlaOp upto7 = words.Mixed(s.length + words.Left(words.Low(s.first, 32), 3), words.Right(s.last, 32), multiplier);
  const auto choose = [&](uint64_t length, XlaOp shorter, XlaOp longer) { return xla::Select(xla::Lt(s.length, words.Number(length)), shorter, longer); };
  const XlaOp result = choose(4, upto3, upto7);
  if (most <= 7) return result;

  const XlaOp a = s.first + k2, c = words.Rotated(s.last, 37) * multiplier + a, d = (words.Rotated(a, 25) + s.last) * multiplier;
  const XlaOp longer = choose(8, result, words.Mixed(c, d, multiplier));
  if (most <= 16) return longer;

  const XlaOp e = s.first * k1, f = s.second, g = s.last * multiplier, h = s.next_to_last * k2;
  const XlaOp longest = words.Mixed(words.Rotated(e + f, 43) + words.Rotated(g, 30) + h, e + words.Rotated(f + k2, 18) + g, multiplier);
  return choose(17, longer, longest);
}

class HashBucketKernel : public tensorflow::XlaOpKernel {
 public:
  explicit HashBucketKernel(tensorflow::OpKernelConstruction* construction) : XlaOpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("num_buckets", &buckets_));
  }

  void Compile(tensorflow::XlaOpKernelContext* context) override {
    const xla::PrimitiveType type = context->input_xla_type(0);
    const bool is_signed = xla::primitive_util::IsSignedIntegralType(type);
    const int bits = xla::primitive_util::BitWidth(type), digits = bits == 64 ? (is_signed ? 19 : 20) : bits * 30103 / 100000 + 1;
    const int most = digits + is_signed;
    const XlaOp hash = Fingerprint(Decimal(context->Input(0), is_signed, most), most);
    context->SetOutput(0, xla::ConvertElementType(xla::Rem(hash, xla::ConstantR0<uint64_t>(context->builder(), buckets_)), xla::S64));
  }

 private:
  int64_t buckets_ = 1;
};

}  // namespace

void RegisterHashBucketOps() { REGISTER_XLA_OP(Name("_TensorToHashBucketFast").Device("XLA_GPU_JIT"), HashBucketKernel); }

}  // namespace tfvk::plugin
