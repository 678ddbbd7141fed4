// The verifier's rules, a family a file. Each rule checks one node and throws through Checker::Reject.
//
// Sizes are compared as they are written: equal symbols are equal, two different symbols or a symbol and a constant are not. Where a result's size is computed
// from a symbol (a padded or concatenated run-time dimension), the result must have a symbol there, and which one is not checked.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"
#include "types/error.h"

namespace tfvk::ir {

class Checker {
 public:
  // `symbols`: the run-time sizes of the outermost graph.
  Checker(const Node& node, int symbols) : node(node), symbols(symbols) {}

  template <class... Args>
  [[noreturn]] void Reject(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error(ErrorCode::kInternal, fmt::format("[Verify] {}: {}", Describe(), fmt::format(format, std::forward<Args>(args)...)));
  }
  template <class... Args>
  void Expect(bool holds, fmt::format_string<Args...> format, Args&&... args) const {
    if (!holds) Reject(format, std::forward<Args>(args)...);
  }

  const TensorType& in(int i) const { return node.operand_type(i); }
  const TensorType& out(int i = 0) const { return node.results[i]; }
  int operand_count() const { return static_cast<int>(node.operands.size()); }
  int result_count() const { return static_cast<int>(node.results.size()); }

  void ExpectOperands(int count) const;
  void ExpectResults(int count) const;
  void ExpectResult(const TensorType& expected, int i = 0) const;
  void ExpectScalar(const TensorType& type, const char* what) const;
  // A list of dimensions, each in [0, rank) and none twice.
  void ExpectDimensions(const std::vector<int64_t>& dims, size_t rank, const char* what) const;
  // One number a dimension.
  void ExpectLength(const std::vector<int64_t>& list, size_t rank, const char* what) const;
  // The region takes parameters of these types and gives outputs of those.
  void ExpectRegion(int region, const std::vector<TensorType>& parameters, const std::vector<TensorType>& outputs) const;

  const Node& node;
  const int symbols;

 private:
  std::string Describe() const;
};

// "f32[8,?0]"
std::string ToText(const TensorType& type);
std::string ToText(const Shape& shape);

inline size_t Rank(const TensorType& type) { return type.shape.size(); }

// A size that must equal `expected` where that is known, and must be a symbol where `expected` has the value kComputed.
inline constexpr int64_t kComputed = -1;
void ExpectSize(const Checker& c, const Size& actual, const Size& expected, const char* what, size_t dimension);
void ExpectShape(const Checker& c, const Shape& actual, const Shape& expected, const char* what);

// The windows' number along a dimension, or kComputed for a run-time size under a window that changes it.
Size WindowedSize(const Checker& c, const Size& input, const WindowDim& window);

void VerifySource(const Checker& c);
void VerifyElementwise(const Checker& c);
void VerifyMovement(const Checker& c);
void VerifyIndexed(const Checker& c);
void VerifyReduction(const Checker& c);
void VerifyContraction(const Checker& c);
void VerifyControl(const Checker& c);

}  // namespace tfvk::ir
