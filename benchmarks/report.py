#!/usr/bin/env python3
"""Makes a report of files of measurements: report.md with the table of goals and a table of each layer, goals.json, and plots beside them.

usage: report.py FILE.jsonl... --output FOLDER [--scale full|small]
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import results_file
from goals import Results, Row, geometric_mean, rows

# Of each layer: the columns of its table, and what they are called.
COLUMNS = {
    "memory": ("ms", "gb_s", "peer_ms", "peer_gb_s", "speed"),
    "products": ("ms", "tflops", "peer_ms", "peer_tflops", "speed"),
    "convolutions": ("ms", "tflops", "peer_ms", "peer_tflops", "speed"),
    "blocks": ("ms", "launches", "gb_s", "peer_ms", "speed"),
    "launches": ("ms", "launches", "us_a_launch", "peer_us_a_launch", "speed"),
    "eager": ("us", "cpu_us", "over_cpu_us"),
    "lengths": ("compiled", "us_a_token", "us_a_token_fixed", "ratio"),
    "errors": (),
    "training": ("backend", "cache", "ms", "ms_epoch", "call_ms", "first_s", "peak_mb", "loss"),
    "inference": ("backend", "cache", "ms", "first_s", "peak_mb"),
    "uncompiled": ("backend", "cache", "ms", "ms_epoch", "call_ms", "first_s", "peak_mb", "loss"),
}
HEADINGS = {
    "gb_s": "GB/s",
    "peer_gb_s": "peer's GB/s",
    "tflops": "TFLOP/s",
    "peer_tflops": "peer's TFLOP/s",
    "peer_ms": "peer's ms",
    "speed": "speed / peer's",
    "us_a_launch": "us a launch",
    "peer_us_a_launch": "peer's us a launch",
    "cpu_us": "CPU's us",
    "over_cpu_us": "us over the CPU's",
    "us_a_token": "us a token, by epoch",
    "us_a_token_fixed": "one length's",
    "compiled": "Programs compiled, by epoch",
    "max_of_terms": "max of terms",
    "rms_of_terms": "rms of terms",
    "first_s": "first epoch or call, s",
    "peak_mb": "peak MB",
}


def shown(value) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def markdown_table(headings: list[str], lines: list[list[str]]) -> str:
    rule = ["---"] * len(headings)
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in [headings, rule, *lines])


def goals_table(goals: list[Row]) -> str:
    words = {True: "met", False: "**not met**", None: "not measured"}
    return markdown_table(["goal", "limit", "measured", ""], [[row.goal, row.limit, row.measured, words[row.met]] for row in goals])


def layer_table(layer: str, lines: list[dict]) -> str:
    columns = COLUMNS[layer]
    body = [[line["case"], line["dtype"], *(shown(line.get(column)) for column in columns)] for line in lines]
    return markdown_table(["case", "type", *(HEADINGS.get(column, column) for column in columns)], body)


def errors_table(lines: list[dict]) -> str:
    """One line a case and precision, the back ends beside each other: the largest and the root-mean-square error."""
    backends = list(dict.fromkeys(line["backend"] for line in lines))
    cells = {(line["case"], line["dtype"], line["backend"]): f"{line['max']:.2g} / {line['rms']:.2g}" for line in lines}
    cases = list(dict.fromkeys((line["case"], line["dtype"]) for line in lines))
    body = [[case, dtype, *(cells.get((case, dtype, backend), "-") for backend in backends)] for case, dtype in cases]
    return "Largest / root-mean-square error relative to the norms.\n\n" + markdown_table(["case", "type", *backends], body)


def speeds_table(lines: list[dict]) -> str:
    """Geometric means of each family and type."""
    groups = defaultdict(list)
    for line in lines:
        if "speed" in line:
            groups[line["layer"], line["family"], line["dtype"]].append(line["speed"])
    body = [[*group, str(len(speeds)), f"{geometric_mean(speeds):.2f}", f"{min(speeds):.2f}", f"{max(speeds):.2f}"] for group, speeds in groups.items()]
    return markdown_table(["layer", "family", "type", "cases", "speed / PyTorch's, geometric mean", "least", "most"], body) if body else ""


def failures_table(lines: list[dict]) -> str:
    body = [
        [line["layer"], line["case"], line["dtype"], (line.get("error") or line["peer_error"])[:200]]
        for line in lines
        if "error" in line or "peer_error" in line
    ]
    return markdown_table(["layer", "case", "type", "error"], body) if body else "None."


def report(lines: list[dict], scale: str) -> tuple[str, list[Row]]:
    results = Results(lines, scale)
    goals = rows(results)
    of = {name: sorted({line[name] for line in lines if line.get(name)}) for name in ("device", "peer", "date", "commit")}
    counts = {word: sum(row.met is met for row in goals) for word, met in (("met", True), ("not met", False), ("not measured", None))}
    parts = [f"# Benchmark, {scale} scale", ""]
    parts += [f"- {name}: {'; '.join(values)}" for name, values in of.items() if values]
    parts += ["", "## Goals", "", ", ".join(f"{count} {word}" for word, count in counts.items()) + ".", "", goals_table(goals), ""]
    if scale == "small":
        parts += ["Sizes are for a software driver: only counts and errors mean something here.", ""]
    if speeds := speeds_table(results.lines):
        parts += ["## Single operations beside PyTorch", "", speeds, ""]
    for layer in COLUMNS:
        if found := results.find(layer=layer):
            parts += [f"## {layer.capitalize()}", "", errors_table(found) if layer == "errors" else layer_table(layer, found), ""]
    failed = [line for line in lines if line.get("scale") == scale]
    parts += ["## What failed", "", failures_table(failed), ""]
    return "\n".join(parts), goals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="a folder; made when it is not there")
    parser.add_argument("--scale", choices=("full", "small"), help="default: full where there are such lines")
    arguments = parser.parse_args()
    lines = [line for path in arguments.files for line in results_file.read(path)]
    scale = arguments.scale or ("full" if any(line.get("scale") == "full" for line in lines) else "small")
    text, goals = report(lines, scale)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "report.md").write_text(text)
    (arguments.output / "goals.json").write_text(json.dumps([asdict(row) for row in goals], indent=1) + "\n")
    print(goals_table(goals))
    try:
        import plots
    except ImportError as error:
        print(f"\nno plots: {error}")
        names = []
    else:
        names = plots.draw(Results(lines, scale), arguments.output)
    print(f"\n{arguments.output}: report.md, goals.json{''.join(', ' + name for name in names)}")


if __name__ == "__main__":
    main()
