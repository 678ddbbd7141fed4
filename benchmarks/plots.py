"""The report's plots."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from goals import Results, geometric_mean  # noqa: E402
from matplotlib import pyplot  # noqa: E402


def _save(figure, folder: Path, name: str) -> str:
    figure.tight_layout()
    figure.savefig(folder / name, dpi=120)
    pyplot.close(figure)
    return name


def speeds(results: Results, folder: Path) -> str | None:
    """Geometric means of each family of operations beside PyTorch."""
    groups = defaultdict(list)
    for line in results.lines:
        if "speed" in line:
            groups[f"{line['layer']}: {line['family']}, {line['dtype']}"].append(line["speed"])
    if not groups:
        return None
    names = list(groups)
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.28 * len(names)))
    means = [geometric_mean(groups[name]) for name in names]
    axes.barh(names, means, color=["tab:green" if mean >= 1 else "tab:orange" for mean in means])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_xlabel("speed / PyTorch's (geometric mean)")
    return _save(figure, folder, "speeds.png")


def products(results: Results, folder: Path) -> str | None:
    """TFLOP/s of square products by size."""
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    colors = {"tf32": "tab:blue", "float32": "tab:gray", "bfloat16": "tab:red", "float16": "tab:purple"}
    lines = results.find(layer="products", family="square")
    for dtype, color in colors.items():
        for number, style, whose in (("tflops", "o-", "ours"), ("peer_tflops", "x--", "cuBLAS")):
            points = sorted((int(line["case"].split("x")[1]), line[number]) for line in lines if line["dtype"] == dtype and number in line)
            if points:
                axes.plot(*zip(*points), style, color=color, label=f"{dtype}, {whose}")
    if not axes.lines:
        pyplot.close(figure)
        return None
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("rows, columns and depth of the product")
    axes.set_ylabel("TFLOP/s")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    return _save(figure, folder, "products.png")


def bandwidths(results: Results, folder: Path) -> str | None:
    lines = [line for line in results.find(layer="memory") if "gb_s" in line]
    if not lines:
        return None
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.28 * len(lines)))
    names = [f"{line['case']}, {line['dtype']}" for line in lines]
    axes.barh(names, [line["gb_s"] for line in lines], color="tab:blue", label="ours")
    peers = [(name, line["peer_gb_s"]) for name, line in zip(names, lines) if "peer_gb_s" in line]
    if peers:
        axes.plot([rate for _, rate in peers], [name for name, _ in peers], "kx", label="PyTorch")
    axes.invert_yaxis()
    axes.set_xlabel("GB/s")
    axes.legend()
    return _save(figure, folder, "bandwidths.png")


def training(results: Results, folder: Path) -> str | None:
    """Milliseconds a step, the better run of each back end."""
    best = defaultdict(dict)
    for line in results.find(layer="training"):
        group = best[f"{line['case']}\n{line['dtype']}"]
        group[line["backend"]] = min(line["ms"], group.get(line["backend"], float("inf")))
    if not best:
        return None
    backends = sorted({backend for group in best.values() for backend in group}, reverse=True)
    figure, axes = pyplot.subplots(figsize=(max(4, 1.5 + 1.1 * len(best)), 4.5))
    for number, backend in enumerate(backends):
        places = [place + (number - (len(backends) - 1) / 2) * 0.8 / len(backends) for place in range(len(best))]
        axes.bar(places, [group.get(backend, float("nan")) for group in best.values()], 0.8 / len(backends), label=backend)
    axes.set_xticks(range(len(best)), list(best), fontsize=7)
    heights = [ms for group in best.values() for ms in group.values()]
    if max(heights) > 10 * min(heights):
        axes.set_yscale("log")
    axes.set_ylabel("ms a training step")
    axes.legend()
    return _save(figure, folder, "training.png")


def draw(results: Results, folder: Path) -> list[str]:
    """The names of the files made; a plot without measurements is left out."""
    return [name for plot in (speeds, products, bandwidths, training) if (name := plot(results, folder))]
