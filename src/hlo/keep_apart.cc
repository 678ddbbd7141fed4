#include "hlo/keep_apart.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "hlo/status.h"
#include "xla/hlo/ir/hlo_casting_utils.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_instructions.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/primitive_util.h"
#include "xla/service/hlo_creation_utils.h"
#include "xla/shape_util.h"
#include "xla/window_util.h"
#include "xla/xla_data.pb.h"

namespace tfvk::hlo {
namespace {

using xla::HloInstruction;
using xla::HloOpcode;

HloInstruction* Barrier(HloInstruction* hidden) {
  return hidden->parent()->AddInstruction(HloInstruction::CreateUnary(hidden->shape(), HloOpcode::kOptimizationBarrier, hidden));
}

bool IsDynamicSlice(const HloInstruction* instruction) { return instruction->opcode() == HloOpcode::kDynamicSlice; }

bool ChangesElementSize(const HloInstruction* instruction) {
  return instruction->opcode() == HloOpcode::kBitcastConvert && instruction->shape().dimensions() != instruction->operand(0)->shape().dimensions();
}

using Predicate = bool (*)(const HloInstruction*);

bool HasAny(const xla::HloComputation* computation, Predicate is_one) {
  return std::any_of(computation->instructions().begin(), computation->instructions().end(), [&](const HloInstruction* instruction) {
    return is_one(instruction) || std::any_of(instruction->called_computations().begin(), instruction->called_computations().end(),
                                              [&](const xla::HloComputation* called) { return HasAny(called, is_one); });
  });
}

// Hides what one of them takes wherever that may turn out to be the result of another.
void KeepApart(xla::HloComputation* computation, Predicate is_one) {
  std::unordered_set<const HloInstruction*> after;  // what depends on one
  const bool inner = computation != computation->parent()->entry_computation();
  for (HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
    const bool is_this = is_one(instruction);
    if (is_this && after.count(instruction->operand(0)) != 0) {
      ThrowIfError(instruction->ReplaceOperandWith(0, Barrier(instruction->mutable_operand(0))), "XLA passes");
    }
    const bool holds_one = std::any_of(instruction->called_computations().begin(), instruction->called_computations().end(),
                                       [&](const xla::HloComputation* called) { return HasAny(called, is_one); });
    const bool depends =
        std::any_of(instruction->operands().begin(), instruction->operands().end(), [&](const HloInstruction* operand) { return after.count(operand) != 0; });
    const bool comes_from_outside = inner && instruction->opcode() == HloOpcode::kParameter;
    if (is_this || holds_one || depends || comes_from_outside) after.insert(instruction);
  }
}

// Signed integers that the simplifier never takes for negative, though a result that overflows is.
bool IsTakenForPositive(const HloInstruction* instruction) {
  if (!instruction->shape().IsArray() || !xla::primitive_util::IsSignedIntegralType(instruction->shape().element_type())) return false;
  switch (instruction->opcode()) {
    case HloOpcode::kAbs:
      return true;
    case HloOpcode::kMultiply:
      return instruction->operand(0) == instruction->operand(1);
    case HloOpcode::kIota: {
      const int bits = xla::primitive_util::BitWidth(instruction->shape().element_type());
      return bits < 64 && instruction->shape().dimensions(xla::Cast<xla::HloIotaInstruction>(instruction)->iota_dimension()) > int64_t{1} << (bits - 1);
    }
    default:
      return false;
  }
}

void HideResult(HloInstruction* instruction) {
  const std::vector<HloInstruction*> users = instruction->users();
  HloInstruction* barrier = Barrier(instruction);
  for (HloInstruction* user : users) ThrowIfError(instruction->ReplaceUseWith(user, barrier), "XLA passes");
}

// Convolutions of one feature a group whose windows each cover their dimension: the simplifier makes a product and a reduction of them.
bool BecomesProduct(const HloInstruction* convolution) {
  if (convolution->opcode() != HloOpcode::kConvolution) return false;
  const xla::ConvolutionDimensionNumbers& numbers = convolution->convolution_dimension_numbers();
  const xla::Shape &filter = convolution->operand(1)->shape(), &result = convolution->shape();
  const int64_t groups = convolution->feature_group_count();
  if (filter.dimensions(numbers.kernel_input_feature_dimension()) != 1 || filter.dimensions(numbers.kernel_output_feature_dimension()) != groups ||
      result.dimensions(numbers.output_feature_dimension()) != groups) {
    return false;
  }
  bool sums = false;
  for (int i = 0; i < numbers.kernel_spatial_dimensions_size(); ++i) {
    if (filter.dimensions(numbers.kernel_spatial_dimensions(i)) == 1) continue;
    if (result.dimensions(numbers.output_spatial_dimensions(i)) != 1) return false;
    sums = true;
  }
  const xla::Window& window = convolution->window();
  return sums && !xla::window_util::HasStride(window) && !xla::window_util::HasPadding(window) && !xla::window_util::HasDilation(window);
}

// That product knows of no reversed windows, and rounds each term to the result's type. Reversed filters and fp32 terms say the same.
void PrepareForProduct(HloInstruction* convolution) {
  const xla::PrimitiveType type = convolution->shape().element_type();
  const bool narrow = type == xla::F16 || type == xla::BF16;
  xla::Window window = convolution->window();
  std::vector<int64_t> reversed;
  for (int i = 0; i < window.dimensions_size(); ++i) {
    if (window.dimensions(i).window_reversal()) reversed.push_back(convolution->convolution_dimension_numbers().kernel_spatial_dimensions(i));
    window.mutable_dimensions(i)->set_window_reversal(false);
  }
  HloInstruction *input = convolution->mutable_operand(0), *filter = convolution->mutable_operand(1);
  if (!reversed.empty()) filter = filter->parent()->AddInstruction(HloInstruction::CreateReverse(filter->shape(), filter, reversed));
  if (narrow) {
    input = xla::MakeConvertToHlo(input, xla::F32);
    filter = xla::MakeConvertToHlo(filter, xla::F32);
  }
  const xla::Shape shape = xla::ShapeUtil::ChangeElementType(convolution->shape(), narrow ? xla::F32 : type);
  HloInstruction* result = convolution->AddInstruction(convolution->CloneWithNewOperands(shape, {input, filter}));
  result->set_window(window);
  if (narrow) result = xla::MakeConvertToHlo(result, type);
  ThrowIfError(convolution->ReplaceAllUsesWith(result), "XLA passes");
  ThrowIfError(convolution->parent()->RemoveInstruction(convolution), "XLA passes");
}

}  // namespace

void KeepApart(xla::HloModule& module) {
  for (xla::HloComputation* computation : module.MakeNonfusionComputations()) {
    KeepApart(computation, IsDynamicSlice);
    KeepApart(computation, ChangesElementSize);
    for (HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      if (IsTakenForPositive(instruction)) HideResult(instruction);
      if (BecomesProduct(instruction)) PrepareForProduct(instruction);
    }
  }
}

}  // namespace tfvk::hlo
