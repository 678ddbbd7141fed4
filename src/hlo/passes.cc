#include "hlo/passes.h"

#include <vector>

#include "hlo/composites.h"
#include "hlo/expand_fft.h"
#include "hlo/flatten_conditionals.h"
#include "hlo/inline_maps.h"
#include "hlo/keep_apart.h"
#include "hlo/random_state.h"
#include "hlo/split_complex.h"
#include "hlo/static_shapes.h"
#include "hlo/status.h"
#include "hlo/sum_of_products.h"
#include "xla/comparison_util.h"
#include "xla/hlo/ir/hlo_computation.h"
#include "xla/hlo/ir/hlo_instruction.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/hlo/pass/hlo_pass_fix.h"
#include "xla/hlo/pass/hlo_pass_pipeline.h"
#include "xla/hlo/transforms/expanders/cholesky_expander.h"
#include "xla/hlo/transforms/expanders/dot_decomposer.h"
#include "xla/hlo/transforms/expanders/eigh_expander.h"
#include "xla/hlo/transforms/expanders/optimization_barrier_expander.h"
#include "xla/hlo/transforms/expanders/qr_expander.h"
#include "xla/hlo/transforms/expanders/rng_bit_generator_expander.h"
#include "xla/hlo/transforms/expanders/stochastic_convert_decomposer.h"
#include "xla/hlo/transforms/simplifiers/algebraic_simplifier.h"
#include "xla/hlo/transforms/simplifiers/flatten_call_graph.h"
#include "xla/hlo/transforms/simplifiers/hlo_constant_folding.h"
#include "xla/hlo/transforms/simplifiers/hlo_dce.h"
#include "xla/hlo/transforms/simplifiers/reshape_mover.h"
#include "xla/hlo/transforms/simplifiers/sort_simplifier.h"
#include "xla/hlo/transforms/simplifiers/tuple_simplifier.h"
#include "xla/hlo/transforms/simplifiers/zero_sized_hlo_elimination.h"
#include "xla/literal_util.h"
#include "xla/primitive_util.h"
#include "xla/service/batched_gather_scatter_normalizer.h"
#include "xla/service/batchnorm_expander.h"
#include "xla/service/conditional_simplifier.h"
#include "xla/service/hlo_cse.h"
#include "xla/service/hlo_verifier.h"
#include "xla/service/topk_rewriter.h"
#include "xla/service/transpose_folding.h"
#include "xla/service/triangular_solve_expander.h"
#include "xla/service/while_loop_simplifier.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {
namespace {

void Run(xla::HloPassInterface& pass, xla::HloModule& module) { ThrowIfError(pass.Run(&module).status(), "XLA passes"); }

void Verify(xla::HloModule& module) {
  xla::HloVerifier verifier(/*layout_sensitive=*/false, /*allow_mixed_precision=*/true);
  Run(verifier, module);
}

// tf2xla asks for sizes of dimensions that turn out static, and BatchNormExpander always does; no pass of the wheel folds them.
void FoldDimensionSize(xla::HloInstruction* instruction) {
  const xla::Shape& shape = instruction->operand(0)->shape();
  if (shape.is_dynamic_dimension(instruction->dimension())) return;
  auto constant = xla::HloInstruction::CreateConstant(xla::LiteralUtil::CreateR0<int32_t>(static_cast<int32_t>(shape.dimensions(instruction->dimension()))));
  ThrowIfError(instruction->parent()->ReplaceWithNewInstruction(instruction, std::move(constant)), "XLA passes");
}

// TopKV2 sets the size of its result to k even where that is the whole dimension.
void FoldSetDimensionSize(xla::HloInstruction* instruction) {
  xla::HloInstruction* operand = instruction->mutable_operand(0);
  const xla::HloInstruction* size = instruction->operand(1);
  const int64_t whole = operand->shape().dimensions(instruction->dimension());
  if (!size->IsConstant() || !operand->shape().is_static() || size->literal().GetFirstInteger() != whole) return;
  ThrowIfError(instruction->ReplaceAllUsesWithDifferentShape(operand), "XLA passes");
}

void FoldStaticDimensionSizes(xla::HloModule& module) {
  for (xla::HloComputation* computation : module.MakeNonfusionComputations()) {
    for (xla::HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      if (instruction->opcode() == xla::HloOpcode::kGetDimensionSize) FoldDimensionSize(instruction);
      if (instruction->opcode() == xla::HloOpcode::kSetDimensionSize) FoldSetDimensionSize(instruction);
    }
  }
}

// TopkDecomposer ends the process where a top-k's tuple is used as a whole.
void TakeTopKApart(xla::HloModule& module) {
  for (xla::HloComputation* computation : module.MakeNonfusionComputations()) {
    for (xla::HloInstruction* topk : computation->MakeInstructionPostOrder()) {
      if (topk->opcode() != xla::HloOpcode::kTopK) continue;
      const std::vector<xla::HloInstruction*> users = topk->users();
      const bool is_root = computation->root_instruction() == topk;
      std::vector<xla::HloInstruction*> elements;
      for (int64_t i = 0; i < 2; ++i) {
        elements.push_back(computation->AddInstruction(xla::HloInstruction::CreateGetTupleElement(topk->shape().tuple_shapes(i), topk, i)));
      }
      xla::HloInstruction* tuple = computation->AddInstruction(xla::HloInstruction::CreateTuple(elements));
      for (xla::HloInstruction* user : users) {
        if (user->opcode() != xla::HloOpcode::kGetTupleElement) ThrowIfError(topk->ReplaceUseWith(user, tuple), "XLA passes");
      }
      if (is_root) computation->set_root_instruction(tuple);
    }
  }
}

// What says how to share work between devices, of which there is one: it has all shards, and the number 0.
void DropShardings(xla::HloModule& module) {
  const std::set<std::string> targets = {"Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape"};
  for (xla::HloComputation* computation : module.MakeNonfusionComputations()) {
    for (xla::HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      xla::HloInstruction* replacement = nullptr;
      if (instruction->opcode() == xla::HloOpcode::kReplicaId || instruction->opcode() == xla::HloOpcode::kPartitionId) {
        replacement = computation->AddInstruction(xla::HloInstruction::CreateConstant(xla::LiteralUtil::CreateR0<uint32_t>(0)));
      } else if (instruction->opcode() == xla::HloOpcode::kCustomCall && targets.count(instruction->custom_call_target()) != 0 &&
                 xla::ShapeUtil::Compatible(instruction->shape(), instruction->operand(0)->shape())) {
        replacement = instruction->mutable_operand(0);
      }
      if (replacement == nullptr) continue;
      ThrowIfError(instruction->ReplaceAllUsesWith(replacement), "XLA passes");
      ThrowIfError(computation->RemoveInstruction(instruction), "XLA passes");
    }
  }
}

// Scalar predicates and bounds, which HLO allows, become whole tensors: the evaluator wants them so.
void BroadcastScalarOperands(xla::HloModule& module) {
  for (xla::HloComputation* computation : module.MakeNonfusionComputations()) {
    for (xla::HloInstruction* instruction : computation->MakeInstructionPostOrder()) {
      if (instruction->opcode() != xla::HloOpcode::kClamp && instruction->opcode() != xla::HloOpcode::kSelect) continue;
      if (!instruction->shape().IsArray()) continue;
      for (int64_t i = 0; i < instruction->operand_count(); ++i) {
        xla::HloInstruction* operand = instruction->mutable_operand(i);
        if (!xla::ShapeUtil::IsScalar(operand->shape()) || xla::ShapeUtil::IsScalar(instruction->shape())) continue;
        const xla::Shape shape = xla::ShapeUtil::ChangeElementType(instruction->shape(), operand->shape().element_type());
        xla::HloInstruction* whole = computation->AddInstruction(xla::HloInstruction::CreateBroadcast(shape, operand, {}));
        ThrowIfError(instruction->ReplaceOperandWithDifferentShape(i, whole), "XLA passes");
      }
    }
  }
}

xla::AlgebraicSimplifierOptions SimplifierOptions() {
  xla::AlgebraicSimplifierOptions options;
  options.set_is_layout_sensitive(false);
  options.set_supports_non_canonical_dots(false);    // DotDecomposer has run
  options.set_enable_dot_strength_reduction(false);  // a product and a reduction in bf16 would round every product
  options.set_enable_conv_operand_swap(false);       // it hides which operand is the filter from the choice of kernel
  options.set_enable_unconditional_reduce_of_concat_replacement(false);
  return options;
}

// XLA's CSE takes a comparison in total order for equal to one in partial order on the same operands.
bool MayEliminate(const xla::HloInstruction* instruction) {
  if (!xla::HloCSE::ShouldEliminateInstruction(instruction)) return false;
  return instruction->opcode() != xla::HloOpcode::kCompare || instruction->comparison_order() == xla::ComparisonOrder::kPartial ||
         !xla::primitive_util::IsFloatingPointType(instruction->operand(0)->shape().element_type());
}

}  // namespace

void Expand(xla::HloModule& module) {
  TakeTopKApart(module);
  DropShardings(module);
  xla::HloPassPipeline pipeline("expand");
  pipeline.AddPass<OtherCallInliner>();
  pipeline.AddPass<xla::FlattenCallGraph>();
  pipeline.AddPass<xla::RngBitGeneratorExpander>(xla::RandomAlgorithm::RNG_PHILOX);
  pipeline.AddPass<xla::CholeskyExpander>();
  pipeline.AddPass<xla::QrExpander>();
  pipeline.AddPass<xla::EighExpander>();
  pipeline.AddPass<xla::TriangularSolveExpander>();
  pipeline.AddPass<xla::BatchNormExpander>(/*rewrite_training_op=*/true, /*rewrite_inference_op=*/true, /*rewrite_grad_op=*/true);
  pipeline.AddPass<xla::TopkDecomposer>();
  pipeline.AddPass<xla::StochasticConvertDecomposer>();
  pipeline.AddPass<xla::BatchedGatherScatterNormalizer>();
  pipeline.AddPass<xla::OptimizationBarrierExpander>();
  pipeline.AddPass<OtherCallInliner>();  // the expanders make calls
  Run(pipeline, module);
  FoldStaticDimensionSizes(module);
  BroadcastScalarOperands(module);
}

bool RunPasses(xla::HloModule& module) {
  Verify(module);
  MakeShapesStatic(module);
  Expand(module);
  const bool takes_random_state = ThreadRandomState(module);

  xla::HloPassPipeline complex("complex");  // the evaluator has what these remove
  complex.AddPass<FftExpander>();
  complex.AddPass<OtherCallInliner>();
  complex.AddPass<xla::HloDCE>();
  complex.AddPass<xla::ZeroSizedHloElimination>();
  Run(complex, module);
  InlineMaps(module);
  SplitComplex(module);
  FlattenConditionals(module);

  xla::HloPassPipeline prepare("prepare");
  prepare.AddPass<OtherCallInliner>();
  prepare.AddPass<xla::TupleSimplifier>();
  prepare.AddPass<xla::DotDecomposer>();
  prepare.AddPass<xla::ZeroSizedHloElimination>();
  Run(prepare, module);
  KeepApart(module);

  xla::HloPassFix<xla::HloPassPipeline> simplify("simplify");
  simplify.AddPass<xla::AlgebraicSimplifier>(SimplifierOptions());
  simplify.AddPass<xla::SortSimplifier>();
  simplify.AddPass<xla::TupleSimplifier>();
  simplify.AddPass<xla::WhileLoopSimplifier>();
  simplify.AddPass<xla::ConditionalSimplifier>();
  simplify.AddPass<xla::ReshapeMover>();
  simplify.AddPass<xla::HloConstantFolding>();
  simplify.AddPass<xla::HloCSE>(/*is_layout_sensitive=*/false, /*ignore_control_dependencies=*/false, nullptr, MayEliminate);
  simplify.AddPass<xla::HloDCE>();
  Run(simplify, module);

  JoinSumsOfProducts(module);
  xla::HloPassPipeline finish("finish");
  finish.AddPass<xla::TransposeFolding>();
  finish.AddPass<xla::HloDCE>();
  Run(finish, module);
  Verify(module);
  return takes_random_state;
}

}  // namespace tfvk::hlo
