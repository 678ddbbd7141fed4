#include "kernels/rows.h"

#include <algorithm>

#include "kernels/tuple.h"
#include "types/error.h"

namespace tfvk::kernels {
namespace {

using spirv::Value;

constexpr uint32_t kInvocations = 256;  // of a workgroup, and at most of a row: every device has them

// An invocation has half the registers on Intel's GPUs.
bool HasFewRegisters(const DeviceLimits& limits) { return limits.vendor == DeviceLimits::Vendor::kIntel; }
int64_t ElementsOfLane(const DeviceLimits& limits) { return HasFewRegisters(limits) ? 4 : 8; }

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Plan {
  int vector = 1;         // consecutive elements that a lane reads at once
  uint32_t lanes = 1;     // of a row; a power of two
  uint32_t rows = 1;      // of a workgroup
  int64_t parts = 1;      // vectors of a lane
  bool ragged = false;    // some lanes have one vector less
  uint32_t subgroup = 0;  // its size where lanes exchange values by shuffles; 0: by shared memory

  uint32_t invocations() const { return lanes * rows; }
};

Plan PlanOf(int64_t columns, const DeviceLimits& limits) {
  Plan plan;
  plan.vector = columns % 4 == 0 && columns >= 16 ? 4 : 1;
  const auto enough = [&] {
    const int64_t elements = ElementsOfLane(limits);
    // Twice as many where the row then stays in a subgroup, which needs no barrier.
    const bool in_subgroup = limits.subgroup_shuffle && plan.lanes == limits.subgroup_size && !HasFewRegisters(limits);
    return int64_t{plan.lanes} * (in_subgroup ? 2 * elements : elements) >= columns;
  };
  while (plan.lanes < kInvocations && !enough()) plan.lanes *= 2;
  const int64_t vectors = columns / plan.vector;
  plan.parts = CeilDivide(vectors, plan.lanes);
  plan.ragged = vectors % plan.lanes != 0;
  plan.rows = kInvocations / plan.lanes;
  // Smaller subgroups have more registers an invocation on Intel's GPUs.
  const uint32_t s = HasFewRegisters(limits) ? limits.subgroup_size / 2 : limits.subgroup_size;
  const bool controlled = limits.subgroup_size_control && s >= limits.min_subgroup_size && s <= limits.max_subgroup_size;
  if (limits.subgroup_shuffle && controlled && s > 1 && (s & (s - 1)) == 0 && plan.invocations() % s == 0) plan.subgroup = s;
  return plan;
}

class Writer {
 public:
  Writer(const RowsSpec& spec, const DeviceLimits& limits)
      : spec_(spec), plan_(PlanOf(spec.columns, limits)), e_({spec.name, {plan_.invocations(), 1, 1}}, limits), shape_(spec.rows) {
    shape_.emplace_back(spec.columns);
    row_count_ = ElementCount(spec.rows);
  }

  Kernel Write() {
    FindPlace();
    const std::unique_ptr<RowBody> body = spec_.begin(e_);
    for (size_t stage = 0; stage < spec_.stages.size(); ++stage) body->Bind(stage, Totals(*body, stage));
    WriteElements(*body);
    WriteRows(*body);
    WorkgroupCount groups;
    groups.sizes = spec_.rows;
    groups.divisor = plan_.rows;
    Kernel kernel = e_.Finish(std::move(groups));
    kernel.required_subgroup_size = plan_.subgroup;
    kernel.flops = static_cast<double>(row_count_ * spec_.columns);
    return kernel;
  }

 private:
  // Consecutive elements of a row that this invocation computes.
  struct Part {
    std::vector<Index> elements;
    Value exists;  // invalid: always
    std::shared_ptr<const Emitter::Consecutive> consecutive;
  };

  // Invocations without a row compute the last one once more, so that all take part in barriers, and lanes without a part the first one.
  void FindPlace() {
    auto& b = e_.b();
    me_ = plan_.subgroup ? b.SubgroupId() * plan_.subgroup + b.SubgroupLocalId() : b.LocalLinearId();
    lane_ = me_ % plan_.lanes;
    const DType wide = row_count_ > int64_t{0x7fffffff} ? DType::kU64 : DType::kU32;
    const Value group = b.Convert(b.LinearWorkgroupId(), wide), last = b.Constant(wide, row_count_ - 1);
    Value row = group * int64_t{plan_.rows} + b.Convert(me_ / plan_.lanes, wide);
    exists_ = row <= last;
    row = b.Min(row, last);
    row_ = e_.Delinearize(spec_.rows, row);
    for (int64_t part = 0; part < plan_.parts; ++part) parts_.push_back(PartOf(part));
  }

  Part PartOf(int64_t number) {
    auto& b = e_.b();
    Part part;
    Value vector = lane_ + number * int64_t{plan_.lanes};
    if (plan_.ragged && number + 1 == plan_.parts) {
      part.exists = vector < spec_.columns / plan_.vector;
      vector = b.Select(part.exists, vector, b.U32(0));
    }
    Index first = row_;
    first.push_back(vector * int64_t{plan_.vector});
    part.elements = e_.BeginConsecutive(shape_, first, plan_.vector);
    part.consecutive = e_.Announced();
    return part;
  }

  Values Totals(RowBody& body, size_t number) {
    const RowStage& stage = spec_.stages[number];
    const Values identity = stage.initial(e_);
    Values totals;
    for (Part& part : parts_) {
      e_.GoOnWith(*part.consecutive);
      for (const Index& element : part.elements) {
        Values terms = body.Terms(number, element);
        Require(terms.size() == stage.accumulators.size(), "[Rows] an element of {} gives {} terms for {} totals", spec_.name, terms.size(),
                stage.accumulators.size());
        if (part.exists.valid()) {
          for (size_t i = 0; i < terms.size(); ++i) terms[i] = e_.b().Select(part.exists, terms[i], identity[i]);
        }
        totals = totals.empty() ? terms : stage.combiner(e_, totals, terms);
      }
      part.consecutive = e_.Announced();
    }
    return OfAllLanes(stage, totals);
  }

  // Lanes that shuffle with each other end up with the same bits, since each combines the same two in one order or the other.
  Values OfAllLanes(const RowStage& stage, Values totals) {
    auto& b = e_.b();
    const uint32_t together = plan_.subgroup ? std::min(plan_.subgroup, plan_.lanes) : 1;
    for (uint32_t distance = 1; distance < together; distance *= 2) {
      Values theirs;
      for (const Value& v : totals) theirs.push_back(b.SubgroupShuffleXor(v, distance));
      totals = stage.combiner(e_, totals, theirs);
    }
    if (together == plan_.lanes) return totals;
    // One of each subgroup leaves its total; then everyone combines all of the row's, in the same order.
    const uint32_t left = plan_.lanes / together;
    const TupleShared shared(e_, stage.accumulators, plan_.invocations() / together);
    b.If(me_ % together == 0, [&] { shared.Store(me_ / together, totals); });
    b.Barrier();
    const Value first = me_ / plan_.lanes * left;
    if (left <= kReadByAll) {
      Values all = shared.Load(first);
      for (uint32_t k = 1; k < left; ++k) all = stage.combiner(e_, all, shared.Load(first + k));
      return all;
    }
    for (uint32_t distance = left / 2; distance > 0; distance /= 2) {
      b.If(me_ % together == 0 && lane_ / together < distance,
           [&] { shared.Store(me_ / together, stage.combiner(e_, shared.Load(me_ / together), shared.Load(me_ / together + distance))); });
      b.Barrier();
    }
    return shared.Load(first);
  }

  void WriteElements(RowBody& body) {
    size_t count = 0;
    for (const RowResult& result : spec_.results) count += result.of_row ? 0 : 1;
    if (count == 0 && !spec_.has_maxima) return;
    for (const Part& part : parts_) {
      e_.GoOnWith(*part.consecutive);
      std::vector<Values> of_result(count);
      for (const Index& element : part.elements) {
        const Values values = body.OfElement(element);
        Require(values.size() == count, "[Rows] an element of {} gives {} values for {} results", spec_.name, values.size(), count);
        for (size_t i = 0; i < count; ++i) of_result[i].push_back(values[i]);
      }
      if (count == 0) continue;
      const Value linear = e_.Linearize(shape_, part.elements[0]);
      e_.b().If(part.exists.valid() ? exists_ && part.exists : exists_, [&] {
        size_t next = 0;
        for (size_t r = 0; r < spec_.results.size(); ++r) {
          if (spec_.results[r].of_row) continue;
          const Values& values = of_result[next++];
          const Tensor tensor{Tensor::Role::kResult, static_cast<int>(r), spec_.results[r].dtype, shape_};
          values.size() == 1 ? e_.WriteLinear(tensor, linear, values[0]) : e_.WriteConsecutive(tensor, linear, values);
        }
      });
    }
  }

  void WriteRows(RowBody& body) {
    if (std::none_of(spec_.results.begin(), spec_.results.end(), [](const RowResult& r) { return r.of_row; })) return;
    e_.b().If(exists_ && lane_ == 0, [&] {
      e_.BeginConsecutive(spec_.rows, e_.Linearize(spec_.rows, row_), 1);
      const Values values = body.OfRow(row_);
      size_t next = 0;
      for (size_t r = 0; r < spec_.results.size(); ++r) {
        if (!spec_.results[r].of_row) continue;
        e_.Write({Tensor::Role::kResult, static_cast<int>(r), spec_.results[r].dtype, spec_.rows}, row_, values.at(next++));
      }
    });
  }

  static constexpr uint32_t kReadByAll = 8;

  const RowsSpec& spec_;
  const Plan plan_;
  Emitter e_;
  Shape shape_;
  int64_t row_count_ = 0;
  Value me_, lane_, exists_;
  Index row_;
  std::vector<Part> parts_;
};

}  // namespace

int64_t LongestRow(const DeviceLimits& limits) { return kInvocations * (HasFewRegisters(limits) ? 8 : 32); }

int64_t RowElementsOf(int64_t columns, const DeviceLimits& limits) {
  const Plan plan = PlanOf(columns, limits);
  return plan.parts * plan.vector;
}

KernelSequence MakeRows(const RowsSpec& spec, const DeviceLimits& limits) {
  Require(spec.columns > 0 && spec.columns <= LongestRow(limits) && ElementCount(spec.rows) > 0, "[Rows] {} has {} rows of {} elements", spec.name,
          ElementCount(spec.rows), spec.columns);
  KernelSequence sequence;
  sequence.kernels.push_back(Writer(spec, limits).Write());
  return sequence;
}

}  // namespace tfvk::kernels
