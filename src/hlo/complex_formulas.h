// Functions of complex numbers as formulas over their real and imaginary parts.
#pragma once

#include "hlo/formula.h"

namespace tfvk::hlo {

struct Complex {
  Formula re, im;
};

Complex operator+(const Complex& a, const Complex& b);
Complex operator-(const Complex& a, const Complex& b);
Complex operator-(const Complex& a);
Complex operator*(const Complex& a, const Complex& b);
// Scaled, so that only a quotient that is itself out of range overflows. x / 0 and x / infinity as in C's annex G.
Complex operator/(const Complex& a, const Complex& b);
// Without overflow of the squares; infinite when either part is.
Formula Abs(const Complex& z);
Formula Phase(const Complex& z);
Complex Exp(const Complex& z);
Complex Expm1(const Complex& z);
Complex Log(const Complex& z);
Complex Log1p(const Complex& z);
Complex Sqrt(const Complex& z);
Complex Rsqrt(const Complex& z);
Complex Power(const Complex& a, const Complex& b);  // 0 ^ 0 = 1, 0 ^ b = 0 for a positive real part of b
Complex Sin(const Complex& z);
Complex Cos(const Complex& z);
Complex Tan(const Complex& z);
Complex Tanh(const Complex& z);
Complex Logistic(const Complex& z);
Complex Sign(const Complex& z);  // z / |z|, 0 for 0
Complex Atan2(const Complex& y, const Complex& x);

}  // namespace tfvk::hlo
