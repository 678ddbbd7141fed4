"""Inputs and exact results of error_table.py, with NumPy alone: products and convolutions whose results are compared with float64's.

An error is given twice: relative to the norms of the row and the column that a result is the product of, |error| / (||a_i|| ||b_j||), and relative to the sum of
the terms' absolute values, |error| / sum_k |a_ik b_kj|, which forgives nothing where a row holds large and small numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

DISTRIBUTIONS = ("uniform", "normal", "scaled", "wide")
CHECKED_ROWS = 256  # of a product


def draw(random: np.random.Generator, distribution: str, shape: tuple[int, ...], scaled_axis: int) -> np.ndarray:
    """scaled: normal numbers with a power of two from 2^-20 to 2^20 along one axis; wide: normal ones times e^(4 normal)."""
    if distribution == "uniform":
        return random.uniform(-1, 1, shape).astype(np.float32)
    numbers = random.standard_normal(shape)
    if distribution == "scaled":
        scales = [1] * len(shape)
        scales[scaled_axis] = shape[scaled_axis]
        numbers *= np.exp2(random.uniform(-20, 20, scales))
    if distribution == "wide":
        numbers *= np.exp(4 * random.standard_normal(shape))
    return numbers.astype(np.float32)


@dataclass(frozen=True)
class Product:
    """What the result is in terms of matrices: `rows` of lhs times rhs, in float64."""

    lhs: np.ndarray
    rhs: np.ndarray
    take: Callable[[np.ndarray], np.ndarray]  # the same rows of a result

    def errors(self, result: np.ndarray) -> dict[str, float]:
        lhs, rhs = self.lhs.astype(np.float64), self.rhs.astype(np.float64)
        error = np.abs(self.take(result).astype(np.float64) - lhs @ rhs)
        norms = np.linalg.norm(lhs, axis=1)[:, None] * np.linalg.norm(rhs, axis=0)[None, :]
        terms = np.abs(lhs) @ np.abs(rhs)
        found = {}
        for suffix, against in (("", norms), ("_of_terms", terms)):
            relative = error / np.maximum(against, np.finfo(np.float64).tiny)
            found[f"max{suffix}"] = float(np.max(relative))
            found[f"rms{suffix}"] = float(np.sqrt(np.mean(relative**2)))
        return found


@dataclass(frozen=True)
class ErrorCase:
    operation: str  # product, forward, input, filter
    name: str
    distribution: str
    inputs: Callable[[], tuple[np.ndarray, np.ndarray]]  # what the operation takes
    exact: Callable[[np.ndarray, np.ndarray], Product]
    width: int = 0  # of a convolution's filters


def _product_case(m: int, n: int, k: int, distribution: str) -> ErrorCase:
    def inputs():
        random = np.random.default_rng([m, n, k])
        return draw(random, distribution, (m, k), 0), draw(random, distribution, (k, n), 1)

    def exact(a, b):
        rows = np.linspace(0, m - 1, min(m, CHECKED_ROWS)).astype(int)
        return Product(a[rows], b, lambda result: result[rows])

    return ErrorCase("product", f"product {m}x{n}x{k}", distribution, inputs, exact)


def patches(images: np.ndarray, size: int) -> np.ndarray:
    """[batch * height * width, size * size * channels] of images in NHWC, padded so that they keep their size."""
    pad = size // 2
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))  # batch, height, width, channels, size, size
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, size * size * images.shape[3])


def _convolution_case(direction: str, batch: int, size: int, inputs: int, outputs: int, width: int, distribution: str) -> ErrorCase:
    """A stride of 1 and filters of an odd width: both gradients are products with patches, too."""
    x, y, w = (batch, size, size, inputs), (batch, size, size, outputs), (width, width, inputs, outputs)

    def make():
        random = np.random.default_rng([batch, size, inputs, outputs, width])
        if direction == "forward":
            return draw(random, distribution, x, 0), draw(random, distribution, w, 3)
        if direction == "input":
            return draw(random, distribution, y, 0), draw(random, distribution, w, 2)
        return draw(random, distribution, x, 3), draw(random, distribution, y, 3)

    def exact(first, second):
        if direction == "filter":
            return Product(patches(first, width).T, second.reshape(-1, outputs), lambda result: result.reshape(-1, outputs))
        filters = second if direction == "forward" else second[::-1, ::-1].transpose(0, 1, 3, 2)
        return Product(patches(first, width), filters.reshape(-1, filters.shape[3]), lambda result: result.reshape(-1, filters.shape[3]))

    name = f"{direction} {batch}x{size}x{size}x{inputs} -> {outputs} k{width}"
    return ErrorCase(direction, name, distribution, make, exact, width)


def cases(small: bool) -> Iterator[ErrorCase]:
    for m, n, k in ((64, 48, 96),) if small else ((4096, 4096, 4096), (1024, 1024, 1024), (256, 256, 16384)):
        for distribution in DISTRIBUTIONS:
            yield _product_case(m, n, k, distribution)
    for batch, size, inputs, outputs, width in ((1, 6, 8, 8, 3),) if small else ((8, 28, 128, 128, 3), (8, 28, 256, 64, 1)):
        for direction in ("forward", "input", "filter"):
            for distribution in DISTRIBUTIONS:
                yield _convolution_case(direction, batch, size, inputs, outputs, width, distribution)
