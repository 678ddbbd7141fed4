#include "hlo/split_complex.h"

#include <map>
#include <utility>
#include <vector>

#include "hlo/complex_formulas.h"
#include "hlo/importer.h"
#include "hlo/status.h"
#include "xla/comparison_util.h"
#include "xla/hlo/ir/hlo_module.h"
#include "xla/literal_util.h"
#include "xla/primitive_util.h"
#include "xla/shape_util.h"

namespace tfvk::hlo {
namespace {

using xla::HloComputation;
using xla::HloInstruction;
using xla::HloOpcode;
using xla::Shape;
using xla::ShapeUtil;

// ---- Shapes ----

bool IsComplex(const Shape& shape) { return shape.IsArray() && xla::primitive_util::IsComplexType(shape.element_type()); }

bool HasComplex(const Shape& shape) {
  for (const Shape* leaf : Leaves(shape)) {
    if (IsComplex(*leaf)) return true;
  }
  return false;
}

// Of either part of a complex array.
Shape PartShape(const Shape& shape) { return ShapeUtil::MakeShape(xla::primitive_util::ComplexComponentType(shape.element_type()), shape.dimensions()); }

template <class Leaf>
Shape MapLeaves(const Shape& shape, Leaf leaf) {
  if (!shape.IsTuple()) return IsComplex(shape) ? leaf(PartShape(shape)) : shape;
  std::vector<Shape> elements;
  for (const Shape& element : shape.tuple_shapes()) elements.push_back(MapLeaves(element, leaf));
  return ShapeUtil::MakeTupleShape(elements);
}

// With a tuple of the parts in place of each complex array.
Shape SplitShape(const Shape& shape) {
  return MapLeaves(shape, [](const Shape& part) { return ShapeUtil::MakeTupleShape({part, part}); });
}

Shape InterleavedShape(const Shape& part) {
  std::vector<int64_t> dimensions(part.dimensions().begin(), part.dimensions().end());
  dimensions.push_back(2);
  return ShapeUtil::MakeShape(part.element_type(), dimensions);
}

Shape MemoryShape(const Shape& shape) { return MapLeaves(shape, InterleavedShape); }

// ---- Computations ----

enum class Boundary {
  kNested,  // one parameter for one, as in a loop's body
  kParts,   // scalar parameters and results in a row, each complex one as two: a combiner
  kPairs,   // as kParts, but two parameters at a time belong together: a comparator
  kEntry,
};

struct Parts {
  HloInstruction *re = nullptr, *im = nullptr;
};

class ModuleSplitter {
 public:
  explicit ModuleSplitter(xla::HloModule& module) : module_(module) {}
  // The split form; the computation itself where nothing in it is complex.
  HloComputation* Split(HloComputation* computation, Boundary boundary);
  bool Touches(const HloComputation& computation);
  xla::HloModule& module() { return module_; }

 private:
  xla::HloModule& module_;
  std::map<const HloComputation*, bool> touches_;
  std::map<std::pair<const HloComputation*, Boundary>, HloComputation*> split_;
};

class ComputationSplitter {
 public:
  ComputationSplitter(ModuleSplitter& modules, const HloComputation& computation, Boundary boundary)
      : modules_(modules), computation_(computation), boundary_(boundary), writer_(std::string(computation.name())) {}
  std::unique_ptr<HloComputation> Run();

 private:
  // Values on their way in and out.
  HloInstruction* Add(std::unique_ptr<HloInstruction> instruction) { return writer_.Add(std::move(instruction)); }
  HloInstruction* Element(HloInstruction* tuple, int64_t i) { return Add(HloInstruction::CreateGetTupleElement(tuple->shape().tuple_shapes(i), tuple, i)); }
  Parts PartsOf(const HloInstruction* instruction) const { return parts_.at(instruction); }
  HloInstruction* Nested(const HloInstruction* instruction);
  void SetNested(const HloInstruction& instruction, HloInstruction* made);
  HloInstruction* FromMemory(HloInstruction* made, const Shape& shape);
  HloInstruction* ToMemory(HloInstruction* nested, const Shape& shape);
  HloInstruction* Interleave(const Parts& parts);
  void AddPartsParameters();
  HloInstruction* Root();

  // Instructions.
  void Convert(const HloInstruction& instruction);
  void ConvertParameter(const HloInstruction& instruction);
  void ConvertConstant(const HloInstruction& instruction);
  void ConvertNested(const HloInstruction& instruction);
  void ConvertByPart(const HloInstruction& instruction, HloComputation* region = nullptr);
  void ConvertContraction(const HloInstruction& instruction);
  void ConvertVariadic(const HloInstruction& instruction);
  void ConvertCompare(const HloInstruction& instruction);
  void ConvertTypes(const HloInstruction& instruction);
  bool ConvertFormula(const HloInstruction& instruction);
  HloComputation* RealRegion(const HloComputation& region, xla::PrimitiveType type);

  ModuleSplitter& modules_;
  const HloComputation& computation_;
  const Boundary boundary_;
  ComputationWriter writer_;
  std::map<const HloInstruction*, Parts> parts_;            // of complex arrays
  std::map<const HloInstruction*, HloInstruction*> whole_;  // of everything else
};

bool ModuleSplitter::Touches(const HloComputation& computation) {
  const auto known = touches_.find(&computation);
  if (known != touches_.end()) return known->second;
  bool touches = false;
  for (const HloInstruction* instruction : computation.instructions()) {
    touches = touches || HasComplex(instruction->shape());
    for (const HloComputation* called : instruction->called_computations()) touches = Touches(*called) || touches;
  }
  return touches_[&computation] = touches;
}

HloComputation* ModuleSplitter::Split(HloComputation* computation, Boundary boundary) {
  if (!Touches(*computation)) return computation;
  HloComputation*& split = split_[{computation, boundary}];
  if (split == nullptr) split = module_.AddEmbeddedComputation(ComputationSplitter(*this, *computation, boundary).Run());
  return split;
}

// ---- Values ----

// One instruction for the value: a tuple of the parts for a complex array.
HloInstruction* ComputationSplitter::Nested(const HloInstruction* instruction) {
  const auto parts = parts_.find(instruction);
  if (parts == parts_.end()) return whole_.at(instruction);
  return Add(HloInstruction::CreateTuple({parts->second.re, parts->second.im}));
}

void ComputationSplitter::SetNested(const HloInstruction& instruction, HloInstruction* made) {
  if (IsComplex(instruction.shape())) {
    parts_[&instruction] = {Element(made, 0), Element(made, 1)};
  } else {
    whole_[&instruction] = made;
  }
}

HloInstruction* ComputationSplitter::Interleave(const Parts& parts) {
  const Shape shape = InterleavedShape(parts.re->shape());
  const int64_t last = static_cast<int64_t>(shape.dimensions().size()) - 1;
  Shape column = shape;
  column.set_dimensions(last, 1);
  HloInstruction* re = Add(HloInstruction::CreateReshape(column, parts.re));
  HloInstruction* im = Add(HloInstruction::CreateReshape(column, parts.im));
  return Add(HloInstruction::CreateConcatenate(shape, {re, im}, last));
}

// From a value of shape MemoryShape(shape) to one of SplitShape(shape), and back.
HloInstruction* ComputationSplitter::FromMemory(HloInstruction* made, const Shape& shape) {
  if (!HasComplex(shape)) return made;
  std::vector<HloInstruction*> elements;
  if (shape.IsTuple()) {
    for (size_t i = 0; i < shape.tuple_shapes().size(); ++i) elements.push_back(FromMemory(Element(made, i), shape.tuple_shapes(i)));
    return Add(HloInstruction::CreateTuple(elements));
  }
  for (int64_t part = 0; part < 2; ++part) {
    const int64_t rank = static_cast<int64_t>(made->shape().dimensions().size());
    std::vector<int64_t> starts(rank, 0), limits(made->shape().dimensions().begin(), made->shape().dimensions().end()), strides(rank, 1);
    starts.back() = part;
    limits.back() = part + 1;
    Shape column = made->shape();
    column.set_dimensions(rank - 1, 1);
    HloInstruction* slice = Add(HloInstruction::CreateSlice(column, made, starts, limits, strides));
    elements.push_back(Add(HloInstruction::CreateReshape(PartShape(shape), slice)));
  }
  return Add(HloInstruction::CreateTuple(elements));
}

HloInstruction* ComputationSplitter::ToMemory(HloInstruction* nested, const Shape& shape) {
  if (!HasComplex(shape)) return nested;
  if (!shape.IsTuple()) return Interleave({Element(nested, 0), Element(nested, 1)});
  std::vector<HloInstruction*> elements;
  for (size_t i = 0; i < shape.tuple_shapes().size(); ++i) elements.push_back(ToMemory(Element(nested, i), shape.tuple_shapes(i)));
  return Add(HloInstruction::CreateTuple(elements));
}

// A combiner's parameters (a..., b...) and a comparator's (a, b, ...) with two for each complex one, in the same order.
void ComputationSplitter::AddPartsParameters() {
  const auto& parameters = computation_.parameter_instructions();
  const size_t group = boundary_ == Boundary::kPairs ? 2 : 1;
  int64_t count = 0;
  const auto add = [&](const Shape& shape) {
    const int64_t number = count++;
    return Add(HloInstruction::CreateParameter(number, shape, "p" + std::to_string(number)));
  };
  for (size_t first = 0; first < parameters.size(); first += group) {
    for (int part = 0; part < 2; ++part) {
      for (size_t i = first; i < first + group; ++i) {
        const HloInstruction* parameter = parameters[i];
        if (!IsComplex(parameter->shape())) {
          if (part == 0) whole_[parameter] = add(parameter->shape());
        } else {
          (part == 0 ? parts_[parameter].re : parts_[parameter].im) = add(PartShape(parameter->shape()));
        }
      }
    }
  }
}

HloInstruction* ComputationSplitter::Root() {
  const HloInstruction* root = computation_.root_instruction();
  if (boundary_ == Boundary::kNested || !HasComplex(root->shape())) return Nested(root);
  if (boundary_ == Boundary::kEntry) return ToMemory(Nested(root), root->shape());
  HloInstruction* nested = Nested(root);
  if (!root->shape().IsTuple()) return nested;
  std::vector<HloInstruction*> all;
  for (size_t i = 0; i < root->shape().tuple_shapes().size(); ++i) {
    HloInstruction* element = Element(nested, i);
    if (!element->shape().IsTuple()) {
      all.push_back(element);
    } else {
      for (int64_t part = 0; part < 2; ++part) all.push_back(Element(element, part));
    }
  }
  return Add(HloInstruction::CreateTuple(all));
}

std::unique_ptr<HloComputation> ComputationSplitter::Run() {
  if (boundary_ == Boundary::kParts || boundary_ == Boundary::kPairs) AddPartsParameters();
  for (const HloInstruction* instruction : computation_.MakeInstructionPostOrder()) {
    writer_.SetOrigin(*instruction);
    Convert(*instruction);
  }
  return writer_.Build(Root());
}

// ---- Instructions ----

// tf2xla makes these of y and dy without the conjugate of y that TensorFlow's kernels take.
void RefuseWrongGradient(const HloInstruction& instruction) {
  for (const char* op : {"SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad"}) {
    if (instruction.metadata().op_type() == op) {
      Fail(ErrorCode::kUnimplemented, "tf2xla's {} of complex numbers gives wrong numbers, in {}", op, Describe(instruction));
    }
  }
}

void ComputationSplitter::Convert(const HloInstruction& instruction) {
  if (whole_.count(&instruction) != 0 || parts_.count(&instruction) != 0) return;  // a combiner's parameter
  bool complex = HasComplex(instruction.shape());
  for (const HloInstruction* operand : instruction.operands()) complex = complex || HasComplex(operand->shape());
  if (!complex) return ConvertNested(instruction);
  RefuseWrongGradient(instruction);
  switch (instruction.opcode()) {
    case HloOpcode::kParameter:
      return ConvertParameter(instruction);
    case HloOpcode::kConstant:
      return ConvertConstant(instruction);
    case HloOpcode::kTuple:
    case HloOpcode::kGetTupleElement:
    case HloOpcode::kWhile:
    case HloOpcode::kConditional:
    case HloOpcode::kCall:
    case HloOpcode::kOptimizationBarrier:
      return ConvertNested(instruction);
    case HloOpcode::kBroadcast:
    case HloOpcode::kReshape:
    case HloOpcode::kTranspose:
    case HloOpcode::kReverse:
    case HloOpcode::kSlice:
    case HloOpcode::kConcatenate:
    case HloOpcode::kPad:
    case HloOpcode::kDynamicSlice:
    case HloOpcode::kDynamicUpdateSlice:
    case HloOpcode::kGather:
    case HloOpcode::kCopy:
    case HloOpcode::kSelect:
    case HloOpcode::kAdd:
    case HloOpcode::kSubtract:
    case HloOpcode::kNegate:
      return ConvertByPart(instruction);
    case HloOpcode::kDot:
    case HloOpcode::kConvolution:
      return ConvertContraction(instruction);
    case HloOpcode::kReduce:
    case HloOpcode::kReduceWindow:
    case HloOpcode::kScatter:
    case HloOpcode::kSort:
      return ConvertVariadic(instruction);
    case HloOpcode::kCompare:
      return ConvertCompare(instruction);
    default:
      if (!ConvertFormula(instruction)) ConvertTypes(instruction);
  }
}

void ComputationSplitter::ConvertParameter(const HloInstruction& instruction) {
  const bool entry = boundary_ == Boundary::kEntry;
  const Shape shape = entry ? MemoryShape(instruction.shape()) : SplitShape(instruction.shape());
  HloInstruction* made = Add(HloInstruction::CreateParameter(instruction.parameter_number(), shape, instruction.name()));
  SetNested(instruction, entry ? FromMemory(made, instruction.shape()) : made);
}

template <class Real, class Number>
std::pair<xla::Literal, xla::Literal> SplitLiteral(const xla::Literal& literal) {
  std::pair<xla::Literal, xla::Literal> parts{PartShape(literal.shape()), PartShape(literal.shape())};
  const xla::Literal dense = literal.Relayout(xla::LayoutUtil::GetDefaultLayoutForShape(literal.shape()));
  const auto from = dense.data<Number>();
  const auto re = parts.first.data<Real>(), im = parts.second.data<Real>();
  for (size_t i = 0; i < from.size(); ++i) {
    re[i] = from[i].real();
    im[i] = from[i].imag();
  }
  return parts;
}

void ComputationSplitter::ConvertConstant(const HloInstruction& instruction) {
  if (!IsComplex(instruction.shape())) FailUnimplemented(instruction);
  auto parts = instruction.shape().element_type() == xla::C64 ? SplitLiteral<float, xla::complex64>(instruction.literal())
                                                              : SplitLiteral<double, xla::complex128>(instruction.literal());
  HloInstruction* re = Add(HloInstruction::CreateConstant(std::move(parts.first)));
  parts_[&instruction] = {re, Add(HloInstruction::CreateConstant(std::move(parts.second)))};
}

// Tuples, control flow and what is real: the same instruction on the split operands.
void ComputationSplitter::ConvertNested(const HloInstruction& instruction) {
  std::vector<HloInstruction*> operands;
  for (const HloInstruction* operand : instruction.operands()) operands.push_back(Nested(operand));
  HloInstruction* made = Add(instruction.CloneWithNewOperands(SplitShape(instruction.shape()), operands));
  if (!made->called_computations().empty()) {
    made->ReplaceCalledComputations([&](HloComputation* called) { return modules_.Split(called, Boundary::kNested); });
  }
  SetNested(instruction, made);
}

// What does the same to both parts. `region`: instead of the instruction's own.
void ComputationSplitter::ConvertByPart(const HloInstruction& instruction, HloComputation* region) {
  Parts result;
  for (HloInstruction* Parts::*part : {&Parts::re, &Parts::im}) {
    std::vector<HloInstruction*> operands;
    for (const HloInstruction* operand : instruction.operands()) {
      operands.push_back(IsComplex(operand->shape()) ? parts_.at(operand).*part : whole_.at(operand));
    }
    result.*part = Add(instruction.CloneWithNewOperands(PartShape(instruction.shape()), operands));
    if (region != nullptr) (result.*part)->set_to_apply(region);
  }
  parts_[&instruction] = result;
}

// Products of every pair of parts; a part of a real operand is the operand itself.
void ComputationSplitter::ConvertContraction(const HloInstruction& instruction) {
  if (instruction.operand_count() != 2 || !IsComplex(instruction.shape())) FailUnimplemented(instruction);
  const auto product = [&](HloInstruction* a, HloInstruction* b) {
    if (a == nullptr || b == nullptr) return Formula();
    return Formula(writer_, Add(instruction.CloneWithNewOperands(PartShape(instruction.shape()), {a, b})));
  };
  const auto parts = [&](const HloInstruction* operand) { return IsComplex(operand->shape()) ? PartsOf(operand) : Parts{whole_.at(operand), nullptr}; };
  const Parts a = parts(instruction.operand(0)), b = parts(instruction.operand(1));
  const Formula rr = product(a.re, b.re), ii = product(a.im, b.im), ri = product(a.re, b.im), ir = product(a.im, b.re);
  const Formula re = ii.instruction() == nullptr ? rr : rr - ii;
  const Formula im = ir.instruction() == nullptr ? ri : ri.instruction() == nullptr ? ir : ri + ir;
  parts_[&instruction] = {re.instruction(), im.instruction()};
}

// The real form of a combiner that treats both parts alike; null for any other.
HloComputation* ComputationSplitter::RealRegion(const HloComputation& region, xla::PrimitiveType type) {
  const HloInstruction* root = region.root_instruction();
  if (region.num_parameters() != 2) return nullptr;
  const bool sum = root->opcode() == HloOpcode::kAdd && root->operand(0) != root->operand(1) && root->operand(0)->opcode() == HloOpcode::kParameter &&
                   root->operand(1)->opcode() == HloOpcode::kParameter;
  if (!sum && root->opcode() != HloOpcode::kParameter) return nullptr;
  ComputationWriter writer(std::string(region.name()));
  const Shape scalar = ShapeUtil::MakeShape(type, {});
  HloInstruction* parameters[2];
  for (int i = 0; i < 2; ++i) parameters[i] = writer.Add(HloInstruction::CreateParameter(i, scalar, i == 0 ? "a" : "b"));
  HloInstruction* made =
      sum ? writer.Add(HloInstruction::CreateBinary(scalar, HloOpcode::kAdd, parameters[0], parameters[1])) : parameters[root->parameter_number()];
  return modules_.module().AddEmbeddedComputation(writer.Build(made));
}

// Reductions, scatters and sorts take any number of arrays: two for each complex one.
void ComputationSplitter::ConvertVariadic(const HloInstruction& instruction) {
  const bool sorts = instruction.opcode() == HloOpcode::kSort;
  if (!sorts && IsComplex(instruction.shape())) {
    const xla::PrimitiveType type = PartShape(instruction.shape()).element_type();
    if (HloComputation* region = RealRegion(*instruction.to_apply(), type)) return ConvertByPart(instruction, region);
  }
  std::vector<HloInstruction*> operands;
  for (const HloInstruction* operand : instruction.operands()) {
    if (!IsComplex(operand->shape())) {
      operands.push_back(whole_.at(operand));
    } else {
      operands.push_back(parts_.at(operand).re);
      operands.push_back(parts_.at(operand).im);
    }
  }
  std::vector<Shape> shapes;
  for (const Shape* leaf : Leaves(instruction.shape())) shapes.insert(shapes.end(), IsComplex(*leaf) ? 2 : 1, IsComplex(*leaf) ? PartShape(*leaf) : *leaf);
  HloInstruction* made = Add(instruction.CloneWithNewOperands(ShapeUtil::MakeTupleShape(shapes), operands));
  made->set_to_apply(modules_.Split(instruction.to_apply(), sorts ? Boundary::kPairs : Boundary::kParts));
  if (!instruction.shape().IsTuple()) {
    parts_[&instruction] = {Element(made, 0), Element(made, 1)};
    return;
  }
  std::vector<HloInstruction*> elements;
  int64_t next = 0;
  for (const Shape& element : instruction.shape().tuple_shapes()) {
    HloInstruction* first = Element(made, next++);
    elements.push_back(IsComplex(element) ? Add(HloInstruction::CreateTuple({first, Element(made, next++)})) : first);
  }
  whole_[&instruction] = Add(HloInstruction::CreateTuple(elements));
}

void ComputationSplitter::ConvertCompare(const HloInstruction& instruction) {
  const Parts a = PartsOf(instruction.operand(0)), b = PartsOf(instruction.operand(1));
  const Formula are(writer_, a.re), aim(writer_, a.im), bre(writer_, b.re), bim(writer_, b.im);
  switch (instruction.comparison_direction()) {
    case xla::ComparisonDirection::kEq:
      whole_[&instruction] = ((are == bre) & (aim == bim)).instruction();
      return;
    case xla::ComparisonDirection::kNe:
      whole_[&instruction] = ((are != bre) | (aim != bim)).instruction();
      return;
    default:
      FailUnimplemented(instruction);
  }
}

// What makes complex numbers of real ones, real ones of complex ones, or changes their type.
void ComputationSplitter::ConvertTypes(const HloInstruction& instruction) {
  const HloInstruction* operand = instruction.operand_count() == 0 ? nullptr : instruction.operand(0);
  const bool from_complex = operand != nullptr && IsComplex(operand->shape());
  const auto zeros = [&](HloInstruction* like) { return Formula(writer_, like).Constant(0).instruction(); };
  const auto convert = [&](HloInstruction* from, const Shape& shape) {
    return from->shape().element_type() == shape.element_type() ? from : Add(HloInstruction::CreateConvert(shape, from));
  };
  switch (instruction.opcode()) {
    case HloOpcode::kReal:
      whole_[&instruction] = PartsOf(operand).re;
      return;
    case HloOpcode::kImag:
      whole_[&instruction] = PartsOf(operand).im;
      return;
    case HloOpcode::kComplex:
      parts_[&instruction] = {whole_.at(operand), whole_.at(instruction.operand(1))};
      return;
    case HloOpcode::kBitcastConvert:
      if (operand->shape().element_type() != instruction.shape().element_type()) FailUnimplemented(instruction);
      parts_[&instruction] = PartsOf(operand);
      return;
    case HloOpcode::kConvert: {
      if (!IsComplex(instruction.shape())) {
        whole_[&instruction] = convert(PartsOf(operand).re, instruction.shape());
        return;
      }
      const Shape part = PartShape(instruction.shape());
      HloInstruction* re = convert(from_complex ? PartsOf(operand).re : whole_.at(operand), part);
      parts_[&instruction] = {re, from_complex ? convert(PartsOf(operand).im, part) : zeros(re)};
      return;
    }
    case HloOpcode::kIota: {
      HloInstruction* re = Add(instruction.CloneWithNewOperands(PartShape(instruction.shape()), {}));
      parts_[&instruction] = {re, zeros(re)};
      return;
    }
    default:
      FailUnimplemented(instruction);
  }
}

bool ComputationSplitter::ConvertFormula(const HloInstruction& instruction) {
  static const auto* const kUnary = new std::map<HloOpcode, Complex (*)(const Complex&)>{
      {HloOpcode::kExp, Exp},   {HloOpcode::kExpm1, Expm1}, {HloOpcode::kLog, Log},           {HloOpcode::kLog1p, Log1p},
      {HloOpcode::kSqrt, Sqrt}, {HloOpcode::kRsqrt, Rsqrt}, {HloOpcode::kSin, Sin},           {HloOpcode::kCos, Cos},
      {HloOpcode::kTan, Tan},   {HloOpcode::kTanh, Tanh},   {HloOpcode::kLogistic, Logistic}, {HloOpcode::kSign, Sign}};
  static const auto* const kBinary =
      new std::map<HloOpcode, Complex (*)(const Complex&, const Complex&)>{{HloOpcode::kMultiply, [](const Complex& a, const Complex& b) { return a * b; }},
                                                                           {HloOpcode::kDivide, [](const Complex& a, const Complex& b) { return a / b; }},
                                                                           {HloOpcode::kPower, Power},
                                                                           {HloOpcode::kAtan2, Atan2}};
  const auto operand = [&](int i) {
    const Parts parts = PartsOf(instruction.operand(i));
    return Complex{Formula(writer_, parts.re), Formula(writer_, parts.im)};
  };
  const auto set = [&](const Complex& z) { parts_[&instruction] = {z.re.instruction(), z.im.instruction()}; };
  if (instruction.opcode() == HloOpcode::kAbs) {
    whole_[&instruction] = Abs(operand(0)).instruction();
  } else if (const auto unary = kUnary->find(instruction.opcode()); unary != kUnary->end()) {
    set(unary->second(operand(0)));
  } else if (const auto binary = kBinary->find(instruction.opcode()); binary != kBinary->end()) {
    set(binary->second(operand(0), operand(1)));
  } else {
    return false;
  }
  return true;
}

}  // namespace

void SplitComplex(xla::HloModule& module) {
  ModuleSplitter splitter(module);
  HloComputation* entry = module.entry_computation();
  if (!splitter.Touches(*entry)) return;
  std::vector<std::pair<xla::ShapeIndex, xla::HloInputOutputAliasConfig::Alias>> aliases;
  module.input_output_alias_config().ForEachAlias(
      [&](const xla::ShapeIndex& output, const xla::HloInputOutputAliasConfig::Alias& alias) { aliases.emplace_back(output, alias); });
  HloComputation* split = splitter.Split(entry, Boundary::kEntry);
  module.ReplaceEntryComputation(split);
  *module.mutable_entry_computation_layout() = xla::ComputationLayout(split->ComputeProgramShape(), /*ignore_layouts=*/false);
  xla::HloInputOutputAliasConfig config(split->root_instruction()->shape());
  for (const auto& [output, alias] : aliases) {
    ThrowIfError(config.SetUpAlias(output, alias.parameter_number, alias.parameter_index, alias.kind), "complex numbers");
  }
  module.set_input_output_alias_config(std::move(config));
  ThrowIfError(module.RemoveUnusedComputations(), "complex numbers");
  module.Cleanup();
}

}  // namespace tfvk::hlo
