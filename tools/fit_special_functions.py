#!/usr/bin/env python3
"""Fits the Chebyshev series of src/plugin/special_functions_hlo.cc and writes them as src/plugin/special_function_series.h.

    tools/fit_special_functions.py        (needs mpmath)

Every series is of a function that is smooth on its interval: what is singular (logarithms, poles, exponentials, oscillation) is taken out of it first, by the
formulas of Abramowitz and Stegun, Handbook of Mathematical Functions: 9.1.13 and 9.2.5 (J, Y), 9.6.13 and 9.7.2 (K), 5.1.10 (Ei), 7.3.9 (Fresnel), 27.7 (Spence).
Coefficients are computed with 60 digits at Chebyshev's nodes and kept down to 1e-17 of the largest.
"""

import pathlib

import mpmath as mp

mp.mp.dps = 60
NODES = 72


def series(function, low, high):
    """c with function(t) = sum c_k T_k(s), where s runs from -1 to 1 as t runs from low to high."""
    angles = [mp.pi * (k + mp.mpf(1) / 2) / NODES for k in range(NODES)]
    values = [function((high + low + (high - low) * mp.cos(a)) / mp.mpf(2)) for a in angles]
    coefficients = [2 * mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angles)) / NODES for j in range(NODES)]
    coefficients[0] /= 2
    largest = max(abs(c) for c in coefficients)
    kept = max(j for j, c in enumerate(coefficients) if abs(c) > mp.mpf("1e-17") * largest) + 1
    assert kept < NODES, f"{NODES} nodes are too few"
    return coefficients[:kept]


def hankel(order):
    """P and Q x / 8 of the amplitudes in (8 / x)^2: J = sqrt(2 / (pi x)) (P cos(chi) - Q sin(chi))."""

    def at(t):
        x = 8 / mp.sqrt(t)
        chi = x - mp.pi * (2 * order + 1) / 4
        j, y, scale = mp.besselj(order, x), mp.bessely(order, x), mp.sqrt(mp.pi * x / 2)
        return scale * (j * mp.cos(chi) + y * mp.sin(chi)), scale * (y * mp.cos(chi) - j * mp.sin(chi)) * x / 8

    return (lambda t: at(t)[0]), (lambda t: at(t)[1])


def fresnel(t):
    """The auxiliary functions f and g by pi x and pi^2 x^3, in (1.6 / x)^4."""
    x = mp.mpf("1.6") / mp.root(t, 4)
    angle, c, s = mp.pi * x * x / 2, mp.fresnelc(x) - 0.5, mp.fresnels(x) - 0.5
    f, g = c * mp.sin(angle) - s * mp.cos(angle), -c * mp.cos(angle) - s * mp.sin(angle)
    return f * mp.pi * x, g * mp.pi**2 * x**3


def dawson(x):
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def of_square(function):
    return lambda t: function(mp.sqrt(t))


def all_series():
    j0, j1, y0, y1 = (lambda x, f=f, n=n: f(n, x) for f in (mp.besselj, mp.bessely) for n in (0, 1))
    yield "BesselJ0", of_square(j0), 0, 64
    yield "BesselJ1", of_square(lambda x: j1(x) / x), 0, 64
    yield "BesselY0", of_square(lambda x: y0(x) - 2 / mp.pi * mp.log(x) * j0(x)), 0, 64
    yield "BesselY1", of_square(lambda x: (y1(x) - 2 / mp.pi * (mp.log(x) * j1(x) - 1 / x)) / x), 0, 64
    for order in (0, 1):
        p, q = hankel(order)
        yield f"Hankel{order}P", p, 0, 1
        yield f"Hankel{order}Q", q, 0, 1
    yield "BesselI0", of_square(lambda x: mp.besseli(0, x)), 0, 4
    yield "BesselI1", of_square(lambda x: mp.besseli(1, x) / x), 0, 4
    yield "BesselK0", of_square(lambda x: mp.besselk(0, x) + mp.log(x / 2) * mp.besseli(0, x)), 0, 4
    yield "BesselK1", of_square(lambda x: x * (mp.besselk(1, x) - mp.log(x / 2) * mp.besseli(1, x))), 0, 4
    for order in (0, 1):
        yield f"BesselK{order}Far", lambda t, n=order: mp.sqrt(2 / t) * mp.exp(2 / t) * mp.besselk(n, 2 / t), 0, 1
    yield "Dawson", of_square(lambda x: dawson(x) / x), 0, 1
    yield "DawsonMiddle", dawson, 1, mp.mpf("2.5")
    yield "DawsonOuter", dawson, mp.mpf("2.5"), 5
    yield "DawsonFar", of_square(lambda s: 2 * (5 / s) * dawson(5 / s)), 0, 1
    yield "Expint", lambda x: (mp.ei(x) - mp.euler - mp.log(x)) / x, 0, 2
    scaled = lambda x: x * mp.exp(-x) * mp.ei(x)  # noqa: E731
    yield "ExpintMiddle", scaled, 2, 6
    yield "ExpintOuter", scaled, 6, 12
    yield "ExpintOutermost", scaled, 12, 24
    yield "ExpintFar", lambda t: scaled(24 / t), 0, 1
    fourth = mp.mpf("1.6") ** 4
    yield "FresnelCos", lambda t: mp.fresnelc(mp.root(t, 4)) / mp.root(t, 4), 0, fourth
    yield "FresnelSin", lambda t: mp.fresnels(mp.root(t, 4)) / mp.root(t, 4) ** 3, 0, fourth
    yield "FresnelF", lambda t: fresnel(t)[0], 0, 1
    yield "FresnelG", lambda t: fresnel(t)[1], 0, 1
    yield "Spence", lambda y: mp.polylog(2, 1 - y).real / (1 - y), mp.mpf("0.5"), mp.mpf("1.5")


def main():
    lines = ["// Chebyshev series of special functions, fitted by tools/fit_special_functions.py, which says of what each is; do not edit.", "#pragma once", "",
             "namespace tfvk::plugin::series {", ""]  # fmt: skip
    for name, function, low, high in all_series():
        coefficients = series(function, low, high)
        lines.append(f"inline constexpr double k{name}[] = {{")
        numbers = [mp.nstr(c, 20, strip_zeros=False) for c in coefficients]
        lines += [f"    {', '.join(numbers[i : i + 4])}," for i in range(0, len(numbers), 4)]
        lines.append("};")
        print(name, len(coefficients))
    lines += ["", "}  // namespace tfvk::plugin::series", ""]
    pathlib.Path(__file__).resolve().parent.parent.joinpath("src/plugin/special_function_series.h").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
