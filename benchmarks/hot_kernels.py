#!/usr/bin/env python3
"""The kernels in which training spends its time, as HLO modules: products, convolutions, reductions, elementwise chains, transposes.

usage: hot_kernels.py FOLDER [--names SUBSTRING,...]        writes NAME.hlo; those whose name has `_tf32` are meant for `tfvk-hlo --tf32`

Sizes are those of ResNet-50 at batch 32, of a transformer and of wide dense layers: large enough for the tiles that the model of kernels/gemm_tiles.cc takes
where speed counts. The computations are those that cases/ times.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cases import hlo_text
from cases.blocks import adam_update, normalize, softmax
from cases.convolutions import DIRECTIONS, Layer, layer_hlo
from cases.hlo_text import Value
from cases.memory import sum_over
from cases.products import add_product

TYPES = ("f32", "tf32", "f16", "bf16")  # tf32: f32 products that may lose bits
BATCH = 32

# Batch, rows, columns, depth, layout.
PRODUCTS = {
    "square": (1, 2048, 2048, 2048, "nn"),
    "lhs_transposed": (1, 2048, 2048, 2048, "tn"),  # a dense layer's gradient of its weights
    "rhs_transposed": (1, 2048, 2048, 2048, "nt"),  # and of its input
    "bias_relu": (1, 2048, 2048, 2048, "nn"),
    "skinny": (1, 32, 1000, 2048, "nn"),
    "batched": (256, 256, 256, 64, "nt"),  # attention's scores
    "odd": (1, 1000, 999, 777, "nn"),  # no wide loads
}
CONVOLUTIONS = {
    "3x3": Layer(56, 64, 64, 3, 1),
    "3x3_stride2": Layer(56, 128, 128, 3, 2),
    "1x1": Layer(56, 64, 256, 1, 1),
    "7x7_stride2": Layer(224, 3, 64, 7, 2),
    "odd": Layer(57, 63, 65, 3, 1),
    "depthwise": Layer(112, 32, 32, 3, 1, groups=32),
}


@dataclass(frozen=True)
class Module:
    name: str
    text: str

    @property
    def tf32(self) -> bool:
        return "_tf32" in self.name


def product(name: str, kind: str) -> Module:
    module = hlo_text.Module(f"product_{name}_{kind}")
    result = add_product(module, *PRODUCTS[name], "f32" if kind == "tf32" else kind)
    if name == "bias_relu":
        bias = module.parameter(result.dtype, result.shape[1:])
        result = module.binary("maximum", module.binary("add", result, module.broadcast(bias, result.shape, [1])), 0)
    return Module(module.name, module.text(result))


def convolution(name: str, kind: str, direction: str) -> Module:
    full_name = f"convolution_{name}_{kind}" if direction == "forward" else f"convolution_{name}_{direction}_{kind}"
    return Module(full_name, layer_hlo(CONVOLUTIONS[name], direction, BATCH, "f32" if kind == "tf32" else kind, full_name))


def gelu(m: hlo_text.Module, x: Value) -> tuple[Value]:
    """As Keras has it by default, with the error function."""
    share = m.binary("multiply", m.binary("add", m.unary("erf", m.binary("multiply", x, 0.70710678)), 1), 0.5)
    return (m.binary("multiply", x, share),)


def transpose(*order: int) -> Callable:
    return lambda m, x: (m.transpose(x, order),)


# Name: what computes it from parameters of these shapes.
OTHERS: dict[str, tuple[Callable, list[tuple[int, ...]]]] = {
    "row_sum": (sum_over((1,)), [(8192, 4096)]),
    "column_sum": (sum_over((0,)), [(8192, 4096)]),
    "batch_norm": (lambda m, *inputs: normalize(m, *inputs, [0, 1, 2]), [(BATCH, 56, 56, 256), (256,), (256,)]),
    "softmax": (lambda m, x: (softmax(m, x),), [(16384, 1000)]),
    "softmax_of_long_rows": (lambda m, x: (softmax(m, x),), [(8192, 8192)]),
    "layer_norm": (lambda m, *inputs: normalize(m, *inputs, [1]), [(8192, 1024), (1024,), (1024,)]),
    "gelu": (gelu, [(8192, 4096)]),
    "transpose_matrix": (transpose(1, 0), [(4096, 4096)]),
    "transpose_channels": (transpose(0, 3, 1, 2), [(BATCH, 56, 56, 256)]),
}


def other(name: str, kind: str) -> Module:
    compute, shapes = OTHERS[name]
    module = hlo_text.Module(f"{name}_{kind}")
    return Module(module.name, module.text(*compute(module, *(module.parameter(kind, shape) for shape in shapes))))


def modules() -> Iterator[Module]:
    for kind in TYPES:
        yield from (product(name, kind) for name in PRODUCTS)
        for name, layer in CONVOLUTIONS.items():
            if layer.groups == 1 or kind != "tf32":  # depthwise ones have no products of matrices
                yield from (convolution(name, kind, direction) for direction in DIRECTIONS)
    for kind in ("f32", "f16", "bf16"):
        yield from (other(name, kind) for name in OTHERS)
    adam = hlo_text.Module("adam")
    yield Module(adam.name, adam.text(*adam_update(adam, [(4096, 4096)])))


def write(folder: Path, names: list[str] | None = None) -> list[Module]:
    """Writes the modules whose name has one of `names` in it (all without), and returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [m for m in modules() if not names or any(name in m.name for name in names)]
    for m in chosen:
        (folder / f"{m.name}.hlo").write_text(m.text)
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--names", help="only those with one of these in their name, comma-separated")
    arguments = parser.parse_args()
    print(f"{len(write(arguments.folder, arguments.names.split(',') if arguments.names else None))} modules in {arguments.folder}")


if __name__ == "__main__":
    main()
