// Optimizers that update the rows of a table which a sparse gradient names. A row named several times is updated as often, in the order of the gradient, as on
// TensorFlow's CPU: there the result is a matter of chance on CUDA. An index outside of the table updates nothing, as on CUDA.
//
// The gradient's rows are sorted by index, keeping the order of equal ones, and each takes the value that the one before it gave. All first occurrences are
// computed at once, then all second ones, and so on: a gradient without repetitions needs one pass, and the table is read and written once.
#include <utility>

#include "plugin/sparse_rules.h"
#include "plugin/variable_ops.h"
#include "tensorflow/compiler/tf2xla/lib/scatter.h"
#include "tensorflow/compiler/tf2xla/type_util.h"
#include "tensorflow/compiler/tf2xla/xla_op_kernel.h"
#include "tensorflow/compiler/tf2xla/xla_op_registry.h"
#include "tensorflow/core/framework/op.h"
#include "xla/hlo/builder/lib/arithmetic.h"
#include "xla/hlo/builder/lib/comparators.h"
#include "xla/hlo/builder/lib/constants.h"
#include "xla/hlo/builder/lib/loops.h"
#include "xla/hlo/builder/lib/slicing.h"
#include "xla/hlo/builder/lib/sorting.h"

namespace tfvk::plugin {
namespace {

using absl::InvalidArgumentError;
using absl::StrCat;
using tensorflow::TensorShape;
using tensorflow::XlaOpKernelContext;
using xla::XlaOp;

// One call's gradient in the order of its indices.
struct SortedRows {
  int64_t count;     // N
  XlaOp keys;        // [N], ascending; rows outside of the table come last
  XlaOp key_before;  // [2N]: N keys that no row has, then the keys
  XlaOp order;       // [N], which row of the gradient each is; not set for one row
};

XlaOp KeysBefore(XlaOp padded, XlaOp distance, int64_t count) { return xla::DynamicSlice(padded, {xla::ScalarLike(distance, count) - distance}, {count}); }

SortedRows SortRows(XlaOp indices, xla::PrimitiveType type, int64_t count, int64_t table_rows, xla::XlaBuilder* builder) {
  const XlaOp end = xla::ScalarLike(indices, table_rows);
  const XlaOp is_outside = xla::Or(xla::Lt(indices, xla::ScalarLike(indices, 0)), xla::Ge(indices, end));
  SortedRows rows{count, xla::Select(is_outside, xla::Broadcast(end, {count}), indices), {}, {}};
  if (count > 1) {
    const XlaOp positions = xla::Iota(builder, xla::S32, count);
    const XlaOp sorted = xla::Sort({rows.keys, positions}, xla::CreateScalarLtComputation({type, xla::S32}, builder), 0, /*is_stable=*/true);
    rows.keys = xla::GetTupleElement(sorted, 0);
    rows.order = xla::GetTupleElement(sorted, 1);
  }
  rows.key_before = xla::ConcatInDim(builder, {xla::Broadcast(xla::ScalarLike(rows.keys, -1), {count}), rows.keys}, 0);
  return rows;
}

// Where the row after has another key, the key; elsewhere one outside of the table.
XlaOp LastKeys(const SortedRows& rows, int64_t table_rows, xla::XlaBuilder* builder) {
  if (rows.count == 1) return rows.keys;
  const XlaOp after = xla::SliceInDim(rows.keys, 1, rows.count, 1, 0);
  const XlaOp is_last = xla::Ne(xla::SliceInDim(rows.keys, 0, rows.count - 1, 1, 0), after);
  const XlaOp all = xla::ConcatInDim(builder, {is_last, xla::ConstantR1<bool>(builder, 1, true)}, 0);
  return xla::Select(all, rows.keys, xla::Broadcast(xla::ScalarLike(rows.keys, table_rows), {rows.count}));
}

class SparseApplyKernel : public tensorflow::XlaOpKernel {
 public:
  explicit SparseApplyKernel(tensorflow::OpKernelConstruction* context) : XlaOpKernel(context) {
    for (const SparseRuleRow& row : SparseRules()) {
      if (type_string() == row.op) rule_ = row.rule;
    }
    const tensorflow::OpDef* op = nullptr;
    OP_REQUIRES_OK(context, tensorflow::OpRegistry::Global()->LookUpOpDef(type_string(), &op));
    for (const auto& argument : op->input_arg()) names_.push_back(argument.name());
    OP_REQUIRES_OK(context, context->GetAttr("T", &dtype_));
    for (const auto& [name, value] : {std::pair("use_nesterov", &options_.use_nesterov), std::pair("update_slots", &options_.update_slots),
                                      std::pair("multiply_linear_by_lr", &options_.multiply_linear_by_lr)}) {
      if (context->HasAttr(name)) OP_REQUIRES_OK(context, context->GetAttr(name, value));
    }
    while (variables_ < static_cast<int>(names_.size()) && input_type(variables_) == tensorflow::DT_RESOURCE) ++variables_;
  }

  void Compile(XlaOpKernelContext* context) override { OP_REQUIRES_OK(context, Build(context)); }

 private:
  // The first come the variables.
  bool IsScalar(int input) const { return input >= variables_ && names_[input] != "grad" && names_[input] != "indices"; }

  absl::Status CheckInputs(XlaOpKernelContext* context, const std::vector<TensorShape>& tables) const {
    const TensorShape &table = tables[0], indices = context->InputShape("indices"), gradient = context->InputShape("grad");
    for (size_t i = 1; i < tables.size(); ++i) {
      if (tables[i] == table) continue;
      return InvalidArgumentError(StrCat("var and ", names_[i], " do not have the same shape", table.DebugString(), " ", tables[i].DebugString()));
    }
    if (table.dims() < 1) return InvalidArgumentError("var must be at least 1 dimensional");
    for (int i = 0; i < num_inputs(); ++i) {
      if (!IsScalar(i) || context->InputShape(i).dims() == 0) continue;
      return InvalidArgumentError(StrCat(names_[i], " is not a scalar: ", context->InputShape(i).DebugString()));
    }
    if (indices.dims() != 1) return InvalidArgumentError("indices must be one-dimensional");
    if (gradient.dims() != table.dims()) return InvalidArgumentError(StrCat("var and grad must have the same rank: ", table.dims(), " and ", gradient.dims()));
    for (int d = 1; d < table.dims(); ++d) {
      if (table.dim_size(d) != gradient.dim_size(d)) return InvalidArgumentError(StrCat("var and grad must match in dimension ", d));
    }
    if (gradient.dim_size(0) != indices.dim_size(0)) return InvalidArgumentError("grad must be the same size as indices in the first dimension.");
    return absl::OkStatus();
  }

  absl::Status Build(XlaOpKernelContext* context) const {
    std::vector<XlaOp> tables(variables_);
    std::vector<TensorShape> shapes(variables_);
    for (int i = 0; i < variables_; ++i) TF_RETURN_IF_ERROR(context->ReadVariableInput(i, dtype_, &shapes[i], &tables[i]));
    TF_RETURN_IF_ERROR(CheckInputs(context, shapes));
    const int64_t count = context->InputShape("indices").dim_size(0), table_rows = shapes[0].dim_size(0);
    if (count == 0 || shapes[0].num_elements() == 0) return absl::OkStatus();

    xla::XlaBuilder* const builder = context->builder();
    const SortedRows rows = SortRows(context->Input("indices"), context->InputXlaType("indices"), count, table_rows, builder);
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> inputs, ReadRows(context, rows, tables));
    std::vector<XlaOp> values = rule_(inputs, options_);
    if (count > 1) {
      TF_ASSIGN_OR_RETURN(const xla::Shape shape, builder->GetShape(values[0]));
      TF_ASSIGN_OR_RETURN(values, UpdateAgain(rows, inputs, std::move(values), shape.dimensions(), builder));
    }
    const XlaOp targets = LastKeys(rows, table_rows, builder);
    for (int i = 0; i < variables_; ++i) {
      TF_ASSIGN_OR_RETURN(const XlaOp table, tensorflow::XlaScatter(tables[i], values[i], targets, false, false, nullptr, builder));
      TF_RETURN_IF_ERROR(context->AssignVariable(i, dtype_, table));
    }
    return absl::OkStatus();
  }

  // The rule's inputs, as arrays of rows.
  absl::StatusOr<std::vector<XlaOp>> ReadRows(XlaOpKernelContext* context, const SortedRows& rows, const std::vector<XlaOp>& tables) const {
    std::vector<XlaOp> inputs;
    for (const XlaOp table : tables) inputs.push_back(xla::TorchIndexSelect(table, rows.keys, 0));
    TF_ASSIGN_OR_RETURN(const xla::Shape shape, context->builder()->GetShape(inputs[0]));
    for (int i = variables_; i < num_inputs(); ++i) {
      if (names_[i] == "indices") continue;
      const XlaOp input = context->Input(i);
      if (IsScalar(i)) {
        inputs.push_back(xla::Broadcast(xla::ConvertElementType(input, shape.element_type()), shape.dimensions()));
      } else {
        inputs.push_back(rows.count > 1 ? xla::TorchIndexSelect(input, rows.order, 0) : input);
      }
    }
    return inputs;
  }

  // The second and later updates of rows that are named again. `values` are the first.
  absl::StatusOr<std::vector<XlaOp>> UpdateAgain(const SortedRows& rows, const std::vector<XlaOp>& inputs, std::vector<XlaOp> values,
                                                 absl::Span<const int64_t> sizes, xla::XlaBuilder* builder) const {
    // State: how often a row must have been named before, the keys, the values, the rule's other inputs.
    std::vector<XlaOp> state = {xla::ScalarLike(rows.keys, 1), rows.keys, rows.key_before};
    state.insert(state.end(), values.begin(), values.end());
    state.insert(state.end(), inputs.begin() + variables_, inputs.end());
    const int64_t count = rows.count;
    const auto is_any_left = [count](absl::Span<const XlaOp> now, xla::XlaBuilder* body) -> absl::StatusOr<XlaOp> {
      const XlaOp left = xla::Eq(KeysBefore(now[2], now[0], count), now[1]);
      return xla::ReduceAll(left, xla::ConstantR0<bool>(body, false), xla::CreateScalarOrComputation(xla::PRED, body));
    };
    const auto update = [this, count, sizes](absl::Span<const XlaOp> now, xla::XlaBuilder* body) -> absl::StatusOr<std::vector<XlaOp>> {
      const XlaOp one = xla::ScalarLike(now[0], 1), keys = now[1];
      const XlaOp named = xla::Eq(KeysBefore(now[2], now[0], count), keys), named_more = xla::Eq(KeysBefore(now[2], now[0] + one, count), keys);
      const XlaOp due = xla::BroadcastInDim(xla::And(named, xla::Not(named_more)), sizes, {0});
      std::vector<XlaOp> again, next(now.begin(), now.end());
      for (int i = 0; i < variables_; ++i) {
        const XlaOp made = now[3 + i];
        again.push_back(xla::ConcatInDim(body, {xla::SliceInDim(made, 0, 1, 1, 0), xla::SliceInDim(made, 0, count - 1, 1, 0)}, 0));
      }
      again.insert(again.end(), now.begin() + 3 + variables_, now.end());
      const std::vector<XlaOp> made = rule_(again, options_);
      for (int i = 0; i < variables_; ++i) next[3 + i] = xla::Select(due, made[i], now[3 + i]);
      next[0] = now[0] + one;
      return next;
    };
    TF_ASSIGN_OR_RETURN(const std::vector<XlaOp> last, xla::WhileLoopHelper(is_any_left, update, state, "repeated rows", builder));
    return std::vector<XlaOp>(last.begin() + 3, last.begin() + 3 + variables_);
  }

  SparseRule rule_ = nullptr;
  SparseRuleOptions options_;
  tensorflow::DataType dtype_ = tensorflow::DT_INVALID;
  std::vector<std::string> names_;  // of the op's inputs
  int variables_ = 0;
};

}  // namespace

void RegisterSparseOptimizerOps() {
  const std::vector<tensorflow::DataType> real = {tensorflow::DT_HALF, tensorflow::DT_BFLOAT16, tensorflow::DT_FLOAT, tensorflow::DT_DOUBLE};
  std::vector<tensorflow::DataType> all = real;
  all.insert(all.end(), {tensorflow::DT_COMPLEX64, tensorflow::DT_COMPLEX128});
  const auto create = [](tensorflow::OpKernelConstruction* context) -> tensorflow::OpKernel* { return new SparseApplyKernel(context); };
  for (const SparseRuleRow& row : SparseRules()) {  // the registrars must live as long as the process
    new tensorflow::XlaOpRegistrar(
        tensorflow::XlaOpRegistrationBuilder::Name(row.op).Device("XLA_GPU_JIT").TypeConstraint("T", row.of_complex ? all : real).Build(create));
  }
}

}  // namespace tfvk::plugin
