#!/usr/bin/env python3
"""Times single operations on the Vulkan device beside PyTorch on CUDA, the same case on one and then on the other, both kept busy before they are timed.

Prints one line of JSON a case: `device_ms` is what a run takes on the device by timestamps around its launches, `wall_ms` a run of a row of runs by the host's
clock, `ms` the smaller one; `peer_ms` PyTorch's by CUDA's events, in a CUDA graph where one can be recorded; `speed` peer_ms / ms. A case that fails has `error` instead, and the others follow.
With --output the lines are added to a file, and what it holds already is left out: a command that was ended goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from cases import LAYERS, Case, table
from our_engine import OtherBuild, OurEngine, milliseconds
from results_file import ResultsFile
from torch_peer import TorchPeer

SLOWER = 0.9  # speed beside another build that is told of


def rates(case: Case, ms: float) -> dict:
    found = {}
    if case.flops:
        found["tflops"] = case.flops / ms / 1e9
    if case.bytes:
        found["gb_s"] = case.bytes / ms / 1e6
    if case.repeats > 1:
        found["us_a_launch"] = ms * 1e3 / case.repeats
    return {name: round(value, 4) for name, value in found.items()}


def measure(case: Case, number: int, engine: OurEngine, peer: TorchPeer | OtherBuild) -> dict:
    line = {}
    try:
        told = engine.measure(case)
        times = {name: round(told[name], 6) for name in ("device_ms", "wall_ms")}
        ms = round(milliseconds(told), 6)
        line |= {"device": told["device"], "ms": ms, **times, **rates(case, ms)}
        line |= {name: round(told[name], 3) for name in ("launches", "compile_ms", "first_ms", "temporary_bytes")}
    except RuntimeError as error:
        line["error"] = str(error)
    if peer.reason or case.peer is None:
        return line
    try:
        told = peer.measure(case, number)
        line |= told | {"peer_ms": round(told["peer_ms"], 6)} | {f"peer_{name}": value for name, value in rates(case, told["peer_ms"]).items()}
        if "ms" in line:
            line["speed"] = round(told["peer_ms"] / line["ms"], 4)
    except RuntimeError as error:
        line["peer_error"] = str(error)
    return line


def measure_pairs(case: Case, number: int, engine: OurEngine, peer: TorchPeer | OtherBuild) -> dict:
    """Beside another build: what seems slower is measured twice more, as other work on the machine may be the reason, and the best of each side counts."""
    line = measure(case, number, engine, peer)
    for _ in range(2):
        if not isinstance(peer, OtherBuild) or line.get("speed", 1) >= SLOWER:
            return line
        again = measure(case, number, engine, peer)
        line |= {name: min(line[name], again.get(name, line[name])) for name in ("ms", "peer_ms")}
        line["speed"] = round(line["peer_ms"] / line["ms"], 4)
    return line


def make_peer(arguments: argparse.Namespace) -> TorchPeer | OtherBuild:
    if arguments.against:
        return OtherBuild(arguments.busy, arguments.against)
    shared = ["--layers", arguments.layers, "--scale", arguments.scale, "--busy", str(arguments.busy)]
    peer = TorchPeer(arguments.peer_python, arguments.peer_device, shared, "--no-peer" if arguments.no_peer else "")
    if peer.reason:
        print(f"operations: PyTorch is left out: {peer.reason}", file=sys.stderr, flush=True)
    return peer


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", default=",".join(LAYERS), help="comma-separated; default: all")
    parser.add_argument("--scale", choices=("full", "small"), default="full", help="small: sizes for a software driver")
    parser.add_argument("--filter", default="", help="only cases whose family, name and type, as a line shows them, contain this")
    parser.add_argument("--dtypes", default="", help="comma-separated: tf32, float32, bfloat16, float16, int8; default: all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth case of the table: a sample")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no case after this time")
    parser.add_argument("--busy", type=float, help="seconds of work before a case is timed; default 0.3, small 0.02")
    parser.add_argument("--output", type=Path, help="also add the lines to this file")
    parser.add_argument("--again", action="store_true", help="measure also what the file holds")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--peer-python", default=os.environ.get("TFVK_PEER_PYTHON", sys.executable), help="the interpreter that has PyTorch")
    parser.add_argument("--peer-device", choices=("cuda", "cpu"), default="cuda", help="cpu: to try the comparison itself")
    parser.add_argument(
        "--against", type=Path, metavar="TFVK_HLO", help="beside another build of tfvk-hlo instead; the exit status is 1 when a case is 10 %% slower"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.layers.split(",")) - LAYERS.keys():
        parser.error(f"no such layer: {', '.join(sorted(unknown))}; there are {', '.join(LAYERS)}")
    arguments.busy = arguments.busy or (0.02 if arguments.scale == "small" else 0.3)
    return arguments


def main() -> None:
    arguments = parse_arguments()
    begin = time.perf_counter()
    results = ResultsFile(arguments.output, arguments.again)
    engine = OurEngine(arguments.busy)
    peer = make_peer(arguments)
    failed = left = 0
    slower = []
    wanted = () if peer.reason else ("peer_ms", "peer_error")  # what was measured without a peer is measured again with one
    dtypes = arguments.dtypes.split(",") if arguments.dtypes else None
    for number, case in enumerate(table(arguments.scale == "small", arguments.layers.split(","))):
        line = {"layer": case.layer, "family": case.family, "case": f"{case.family} {case.name}", "dtype": case.dtype, "scale": arguments.scale}
        if number % arguments.every or arguments.filter not in case.key or (dtypes and case.dtype not in dtypes) or results.holds(line, *wanted):
            continue
        if time.perf_counter() - begin > arguments.seconds:
            left += 1
            continue
        line |= measure_pairs(case, number, engine, peer)
        if isinstance(peer, OtherBuild) and line.get("speed", 1) < SLOWER:
            slower.append(case.key)
        failed += "error" in line
        results.add(line)
    engine.close()
    peer.close()
    if left:
        print(f"operations: {left} cases are left: the same command goes on with them", file=sys.stderr, flush=True)
    for key in slower:
        print(f"operations: slower than {arguments.against}: {key}", file=sys.stderr, flush=True)
    raise SystemExit(failed > 0 or bool(slower))


if __name__ == "__main__":
    main()
