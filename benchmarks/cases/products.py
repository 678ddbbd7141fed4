"""Matrix products: squares, transposed operands, batches, and the shapes that the models of models.py use."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from cases.case import BYTES, ELEMENTS, Case, torch_dtype
from cases.hlo_text import Module, Value

FLOATS = ("tf32", "float32", "bfloat16", "float16")

# rows, columns, depth, layout: forward products, and the gradients of inputs ("nt") and weights ("tn"), of the full models.
MODEL_SHAPES = (
    (1024, 4096, 1024, "nn"),  # mlp
    (1024, 4096, 4096, "nn"),
    (1024, 4096, 4096, "nt"),
    (4096, 4096, 1024, "tn"),
    (1024, 1000, 4096, "nn"),
    (4096, 1000, 1024, "tn"),
    (8192, 512, 512, "nn"),  # transformer
    (512, 512, 8192, "tn"),
    (8192, 2048, 512, "nn"),
    (8192, 512, 2048, "nn"),
    (8192, 512, 2048, "nt"),
    (512, 2048, 8192, "tn"),
    (8192, 8192, 512, "nn"),
    (8192, 512, 8192, "nt"),
    (512, 8192, 8192, "tn"),
    (200704, 64, 64, "nn"),  # 1x1 convolutions of resnet50 and mobilenetv2
    (200704, 256, 64, "nn"),
    (802816, 96, 16, "nn"),
    (200704, 24, 144, "nn"),
    (12544, 384, 64, "nn"),
    (128, 2048, 512, "nn"),  # a step of lstm
    (64, 1000, 2048, "nn"),
)
VECTORS = ((1, 4096, 4096, "nn"), (4096, 1, 4096, "nn"), (16, 4096, 4096, "nn"))
# batches of rows, columns, depth: attention's
BATCHES = ((256, 256, 256, 64, "nt"), (256, 256, 64, 256, "nn"), (256, 64, 256, 256, "tn"))


def _operands(batch: int, m: int, n: int, k: int, layout: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes in memory; `layout`: whether lhs and rhs are transposed there ("t")."""
    lead = (batch,) if batch > 1 else ()
    return (*lead, k, m) if layout[0] == "t" else (*lead, m, k), (*lead, n, k) if layout[1] == "t" else (*lead, k, n)


def add_product(module: Module, batch: int, m: int, n: int, k: int, layout: str, element: str, result: str | None = None) -> Value:
    """The product of two new parameters of the module."""
    lhs, rhs = (module.parameter(element, shape) for shape in _operands(batch, m, n, k, layout))
    at = 1 if batch > 1 else 0
    return module.dot(lhs, rhs, (at if layout[0] == "t" else at + 1, at + 1 if layout[1] == "t" else at), at, result)


def _product(family: str, batch: int, m: int, n: int, k: int, layout: str, dtype: str) -> Case:
    lhs, rhs = _operands(batch, m, n, k, layout)

    def hlo() -> str:
        module = Module("product")
        return module.text(add_product(module, batch, m, n, k, layout, ELEMENTS[dtype], "s32" if dtype == "int8" else None))

    def peer(torch, device):
        if dtype == "int8":
            a, b = (torch.randint(-3, 9, shape, dtype=torch.int8, device=device) for shape in (lhs, rhs))
            return lambda: torch._int_mm(a, b)
        a, b = (torch.randn(*shape, device=device).to(torch_dtype(torch, dtype)) for shape in (lhs, rhs))
        a = a.mT if layout[0] == "t" else a
        b = b.mT if layout[1] == "t" else b
        return lambda: a @ b

    name = f"{layout} {'x'.join(map(str, ((batch,) if batch > 1 else ()) + (m, n, k)))}"
    read_and_written = (prod(lhs) + prod(rhs) + batch * m * n) * BYTES[dtype]
    return Case("products", family, name, dtype, hlo, peer, flops=2.0 * batch * m * n * k, bytes=read_and_written)


def cases(small: bool) -> Iterator[Case]:
    for n in (64, 128) if small else (256, 512, 1024, 2048, 4096, 8192):
        for dtype in FLOATS:
            yield _product("square", 1, n, n, n, "nn", dtype)
    for n in (64,) if small else (1024, 4096):
        for layout in ("nt", "tn", "tt"):
            for dtype in FLOATS:
                yield _product("transposed", 1, n, n, n, layout, dtype)
        yield _product("int8", 1, n, n, n, "nn", "int8")
    for m, n, k, layout in ((64, 100, 48, "nn"), (48, 64, 100, "tn")) if small else MODEL_SHAPES:
        for dtype in ("tf32", "bfloat16"):
            yield _product("model", 1, m, n, k, layout, dtype)
    for m, n, k, layout in ((1, 64, 64, "nn"),) if small else VECTORS:
        for dtype in ("tf32", "bfloat16"):
            yield _product("vector", 1, m, n, k, layout, dtype)
    for batch, m, n, k, layout in ((4, 16, 16, 8, "nt"),) if small else BATCHES:
        for dtype in ("tf32", "bfloat16"):
            yield _product("batched", batch, m, n, k, layout, dtype)
