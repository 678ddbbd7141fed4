#include "hlo/sum_of_products.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "hlo/status.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {
namespace {

using xla::HloInstruction;
using xla::HloOpcode;
using Dims = google::protobuf::RepeatedField<int64_t>;

bool IsSum(const HloInstruction& instruction) {
  if (instruction.opcode() != HloOpcode::kReduce || instruction.operand_count() != 2) return false;
  const HloInstruction& combiner = *instruction.to_apply()->root_instruction();
  return combiner.opcode() == HloOpcode::kAdd && combiner.operand(0)->opcode() == HloOpcode::kParameter &&
         combiner.operand(1)->opcode() == HloOpcode::kParameter && combiner.operand(0) != combiner.operand(1) && instruction.operand(1)->IsConstant() &&
         instruction.operand(1)->literal().IsAll(0);
}

// The batched product of which the sum is made, through a conversion of its results to f32; null where there is none, or others use it.
HloInstruction* ProductUnder(HloInstruction& sum) {
  HloInstruction* product = sum.mutable_operand(0);
  if (product->opcode() == HloOpcode::kConvert && product->user_count() == 1) {
    const xla::PrimitiveType from = product->operand(0)->shape().element_type();
    if (product->shape().element_type() != xla::F32 || (from != xla::BF16 && from != xla::F16)) return nullptr;
    product = product->mutable_operand(0);
  }
  const bool is_float = xla::primitive_util::IsFloatingPointType(product->shape().element_type());
  return product->opcode() == HloOpcode::kDot && product->user_count() == 1 && is_float ? product : nullptr;
}

// Whether the operand's dimensions are the batch, in order, and then the one that is summed.
bool BeginsWith(const Dims& batch, const Dims& summed) {
  if (summed.size() != 1 || summed[0] != batch.size()) return false;
  for (int i = 0; i < batch.size(); ++i) {
    if (batch[i] != i) return false;
  }
  return true;
}

// The operand with its first `count` dimensions as one.
HloInstruction* Joined(HloInstruction* operand, int count) {
  const xla::Shape& shape = operand->shape();
  std::vector<int64_t> sizes = {1};
  for (int d = 0; d < shape.dimensions().size(); ++d) {
    if (d < count) {
      sizes[0] *= shape.dimensions(d);
    } else {
      sizes.push_back(shape.dimensions(d));
    }
  }
  HloInstruction* joined = operand->parent()->AddInstruction(HloInstruction::CreateReshape(xla::ShapeUtil::MakeShape(shape.element_type(), sizes), operand));
  joined->set_metadata(operand->metadata());
  return joined;
}

void Join(HloInstruction* sum) {
  HloInstruction* product = ProductUnder(*sum);
  if (product == nullptr) return;
  xla::DotDimensionNumbers dims = product->dot_dimension_numbers();
  const int batch = dims.lhs_batch_dimensions_size();
  if (batch == 0 || !BeginsWith(dims.lhs_batch_dimensions(), dims.lhs_contracting_dimensions()) ||
      !BeginsWith(dims.rhs_batch_dimensions(), dims.rhs_contracting_dimensions())) {
    return;
  }
  std::vector<int64_t> summed(sum->dimensions().begin(), sum->dimensions().end()), all(batch);
  std::sort(summed.begin(), summed.end());
  std::iota(all.begin(), all.end(), 0);
  if (summed != all) return;
  dims.clear_lhs_batch_dimensions();
  dims.clear_rhs_batch_dimensions();
  dims.set_lhs_contracting_dimensions(0, 0);
  dims.set_rhs_contracting_dimensions(0, 0);
  HloInstruction* left = Joined(product->mutable_operand(0), batch + 1);
  HloInstruction* right = Joined(product->mutable_operand(1), batch + 1);
  HloInstruction* joined = sum->parent()->AddInstruction(HloInstruction::CreateDot(sum->shape(), left, right, dims, product->precision_config()));
  joined->set_metadata(product->metadata());
  joined->set_frontend_attributes(product->frontend_attributes());
  ThrowIfError(sum->ReplaceAllUsesWith(joined), "sums of products");
}

}  // namespace

void JoinSumsOfProducts(xla::HloModule& module) {
  for (xla::HloComputation* computation : module.MakeNonfusionComputations()) {
    for (HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      if (IsSum(*instruction)) Join(instruction);
    }
  }
}

}  // namespace tfvk::hlo
