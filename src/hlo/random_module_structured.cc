// Movement, indexing, reductions and contractions of random modules.
#include <algorithm>
#include <cmath>
#include <limits>

#include "hlo/random_module_writer.h"

namespace tfvk::hlo {
namespace {

// A sum that is kept in 16 bits says little about its last terms.
bool IsNarrow(const std::string& type) { return type == "f16" || type == "bf16"; }

// A type that products of this one may be summed up in.
std::string Wider(const std::string& type) {
  if (IsNarrow(type)) return "f32";
  if (type == "s8" || type == "s16") return "s32";
  return type == "u8" || type == "u16" ? "u32" : type;
}

std::string Pair(int64_t low, int64_t high) { return std::to_string(low) + "_" + std::to_string(high); }

// A window over one dimension, in the words of HLO's text.
struct RandomWindow {
  std::vector<std::string> sizes, strides, pads, base_dilations, window_dilations;
  Dimensions output;
  int64_t elements = 1;  // of one window

  void Add(int64_t input, int64_t size, int64_t stride, int64_t low, int64_t high, int64_t base_dilation, int64_t window_dilation) {
    const int64_t extent = (size - 1) * window_dilation + 1;
    const int64_t dilated = input == 0 ? 0 : (input - 1) * base_dilation + 1;
    const int64_t padded = dilated + low + high;
    output.push_back(padded < extent ? 0 : (padded - extent) / stride + 1);
    sizes.push_back(std::to_string(size));
    strides.push_back(std::to_string(stride));
    pads.push_back(Pair(low, high));
    base_dilations.push_back(std::to_string(base_dilation));
    window_dilations.push_back(std::to_string(window_dilation));
    elements *= size;
  }
  std::string Text() const {
    return "window={size=" + Times(sizes) + " stride=" + Times(strides) + " pad=" + Times(pads) + " lhs_dilate=" + Times(base_dilations) +
           " rhs_dilate=" + Times(window_dilations) + "}";
  }
};

}  // namespace

void RandomModuleWriter::AddBroadcast() {
  const RandomValue x = Any();
  if (x.shape.size() > 3) return;
  Dimensions shape, dims;
  for (int64_t size : x.shape) {
    if (OneIn(3)) shape.push_back(Between(1, 5));
    dims.push_back(static_cast<int64_t>(shape.size()));
    shape.push_back(size);
  }
  if (OneIn(2)) shape.push_back(Between(1, 9));
  if (CountOf(shape) > 6000) return;
  Move(x, shape, "broadcast(" + x.name + "), dimensions=" + Braces(dims));
}

void RandomModuleWriter::AddReshape() {
  const RandomValue x = Any();
  Dimensions shape = x.shape;
  for (int64_t step = Between(1, 3); step > 0; --step) {
    const int64_t at = Below(static_cast<int64_t>(shape.size()) + 1), rank = static_cast<int64_t>(shape.size());
    if (OneIn(3) && rank < 5) {
      shape.insert(shape.begin() + at, 1);
    } else if (at + 1 < rank && OneIn(2)) {
      shape[at] *= shape[at + 1];
      shape.erase(shape.begin() + at + 1);
    } else if (at < rank && rank < 5) {
      const int64_t factor = Between(2, 4);
      if (shape[at] % factor != 0) continue;
      shape[at] /= factor;
      shape.insert(shape.begin() + at + OneIn(2), factor);
    }
  }
  Move(x, shape, "reshape(" + x.name + ")");
}

void RandomModuleWriter::AddTranspose() {
  const RandomValue x = Any();
  const Dimensions order = Permutation(static_cast<int64_t>(x.shape.size()));
  Dimensions shape;
  for (int64_t d : order) shape.push_back(x.shape[d]);
  Move(x, shape, "transpose(" + x.name + "), dimensions=" + Braces(order));
}

void RandomModuleWriter::AddSlice() {
  const RandomValue x = Any();
  if (x.shape.empty()) return;
  Dimensions shape;
  std::string text;
  for (int64_t size : x.shape) {
    const int64_t start = OneIn(2) ? 0 : Below(size + 1), limit = OneIn(2) ? size : Between(start, size), stride = OneIn(2) ? 1 : Between(1, 3);
    shape.push_back((limit - start + stride - 1) / stride);
    text += (text.empty() ? "[" : ", [") + std::to_string(start) + ":" + std::to_string(limit) + ":" + std::to_string(stride) + "]";
  }
  Move(x, shape, "slice(" + x.name + "), slice={" + text + "}");
}

void RandomModuleWriter::AddPad() {
  const RandomValue x = Any();
  if (x.shape.empty()) return;
  Dimensions shape;
  std::vector<std::string> parts;
  for (int64_t size : x.shape) {
    const int64_t low = OneIn(3) ? Between(-2, 3) : 0, high = OneIn(3) ? Between(-2, 3) : 0, interior = OneIn(4) ? Between(1, 2) : 0;
    const int64_t padded = size + std::max<int64_t>(size - 1, 0) * interior + low + high;
    if (padded < 0) return;
    shape.push_back(padded);
    parts.push_back(Pair(low, high) + "_" + std::to_string(interior));
  }
  if (CountOf(shape) > 6000) return;
  const RandomValue value = Source(x.type, {});
  Add(x.type, shape, "pad(" + x.name + ", " + value.name + "), padding=" + Times(parts), x.exact && value.exact, std::max(x.roundings, value.roundings),
      std::max(x.magnitude, value.magnitude));
}

void RandomModuleWriter::AddConcatenate() {
  const RandomValue x = Any();
  if (x.shape.empty()) return;
  const int64_t dimension = Below(static_cast<int64_t>(x.shape.size()));
  std::vector<RandomValue> parts = {x};
  for (int64_t i = Between(1, 3); i > 0; --i) {
    Dimensions shape = x.shape;
    if (OneIn(2)) shape[dimension] = Between(0, 6);
    parts.push_back(Source(x.type, shape));
  }
  std::swap(parts[0], parts[Below(static_cast<int64_t>(parts.size()))]);
  RandomValue joined = x;
  joined.shape[dimension] = 0;
  std::string names;
  for (const RandomValue& part : parts) {
    joined.shape[dimension] += part.shape[dimension];
    joined.exact = joined.exact && part.exact;
    joined.roundings = std::max(joined.roundings, part.roundings);
    joined.magnitude = std::max(joined.magnitude, part.magnitude);
    names += (names.empty() ? "" : ", ") + part.name;
  }
  Move(joined, joined.shape, "concatenate(" + names + "), dimensions=" + Braces({dimension}));
}

void RandomModuleWriter::AddReverse() {
  const RandomValue x = Any();
  if (x.shape.empty()) return;
  Dimensions dims = Permutation(static_cast<int64_t>(x.shape.size()));
  dims.resize(static_cast<size_t>(Between(1, static_cast<int64_t>(dims.size()))));
  Move(x, x.shape, "reverse(" + x.name + "), dimensions=" + Braces(dims));
}

void RandomModuleWriter::AddDynamicSlice() {
  const RandomValue x = Any();
  if (x.shape.empty()) return;
  Dimensions shape;
  std::string starts;
  const RandomValue first = Indices({}, x.shape[0]);
  for (int64_t size : x.shape) {
    shape.push_back(OneIn(2) ? size : Between(std::min<int64_t>(size, 1), size));
    starts += ", " + (starts.empty() ? first : Source(first.type, {})).name;
  }
  Move(x, shape, "dynamic-slice(" + x.name + starts + "), dynamic_slice_sizes=" + Braces(shape));
}

void RandomModuleWriter::AddDynamicUpdateSlice() {
  const RandomValue x = Any();
  if (x.shape.empty()) return;
  Dimensions shape;
  std::string starts;
  const RandomValue first = Indices({}, x.shape[0]);
  for (int64_t size : x.shape) {
    shape.push_back(OneIn(2) ? size : Between(std::min<int64_t>(size, 1), size));
    starts += ", " + (starts.empty() ? first : Source(first.type, {})).name;
  }
  const RandomValue update = Source(x.type, shape);
  Add(x.type, x.shape, "dynamic-update-slice(" + x.name + ", " + update.name + starts + ")", x.exact && update.exact, std::max(x.roundings, update.roundings),
      std::max(x.magnitude, update.magnitude));
}

// Windows of random sizes at positions of any rank; some dimensions are collapsed, some are not indexed.
void RandomModuleWriter::AddGather() {
  const RandomValue x = Any();
  const int64_t rank = static_cast<int64_t>(x.shape.size());
  if (rank == 0 || CountOf(x.shape) == 0) return;
  Dimensions map = Permutation(rank), collapsed, sizes, batch, offset_dims, shape, kept;
  map.resize(static_cast<size_t>(Between(1, rank)));
  for (int64_t d = 0; d < rank; ++d) {
    if (OneIn(2)) {
      collapsed.push_back(d);
      sizes.push_back(1);
    } else {
      sizes.push_back(Between(1, x.shape[d]));
      kept.push_back(sizes.back());
    }
  }
  for (int64_t i = Below(3); i > 0; --i) batch.push_back(Between(1, 6));
  const int64_t result_rank = static_cast<int64_t>(batch.size() + kept.size());
  if (CountOf(batch) * CountOf(kept) > 3000 || result_rank > 5) return;
  offset_dims = Permutation(result_rank);
  offset_dims.resize(kept.size());
  std::sort(offset_dims.begin(), offset_dims.end());
  size_t next_kept = 0, next_batch = 0;
  for (int64_t d = 0; d < result_rank; ++d) {
    shape.push_back(std::binary_search(offset_dims.begin(), offset_dims.end(), d) ? kept[next_kept++] : batch[next_batch++]);
  }
  Dimensions indices = batch;
  const int64_t vector_dim = map.size() == 1 && OneIn(2) ? static_cast<int64_t>(batch.size()) : Below(static_cast<int64_t>(batch.size()) + 1);
  if (map.size() != 1 || vector_dim < static_cast<int64_t>(batch.size()) || OneIn(2)) {
    indices.insert(indices.begin() + vector_dim, static_cast<int64_t>(map.size()));
  }
  const RandomValue starts = Indices(indices, x.shape[map[0]]);
  Move(x, shape,
       "gather(" + x.name + ", " + starts.name + "), offset_dims=" + Braces(offset_dims) + ", collapsed_slice_dims=" + Braces(collapsed) +
           ", start_index_map=" + Braces(map) + ", index_vector_dim=" + std::to_string(vector_dim) + ", slice_sizes=" + Braces(sizes));
}

void RandomModuleWriter::AddScatter() {
  const RandomValue x = Any();
  const int64_t rank = static_cast<int64_t>(x.shape.size());
  if (rank == 0 || CountOf(x.shape) == 0) return;
  Dimensions map = Permutation(rank), inserted, window, batch, window_dims, shape;
  map.resize(static_cast<size_t>(Between(1, rank)));
  for (int64_t d = 0; d < rank; ++d) {
    if (OneIn(2)) {
      inserted.push_back(d);
    } else {
      window.push_back(Between(1, x.shape[d]));
    }
  }
  for (int64_t i = Below(3); i > 0; --i) batch.push_back(Between(1, 8));
  const int64_t updates_rank = static_cast<int64_t>(batch.size() + window.size());
  if (CountOf(batch) * CountOf(window) > 2000 || updates_rank > 5) return;
  window_dims = Permutation(updates_rank);
  window_dims.resize(window.size());
  std::sort(window_dims.begin(), window_dims.end());
  size_t next_window = 0, next_batch = 0;
  for (int64_t d = 0; d < updates_rank; ++d) {
    shape.push_back(std::binary_search(window_dims.begin(), window_dims.end(), d) ? window[next_window++] : batch[next_batch++]);
  }
  Dimensions indices = batch;
  const int64_t vector_dim = Below(static_cast<int64_t>(batch.size()) + 1);
  indices.insert(indices.begin() + vector_dim, static_cast<int64_t>(map.size()));
  const RandomValue starts = Indices(indices, x.shape[map[0]]);
  bool rounds = false;
  std::string operation = PickCombiner(x, &rounds);
  if (IsComplexType(x.type) && !MayRound(x)) return;
  RandomValue updates = Source(x.type, shape);
  if (OneIn(4)) {  // the last update of an element wins, and their order is free: all are the same
    operation = "right";
    rounds = false;
    updates = Spread(Constant(x.type, 2), shape);
  }
  if (rounds && !MayRound(updates, 2)) return;
  const double magnitude = std::max(x.magnitude, updates.magnitude) * (rounds ? 4 : 1);
  Tame(Add(x.type, x.shape,
           "scatter(" + x.name + ", " + starts.name + ", " + updates.name + "), to_apply=" + Combiner(operation, x.type) +
               ", update_window_dims=" + Braces(window_dims) + ", inserted_window_dims=" + Braces(inserted) + ", scatter_dims_to_operand_dims=" + Braces(map) +
               ", index_vector_dim=" + std::to_string(vector_dim),
           x.exact && updates.exact && !rounds, std::max(x.roundings, updates.roundings) + 2 * rounds, magnitude));
}

void RandomModuleWriter::AddReduce() {
  const RandomValue x = Any();
  bool rounds = false;
  const std::string operation = PickCombiner(x, &rounds);
  if (IsComplexType(x.type) && !MayRound(x)) return;
  Dimensions dims;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    if (OneIn(2)) dims.push_back(static_cast<int64_t>(d));
  }
  Reduce(x, operation, rounds, dims);
}

// As softmax and normalisations do, once or twice in a row: totals of rows, mostly of the innermost dimensions, and what becomes of the rows by them.
void RandomModuleWriter::AddTotals() {
  RandomValue x = Any();
  if (x.shape.empty() || IsComplexType(x.type)) return;
  Dimensions dims, kept;
  const int64_t rank = static_cast<int64_t>(x.shape.size()), first = Below(rank), anywhere = OneIn(4) ? 1 : 0;
  for (int64_t d = 0; d < rank; ++d) (d == first || (anywhere ? OneIn(2) : d > first) ? dims : kept).push_back(d);
  for (int64_t i = Between(1, 2); i > 0; --i) {
    bool rounds = false;
    const std::string operation = PickCombiner(x, &rounds);
    if (!Reduce(x, operation, rounds, dims)) return;
    const RandomValue total = OneIn(3) ? Move(values_.back(), values_.back().shape, "copy(" + values_.back().name + ")") : values_.back();
    const RandomValue spread = Move(total, x.shape, "broadcast(" + total.name + "), dimensions=" + Braces(kept));
    const bool subtracts = IsFloatType(x.type) && MayRound(x) && MayRound(spread);
    const std::string join = subtracts ? "subtract" : x.type == "pred" ? "xor" : "maximum";
    Tame(Add(x.type, x.shape, join + "(" + x.name + ", " + spread.name + ")", x.exact && spread.exact && !subtracts,
             std::max(x.roundings, spread.roundings) + (subtracts ? 1 : 0),
             subtracts ? x.magnitude + spread.magnitude : std::max(x.magnitude, spread.magnitude)));
    x = values_.back();
  }
}

bool RandomModuleWriter::Reduce(const RandomValue& x, const std::string& operation, bool rounds, const Dimensions& dims) {
  Dimensions shape;
  int64_t reduced = 1;
  for (size_t d = 0; d < x.shape.size(); ++d) {
    if (std::find(dims.begin(), dims.end(), static_cast<int64_t>(d)) != dims.end()) {
      reduced *= x.shape[d];
    } else {
      shape.push_back(x.shape[d]);
    }
  }
  if (rounds && IsNarrow(x.type) && reduced > 8) return false;
  const RandomValue initial = Identity(operation, x.type);  // XLA may drop any other where one element is reduced
  Tame(Add(x.type, shape, "reduce(" + x.name + ", " + initial.name + "), dimensions=" + Braces(dims) + ", to_apply=" + Combiner(operation, x.type),
           x.exact && !rounds, x.roundings + 2 * rounds, rounds ? x.magnitude * static_cast<double>(std::max<int64_t>(reduced, 1)) : x.magnitude));
  return true;
}

// The largest element and where it is first.
void RandomModuleWriter::AddArgMax() {
  const RandomValue* found = Find([](const RandomValue& v) { return v.exact && !v.shape.empty() && !IsComplexType(v.type) && v.type != "pred"; });
  if (found == nullptr || special_) return;
  const RandomValue x = *found;
  const int64_t dimension = Below(static_cast<int64_t>(x.shape.size()));
  const std::string name = "largest_" + x.type, scalar = x.type + "[]";
  if (combiners_.insert(name).second) {
    computations_ += name + " {\n  a = " + scalar + " parameter(0)\n  i = s32[] parameter(1)\n  b = " + scalar +
                     " parameter(2)\n  j = s32[] parameter(3)\n  more = pred[] compare(a, b), direction=GT\n  same = pred[] compare(a, b), direction=EQ\n"
                     "  first = pred[] compare(i, j), direction=LT\n  tie = pred[] and(same, first)\n  p = pred[] or(more, tie)\n  v = " +
                     scalar + " select(p, a, b)\n  k = s32[] select(p, i, j)\n  ROOT r = (" + scalar + ", s32[]) tuple(v, k)\n}\n\n";
  }
  Dimensions shape = x.shape;
  shape.erase(shape.begin() + dimension);
  const RandomValue numbers = Add("s32", x.shape, "iota(), iota_dimension=" + std::to_string(dimension), true, 0, 4);
  const RandomValue least = Lowest(x.type);
  const RandomValue none = Constant("s32", std::numeric_limits<int32_t>::max());
  std::string type = "(" + x.type + Braces(shape) + ", s32" + Braces(shape) + ")";
  std::replace(type.begin(), type.end(), '{', '[');
  std::replace(type.begin(), type.end(), '}', ']');
  const std::string id = std::to_string(next_++);
  lines_ += "  m" + id + " = " + type + " reduce(" + x.name + ", " + numbers.name + ", " + least.name + ", " + none.name +
            "), dimensions=" + Braces({dimension}) + ", to_apply=" + name + "\n";
  Move(x, shape, "get-tuple-element(m" + id + "), index=0");
  Add("s32", shape, "get-tuple-element(m" + id + "), index=1", true, 0, 4);
}

void RandomModuleWriter::AddReduceWindow() {
  const RandomValue x = Any();
  bool rounds = false;
  const std::string operation = PickCombiner(x, &rounds);
  if (x.shape.empty() || (IsComplexType(x.type) && !MayRound(x))) return;
  RandomWindow window;
  for (int64_t size : x.shape) {
    const bool dilated = OneIn(4);
    window.Add(size, OneIn(2) ? 1 : Between(1, 4), OneIn(2) ? 1 : Between(1, 3), OneIn(3) ? Between(0, 3) : 0, OneIn(3) ? Between(0, 3) : 0,
               dilated ? Between(1, 3) : 1, dilated ? Between(1, 2) : 1);
  }
  if (OneIn(4)) {  // a running sum
    window = {};
    for (size_t d = 0; d < x.shape.size(); ++d) {
      const int64_t size = d == 0 ? std::max<int64_t>(x.shape[d], 1) : 1;
      window.Add(x.shape[d], size, 1, size - 1, 0, 1, 1);
    }
  }
  if (CountOf(window.output) > 6000 || CountOf(window.output) * window.elements > 200000) return;
  if (rounds && IsNarrow(x.type) && window.elements > 8) return;
  // XLA may drop an initial value where windows have one element, and lets it stand for padding of the same value.
  const bool any_initial = window.elements > 1 && (operation == "maximum" || operation == "minimum" || operation == "and" || operation == "or");
  const RandomValue initial = any_initial && OneIn(2) ? Constant(x.type, 1) : Identity(operation, x.type);
  Tame(Add(x.type, window.output, "reduce-window(" + x.name + ", " + initial.name + "), " + window.Text() + ", to_apply=" + Combiner(operation, x.type),
           x.exact && !rounds, x.roundings + 2 * rounds, rounds ? (x.magnitude + 1) * static_cast<double>(window.elements) : x.magnitude));
}

void RandomModuleWriter::AddSelectAndScatter() {
  const RandomValue* found = Find([](const RandomValue& v) { return v.exact && !v.shape.empty() && (IsFloatType(v.type) || IsIntegerType(v.type)); });
  if (found == nullptr || special_) return;
  const RandomValue x = *found;
  RandomWindow window;
  for (int64_t size : x.shape) {
    const int64_t extent = OneIn(2) ? 1 : Between(1, 3);
    window.Add(size, extent, Between(1, 3), OneIn(3) ? Below(extent) : 0, OneIn(3) ? Below(extent) : 0, 1, 1);
  }
  if (CountOf(window.output) > 2000 || CountOf(window.output) == 0) return;  // of no windows the evaluator makes garbage
  const RandomValue source = Source(x.type, window.output);
  if (!IsIntegerType(x.type) && !MayRound(source, 2)) return;
  const std::string select = "select_" + x.type, scalar = x.type + "[]";
  if (combiners_.insert(select).second) {
    computations_ += select + " {\n  a = " + scalar + " parameter(0)\n  b = " + scalar + " parameter(1)\n  ROOT p = pred[] compare(a, b), direction=GE\n}\n\n";
  }
  const std::string text = window.Text();
  const RandomValue zero = Constant(x.type, 0);
  const bool whole = IsIntegerType(x.type);
  Tame(Add(x.type, x.shape,
           "select-and-scatter(" + x.name + ", " + source.name + ", " + zero.name + "), " + text.substr(0, text.find(" lhs_dilate")) + "}, select=" + select +
               ", scatter=" + Combiner("add", x.type),
           whole, whole ? 0 : source.roundings + 2, source.magnitude * 4));
}

// By the first operand, the others going along.
void RandomModuleWriter::AddSort() {
  const RandomValue* found =
      Find([&](const RandomValue& v) { return v.exact && !v.shape.empty() && !IsComplexType(v.type) && v.type != "pred" && TotalOrderHolds(v); });
  if (found == nullptr) return;
  std::vector<RandomValue> operands = {*found};
  for (int64_t i = Below(3); i > 0; --i) operands.push_back(Source(Type(), operands[0].shape));
  const int64_t dimension = Below(static_cast<int64_t>(operands[0].shape.size()));
  const std::string name = "before" + std::to_string(next_);
  std::string types, names, parameters;
  for (size_t i = 0; i < operands.size(); ++i) {
    std::string type = operands[i].type + Braces(operands[i].shape);
    std::replace(type.begin(), type.end(), '{', '[');
    std::replace(type.begin(), type.end(), '}', ']');
    types += (i == 0 ? "" : ", ") + type;
    names += (i == 0 ? "" : ", ") + operands[i].name;
    for (size_t side = 0; side < 2; ++side) {
      parameters += "  p" + std::to_string(2 * i + side) + " = " + operands[i].type + "[] parameter(" + std::to_string(2 * i + side) + ")\n";
    }
  }
  const std::string order = IsFloatType(operands[0].type) ? ", type=TOTALORDER" : "";
  computations_ += name + " {\n" + parameters + "  ROOT p = pred[] compare(p0, p1), direction=" + (OneIn(2) ? "LT" : "GT") + order + "\n}\n\n";
  const std::string text = "sort(" + names + "), dimensions=" + Braces({dimension}) + ", is_stable=true, to_apply=" + name;
  if (operands.size() == 1) return void(Move(operands[0], operands[0].shape, text));
  const std::string id = std::to_string(next_++);
  lines_ += "  o" + id + " = (" + types + ") " + text + "\n";
  for (size_t i = 0; i < operands.size(); ++i) Move(operands[i], operands[i].shape, "get-tuple-element(o" + id + "), index=" + std::to_string(i));
}

// Batch, free and contracted dimensions in any order.
void RandomModuleWriter::AddDot() {
  const RandomValue x = Any();
  if (x.type == "pred" || (!IsIntegerType(x.type) && !MayRound(x, 2))) return;
  Dimensions roles, shape, right, numbers[4];  // lhs batch, lhs contracting, rhs batch, rhs contracting
  const int64_t rank = static_cast<int64_t>(x.shape.size());
  for (int64_t d = 0; d < rank; ++d) roles.push_back(Below(3));
  for (int64_t d = 0; d < rank; ++d) {
    if (roles[d] < 2) numbers[roles[d]].push_back(d);
  }
  for (int64_t i = Below(3); i > 0; --i) right.push_back(OneIn(3) ? 17 : Between(1, 9));
  const size_t free = right.size();
  std::vector<int64_t> owner(free, -1);  // which of the left side's dimensions each right one must match
  for (int64_t role = 0; role < 2; ++role) {
    for (int64_t d : numbers[role]) {
      const int64_t at = Below(static_cast<int64_t>(right.size()) + 1);
      right.insert(right.begin() + at, x.shape[d]);
      owner.insert(owner.begin() + at, d);
    }
  }
  int64_t contracted = 1;
  for (int64_t role = 0; role < 2; ++role) {
    for (int64_t d : numbers[role]) {
      numbers[2 + role].push_back(std::find(owner.begin(), owner.end(), d) - owner.begin());
      if (role == 0) shape.push_back(x.shape[d]);
      if (role == 1) contracted *= x.shape[d];
    }
  }
  for (int64_t d = 0; d < rank; ++d) {
    if (roles[d] == 2) shape.push_back(x.shape[d]);
  }
  for (size_t i = 0; i < owner.size(); ++i) {
    if (owner[i] < 0) shape.push_back(right[i]);
  }
  if (right.size() > 5 || shape.size() > 5 || CountOf(right) > 6000 || CountOf(shape) * contracted > 300000 || CountOf(shape) > 6000) return;
  if (IsNarrow(x.type) && contracted > 16) return;
  const RandomValue y = Source(x.type, right);
  if (!IsIntegerType(x.type) && !MayRound(y, 2)) return;
  const bool whole = IsIntegerType(x.type);
  Tame(Add(OneIn(3) ? Wider(x.type) : x.type, shape,
           "dot(" + x.name + ", " + y.name + "), lhs_batch_dims=" + Braces(numbers[0]) + ", rhs_batch_dims=" + Braces(numbers[2]) +
               ", lhs_contracting_dims=" + Braces(numbers[1]) + ", rhs_contracting_dims=" + Braces(numbers[3]),
           whole, whole ? 0 : std::max(x.roundings, y.roundings) + 2, x.magnitude * y.magnitude * static_cast<double>(std::max<int64_t>(contracted, 1))));
}

// One or two spatial dimensions, all dimensions in any order.
void RandomModuleWriter::AddConvolution() {
  const RandomValue* found =
      Find([](const RandomValue& v) { return (v.shape.size() == 3 || v.shape.size() == 4) && v.type != "pred" && CountOf(v.shape) > 0; });
  if (found == nullptr || (!IsIntegerType(found->type) && !MayRound(*found, 2))) return;
  const RandomValue x = IsIntegerType(found->type) ? Small(*found) : *found;
  const int64_t rank = static_cast<int64_t>(x.shape.size());
  const auto label = [&](const std::string& names) {  // names: of the two other dimensions
    const std::string ordered = names + std::string("01").substr(0, static_cast<size_t>(rank) - 2);
    std::string result;
    for (int64_t d : Permutation(rank)) result += ordered[static_cast<size_t>(d)];
    return result;
  };
  const auto place = [](const std::string& in, char role) { return in.find(role); };
  const std::string input = label("bf"), filter_label = label("io"), output = label("bf");
  const int64_t batch = x.shape[place(input, 'b')], features = x.shape[place(input, 'f')];
  const int64_t groups = OneIn(3) ? features : 1, batch_groups = groups == 1 && batch <= 8 && OneIn(4) ? batch : 1;
  const int64_t outputs = groups * batch_groups * Between(1, 3);
  RandomWindow window;
  Dimensions kernel(x.shape.size()), shape(x.shape.size());
  std::vector<std::string> reversals;
  for (int64_t d = 0; d < rank - 2; ++d) {
    const char role = static_cast<char>('0' + d);
    const int64_t size = Between(1, 3), dilated = OneIn(3) ? 2 : 1;
    window.Add(x.shape[place(input, role)], size, Between(1, 2), Between(-1, 2), Between(0, 2), OneIn(4) ? 2 : 1, dilated);
    kernel[place(filter_label, role)] = size;
    shape[place(output, role)] = window.output.back();
    reversals.push_back(OneIn(4) ? "1" : "0");
  }
  kernel[place(filter_label, 'i')] = features / groups;
  kernel[place(filter_label, 'o')] = outputs;
  shape[place(output, 'b')] = batch / batch_groups;
  shape[place(output, 'f')] = outputs;
  const int64_t products = window.elements * (features / groups);
  if (CountOf(shape) * products > 300000 || CountOf(shape) > 6000 || (IsNarrow(x.type) && products > 16)) return;
  const RandomValue filter = IsIntegerType(x.type) ? Spread(Constant(x.type, static_cast<double>(Between(-1, 1))), kernel) : Source(x.type, kernel);
  if (!IsIntegerType(x.type) && !MayRound(filter, 2)) return;
  const bool whole = IsIntegerType(x.type);
  const std::string text = window.Text();
  // The evaluator's sums of integers saturate.
  const bool fits = !whole || std::ldexp(1, BitsOf(x.type) - (x.type[0] == 's' ? 1 : 0)) > 3 * static_cast<double>(products);
  Tame(Add(!fits || OneIn(2) ? Wider(x.type) : x.type, shape,
           "convolution(" + x.name + ", " + filter.name + "), " + text.substr(0, text.size() - 1) + " rhs_reversal=" + Times(reversals) +
               "}, dim_labels=" + input + "_" + filter_label + "->" + output + ", feature_group_count=" + std::to_string(groups) +
               ", batch_group_count=" + std::to_string(batch_groups),
           whole, whole ? 0 : std::max(x.roundings, filter.roundings) + 2, x.magnitude * filter.magnitude * static_cast<double>(products)));
}

}  // namespace tfvk::hlo
