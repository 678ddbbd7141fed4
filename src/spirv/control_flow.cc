// Structured branches and loops. A constant condition leaves one branch; constant bounds can unroll a loop.
#include "spirv/builder_state.h"

namespace tfvk::spirv {

Id Builder::CurrentBlock() const { return s_->block; }

void Builder::If(Value condition, const std::function<void()>& then, const std::function<void()>& otherwise) {
  if (condition.constant()) {
    if (*condition.constant()) {
      then();
    } else if (otherwise) {
      otherwise();
    }
    return;
  }
  State& s = *s_;
  Id then_block = s.NewId(), merge = s.NewId(), else_block = otherwise ? s.NewId() : merge;
  Put(s.body, spv::Op::OpSelectionMerge, {merge, static_cast<uint32_t>(spv::SelectionControlMask::MaskNone)});
  Put(s.body, spv::Op::OpBranchConditional, {condition.id(), then_block, else_block});
  s.Label(then_block);
  then();
  s.Branch(merge);
  if (otherwise) {
    s.Label(else_block);
    otherwise();
    s.Branch(merge);
  }
  s.Label(merge);
}

void Builder::For(Value begin, Value end, Value step, const std::function<void(Value)>& body, Unroll unroll) {
  bool known = begin.constant() && end.constant() && step.constant();
  if (known) {
    int64_t first = *begin.constant(), last = *end.constant(), stride = *step.constant();
    tfvk::Require(stride > 0, "[SPIR-V] a loop's step is {}; it must be positive.", stride);
    if (first >= last) return;
    bool once = last - first <= stride;
    if (once || unroll == Unroll::kFull) {
      for (int64_t i = first; i < last; i += stride) body(Constant(begin.dtype(), i));
      return;
    }
  }
  tfvk::Require(begin.dtype() == end.dtype() && begin.dtype() == step.dtype(), "[SPIR-V] a loop from {} to {} in steps of {}.", Name(begin.dtype()),
                Name(end.dtype()), Name(step.dtype()));
  State& s = *s_;
  Id before = s.block, header = s.NewId(), body_block = s.NewId(), next_block = s.NewId(), merge = s.NewId(), type = s.TypeOf(begin);
  Id next = s.NewId();
  s.Branch(header);
  s.Label(header);
  Value i = s.Make(s.Emit(spv::Op::OpPhi, type, {begin.id(), before, next, next_block}), begin.dtype(), 1);
  Value more = i < end;
  // A comparison folded away (an unsigned end of 0) is still a loop to SPIR-V.
  auto control = unroll == Unroll::kHint || unroll == Unroll::kFull ? spv::LoopControlMask::Unroll : spv::LoopControlMask::MaskNone;
  Put(s.body, spv::Op::OpLoopMerge, {merge, next_block, static_cast<uint32_t>(control)});
  Put(s.body, spv::Op::OpBranchConditional, {more.id(), body_block, merge});
  s.Label(body_block);
  body(i);
  s.Branch(next_block);
  s.Label(next_block);
  Put(s.body, spv::Op::OpIAdd, {type, next, i.id(), step.id()});
  s.Branch(header);
  s.Label(merge);
}

void Builder::While(const std::function<Value()>& condition, const std::function<void()>& body) {
  State& s = *s_;
  Id header = s.NewId(), test = s.NewId(), body_block = s.NewId(), next = s.NewId(), merge = s.NewId();
  s.Branch(header);
  s.Label(header);
  Put(s.body, spv::Op::OpLoopMerge, {merge, next, static_cast<uint32_t>(spv::LoopControlMask::MaskNone)});
  s.Branch(test);
  s.Label(test);
  Value more = condition();
  Put(s.body, spv::Op::OpBranchConditional, {more.id(), body_block, merge});
  s.Label(body_block);
  body();
  s.Branch(next);
  s.Label(next);
  s.Branch(header);
  s.Label(merge);
}

}  // namespace tfvk::spirv
