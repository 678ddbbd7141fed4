// A convolution's index maps: from (batch, m, n, k) of a contraction to elements of the input, the kernel and the output.
#include <algorithm>
#include <memory>

#include "kernels/convolution_geometry.h"

namespace tfvk::kernels {
namespace {

using spirv::Builder;
using spirv::Value;

constexpr int kFeature = -1, kBatch = -1;  // in the orders below, beside the numbers of spatial dimensions

// Row-major strides of a shape in elements, as values.
std::vector<Value> StridesOf(Emitter& e, const Shape& shape) {
  std::vector<Value> strides(shape.size());
  Value stride = e.b().U32(1);
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride = stride * e.SizeOf(shape[i]);
  }
  return strides;
}

// Entry `which` of a table of constants.
Value Lookup(Builder& b, const std::vector<int64_t>& table, Value which) {
  Value result = b.U32(static_cast<uint32_t>(table[0]));
  for (size_t i = 1; i < table.size(); ++i) {
    if (table[i] != table[0]) result = b.Select(which == static_cast<int64_t>(i), b.U32(static_cast<uint32_t>(table[i])), result);
  }
  return result;
}

int SpatialOf(const std::vector<int64_t>& spatial, int64_t dimension) {
  for (size_t i = 0; i < spatial.size(); ++i) {
    if (spatial[i] == dimension) return static_cast<int>(i);
  }
  return -1;
}

class ConvolutionMaps : public std::enable_shared_from_this<ConvolutionMaps> {
 public:
  explicit ConvolutionMaps(const ConvolutionSpec& spec) : s_(spec) {
    for (size_t i = 0; i < spec.window.size(); ++i) {
      dims_.push_back(MakePhasedDimension(spec.window[i], spec.input.shape[spec.input_spatial[i]], spec.output[spec.output_spatial[i]]));
      phases_ *= dims_[i].phases;
    }
    groups_ = std::max(spec.feature_groups, spec.batch_groups);
    const Size features = spec.kernel.shape[spec.kernel_output_feature];
    if (!features.is_static() || features.value % groups_ != 0) {
      Fail(ErrorCode::kInvalidArgument, "[Convolution] {} output features in {} groups", features.is_static() ? features.value : -1, groups_);
    }
    group_outputs_ = features.value / groups_;
    group_inputs_ = spec.kernel.shape[spec.kernel_input_feature];
    features_outside_ = spec.output_feature != static_cast<int64_t>(spec.output.size()) - 1;
    OrderPositions();
    OrderTerms();
  }

  Contraction Make() {
    Contraction c;
    c.name = s_.name;
    c.batch = {groups_ * phases_};
    c.m = {s_.output[s_.output_batch]};
    for (const PhasedDimension& d : dims_) {
      c.m.push_back(d.positions);
      c.k.push_back(d.max_taps);
    }
    c.n = {group_outputs_};
    c.k.push_back(group_inputs_);
    c.k_multiple = group_inputs_.is_static() ? group_inputs_.value : 1;
    for (const PhasedDimension& d : dims_) c.k_multiple *= d.phases == 1 ? d.max_taps : 1;
    auto self = shared_from_this();
    if (StaticCount(s_.input.shape) == 0 || StaticCount(s_.kernel.shape) == 0) c.k = {0};
    if (phases_ > 1 && StaticCount(c.k) != 0) c.k_of_batch = [self](Emitter& e, Value batch) { return self->TermsOf(e, self->PhaseOf(e, batch)); };
    c.lhs = InputSide();
    c.rhs = KernelSide();
    c.accumulator = s_.accumulator;
    c.precision = s_.precision;
    c.plan_rank = s_.plan_rank;
    c.output = Output();
    if (features_outside_) Exchange(&c);
    return c;
  }

 private:
  // ---- Orders ----

  void OrderPositions() {
    positions_.push_back(kBatch);
    for (size_t i = 0; i < dims_.size(); ++i) positions_.push_back(static_cast<int>(i));
    const int64_t last = static_cast<int64_t>(s_.input.shape.size()) - 1;
    const int64_t result_last = static_cast<int64_t>(s_.output.size()) - 1;
    if (features_outside_) {
      MoveLast(&positions_, s_.output_batch == result_last ? kBatch : SpatialOf(s_.output_spatial, result_last));
    } else if (s_.input_batch == last) {
      MoveLast(&positions_, kBatch);
    } else if (SpatialOf(s_.input_spatial, last) >= 0) {
      MoveLast(&positions_, SpatialOf(s_.input_spatial, last));
    }
  }

  void OrderTerms() {
    terms_.push_back(kFeature);
    for (size_t i = 0; i < dims_.size(); ++i) terms_.push_back(static_cast<int>(i));
    const int64_t last = static_cast<int64_t>(s_.input.shape.size()) - 1;
    if (s_.input_feature == last || s_.kernel_input_feature == last) {
      MoveLast(&terms_, kFeature);
    } else if (SpatialOf(s_.kernel_spatial, last) >= 0) {
      MoveLast(&terms_, SpatialOf(s_.kernel_spatial, last));
    }
  }

  static void MoveLast(std::vector<int>* order, int what) {
    order->erase(std::find(order->begin(), order->end(), what));
    order->push_back(what);
  }

  // ---- Digits ----

  Value GroupOf(Emitter& e, Value batch) const { return groups_ == 1 ? e.b().U32(0) : batch / static_cast<uint32_t>(phases_); }

  // The phase of each dimension.
  std::vector<Value> PhaseOf(Emitter& e, Value batch) const {
    std::vector<Value> phase(dims_.size());
    Value rest = batch;
    for (size_t i = dims_.size(); i-- > 0;) {
      const uint32_t phases = static_cast<uint32_t>(dims_[i].phases);
      phase[i] = phases == 1 ? e.b().U32(0) : rest % phases;
      if (phases > 1) rest = rest / phases;
    }
    return phase;
  }

  Value TermsOf(Emitter& e, const std::vector<Value>& phase) const {
    Value terms = e.SizeOf(group_inputs_);
    for (size_t i = 0; i < dims_.size(); ++i) terms = terms * Lookup(e.b(), dims_[i].taps, phase[i]);
    return terms;
  }

  // m in the order of positions_: {batch, q of each dimension}.
  std::vector<Value> PositionOf(Emitter& e, Value m) const {
    std::vector<Value> position(dims_.size() + 1);
    Value rest = m;
    for (size_t i = positions_.size(); i-- > 0;) {
      const int what = positions_[i];
      const Size& size = what == kBatch ? s_.output[s_.output_batch] : dims_[what].positions;
      position[what + 1] = Digit(e, &rest, size, i == 0);
    }
    return position;
  }

  // k in the order of terms_: {feature, t of each dimension}.
  std::vector<Value> TermOf(Emitter& e, const std::vector<Value>& phase, Value k) const {
    std::vector<Value> term(dims_.size() + 1);
    Value rest = k;
    for (size_t i = terms_.size(); i-- > 0;) {
      const int what = terms_[i];
      if (what != kFeature && dims_[what].phases > 1) {
        const Value taps = Lookup(e.b(), dims_[what].taps, phase[what]);
        term[what + 1] = i == 0 ? rest : rest % taps;
        if (i > 0) rest = rest / taps;
      } else {
        term[what + 1] = Digit(e, &rest, what == kFeature ? group_inputs_ : Size(dims_[what].max_taps), i == 0);
      }
    }
    return term;
  }

  static Value Digit(Emitter& e, Value* rest, const Size& size, bool first) {
    if (size == Size(1)) return e.b().U32(0);
    if (first) return *rest;
    const Value digit = *rest % e.SizeOf(size);
    *rest = *rest / e.SizeOf(size);
    return digit;
  }

  // ---- The input ----

  // Outer: {linear index, coordinate of each dimension}; k: the same, to be added. Coordinates outside wrap around to large numbers.
  ContractionSide InputSide() {
    auto self = shared_from_this();
    ContractionSide side;
    side.dtype = s_.input.dtype;
    if (!s_.input_body && IsStatic(s_.input.shape)) side.whole = s_.input;
    ChooseInputAxis(&side);
    side.outer_state = [self](Emitter& e, Value batch, Value m) { return self->InputPosition(e, batch, m); };
    side.k_state = [self](Emitter& e, Value batch, Value k) { return self->InputTerm(e, batch, k); };
    side.load = [self](Emitter& e, const IndexState& outer, const IndexState& k, Value inside, int count) {
      inside = Both(inside, self->InsideInput(e, outer, k));
      if (self->s_.input_body) return std::vector<Value>{self->FromBody(e, self->s_.input_body, self->InputIndex(outer, k), inside)};
      return LoadInside(e, self->s_.input, outer[0] + k[0], inside, count);
    };
    if (IsHalfWidth(side.dtype) && !s_.input_body) {
      side.load_words = [self](Emitter& e, const IndexState& outer, const IndexState& k, Value inside, int count) {
        return LoadWordsInside(e, self->s_.input, outer[0] + k[0], Both(inside, self->InsideInput(e, outer, k)), count);
      };
    }
    return side;
  }

  void ChooseInputAxis(ContractionSide* side) const {
    const int64_t last = static_cast<int64_t>(s_.input.shape.size()) - 1;
    const int fastest = positions_.back();
    const bool batch_last = s_.input_batch == last, feature_last = s_.input_feature == last;
    const int spatial = SpatialOf(s_.input_spatial, last);
    side->contiguous = feature_last ? Axis::kK : Axis::kOuter;
    if (s_.input_body) return;
    if (feature_last && terms_.back() == kFeature) side->vector = VectorOf(s_.input, {group_inputs_, s_.input.shape[last]});
    if (batch_last && fastest == kBatch) side->vector = VectorOf(s_.input, {s_.output[s_.output_batch], s_.input.shape[last]});
    if (spatial >= 0 && terms_.back() == spatial && dims_[spatial].tap_step == 1 && fastest != spatial) side->contiguous = Axis::kK;
  }

  // The widest load that divides all of `sizes`.
  static int VectorOf(const Tensor& tensor, const Shape& sizes) {
    for (int vector = ByteSize(tensor.dtype) == 2 ? 8 : 4; vector > 1; vector /= 2) {
      if (std::all_of(sizes.begin(), sizes.end(), [&](const Size& s) { return Divides(vector, {s}); })) return vector;
    }
    return 1;
  }

  IndexState InputPosition(Emitter& e, Value batch, Value m) const {
    const std::vector<Value> position = PositionOf(e, m), phase = PhaseOf(e, batch);
    const Value group = GroupOf(e, batch);
    const Value sample = s_.batch_groups > 1 ? group * e.SizeOf(s_.output[s_.output_batch]) + position[0] : position[0];
    const Value feature = s_.feature_groups > 1 ? group * e.SizeOf(group_inputs_) : e.b().U32(0);
    IndexState state = {Value()};
    for (size_t i = 0; i < dims_.size(); ++i) {
      state.push_back(position[i + 1] * static_cast<uint32_t>(dims_[i].input_step) + Lookup(e.b(), dims_[i].offset, phase[i]));
    }
    FinishInputState(e, &state, sample, feature);
    return state;
  }

  IndexState InputTerm(Emitter& e, Value batch, Value k) const {
    const std::vector<Value> term = TermOf(e, PhaseOf(e, batch), k);
    IndexState state = {Value()};
    for (size_t i = 0; i < dims_.size(); ++i) state.push_back(term[i + 1] * static_cast<uint32_t>(dims_[i].tap_step));
    FinishInputState(e, &state, e.b().U32(0), term[0]);
    return state;
  }

  // Sets state[0] to the linear index of (sample, feature, coordinates state[1..]) and keeps sample and feature behind them.
  void FinishInputState(Emitter& e, IndexState* state, Value sample, Value feature) const {
    const std::vector<Value> strides = StridesOf(e, s_.input.shape);
    Value linear = sample * strides[s_.input_batch] + feature * strides[s_.input_feature];
    for (size_t i = 0; i < dims_.size(); ++i) linear = linear + (*state)[i + 1] * strides[s_.input_spatial[i]];
    (*state)[0] = linear;
    state->push_back(sample);
    state->push_back(feature);
  }

  Value InsideInput(Emitter& e, const IndexState& outer, const IndexState& k) const {
    Value inside;
    for (size_t i = 0; i < dims_.size(); ++i) {
      if (!dims_[i].always_inside) inside = Both(inside, outer[i + 1] + k[i + 1] < e.SizeOf(dims_[i].input));
    }
    return inside;
  }

  Index InputIndex(const IndexState& outer, const IndexState& k) const {
    Index index(s_.input.shape.size());
    const size_t d = dims_.size();
    index[s_.input_batch] = outer[d + 1] + k[d + 1];
    index[s_.input_feature] = outer[d + 2] + k[d + 2];
    for (size_t i = 0; i < d; ++i) index[s_.input_spatial[i]] = outer[i + 1] + k[i + 1];
    return index;
  }

  Value FromBody(Emitter& e, const Body& body, Index index, Value inside) const {
    Builder& b = e.b();
    if (inside.valid()) {
      for (Value& i : index) i = b.Select(inside, i, b.U32(0));
    }
    const std::vector<Value> values = body(e, index);
    Require(values.size() == 1, "[Convolution] a fused producer gave {} values for one element", values.size());
    return inside.valid() ? b.Select(inside, values[0], b.Constant(values[0].dtype(), int64_t{0})) : values[0];
  }

  // ---- The kernel ----

  // Outer: {linear index, output feature}; k: {linear index, input feature, window element of each dimension}.
  ContractionSide KernelSide() {
    auto self = shared_from_this();
    ContractionSide side;
    side.dtype = s_.kernel.dtype;
    if (!s_.kernel_body && IsStatic(s_.kernel.shape)) side.whole = s_.kernel;
    const int64_t last = static_cast<int64_t>(s_.kernel.shape.size()) - 1;
    side.contiguous = s_.kernel_output_feature == last ? Axis::kOuter : Axis::kK;
    if (!s_.kernel_body && s_.kernel_output_feature == last) side.vector = VectorOf(s_.kernel, {group_outputs_});
    if (!s_.kernel_body && s_.kernel_input_feature == last && terms_.back() == kFeature) side.vector = VectorOf(s_.kernel, {group_inputs_});
    side.outer_state = [self](Emitter& e, Value batch, Value n) -> IndexState {
      const Value feature = self->GroupOf(e, batch) * static_cast<uint32_t>(self->group_outputs_) + n;
      return {feature * StridesOf(e, self->s_.kernel.shape)[self->s_.kernel_output_feature], feature};
    };
    side.k_state = [self](Emitter& e, Value batch, Value k) { return self->KernelTerm(e, batch, k); };
    side.load = [self](Emitter& e, const IndexState& outer, const IndexState& k, Value inside, int count) {
      if (self->s_.kernel_body) return std::vector<Value>{self->FromBody(e, self->s_.kernel_body, self->KernelIndex(outer, k), inside)};
      return LoadInside(e, self->s_.kernel, outer[0] + k[0], inside, count);
    };
    if (IsHalfWidth(side.dtype) && !s_.kernel_body) {
      side.load_words = [self](Emitter& e, const IndexState& outer, const IndexState& k, Value inside, int count) {
        return LoadWordsInside(e, self->s_.kernel, outer[0] + k[0], inside, count);
      };
    }
    return side;
  }

  IndexState KernelTerm(Emitter& e, Value batch, Value k) const {
    Builder& b = e.b();
    const std::vector<Value> phase = PhaseOf(e, batch), term = TermOf(e, phase, k), strides = StridesOf(e, s_.kernel.shape);
    IndexState state = {term[0] * strides[s_.kernel_input_feature], term[0]};
    for (size_t i = 0; i < dims_.size(); ++i) {
      const PhasedDimension& d = dims_[i];
      Value element = term[i + 1] * static_cast<uint32_t>(d.kernel_step) + Lookup(b, d.first_tap, phase[i]);
      if (d.reversal) element = b.U32(static_cast<uint32_t>(d.window - 1)) - element;
      state[0] = state[0] + element * strides[s_.kernel_spatial[i]];
      state.push_back(element);
    }
    return state;
  }

  Index KernelIndex(const IndexState& outer, const IndexState& k) const {
    Index index(s_.kernel.shape.size());
    index[s_.kernel_output_feature] = outer[1];
    index[s_.kernel_input_feature] = k[1];
    for (size_t i = 0; i < dims_.size(); ++i) index[s_.kernel_spatial[i]] = k[i + 2];
    return index;
  }

  // ---- The output ----

  ContractionOutput Output() {
    auto self = shared_from_this();
    ContractionOutput out;
    out.shape = s_.output;
    out.results = s_.results;
    out.epilogue = s_.epilogue;
    out.consecutive = group_outputs_ % 4 == 0;
    out.row_major = groups_ * phases_ == 1 && IsRowMajor();
    // {batch, o of each dimension}
    out.row = [self](Emitter& e, Value batch, Value m) { return self->OutputPosition(e, batch, m); };
    if (phases_ > 1) out.exists = [self](Emitter& e, const Index& index) { return self->Exists(e, index); };
    out.index = [self](Emitter& e, const IndexState& row, Value batch, Value n) {
      return self->OutputIndex(row, self->GroupOf(e, batch) * static_cast<uint32_t>(self->group_outputs_) + n);
    };
    return out;
  }

  // Whether the output's dimensions are the digits of m followed by the feature.
  bool IsRowMajor() const {
    for (size_t i = 0; i < positions_.size(); ++i) {
      const int64_t dimension = positions_[i] == kBatch ? s_.output_batch : s_.output_spatial[positions_[i]];
      if (dimension != static_cast<int64_t>(i)) return false;
    }
    return true;
  }

  IndexState OutputPosition(Emitter& e, Value batch, Value m) const {
    IndexState position = PositionOf(e, m);
    const std::vector<Value> phase = PhaseOf(e, batch);
    for (size_t i = 0; i < dims_.size(); ++i) position[i + 1] = position[i + 1] * static_cast<uint32_t>(dims_[i].phases) + phase[i];
    return position;
  }

  // The last position of some phases lies beyond the output.
  Value Exists(Emitter& e, const Index& index) const {
    Value exists;
    for (size_t i = 0; i < dims_.size(); ++i) {
      if (dims_[i].phases > 1 && !Divides(dims_[i].phases, {dims_[i].output})) exists = Both(exists, index[s_.output_spatial[i]] < e.SizeOf(dims_[i].output));
    }
    return exists;
  }

  Index OutputIndex(const IndexState& position, Value feature) const {
    Index index(s_.output.size());
    index[s_.output_batch] = position[0];
    index[s_.output_feature] = feature;
    for (size_t i = 0; i < dims_.size(); ++i) index[s_.output_spatial[i]] = position[i + 1];
    return index;
  }

  // Positions become the columns.
  void Exchange(Contraction* c) {
    auto self = shared_from_this();
    std::swap(c->m, c->n);
    std::swap(c->lhs, c->rhs);
    ContractionOutput& out = c->output;
    out.row_major = false;
    out.consecutive = phases_ == 1 && Divides(4, {s_.output.back()});
    out.row = [](Emitter&, Value, Value feature) -> IndexState { return {feature}; };
    out.index = [self](Emitter& e, const IndexState& row, Value batch, Value position) {
      const Value feature = self->GroupOf(e, batch) * static_cast<uint32_t>(self->group_outputs_) + row[0];
      return self->OutputIndex(self->OutputPosition(e, batch, position), feature);
    };
  }

  ConvolutionSpec s_;
  std::vector<PhasedDimension> dims_;
  int64_t phases_ = 1, groups_ = 1, group_outputs_ = 1;
  Size group_inputs_;
  bool features_outside_ = false;
  std::vector<int> positions_, terms_;  // the digits of m and of k, slowest first
};

}  // namespace

Contraction ContractionOf(const ConvolutionSpec& spec) {
  for (const Shape* shape : {&spec.input.shape, &spec.kernel.shape, &spec.output}) RequireIndexable("Convolution", *shape);
  return std::make_shared<ConvolutionMaps>(spec)->Make();
}

}  // namespace tfvk::kernels
