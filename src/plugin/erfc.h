// The complementary error function in single precision: erfc(x) = exp(-x^2) G(u) for x >= 0, u = (x - 3) / (x + 3), and 2 - erfc(-x) below.
//
// G(u) = erfc(x) exp(x^2) is smooth on [-1, 1), so one polynomial serves all numbers whose result is not zero in f32. Its coefficients are a fit of the least
// relative error (3.2e-8) up to x = 10.1 by iterated weights to scipy.special.erfcx. The result's relative error is below 5e-7 up to x = 2; beyond, the
// rounding of x^2 before the exponential adds to it (4e-6 at x = 9, where erfc is 4e-37). tf2xla's own kernel computes two expansions of some 200 instructions
// for each element, of which it takes one.
#pragma once

namespace tfvk::plugin {

inline constexpr double kErfcCentre = 3, kErfcLast = 10.1;  // G is not needed beyond
inline constexpr double kErfcSeries[] = {0.1790011509608532,    -0.3262336411144366,  0.24560394801902186,   -0.15011338184288556,   0.0716630183697205,
                                         -0.024415330943379176, 0.004279667446715987, 0.0007907699467706742, -0.0005872322485368059, -6.783110779785161e-05};

// G at u, by Horner's rule; `number` makes a constant of u's kind.
template <class T, class Number>
T ErfcSeriesAt(const T& u, const Number& number) {
  constexpr int kCount = sizeof kErfcSeries / sizeof kErfcSeries[0];
  T sum = number(kErfcSeries[kCount - 1]);
  for (int i = kCount - 1; i-- > 0;) sum = sum * u + number(kErfcSeries[i]);
  return sum;
}

// Adds tf2xla's kernel of Erfc, as the families of added_types.h do.
void AddErfc();

}  // namespace tfvk::plugin
