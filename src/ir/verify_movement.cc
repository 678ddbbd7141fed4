// Operations that move elements by static rules.
#include <algorithm>
#include <map>

#include "ir/verify.h"

namespace tfvk::ir {
namespace {

void VerifyBroadcast(const Checker& c) {
  const auto& dims = c.node.attr<DimsAttr>().dims;
  c.ExpectLength(dims, Rank(c.in(0)), "the list of result dimensions");
  c.ExpectDimensions(dims, Rank(c.out()), "the list of result dimensions");
  for (size_t i = 0; i < dims.size(); ++i) {
    const Size from = c.in(0).shape[i], to = c.out().shape[dims[i]];
    c.Expect(from == Size(1) || from == to, "operand dimension {} of size {} cannot become result dimension {} of size {}", i, ToText(Shape{from}), dims[i],
             ToText(Shape{to}));
  }
  c.Expect(c.in(0).dtype == c.out().dtype, "the dtype changes");
}

// Sizes that stand on both sides cancel. What is left must be equal constants, or have symbols on both sides, whose relation only the launch knows.
void VerifyReshape(const Checker& c) {
  c.Expect(c.in(0).dtype == c.out().dtype, "the dtype changes");
  std::map<int, int> uses;
  int64_t constants[2] = {1, 1};
  for (int side = 0; side < 2; ++side) {
    for (const Size& size : side == 0 ? c.in(0).shape : c.out().shape) {
      if (size.is_static()) {
        constants[side] *= size.value;
      } else {
        uses[size.symbol] += side == 0 ? 1 : -1;
      }
    }
  }
  const bool left = std::any_of(uses.begin(), uses.end(), [](const auto& use) { return use.second > 0; });
  const bool right = std::any_of(uses.begin(), uses.end(), [](const auto& use) { return use.second < 0; });
  c.Expect(left == right && (left || constants[0] == constants[1]), "the numbers of elements differ");
}

void VerifyTranspose(const Checker& c) {
  const auto& dims = c.node.attr<DimsAttr>().dims;
  c.ExpectLength(dims, Rank(c.in(0)), "the permutation");
  c.ExpectDimensions(dims, Rank(c.in(0)), "the permutation");
  TensorType expected{c.in(0).dtype, {}};
  for (int64_t d : dims) expected.shape.push_back(c.in(0).shape[d]);
  c.ExpectResult(expected);
}

Size SlicedSize(const Checker& c, const Size& size, int64_t start, int64_t limit, int64_t stride, size_t i) {
  c.Expect(start >= 0 && stride >= 1, "dimension {} is sliced from {} with stride {}", i, start, stride);
  if (limit == kToEnd && !size.is_static()) return start == 0 && stride == 1 ? size : Size(kComputed);
  c.Expect(limit >= start && (!size.is_static() || limit <= size.value), "dimension {} of size {} is sliced from {} to {}", i, ToText(Shape{size}), start,
           limit);
  return (limit - start + stride - 1) / stride;
}

void VerifySlice(const Checker& c) {
  const auto& slice = c.node.attr<SliceAttr>();
  const size_t rank = Rank(c.in(0));
  c.ExpectLength(slice.start, rank, "the list of starts");
  c.ExpectLength(slice.limit, rank, "the list of limits");
  c.ExpectLength(slice.stride, rank, "the list of strides");
  TensorType expected{c.in(0).dtype, {}};
  for (size_t i = 0; i < rank; ++i) expected.shape.push_back(SlicedSize(c, c.in(0).shape[i], slice.start[i], slice.limit[i], slice.stride[i], i));
  c.ExpectResult(expected);
}

void VerifyPad(const Checker& c) {
  const auto& pad = c.node.attr<PadAttr>();
  const size_t rank = Rank(c.in(0));
  c.ExpectLength(pad.low, rank, "the list of low pads");
  c.ExpectLength(pad.high, rank, "the list of high pads");
  c.ExpectLength(pad.interior, rank, "the list of interior pads");
  c.ExpectScalar(c.in(1), "the padding value");
  c.Expect(c.in(1).dtype == c.in(0).dtype, "the padding value is of dtype {}", Name(c.in(1).dtype));
  TensorType expected{c.in(0).dtype, {}};
  for (size_t i = 0; i < rank; ++i) {
    const Size size = c.in(0).shape[i];
    c.Expect(pad.interior[i] >= 0, "the interior padding of dimension {} is {}", i, pad.interior[i]);
    if (!size.is_static()) {
      expected.shape.push_back(pad.low[i] + pad.high[i] == 0 && pad.interior[i] == 0 ? size : Size(kComputed));
      continue;
    }
    const int64_t padded = size.value + std::max<int64_t>(size.value - 1, 0) * pad.interior[i] + pad.low[i] + pad.high[i];
    c.Expect(padded >= 0, "the padding makes dimension {} {} elements long", i, padded);
    expected.shape.push_back(padded);
  }
  c.ExpectResult(expected);
}

void VerifyConcatenate(const Checker& c) {
  const auto& dims = c.node.attr<DimsAttr>().dims;
  c.Expect(c.operand_count() >= 1 && dims.size() == 1, "it needs an operand and one dimension");
  c.ExpectDimensions(dims, Rank(c.in(0)), "concatenate");
  TensorType expected = c.in(0);
  Size& joined = expected.shape[dims[0]];
  for (int i = 1; i < c.operand_count(); ++i) {
    c.Expect(c.in(i).dtype == expected.dtype && Rank(c.in(i)) == Rank(expected), "operand {} is {}", i, ToText(c.in(i)));
    for (size_t d = 0; d < Rank(expected); ++d) {
      if (static_cast<int64_t>(d) != dims[0]) ExpectSize(c, c.in(i).shape[d], expected.shape[d], "an operand", d);
    }
    const Size& size = c.in(i).shape[dims[0]];
    if (joined == Size(0)) {
      joined = size;
    } else if (size != Size(0)) {
      joined = joined.is_static() && joined.value != kComputed && size.is_static() ? Size(joined.value + size.value) : Size(kComputed);
    }
  }
  c.ExpectResult(expected);
}

}  // namespace

void VerifyMovement(const Checker& c) {
  c.ExpectResults(1);
  switch (c.node.op) {
    case Op::kBroadcast:
      return VerifyBroadcast(c);
    case Op::kReshape:
      return VerifyReshape(c);
    case Op::kTranspose:
      return VerifyTranspose(c);
    case Op::kSlice:
      return VerifySlice(c);
    case Op::kPad:
      return VerifyPad(c);
    case Op::kConcatenate:
      return VerifyConcatenate(c);
    default:
      c.ExpectDimensions(c.node.attr<DimsAttr>().dims, Rank(c.in(0)), "reverse");
      c.ExpectResult(c.in(0));
  }
}

}  // namespace tfvk::ir
