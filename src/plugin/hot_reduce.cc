// Reductions as hot ops, softmax among them: neighbouring dimensions of one fate are merged, so that programs differ only in which are reduced away.
#include <map>

#include "ir/expression.h"
#include "plugin/element_types.h"
#include "plugin/hot_ops.h"

namespace tfvk::plugin {
namespace {

using absl::InvalidArgumentError;
using absl::StrCat;
using ir::Expression;
using ir::Op;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// A pattern of merged dimensions has two bits a dimension, the outermost lowest.
constexpr uint64_t kKept = 1, kReduced = 2, kFate = 3;
constexpr int kMostDimensions = 6;

// Adds a dimension to the call's pattern, or to its last dimension where that has the same fate.
void AppendDimension(int64_t size, uint64_t fate, HotCall& call) {
  const size_t count = call.sizes.size();
  if (count > 0 && (call.pattern >> (2 * (count - 1)) & kFate) == fate) {
    call.sizes.back() *= size;
    return;
  }
  call.pattern |= fate << (2 * count);
  call.sizes.push_back(size);
}

void RefuseLarge(const TensorShape& shape, HotCall& call) {
  if (shape.num_elements() > kMostHotElements || call.sizes.size() > kMostDimensions) call.route = HotCall::Route::kGenericDoor;
}

// The input with the pattern's merged dimensions, and which of these are reduced.
Expression AddInput(uint64_t pattern, DType dtype, std::vector<int64_t>& reduced, ir::Graph& graph) {
  Shape shape;
  for (uint64_t fate; (fate = pattern >> (2 * shape.size()) & kFate) != 0;) {
    if (fate == kReduced) reduced.push_back(static_cast<int64_t>(shape.size()));
    shape.push_back(Size::Symbol(static_cast<int>(shape.size())));
  }
  graph.symbol_count = static_cast<int>(shape.size());
  return Expression::Parameter(graph, dtype, std::move(shape));
}

// Sums and products of narrow types are made in 32 bits.
DType AccumulatorOf(DType dtype) {
  if (ByteSize(dtype) > 2 || dtype == DType::kBool) return dtype;
  if (IsFloat(dtype)) return DType::kF32;
  return IsSigned(dtype) ? DType::kS32 : DType::kU32;
}

// ---- Sum, Mean, Prod, Max, Min, All, Any ----

struct ReduceRow {
  const char* op;
  Op combiner;
  bool wide;  // accumulated in AccumulatorOf
  bool mean;
};

const ReduceRow kReductions[] = {
    {"Sum", Op::kAdd, true, false},      {"Mean", Op::kAdd, true, true},  {"Prod", Op::kMultiply, true, false}, {"Max", Op::kMaximum, false, false},
    {"Min", Op::kMinimum, false, false}, {"All", Op::kAnd, false, false}, {"Any", Op::kOr, false, false},
};

Expression IdentityOf(Op combiner, const Expression& x) {
  switch (combiner) {
    case Op::kMultiply:
    case Op::kAnd:
      return x.ScalarNumber(1);
    case Op::kMaximum:
      return x.Lowest();
    case Op::kMinimum:
      return x.Highest();
    default:
      return x.ScalarNumber(0);
  }
}

class HotReduction : public HotOp {
 public:
  HotReduction(const ReduceRow& row, DType dtype, bool keep_dims) : row_(row), dtype_(dtype), keep_dims_(keep_dims) {}

  absl::Status Describe(HotInputs inputs, HotCall& call) const override {
    const TensorShape& shape = inputs[0]->shape();
    absl::InlinedVector<bool, 8> reduced(shape.dims(), false);
    TF_RETURN_IF_ERROR(inputs[1]->dtype() == tensorflow::DT_INT32 ? Mark<int32_t>(*inputs[1], reduced) : Mark<int64_t>(*inputs[1], reduced));
    TensorShape result;
    for (int d = 0; d < shape.dims(); ++d) {
      if (!reduced[d]) result.AddDim(shape.dim_size(d));
      if (reduced[d] && keep_dims_) result.AddDim(1);
      if (shape.dim_size(d) != 1) AppendDimension(shape.dim_size(d), reduced[d] ? kReduced : kKept, call);
    }
    RefuseLarge(shape, call);
    if (result.num_elements() == 0) {
      call.route = HotCall::Route::kNothing;
    } else if (call.sizes.empty() || call.pattern == kKept) {
      call.route = HotCall::Route::kPassThrough;
    }
    call.outputs.push_back(std::move(result));
    return absl::OkStatus();
  }

  void Build(uint64_t pattern, ir::Graph& graph) const override {
    std::vector<int64_t> reduced;
    const Expression input = AddInput(pattern, dtype_, reduced, graph);
    const Expression x = row_.wide ? Convert(input, AccumulatorOf(dtype_)) : input;
    Expression total = Reduce(row_.combiner, x, reduced, IdentityOf(row_.combiner, x));
    if (row_.mean) total = total / CountOf(x, reduced).BroadcastTo(total.shape(), {});
    graph.outputs = {Convert(total, dtype_).value()};
    graph.aliases = {-1};
  }

 private:
  template <class Index>
  absl::Status Mark(const Tensor& axes, absl::InlinedVector<bool, 8>& reduced) const {
    if (axes.dims() > 1) return InvalidArgumentError(StrCat("Expected reduction axes to be a vector, got shape ", axes.shape().DebugString()));
    const int64_t rank = static_cast<int64_t>(reduced.size());
    const Index* const values = static_cast<const Index*>(axes.data());
    for (int64_t i = 0; i < axes.NumElements(); ++i) {
      const int64_t axis = values[i];
      if (axis < -rank || axis >= rank) {
        return InvalidArgumentError(StrCat("Invalid reduction dimension (", axis, " for input with ", rank, " dimension(s)"));
      }
      bool& mark = reduced[(axis + rank) % rank];
      if (mark) return InvalidArgumentError(StrCat("Invalid reduction arguments: Axes contains duplicate dimension: ", (axis + rank) % rank));
      mark = true;
    }
    return absl::OkStatus();
  }

  // The number of elements of one result. Products beyond 2^31 are made in the element type, where they fit.
  static Expression CountOf(const Expression& x, const std::vector<int64_t>& reduced) {
    Expression count = Convert(x.DimensionSize(reduced[0]), x.dtype());
    for (size_t i = 1; i < reduced.size(); ++i) count = count * Convert(x.DimensionSize(reduced[i]), x.dtype());
    return count;
  }

  const ReduceRow& row_;
  const DType dtype_;
  const bool keep_dims_;
};

// ---- Softmax and its logarithm ----

class HotSoftmax : public HotOp {
 public:
  HotSoftmax(DType dtype, bool logarithm) : dtype_(dtype), logarithm_(logarithm) {}

  absl::Status Describe(HotInputs inputs, HotCall& call) const override {
    const TensorShape& shape = inputs[0]->shape();
    if (shape.dims() < 1) return InvalidArgumentError(StrCat("logits must have >= 1 dimension, got ", shape.DebugString()));
    const int64_t classes = shape.dim_size(shape.dims() - 1);
    if (shape.num_elements() == 0) {
      call.route = HotCall::Route::kNothing;
    } else {
      AppendDimension(shape.num_elements() / classes, kKept, call);
      AppendDimension(classes, kReduced, call);
      RefuseLarge(shape, call);
    }
    call.outputs.push_back(shape);
    return absl::OkStatus();
  }

  void Build(uint64_t pattern, ir::Graph& graph) const override {
    std::vector<int64_t> reduced;
    const Expression input = AddInput(pattern, dtype_, reduced, graph);
    const Expression greatest = Reduce(Op::kMaximum, input, reduced, input.Lowest());
    const Expression x = input - greatest.BroadcastTo(input.shape(), {0});
    const Expression wide = Convert(Exp(x), AccumulatorOf(dtype_));
    const Expression sum = Convert(Reduce(Op::kAdd, wide, reduced, wide.ScalarNumber(0)), dtype_);
    const Expression result = logarithm_ ? x - Log(sum).BroadcastTo(x.shape(), {0}) : Exp(x) / sum.BroadcastTo(x.shape(), {0});
    graph.outputs = {result.value()};
    graph.aliases = {-1};
  }

 private:
  const DType dtype_;
  const bool logarithm_;
};

// ---- BiasAddGrad ----

class HotBiasGradient : public HotOp {
 public:
  HotBiasGradient(DType dtype, bool channels_first) : dtype_(dtype), channels_first_(channels_first) {}

  absl::Status Describe(HotInputs inputs, HotCall& call) const override {
    const TensorShape& shape = inputs[0]->shape();
    if (shape.dims() < 2) return InvalidArgumentError(StrCat("Input tensor must be at least 2D: ", shape.DebugString()));
    const int feature = channels_first_ ? 1 : shape.dims() - 1;
    for (int d = 0; d < shape.dims(); ++d) {
      if (shape.dim_size(d) != 1) AppendDimension(shape.dim_size(d), d == feature ? kKept : kReduced, call);
    }
    RefuseLarge(shape, call);
    if (shape.dim_size(feature) == 0) {
      call.route = HotCall::Route::kNothing;
    } else if (call.sizes.empty() || call.pattern == kKept) {
      call.route = HotCall::Route::kPassThrough;
    }
    call.outputs.push_back(TensorShape({shape.dim_size(feature)}));
    return absl::OkStatus();
  }

  void Build(uint64_t pattern, ir::Graph& graph) const override {
    std::vector<int64_t> reduced;
    const Expression input = AddInput(pattern, dtype_, reduced, graph);
    const Expression x = Convert(input, AccumulatorOf(dtype_));
    graph.outputs = {Convert(Reduce(Op::kAdd, x, reduced, x.ScalarNumber(0)), dtype_).value()};
    graph.aliases = {-1};
  }

 private:
  const DType dtype_;
  const bool channels_first_;
};

DType InputType(tensorflow::OpKernelConstruction* construction) { return DTypeOf(construction->input_type(0)).value(); }

std::unique_ptr<HotOp> MakeReduction(tensorflow::OpKernelConstruction* construction) {
  bool keep_dims = false;
  if (!construction->GetAttr("keep_dims", &keep_dims).ok()) return nullptr;
  for (const ReduceRow& row : kReductions) {
    if (construction->def().op() == row.op) return std::make_unique<HotReduction>(row, InputType(construction), keep_dims);
  }
  return nullptr;
}

std::unique_ptr<HotOp> MakeSoftmax(tensorflow::OpKernelConstruction* construction) {
  return std::make_unique<HotSoftmax>(InputType(construction), construction->def().op() == "LogSoftmax");
}

std::unique_ptr<HotOp> MakeBiasGradient(tensorflow::OpKernelConstruction* construction) {
  std::string format;
  if (!construction->GetAttr("data_format", &format).ok()) return nullptr;
  return std::make_unique<HotBiasGradient>(InputType(construction), format.rfind("NC", 0) == 0);
}

}  // namespace

const std::vector<HotOpRow>& HotReduceOps() {
  static const auto* const rows = [] {
    auto* made = new std::vector<HotOpRow>{{"Softmax", MakeSoftmax}, {"LogSoftmax", MakeSoftmax}, {"BiasAddGrad", MakeBiasGradient}};
    for (const ReduceRow& row : kReductions) made->push_back({row.op, MakeReduction});
    return made;
  }();
  return *rows;
}

}  // namespace tfvk::plugin
