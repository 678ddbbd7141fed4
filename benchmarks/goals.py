"""The goals that the benchmark measures, and whether a set of results meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import exp, log

from results_file import key

ANY_DEVICE = "50 sequence lengths"  # what holds or does not whatever the device
MODELS = ("mlp", "cnn", "resnet50", "mobilenetv2", "transformer", "lstm")


@dataclass(frozen=True)
class Row:
    """One line of the table. `met` is None where it was not measured, and `measured` then says why."""

    goal: str
    limit: str
    measured: str
    met: bool | None


def geometric_mean(values: list[float]) -> float:
    return exp(sum(map(log, values)) / len(values))


def _without_other_peers(line: dict) -> dict | None:
    """A peer that ran on the CPU, to try the comparison, is none, nor is another build of ours."""
    if line["layer"] in ("training", "inference", "uncompiled", "errors"):
        return None if line.get("device") in ("cpu", "CPU") else line
    if line.get("peer_device") == "CPU" or not line.get("peer", "torch").startswith("torch"):
        return {name: value for name, value in line.items() if not name.startswith("peer") and name != "speed"}
    return line


class Results:
    """The last good line of each measurement; `scale` chooses."""

    def __init__(self, lines: list[dict], scale: str):
        latest = {key(line): line for line in lines if line.get("scale") == scale and ("ms" in line or "error" not in line)}
        kept = map(_without_other_peers, latest.values())
        self.lines, self.scale = [line for line in kept if line is not None], scale

    def find(self, **wanted) -> list[dict]:
        return [line for line in self.lines if all(line.get(name) == value for name, value in wanted.items())]

    def one(self, **wanted) -> dict | None:
        found = self.find(**wanted)
        return found[0] if found else None


def _judge(goal: str, limit: str, value: float | None, meets: Callable[[float], bool], shown: str = "{:.2f}", missing: str = "not measured", more="") -> Row:
    if value is None:
        return Row(goal, limit, missing, None)
    return Row(goal, limit, shown.format(value) + more, meets(value))


# ---- Keras ----


def _pairs(results: Results, layer: str, peer: str, dtype: str, number: str, cache: str | None, ours=min) -> dict[str, float]:
    """Of each model: ours / the peer's. `cache`: of our run; None: the better of both."""
    ratios = {}
    for model in MODELS:
        lines = [line for line in results.find(layer=layer, case=model, dtype=dtype, backend="tensorflow-vulkan") if cache in (None, line["cache"])]
        mine = [line[number] for line in lines if line.get(number)]
        theirs = [line[number] for line in results.find(layer=layer, case=model, dtype=dtype, backend=peer) if line.get(number)]
        if mine and theirs:
            ratios[model] = ours(mine) / theirs[0]
    return ratios


def _of_models(ratios: dict[str, float]) -> str:
    missing = [model for model in MODELS if model not in ratios]
    text = ", ".join(f"{model} {ratio:.2f}" for model, ratio in ratios.items())
    return text + (f"; not measured: {', '.join(missing)}" if missing else "")


def _ratios(goal: str, ratios: dict[str, float], each: float, mean: float | None, peer: str) -> Iterator[Row]:
    reason = f"not measured here: no run of Keras on {peer} beside ours"
    if not ratios:
        yield Row(goal, f"each <= {each}", reason, None)
        return
    every = len(ratios) == len(MODELS)  # one that is missed shows on fewer, one that is met does not
    yield Row(goal, f"each <= {each}", _of_models(ratios), False if max(ratios.values()) > each else every or None)
    if mean is not None:
        value = geometric_mean(list(ratios.values()))
        yield Row(f"{goal}, geometric mean", f"<= {mean}", f"{value:.2f} of {len(ratios)} models", value <= mean if every else None)


def keras(results: Results) -> Iterator[Row]:
    for dtype, name, each, mean in (("float32", "float32 (TF32 allowed)", 1.0, 0.85), ("mixed_bfloat16", "mixed_bfloat16", 1.25, 1.0)):
        yield from _ratios(f"training step, {name}, time / JAX's", _pairs(results, "training", "jax", dtype, "ms", None), each, mean, "JAX with CUDA")
    uncompiled = _pairs(results, "uncompiled", "torch", "float32", "ms", None)
    yield from _ratios("training step, jit off, float32, time / PyTorch's (eager)", uncompiled, 0.35, None, "PyTorch with CUDA")
    for cache, each in (("cold", 0.4), ("warm", 0.2)):
        ratios = _pairs(results, "training", "jax", "float32", "first_s", cache)
        yield from _ratios(f"first epoch's end, {cache} cache, time / JAX's cold", ratios, each, None, "JAX with CUDA")
    peaks = _pairs(results, "training", "jax", "float32", "peak_mb", None, max)
    yield from _ratios("peak device memory of a step / JAX's", peaks, 1.1, None, "JAX with CUDA")


# ---- Single operations ----


def memory(results: Results) -> Iterator[Row]:
    copies = results.find(layer="memory", family="copy", dtype="float32")
    peer = [line["peer_gb_s"] for line in copies if "peer_gb_s" in line]
    reason = "not measured here: no copy by PyTorch with CUDA beside ours"
    for family in ("copy", "elementwise", "reduction", "transpose"):
        lines = [line for line in results.find(layer="memory", family=family) if "gb_s" in line]
        goal = f"{family}: bandwidth / PyTorch's copy"
        if not lines or not peer:
            best = f"; ours reaches {max(line['gb_s'] for line in lines):.4g} GB/s" if lines else ""
            yield Row(goal, "each >= 0.95", reason + best, None)
            continue
        slowest = min(lines, key=lambda line: line["gb_s"])
        shares = [line["gb_s"] / peer[0] for line in lines]
        text = f"{min(shares):.2f} ({slowest['case']}, {slowest['dtype']}), geometric mean of {len(shares)}: {geometric_mean(shares):.2f}"
        yield Row(goal, "each >= 0.95", text, min(shares) >= 0.95)


def _square(results: Results, dtype: str) -> dict:
    name = "square nn 4096x4096x4096" if results.scale == "full" else "square nn 128x128x128"
    return results.one(layer="products", case=name, dtype=dtype) or {}


def _error_ratio(results: Results, dtype: str) -> tuple[float | None, str]:
    """The worst of our errors / the peer's of one precision, over distributions and kinds of error, and which it is."""
    worst, name = None, ""
    for theirs in results.find(layer="errors", dtype=dtype):
        if not theirs["backend"].startswith("torch") or not theirs["case"].startswith("product"):
            continue
        for ours in results.find(layer="errors", dtype=dtype, case=theirs["case"]):
            if not ours["backend"].startswith("tensorflow-vulkan"):
                continue
            for number in ("max", "rms"):
                ratio = ours[number] / theirs[number] if theirs[number] else float("inf")
                if worst is None or ratio > worst:
                    worst, name = ratio, f" ({number} of {ours['case']}, {ours['backend'].rpartition(', ')[2]})"
    return worst, name


def products(results: Results) -> Iterator[Row]:
    tf32, strict = _square(results, "tf32"), _square(results, "float32")
    size = "4096" if results.scale == "full" else "128"
    no_peer = "not measured here: no PyTorch with CUDA beside ours"
    against_strict = strict["peer_ms"] / tf32["ms"] if "peer_ms" in strict and "ms" in tf32 else None
    yield _judge(f"product {size}^3, TF32 allowed: speed / cuBLAS strict", ">= 2.0", against_strict, lambda value: value >= 2, missing=no_peer)
    error, which = _error_ratio(results, "tf32")
    yield _judge("its error / cuBLAS TF32's, worst of all inputs", "<= 1.0", error, lambda value: value <= 1, missing=no_peer, more=which)
    yield _judge(f"product {size}^3, TF32 forbidden: speed / cuBLAS strict", ">= 0.95", strict.get("speed"), lambda value: value >= 0.95, missing=no_peer)
    error, which = _error_ratio(results, "float32")
    yield _judge("its error / cuBLAS strict's, worst of all inputs", "<= 1.0", error, lambda value: value <= 1, missing=no_peer, more=which)
    for dtype in ("float16", "bfloat16"):
        line = _square(results, dtype)
        yield _judge(f"product {size}^3, {dtype}, TFLOP/s", ">= 290", line.get("tflops"), lambda value: value >= 290, "{:.4g}")
        yield _judge("its speed / cuBLAS (moonshot)", ">= 0.6", line.get("speed"), lambda value: value >= 0.6, missing=no_peer)
    shapes = [line for line in results.find(layer="products", family="model", dtype="bfloat16") if "speed" in line]
    mean = geometric_mean([line["speed"] for line in shapes]) if shapes else None
    yield _judge(f"models' products, bfloat16, speed / cuBLAS, geometric mean of {len(shapes)}", ">= 0.6", mean, lambda value: value >= 0.6, missing=no_peer)


def convolutions(results: Results) -> Iterator[Row]:
    for dtype in ("tf32", "bfloat16"):
        for direction in ("forward", "input", "filter"):
            lines = [line for line in results.find(layer="convolutions", dtype=dtype) if line["family"] != "strict"]
            speeds = [line["speed"] for line in lines if "speed" in line and line["case"].split()[1] == direction]
            goal = f"convolutions of ResNet-50 and MobileNetV2, {direction}, {dtype}: speed / cuDNN, geometric mean of {len(speeds)}"
            mean = geometric_mean(speeds) if speeds else None
            yield _judge(goal, ">= 0.8", mean, lambda value: value >= 0.8, missing="not measured here: no PyTorch with CUDA beside ours")


# ---- Overheads ----


def overheads(results: Results) -> Iterator[Row]:
    for family, most in (("independent", 0.3), ("dependent", 2.6)):
        lines = sorted(results.find(layer="launches", family=family), key=lambda line: line["launches"])
        value = lines[-1]["us_a_launch"] if lines else None
        yield _judge(f"{family} launches inside a Program, us each", f"<= {most}", value, lambda value, most=most: value <= most)
    lines = [line for line in results.find(layer="eager") if line["case"].startswith("a + b")]
    worst = max(lines, key=lambda line: line["over_cpu_us"], default=None)
    more = f" ({worst['case']}: {worst['us']:.1f} us, CPU {worst['cpu_us']:.1f})" if worst else ""
    yield _judge("eager a + b, us an op over TensorFlow's CPU", "<= 5", worst and worst["over_cpu_us"], lambda value: value <= 5, more=more)
    line = results.one(layer="lengths", dtype="float32") or {}
    after, count = line.get("compiled_after_second"), line["case"].split(", ")[1] if line else "50 lengths"
    yield _judge("50 sequence lengths, jit off: Programs compiled after the second epoch", "0", after, lambda value: value == 0, "{:.0f}", more=f" ({count})")
    yield _judge("their time a token / one length's", "<= 1.2", line.get("ratio"), lambda value: value <= 1.2)


def _not_judged(row: Row) -> Row:
    if row.met is None or row.goal.startswith(ANY_DEVICE):
        return row
    return replace(row, met=None, measured=f"not measured here: the sizes are for a software driver ({row.measured})")


def rows(results: Results) -> list[Row]:
    found = [row for part in (keras, memory, products, convolutions, overheads) for row in part(results)]
    return [_not_judged(row) for row in found] if results.scale == "small" else found
