// A dimension's size: known when the kernel is generated, or known only when it is launched.
#pragma once

#include <cstdint>
#include <vector>

namespace tfvk {

// Either a constant or a symbol: symbol k stands for the k-th run-time size of the Program (ir::Graph::symbol_count of them), a value below 2^32.
struct Size {
  int64_t value = 0;  // of a symbol: a number that it is known to be a multiple of; 0 and 1 say nothing. Equal sizes may differ in this
  int symbol = -1;

  constexpr Size() = default;
  constexpr Size(int64_t v) : value(v) {}  // NOLINT: a plain number is a size
  static constexpr Size Symbol(int index, int64_t multiple_of = 1) {
    Size s;
    s.value = multiple_of;
    s.symbol = index;
    return s;
  }
  constexpr bool is_static() const { return symbol < 0; }
  friend constexpr bool operator==(const Size& a, const Size& b) { return a.symbol == b.symbol && (a.symbol >= 0 || a.value == b.value); }
  friend constexpr bool operator!=(const Size& a, const Size& b) { return !(a == b); }
};

using Shape = std::vector<Size>;  // row-major, as TensorFlow's

inline bool IsStatic(const Shape& shape) {
  for (const Size& s : shape) {
    if (!s.is_static()) return false;
  }
  return true;
}

// A size's value once the symbols are known.
inline int64_t Evaluate(const Size& size, const std::vector<int64_t>& symbols) { return size.is_static() ? size.value : symbols.at(size.symbol); }

// The number of elements of a shape; 1 for a scalar.
inline int64_t ElementCount(const Shape& shape, const std::vector<int64_t>& symbols = {}) {
  int64_t n = 1;
  for (const Size& s : shape) n *= Evaluate(s, symbols);
  return n;
}

}  // namespace tfvk
