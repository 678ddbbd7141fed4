"""Computations of several steps that should be few launches: softmax, normalisations and attention, forward and backward, and optimizer updates.

16-bit blocks compute in 32 bits between their inputs and outputs, as TensorFlow's and PyTorch's do; attention's products have 16-bit results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from cases.case import BYTES, ELEMENTS, Case, torch_dtype
from cases.convolutions import resnet50
from cases.hlo_text import Module, Value

EPSILON = 1e-5


def _case(family: str, name: str, dtype: str, inputs: list[tuple], moved: int, compute: Callable, peer: Callable, flops: float = 0, graph=True) -> Case:
    """As memory's: `peer` of torch and as many tensors gives what is timed. `moved`: elements read and written at least."""

    def hlo() -> str:
        module = Module(family)
        return module.text(*compute(module, *(module.parameter(ELEMENTS[dtype], shape) for shape in inputs)))

    def make_peer(torch, device):
        return peer(torch, *(torch.randn(*shape, device=device).to(torch_dtype(torch, dtype)) for shape in inputs))

    return Case("blocks", family, name, dtype, hlo, make_peer, flops=flops, bytes=moved * BYTES[dtype], graph=graph)


# ---- Softmax ----


def softmax(m: Module, x: Value) -> Value:
    """Over the last dimension, in x's type."""
    last, kept = len(x.shape) - 1, list(range(len(x.shape) - 1))
    wide = m.convert(x, "f32")
    e = m.unary("exponential", m.binary("subtract", wide, m.broadcast(m.reduce(wide, [last], "maximum"), x.shape, kept)))
    return m.convert(m.binary("divide", e, m.broadcast(m.reduce(e, [last]), x.shape, kept)), x.dtype)


def _softmax_gradient(m: Module, p: Value, gradient: Value) -> Value:
    last, kept = len(p.shape) - 1, list(range(len(p.shape) - 1))
    y, g = m.convert(p, "f32"), m.convert(gradient, "f32")
    inner = m.broadcast(m.reduce(m.binary("multiply", y, g), [last]), p.shape, kept)
    return m.convert(m.binary("multiply", y, m.binary("subtract", g, inner)), p.dtype)


def _softmaxes(small: bool) -> Iterator[Case]:
    for shape in ((16, 32),) if small else ((65536, 256), (8192, 8192)):
        for dtype in ("float32", "bfloat16"):
            n = prod(shape)
            yield _case(
                "softmax", f"forward {list(shape)}", dtype, [shape], 2 * n, lambda m, x: (softmax(m, x),), lambda torch, x: lambda: torch.softmax(x, -1)
            )
            gradient = lambda m, p, g: (_softmax_gradient(m, p, g),)  # noqa: E731
            peer = lambda torch, p, g: lambda: torch.ops.aten._softmax_backward_data(g, p, -1, p.dtype)  # noqa: E731
            yield _case("softmax", f"backward {list(shape)}", dtype, [shape, shape], 3 * n, gradient, peer)


# ---- Normalisations ----


def _mean(m: Module, x: Value, dimensions: list[int]) -> Value:
    count = prod(x.shape[d] for d in dimensions)
    return m.binary("multiply", m.reduce(x, dimensions), 1 / count)


def normalize(m: Module, x: Value, scale: Value, offset: Value, dimensions: list[int]) -> tuple[Value, ...]:
    """Over these dimensions, by mean and variance of two passes; scale and offset along the last one. Result, mean, reciprocal deviation."""
    kept = [d for d in range(len(x.shape)) if d not in dimensions]
    wide, last = m.convert(x, "f32"), [len(x.shape) - 1]
    mean = _mean(m, wide, dimensions)
    centred = m.binary("subtract", wide, m.broadcast(mean, x.shape, kept))
    deviation = m.unary("rsqrt", m.binary("add", _mean(m, m.binary("multiply", centred, centred), dimensions), EPSILON))
    scaled = m.binary("multiply", m.binary("multiply", centred, m.broadcast(deviation, x.shape, kept)), m.broadcast(m.convert(scale, "f32"), x.shape, last))
    return m.convert(m.binary("add", scaled, m.broadcast(m.convert(offset, "f32"), x.shape, last)), x.dtype), mean, deviation


def _normalize_gradient(m: Module, x: Value, g: Value, scale: Value, dimensions: list[int]) -> tuple[Value, ...]:
    """Mean and deviation are computed again, as Keras' layers do not keep them. Gradients of x, scale and offset."""
    rank, kept = len(x.shape), [d for d in range(len(x.shape)) if d not in dimensions]
    wide, gradient = m.convert(x, "f32"), m.convert(g, "f32")
    centred = m.binary("subtract", wide, m.broadcast(_mean(m, wide, dimensions), x.shape, kept))
    deviation = m.unary("rsqrt", m.binary("add", _mean(m, m.binary("multiply", centred, centred), dimensions), EPSILON))
    deviation = m.broadcast(deviation, x.shape, kept)
    normal = m.binary("multiply", centred, deviation)
    scaled = m.binary("multiply", gradient, m.broadcast(m.convert(scale, "f32"), x.shape, [rank - 1]))
    means = (_mean(m, v, dimensions) for v in (scaled, m.binary("multiply", scaled, normal)))
    first, second = (m.broadcast(v, x.shape, kept) for v in means)
    dx = m.binary("multiply", m.binary("subtract", m.binary("subtract", scaled, first), m.binary("multiply", normal, second)), deviation)
    others = list(range(rank - 1))
    sums = (m.reduce(m.binary("multiply", gradient, normal), others), m.reduce(gradient, others))
    return m.convert(dx, x.dtype), *(m.convert(v, scale.dtype) for v in sums)


def _layer_norms(small: bool) -> Iterator[Case]:
    for rows, width in ((32, 48),) if small else ((8192, 512), (16384, 4096)):
        shape, n = (rows, width), rows * width
        for dtype in ("float32", "bfloat16"):
            forward = lambda torch, x, s, o, width=width: lambda: torch.native_layer_norm(x, (width,), s, o, EPSILON)  # noqa: E731
            compute = lambda m, x, s, o: normalize(m, x, s, o, [1])  # noqa: E731
            yield _case("layer norm", f"forward {list(shape)}", dtype, [shape, (width,), (width,)], 2 * n, compute, forward)

            def backward(torch, x, g, s, width=width):
                _, mean, deviation = torch.native_layer_norm(x, (width,), s, s, EPSILON)
                return lambda: torch.ops.aten.native_layer_norm_backward(g, x, (width,), mean, deviation, s, s, [True, True, True])

            compute = lambda m, x, g, s: _normalize_gradient(m, x, g, s, [1])  # noqa: E731
            yield _case("layer norm", f"backward {list(shape)}", dtype, [shape, shape, (width,)], 3 * n, compute, backward)


def _batch_norms(small: bool) -> Iterator[Case]:
    for batch, size, channels in ((2, 8, 16),) if small else ((64, 56, 256), (64, 112, 96), (64, 7, 2048)):
        shape = (batch, size, size, channels)
        n = prod(shape)

        def forward(torch, x, s, o):
            x = x.permute(0, 3, 1, 2)  # channels last, as cuDNN likes it
            s, o = s.float(), o.float()
            return lambda: torch.nn.functional.batch_norm(x, None, None, s, o, True, 0.1, EPSILON)

        def backward(torch, x, g, s):
            x, g, s = x.permute(0, 3, 1, 2), g.permute(0, 3, 1, 2), s.float()
            x.requires_grad_()
            s.requires_grad_()
            o = torch.zeros_like(s).requires_grad_()
            y = torch.nn.functional.batch_norm(x, None, None, s, o, True, 0.1, EPSILON)
            return lambda: torch.autograd.grad(y, (x, s, o), g, retain_graph=True)

        for dtype in ("float32", "bfloat16"):
            inputs = [shape, (channels,), (channels,)]
            yield _case("batch norm", f"forward {list(shape)}", dtype, inputs, 3 * n, lambda m, x, s, o: normalize(m, x, s, o, [0, 1, 2]), forward)
            compute = lambda m, x, g, s: _normalize_gradient(m, x, g, s, [0, 1, 2])  # noqa: E731
            yield _case("batch norm", f"backward {list(shape)}", dtype, [shape, shape, (channels,)], 5 * n, compute, backward, graph=False)


# ---- Attention ----


def _probabilities(m: Module, q: Value, k: Value) -> Value:
    """Causal, of [batch, heads, length, width]."""
    scores = m.binary("multiply", m.dot(q, k, (3, 3), 2), q.shape[-1] ** -0.5)
    row, column = (m.instruction("iota", [], "s32", scores.shape, f"iota_dimension={d}") for d in (2, 3))
    seen = m.instruction("compare", [row, column], "pred", scores.shape, "direction=GE")
    masked = m.broadcast(m.constant(scores.dtype, "-1e30" if scores.dtype != "f16" else "-6e4"), scores.shape, [])
    return softmax(m, m.instruction("select", [seen, scores, masked], scores.dtype, scores.shape))


def _attention(m: Module, q: Value, k: Value, v: Value) -> tuple[Value]:
    return (m.dot(_probabilities(m, q, k), v, (3, 2), 2),)


def _attention_both_ways(m: Module, q: Value, k: Value, v: Value, g: Value) -> tuple[Value, ...]:
    p = _probabilities(m, q, k)
    out = m.dot(p, v, (3, 2), 2)
    ds = m.binary("multiply", _softmax_gradient(m, p, m.dot(g, v, (3, 3), 2)), q.shape[-1] ** -0.5)
    return out, m.dot(ds, k, (3, 2), 2), m.dot(ds, q, (2, 2), 2), m.dot(p, g, (2, 2), 2)


def _attentions(small: bool) -> Iterator[Case]:
    def forward(torch, q, k, v):
        return lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)

    def both_ways(torch, q, k, v, g):
        inputs = [tensor.requires_grad_() for tensor in (q, k, v)]

        def run():
            out = torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=True)
            return out, *torch.autograd.grad(out, inputs, g)

        return run

    for shape in ((1, 2, 16, 8),) if small else ((32, 8, 256, 64), (8, 16, 1024, 64)):
        for dtype in ("tf32", "bfloat16"):
            n, flops = prod(shape), 4.0 * prod(shape) * shape[2]
            yield _case("attention", f"forward {list(shape)}", dtype, [shape] * 3, 4 * n, _attention, forward, flops)
            yield _case("attention", f"forward and backward {list(shape)}", dtype, [shape] * 4, 8 * n, _attention_both_ways, both_ways, 3 * flops)


# ---- Optimizers ----


def adam_update(m: Module, variables: list[tuple[int, ...]]) -> list[Value]:
    """Keras' update of all variables; its factors of a step are parameters, as they change with each."""
    rate = m.parameter("f32", (), "range 0.001 0.002")
    results = []
    for shape in variables:
        p, g, first = (m.parameter("f32", shape) for _ in range(3))
        second = m.parameter("f32", shape, "positive")
        first = m.binary("add", first, m.binary("multiply", m.binary("subtract", g, first), 0.1))
        second = m.binary("add", second, m.binary("multiply", m.binary("subtract", m.binary("multiply", g, g), second), 0.001))
        change = m.binary("divide", m.binary("multiply", first, m.broadcast(rate, shape, [])), m.binary("add", m.unary("sqrt", second), 1e-7))
        results += [m.binary("subtract", p, change), first, second]
    return results


def _momentum(m: Module, variables: list[tuple[int, ...]]) -> list[Value]:
    results = []
    for shape in variables:
        p, g, velocity = (m.parameter("f32", shape) for _ in range(3))
        velocity = m.binary("subtract", m.binary("multiply", velocity, 0.9), m.binary("multiply", g, 0.01))
        results += [m.binary("add", p, velocity), velocity]
    return results


def _variables(small: bool) -> list[tuple[int, ...]]:
    """ResNet-50's: filters, and two vectors of each normalisation."""
    if small:
        return [(3, 3, 4, 8), (8,), (8,), (8, 10), (10,)]
    layers = [layer for layer, count in resnet50().items() for _ in range(count)]
    shapes = [[(layer.filter, layer.filter, layer.inputs, layer.outputs), (layer.outputs,), (layer.outputs,)] for layer in layers]
    return [*sum(shapes, []), (2048, 1000), (1000,)]


def _optimizers(small: bool) -> Iterator[Case]:
    variables = _variables(small)
    count = sum(map(prod, variables))

    def hlo(update) -> str:
        module = Module("update")
        return module.text(*update(module, variables))

    def tensors(torch, device):
        return [torch.randn(*shape, device=device) for shape in variables]

    def adam(torch, device):
        parameters = [tensor.requires_grad_() for tensor in tensors(torch, device)]
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        return torch.optim.Adam(parameters, fused=True, capturable=device != "cpu").step

    def momentum(torch, device):
        parameters, gradients, velocities = (tensors(torch, device) for _ in range(3))
        numbers = {"weight_decay": 0, "momentum": 0.9, "lr": 0.01, "dampening": 0, "nesterov": False, "maximize": False, "is_first_step": False}
        return lambda: torch._fused_sgd_(parameters, gradients, velocities, **numbers)

    name = f"{len(variables)} variables, {count} numbers"
    yield Case("blocks", "optimizer", f"adam {name}", "float32", lambda: hlo(adam_update), adam, bytes=7.0 * 4 * count)
    yield Case("blocks", "optimizer", f"momentum {name}", "float32", lambda: hlo(_momentum), momentum, bytes=5.0 * 4 * count)


def cases(small: bool) -> Iterator[Case]:
    for family in (_softmaxes, _layer_norms, _batch_norms, _attentions, _optimizers):
        yield from family(small)
