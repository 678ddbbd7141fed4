#!/usr/bin/env python3
"""The kernels in which training spends its time, as HLO modules: products, convolutions, reductions, elementwise chains, transposes.

usage: hot_kernels.py FOLDER [--names SUBSTRING,...]        writes NAME.hlo; those whose name has `_tf32` are meant for `tfvk-hlo --tf32`

Sizes are those of ResNet-50 at batch 32, of a transformer and of wide dense layers: large enough for the tiles that the model of kernels/gemm_tiles.cc takes
where speed counts. The HLO is as tf2xla writes it for Keras: NHWC, gradients of convolutions as convolutions.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TYPES = ("f32", "tf32", "f16", "bf16")  # tf32: f32 products that may lose bits


@dataclass
class Module:
    name: str
    text: str

    @property
    def tf32(self) -> bool:
        return "_tf32" in self.name


def element(kind: str) -> str:
    return "f32" if kind == "tf32" else kind


def module(name: str, lines: list[str], regions: str = "") -> Module:
    """The entry computation of `lines`, the last of which is its root."""
    body = "\n".join(f"  {line}" for line in [*lines[:-1], f"ROOT {lines[-1]}"])
    return Module(name, f"HloModule {name}\n\n{regions}ENTRY main {{\n{body}\n}}\n")


def region(name: str, operation: str, kind: str) -> str:
    return f"{name} {{\n  a = {kind}[] parameter(0)\n  b = {kind}[] parameter(1)\n  ROOT c = {kind}[] {operation}(a, b)\n}}\n\n"


@dataclass
class Product:
    """out[..., m, n] = lhs x rhs; a transposed operand has the terms in its other axis."""

    name: str
    m: int
    n: int
    k: int
    batch: int = 0
    lhs_transposed: bool = False
    rhs_transposed: bool = False
    bias_relu: bool = False

    def module(self, kind: str) -> Module:
        t = element(kind)
        lhs = [self.k, self.m] if self.lhs_transposed else [self.m, self.k]
        rhs = [self.n, self.k] if self.rhs_transposed else [self.k, self.n]
        first = 1 if self.batch else 0
        batch = [self.batch] * first

        def tensor(sizes: list[int]) -> str:
            return f"{t}[{','.join(map(str, batch + sizes))}]"

        contracting = f"lhs_contracting_dims={{{first + (not self.lhs_transposed)}}}, rhs_contracting_dims={{{first + self.rhs_transposed}}}"
        batched = "lhs_batch_dims={0}, rhs_batch_dims={0}, " if self.batch else ""
        out = tensor([self.m, self.n])
        lines = [f"lhs = {tensor(lhs)} parameter(0)", f"rhs = {tensor(rhs)} parameter(1)", f"product = {out} dot(lhs, rhs), {batched}{contracting}"]
        if self.bias_relu:
            lines += [f"bias = {t}[{self.n}] parameter(2)", f"biases = {out} broadcast(bias), dimensions={{1}}", f"sum = {out} add(product, biases)"]
            lines += [f"zero = {t}[] constant(0)", f"zeros = {out} broadcast(zero), dimensions={{}}", f"relu = {out} maximum(sum, zeros)"]
        return module(f"product_{self.name}_{kind}", lines)


PRODUCTS = (
    Product("square", 2048, 2048, 2048),
    Product("lhs_transposed", 2048, 2048, 2048, lhs_transposed=True),  # a dense layer's gradient of its weights
    Product("rhs_transposed", 2048, 2048, 2048, rhs_transposed=True),  # and of its input
    Product("bias_relu", 2048, 2048, 2048, bias_relu=True),
    Product("skinny", 32, 1000, 2048),
    Product("batched", 256, 256, 64, batch=256, rhs_transposed=True),  # attention's scores
    Product("odd", 1000, 999, 777),  # no wide loads
)


@dataclass
class Convolution:
    """A square filter with TensorFlow's SAME padding; `groups` of 1, or as many as channels (depthwise)."""

    name: str
    size: int
    channels: int
    filters: int
    kernel: int
    stride: int = 1
    depthwise: bool = False
    batch: int = 32

    def __post_init__(self) -> None:
        self.out = -(-self.size // self.stride)
        self.low = max(0, (self.out - 1) * self.stride + self.kernel - self.size) // 2
        self.high = max(0, (self.out - 1) * self.stride + self.kernel - self.size) - self.low
        self.span = (self.out - 1) * self.stride + 1  # of the output, dilated by the stride

    def tensors(self, t: str) -> tuple[str, str, str]:
        """Types of the input, the filter and the output."""
        b, c, k = self.batch, self.channels, self.kernel
        return (
            f"{t}[{b},{self.size},{self.size},{c}]",
            f"{t}[{k},{k},{1 if self.depthwise else c},{self.filters}]",
            f"{t}[{b},{self.out},{self.out},{self.filters}]",
        )

    def window(self, size: int, low: int, high: int, dilation: str = "") -> str:
        return f"window={{size={size}x{size} pad={low}_{high}x{low}_{high}{dilation}}}"

    def forward(self, kind: str) -> Module:
        x, w, y = self.tensors(element(kind))
        window = self.window(self.kernel, self.low, self.high, f" stride={self.stride}x{self.stride}" if self.stride > 1 else "")
        groups = f", feature_group_count={self.channels}" if self.depthwise else ""
        lines = [f"x = {x} parameter(0)", f"w = {w} parameter(1)", f"y = {y} convolution(x, w), {window}, dim_labels=b01f_01io->b01f{groups}"]
        return module(f"convolution_{self.name}_{kind}", lines)

    def input_gradient(self, kind: str) -> Module:
        x, w, y = self.tensors(element(kind))
        low = self.kernel - 1 - self.low
        high = self.size - self.span - low + self.kernel - 1
        window = self.window(self.kernel, low, high, f" lhs_dilate={self.stride}x{self.stride}" if self.stride > 1 else "")
        labels = f"b01f_01io->b01f, feature_group_count={self.channels}" if self.depthwise else "b01f_01oi->b01f"
        lines = [f"dy = {y} parameter(0)", f"w = {w} parameter(1)", f"turned = {w} reverse(w), dimensions={{0,1}}"]
        return module(f"convolution_{self.name}_input_{kind}", [*lines, f"dx = {x} convolution(dy, turned), {window}, dim_labels={labels}"])

    def filter_gradient(self, kind: str) -> Module:
        x, w, y = self.tensors(element(kind))
        high = self.kernel - 1 + self.span - self.size - self.low
        window = self.window(self.out, self.low, high, f" rhs_dilate={self.stride}x{self.stride}" if self.stride > 1 else "")
        groups = f", batch_group_count={self.channels}" if self.depthwise else ""
        lines = [f"x = {x} parameter(0)", f"dy = {y} parameter(1)", f"dw = {w} convolution(x, dy), {window}, dim_labels=f01b_i01o->01bf{groups}"]
        return module(f"convolution_{self.name}_filter_{kind}", lines)


CONVOLUTIONS = (
    Convolution("3x3", 56, 64, 64, 3),
    Convolution("3x3_stride2", 56, 128, 128, 3, stride=2),
    Convolution("1x1", 56, 64, 256, 1),
    Convolution("7x7_stride2", 224, 3, 64, 7, stride=2),
    Convolution("odd", 57, 63, 65, 3),
    Convolution("depthwise", 112, 32, 32, 3, depthwise=True),
)


def row_sum(t: str) -> Module:
    lines = [f"x = {t}[8192,4096] parameter(0)", f"zero = {t}[] constant(0)", f"sums = {t}[8192] reduce(x, zero), dimensions={{1}}, to_apply=add"]
    return module(f"row_sum_{t}", lines, region("add", "add", t))


def column_sum(t: str) -> Module:
    lines = [f"x = {t}[8192,4096] parameter(0)", f"zero = {t}[] constant(0)", f"sums = {t}[4096] reduce(x, zero), dimensions={{0}}, to_apply=add"]
    return module(f"column_sum_{t}", lines, region("add", "add", t))


def batch_norm(t: str) -> Module:
    lines = [f"x = {t}[32,56,56,256] parameter(0)", f"scale = {t}[256] parameter(1)", f"offset = {t}[256] parameter(2)"]
    lines.append(f"norm = ({t}[32,56,56,256], {t}[256], {t}[256]) batch-norm-training(x, scale, offset), epsilon=0.001, feature_index=3")
    return module(f"batch_norm_{t}", lines)


def softmax(t: str) -> Module:
    x, row = f"{t}[16384,1000]", f"{t}[16384]"
    return module(
        f"softmax_{t}",
        [
            f"x = {x} parameter(0)",
            f"least = {t}[] constant(-inf)",
            f"top = {row} reduce(x, least), dimensions={{1}}, to_apply=max",
            f"tops = {x} broadcast(top), dimensions={{0}}",
            f"shifted = {x} subtract(x, tops)",
            f"powers = {x} exponential(shifted)",
            f"zero = {t}[] constant(0)",
            f"sum = {row} reduce(powers, zero), dimensions={{1}}, to_apply=add",
            f"sums = {x} broadcast(sum), dimensions={{0}}",
            f"softmax = {x} divide(powers, sums)",
        ],
        region("max", "maximum", t) + region("add", "add", t),
    )


def layer_norm(t: str) -> Module:
    x, row, columns = f"{t}[8192,1024]", f"{t}[8192]", f"{t}[1024]"
    return module(
        f"layer_norm_{t}",
        [
            f"x = {x} parameter(0)",
            f"scale = {columns} parameter(1)",
            f"offset = {columns} parameter(2)",
            f"zero = {t}[] constant(0)",
            f"part = {t}[] constant(0.0009765625)",
            f"parts = {row} broadcast(part), dimensions={{}}",
            f"sum = {row} reduce(x, zero), dimensions={{1}}, to_apply=add",
            f"mean = {row} multiply(sum, parts)",
            f"means = {x} broadcast(mean), dimensions={{0}}",
            f"centred = {x} subtract(x, means)",
            f"squares = {x} multiply(centred, centred)",
            f"square = {row} reduce(squares, zero), dimensions={{1}}, to_apply=add",
            f"variance = {row} multiply(square, parts)",
            f"epsilon = {t}[] constant(0.001)",
            f"epsilons = {row} broadcast(epsilon), dimensions={{}}",
            f"safe = {row} add(variance, epsilons)",
            f"root = {row} rsqrt(safe)",
            f"roots = {x} broadcast(root), dimensions={{0}}",
            f"normal = {x} multiply(centred, roots)",
            f"scales = {x} broadcast(scale), dimensions={{1}}",
            f"scaled = {x} multiply(normal, scales)",
            f"offsets = {x} broadcast(offset), dimensions={{1}}",
            f"norm = {x} add(scaled, offsets)",
        ],
        region("add", "add", t),
    )


def gelu(t: str) -> Module:
    x = f"{t}[8192,4096]"
    lines = [f"x = {x} parameter(0)"]
    for name, value in (("half", 0.5), ("root", 0.70710678), ("one", 1)):
        lines += [f"{name}_ = {t}[] constant({value})", f"{name} = {x} broadcast({name}_), dimensions={{}}"]
    lines += [f"scaled = {x} multiply(x, root)", f"erf = {x} erf(scaled)", f"more = {x} add(erf, one)", f"share = {x} multiply(more, half)"]
    return module(f"gelu_{t}", [*lines, f"gelu = {x} multiply(x, share)"])


def adam() -> Module:
    x = "f32[4096,4096]"
    lines = [f"{name} = {x} parameter({number})" for number, name in enumerate(("w", "m", "v", "g"))]
    for name, value in (("b1", 0.9), ("b2", 0.999), ("c1", 0.1), ("c2", 0.001), ("rate", 0.001), ("epsilon", 1e-7)):
        lines += [f"{name}_ = f32[] constant({value})", f"{name} = {x} broadcast({name}_), dimensions={{}}"]
    lines += [f"{name} = {x} {what}" for name, what in (
        ("m1", "multiply(m, b1)"), ("m2", "multiply(g, c1)"), ("momentum", "add(m1, m2)"), ("v1", "multiply(v, b2)"), ("gg", "multiply(g, g)"),
        ("v2", "multiply(gg, c2)"), ("velocity", "add(v1, v2)"), ("root", "sqrt(velocity)"), ("below", "add(root, epsilon)"),
        ("above", "multiply(momentum, rate)"), ("step", "divide(above, below)"), ("moved", "subtract(w, step)"),
    )]  # fmt: skip
    return module("adam", [*lines, f"out = ({x}, {x}, {x}) tuple(moved, momentum, velocity)"])


def transposes(t: str) -> Iterator[Module]:
    yield module(f"transpose_matrix_{t}", [f"x = {t}[4096,4096] parameter(0)", f"turned = {t}[4096,4096] transpose(x), dimensions={{1,0}}"])
    yield module(f"transpose_channels_{t}", [f"x = {t}[32,56,56,256] parameter(0)", f"turned = {t}[32,256,56,56] transpose(x), dimensions={{0,3,1,2}}"])


def modules() -> Iterator[Module]:
    for kind in TYPES:
        for product in PRODUCTS:
            yield product.module(kind)
        for convolution in CONVOLUTIONS:
            if not (convolution.depthwise and kind == "tf32"):  # has no products of matrices
                yield from (convolution.forward(kind), convolution.input_gradient(kind), convolution.filter_gradient(kind))
    for kind in ("f32", "f16", "bf16"):
        yield from (make(kind) for make in (row_sum, column_sum, batch_norm, softmax, layer_norm, gelu))
        yield from transposes(kind)
    yield adam()


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
