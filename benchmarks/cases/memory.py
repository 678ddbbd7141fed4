"""What memory limits: copies, elementwise operations, reductions and transposes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from cases.case import BYTES, ELEMENTS, Case, torch_dtype
from cases.hlo_text import Module, Value


def _normal(torch, device, dtype, *shape):
    return torch.randn(*shape, device=device).to(torch_dtype(torch, dtype))


def _case(family: str, name: str, dtype: str, inputs: list[tuple], results: int, compute: Callable, peer: Callable) -> Case:
    """`compute`: a module's values from its parameters of these shapes. `peer`: of torch and as many tensors. `results`: bytes written."""

    def hlo() -> str:
        module = Module(family)
        return module.text(*compute(module, *(module.parameter(ELEMENTS[dtype], shape) for shape in inputs)))

    def make_peer(torch, device):
        tensors = [_normal(torch, device, dtype, *shape) for shape in inputs]
        return lambda: peer(torch, *tensors)

    return Case("memory", family, name, dtype, hlo, make_peer, bytes=sum(map(prod, inputs)) * BYTES[dtype] + results)


def _gelu(m: Module, x: Value) -> tuple[Value]:
    cube = m.binary("multiply", m.binary("multiply", x, x), x)
    inner = m.binary("multiply", m.binary("add", x, m.binary("multiply", cube, 0.044715)), 0.7978846)
    return (m.binary("multiply", m.binary("multiply", x, 0.5), m.binary("add", m.unary("tanh", inner), 1)),)


def _bias(m: Module, x: Value, bias: Value) -> tuple[Value]:
    return (m.binary("add", x, m.broadcast(bias, x.shape, [1])),)


def _copies_and_elementwise(small: bool) -> Iterator[Case]:
    n = 1 << (14 if small else 27)
    rows, columns = (128, 128) if small else (16384, 8192)
    for dtype in ("float32", "bfloat16", "float16"):
        size = BYTES[dtype]
        yield _case("copy", f"[{n}]", dtype, [(n,)], n * size, lambda m, x: (m.unary("copy", x),), lambda torch, x: x.clone())
        yield _case("elementwise", f"add [{n}]", dtype, [(n,), (n,)], n * size, lambda m, x, y: (m.binary("add", x, y),), lambda torch, x, y: x + y)
        yield _case("elementwise", f"gelu [{n}]", dtype, [(n,)], n * size, _gelu, lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"))
    n -= 3
    yield _case("elementwise", f"add [{n}]", "float32", [(n,), (n,)], n * 4, lambda m, x, y: (m.binary("add", x, y),), lambda torch, x, y: x + y)
    n += 3
    for dtype, other in (("float32", "bfloat16"), ("bfloat16", "float32")):
        compute, result = (lambda m, x, other=other: (m.convert(x, ELEMENTS[other]),)), n * BYTES[other]
        yield _case("elementwise", f"to {other} [{n}]", dtype, [(n,)], result, compute, lambda torch, x, other=other: x.to(getattr(torch, other)))
    yield _case("elementwise", f"bias [{rows},{columns}]", "float32", [(rows, columns), (columns,)], rows * columns * 4, _bias, lambda torch, x, b: x + b)


def sum_over(dimensions: tuple[int, ...], combiner: str = "add") -> Callable:
    """16-bit numbers are added in 32 bits, as TensorFlow and PyTorch do."""

    def compute(m: Module, x: Value) -> tuple[Value]:
        return (m.convert(m.reduce(m.convert(x, "f32"), dimensions, combiner), x.dtype),)

    return compute


def _reductions(small: bool) -> Iterator[Case]:
    side = 128 if small else 16384
    image = (2, 8, 8, 16) if small else (128, 56, 56, 256)
    forms = [
        ("sum rows", (side, side), (1,)),
        ("sum columns", (side, side), (0,)),
        ("sum all", (side, side), (0, 1)),
        ("sum of channels", image, (0, 1, 2)),
    ]
    for dtype in ("float32", "bfloat16"):
        for name, shape, dimensions in forms:
            kept = prod(size for d, size in enumerate(shape) if d not in dimensions) * BYTES[dtype]
            peer = lambda torch, x, dimensions=dimensions: torch.sum(x, dimensions)  # noqa: E731
            yield _case("reduction", f"{name} {list(shape)}", dtype, [shape], kept, sum_over(dimensions), peer)
        yield _case(
            "reduction", f"max rows [{side}, {side}]", dtype, [(side, side)], side * BYTES[dtype], sum_over((1,), "maximum"), lambda torch, x: torch.amax(x, 1)
        )


def _transposes(small: bool) -> Iterator[Case]:
    side = 128 if small else 8192
    forms = [
        ((side, side), (1, 0)),
        ((2, 8, 8, 16) if small else (64, 56, 56, 256), (0, 3, 1, 2)),
        ((2, 16, 2, 16) if small else (64, 512, 16, 64), (0, 2, 1, 3)),
    ]
    for dtype in ("float32", "bfloat16"):
        for shape, order in forms:
            result = prod(shape) * BYTES[dtype]
            compute = lambda m, x, order=order: (m.transpose(x, order),)  # noqa: E731
            peer = lambda torch, x, order=order: x.permute(order).contiguous()  # noqa: E731
            yield _case("transpose", f"{list(shape)} {list(order)}", dtype, [shape], result, compute, peer)


def cases(small: bool) -> Iterator[Case]:
    yield from _copies_and_elementwise(small)
    yield from _reductions(small)
    yield from _transposes(small)
