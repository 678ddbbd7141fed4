// A view of consecutive elements that something else owns (C++20's std::span, as far as it is needed here).
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <type_traits>
#include <vector>

namespace tfvk {

template <class T>
class Span {
 public:
  using Element = std::remove_const_t<T>;

  constexpr Span() = default;
  constexpr Span(T* data, size_t size) : data_(data), size_(size) {}
  // NOLINTBEGIN: these are meant to convert
  template <class U = T, class = std::enable_if_t<std::is_const_v<U>>>
  Span(const std::vector<Element>& v) : data_(v.data()), size_(v.size()) {}
  Span(std::vector<Element>& v) : data_(v.data()), size_(v.size()) {}
  template <size_t N>
  constexpr Span(const std::array<Element, N>& v) : data_(v.data()), size_(N) {}
  // Valid until the end of the full expression, as an argument is.
  template <class U = T, class = std::enable_if_t<std::is_const_v<U>>>
  constexpr Span(std::initializer_list<Element> v) : Span(v.begin(), v.size()) {}
  // NOLINTEND

  constexpr T* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T* begin() const { return data_; }
  constexpr T* end() const { return data_ + size_; }
  constexpr T& operator[](size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tfvk
