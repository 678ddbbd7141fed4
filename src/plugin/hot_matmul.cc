// Matrix products as hot ops. Beside the transpositions only one fact about each size is part of the pattern: whether it is a multiple of 8, which decides
// how widely kernels may load. Products that run long go to the generic kernel: a program for their very sizes pays there.
#include <algorithm>

#include "ir/graph.h"
#include "plugin/element_types.h"
#include "plugin/hot_ops.h"

namespace tfvk::plugin {
namespace {

using absl::InvalidArgumentError;
using absl::StrCat;
using tensorflow::TensorShape;

constexpr int64_t kMultiple = 8;
constexpr double kLongProduct = 2147483648.0;                                         // multiply-adds: some milliseconds of a fast device
constexpr int kM = 0, kN = 1, kK = 2, kBatch = 3, kLeftMatrix = 4, kRightMatrix = 5;  // symbols
constexpr uint64_t kBatched = 8;                                                      // of a pattern, above one bit each of m, n and k

class HotMatmul : public HotOp {
 public:
  HotMatmul(std::string op, DType dtype, bool transpose_a, bool transpose_b)
      : op_(std::move(op)), dtype_(dtype), transpose_a_(transpose_a), transpose_b_(transpose_b) {}

  absl::Status Describe(HotInputs inputs, HotCall& call) const override {
    const TensorShape &a = inputs[0]->shape(), &b = inputs[1]->shape();
    TF_RETURN_IF_ERROR(CheckRanks(a, b));
    const int last_a = a.dims() - 1, last_b = b.dims() - 1;
    int64_t m = a.dim_size(transpose_a_ ? last_a : last_a - 1);
    const int64_t k = a.dim_size(transpose_a_ ? last_a - 1 : last_a), n = b.dim_size(transpose_b_ ? last_b - 1 : last_b);
    if (k != b.dim_size(transpose_b_ ? last_b : last_b - 1)) {
      return InvalidArgumentError(StrCat("Matrix size-incompatible: In[0]: ", a.DebugString(), ", In[1]: ", b.DebugString()));
    }
    TensorShape result;
    TF_RETURN_IF_ERROR(BatchShape(a, b, &result));
    const int64_t batch = result.num_elements(), of_a = CountOfBatch(a), of_b = CountOfBatch(b);
    result.AddDim(m);
    result.AddDim(n);
    const bool rows_alone = of_b == 1 && !transpose_a_;  // the batch is so many more rows
    const bool built = batch == 1 || rows_alone || (of_a == batch && of_b == batch);
    const bool one_product = batch == 1 || rows_alone;
    if (rows_alone) m *= batch;
    if (result.num_elements() == 0) {
      call.route = HotCall::Route::kNothing;
    } else if (!built || k == 0 || std::max({a.num_elements(), b.num_elements(), result.num_elements()}) > kMostHotElements ||
               static_cast<double>(result.num_elements()) * static_cast<double>(k) > kLongProduct) {
      call.route = HotCall::Route::kGenericDoor;
    } else {
      call.sizes = {m, n, k};
      for (int i = 0; i < 3; ++i) call.pattern |= static_cast<uint64_t>(call.sizes[i] % kMultiple == 0) << i;
      if (!one_product) {
        call.pattern |= kBatched;
        call.sizes.insert(call.sizes.end(), {batch, m * k, k * n});
      }
    }
    call.outputs.push_back(std::move(result));
    return absl::OkStatus();
  }

  void Build(uint64_t pattern, ir::Graph& graph) const override {
    const bool batched = (pattern & kBatched) != 0;
    graph.symbol_count = batched ? 6 : 3;
    const auto size = [&](int symbol) { return Size::Symbol(symbol, (pattern >> symbol & 1) != 0 ? kMultiple : 1); };
    const Size m = size(kM), n = size(kN), k = size(kK), batch = Size::Symbol(kBatch);
    const ir::Value a = Operand(graph, batched, transpose_a_ ? Shape{k, m} : Shape{m, k}, kLeftMatrix);
    const ir::Value b = Operand(graph, batched, transpose_b_ ? Shape{n, k} : Shape{k, n}, kRightMatrix);
    const int64_t first = batched ? 1 : 0;
    ir::DotAttr dot;
    if (batched) dot.lhs_batch = dot.rhs_batch = {0};
    dot.lhs_contract = {first + (transpose_a_ ? 0 : 1)};
    dot.rhs_contract = {first + (transpose_b_ ? 1 : 0)};
    graph.outputs = {graph.Add(ir::Op::kDot, {a, b}, {{dtype_, batched ? Shape{batch, m, n} : Shape{m, n}}}, dot)};
    graph.aliases = {-1};
  }

 private:
  // A matrix, or a batch of them: as rows of known length, so that the stride from one to the next is a symbol.
  ir::Value Operand(ir::Graph& graph, bool batched, const Shape& matrix, int rows) const {
    if (!batched) return graph.AddParameter({dtype_, matrix});
    const Size batch = Size::Symbol(kBatch);
    const ir::Value parameter = graph.AddParameter({dtype_, {batch, Size::Symbol(rows, std::max(matrix[0].value, matrix[1].value))}});
    return graph.Add(ir::Op::kReshape, {parameter}, {{dtype_, {batch, matrix[0], matrix[1]}}});
  }

  absl::Status CheckRanks(const TensorShape& a, const TensorShape& b) const {
    const bool same_rank = op_ != "BatchMatMulV2" && op_ != "BatchMatMulV3";
    if (same_rank && a.dims() != b.dims()) {
      return InvalidArgumentError(StrCat("In[0] and In[1] has different ndims: ", a.DebugString(), " vs. ", b.DebugString()));
    }
    if (op_ == "MatMul" && a.dims() != 2) return InvalidArgumentError(StrCat("In[0] ndims must be == 2: ", a.dims()));
    for (int i = 0; i < 2; ++i) {
      const TensorShape& shape = i == 0 ? a : b;
      if (shape.dims() < 2) return InvalidArgumentError(StrCat("In[", i, "] ndims must be >= 2: ", shape.dims()));
    }
    return absl::OkStatus();
  }

  static int64_t CountOfBatch(const TensorShape& shape) {
    int64_t count = 1;
    for (int d = 0; d < shape.dims() - 2; ++d) count *= shape.dim_size(d);
    return count;
  }

  // NumPy's rules for the dimensions before the last two.
  absl::Status BatchShape(const TensorShape& a, const TensorShape& b, TensorShape* batch) const {
    for (int from_last = std::max(a.dims(), b.dims()) - 2; from_last-- > 0;) {
      const int in_a = a.dims() - 3 - from_last, in_b = b.dims() - 3 - from_last;
      const int64_t x = in_a < 0 ? 1 : a.dim_size(in_a), y = in_b < 0 ? 1 : b.dim_size(in_b);
      if (x != y && ((x != 1 && y != 1) || op_ == "BatchMatMul")) {
        return InvalidArgumentError(StrCat("In[0] and In[1] must have compatible batch dimensions: ", a.DebugString(), " vs. ", b.DebugString()));
      }
      batch->AddDim(x == 1 ? y : x);
    }
    return absl::OkStatus();
  }

  const std::string op_;
  const DType dtype_;
  const bool transpose_a_, transpose_b_;
};

std::unique_ptr<HotOp> Make(tensorflow::OpKernelConstruction* construction) {
  const std::string& op = construction->def().op();
  const bool plain = op == "MatMul";
  bool a = false, b = false;
  if (!construction->GetAttr(plain ? "transpose_a" : "adj_x", &a).ok() || !construction->GetAttr(plain ? "transpose_b" : "adj_y", &b).ok()) return nullptr;
  const auto type = construction->input_type(0);
  if (type != construction->input_type(1) || type != construction->output_type(0)) return nullptr;
  return std::make_unique<HotMatmul>(op, DTypeOf(type).value(), a, b);
}

}  // namespace

const std::vector<HotOpRow>& HotMatmulOps() {
  static const auto* const rows = new std::vector<HotOpRow>{{"MatMul", Make}, {"BatchMatMul", Make}, {"BatchMatMulV2", Make}, {"BatchMatMulV3", Make}};
  return *rows;
}

}  // namespace tfvk::plugin
