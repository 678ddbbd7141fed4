#!/usr/bin/env python3
"""PyTorch's side of operations.py: times the same table, in a process of its own and in an interpreter that need not have TensorFlow.

As a program it reads the number of a case a line and answers with a line of JSON.
usage: torch_peer.py --layers memory,products --scale full|small --device cuda|cpu --busy SECONDS
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from cases import Case, table
from line_process import LineProcess

LIMIT_S = 150
ROWS = 3
MOST_RUNS = 2000


def runs_within(seconds: float, one_s: float) -> int:
    return max(1, min(int(seconds / max(one_s, 1e-6)), MOST_RUNS))


class HostClock:
    """For the CPU."""

    def seconds(self, run) -> float:
        begin = time.perf_counter()
        run()
        return time.perf_counter() - begin

    def repeat(self, run, count: int, graph: bool):
        def row():
            for _ in range(count):
                run()

        return row


class CudaClock:
    """By the device's events. Rows are CUDA graphs where PyTorch can record one, so that the host's time for a call does not count."""

    def __init__(self, torch):
        self.torch = torch

    def seconds(self, run) -> float:
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    def repeat(self, run, count: int, graph: bool):
        torch = self.torch

        def plain():
            for _ in range(count):
                run()

        if not graph:
            return plain
        recorded = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(recorded):
                plain()
        except Exception:  # whatever an operation has against being recorded
            torch.cuda.synchronize()
            return plain
        return recorded.replay


def measure(case: Case, torch, device: str, busy_s: float) -> dict:
    """`peer_ms` of a run, the best of three rows after `busy_s` seconds of the same work."""
    allow = case.dtype == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allow
    clock = HostClock() if device == "cpu" else CudaClock(torch)
    run = case.peer(torch, device)
    warm_up(run, torch, device)
    one = min(clock.seconds(run) for _ in range(3))
    inner = min(runs_within(busy_s / 50, one), 100 if case.repeats == 1 else 2)
    row = clock.repeat(run, inner, case.graph)
    begin = time.perf_counter()
    while time.perf_counter() - begin < busy_s:
        one = min(one, clock.seconds(row) / inner)
    rows = runs_within(busy_s / 5, one * inner)

    def all_rows():
        for _ in range(rows):
            row()

    best = min(clock.seconds(all_rows) for _ in range(ROWS))
    told = {"peer": f"torch {torch.__version__}", "peer_device": "CPU" if device == "cpu" else torch.cuda.get_device_name()}
    return told | {"peer_ms": best / rows / inner * 1e3, "peer_graph": getattr(row, "__name__", "") == "replay"}


def warm_up(run, torch, device: str) -> None:
    """Before a graph is recorded libraries choose their kernels, on a stream of their own."""
    if device == "cpu":
        run()
        return
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()


def answer(case: Case, torch, device: str, busy_s: float) -> dict:
    try:
        return measure(case, torch, device, busy_s)
    except Exception as error:  # a case that fails is a result; the others follow
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:400]}
    finally:
        if device != "cpu":
            torch.cuda.empty_cache()


class TorchPeer:
    """The process, seen from operations.py. `reason`: why there is none."""

    def __init__(self, python: str, device: str, arguments: list[str], reason: str = ""):
        self.reason = reason or missing(python, device)
        command = [python, str(Path(__file__).resolve()), "--device", device, *arguments]
        self.process = LineProcess(command, dict(os.environ), LIMIT_S)

    def measure(self, case: Case, number: int) -> dict:
        """`number`: the case's place in the table."""
        told = json.loads(self.process.ask(str(number), lambda line: line.startswith("{")))
        if "error" in told:
            raise RuntimeError(told["error"])
        return told

    def close(self) -> None:
        self.process.close()


def missing(python: str, device: str) -> str:
    """Why this interpreter's PyTorch cannot compute on that device; empty when it can."""
    program = "import torch; print(torch.cuda.is_available())"
    try:
        found = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{python} does not start: {error}"
    if found.returncode != 0:
        return f"{python} cannot import torch: {(found.stderr.strip().splitlines() or ['?'])[-1]}"
    if device == "cuda" and "True" not in found.stdout:
        return f"torch of {python} finds no CUDA device"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", required=True)
    parser.add_argument("--scale", choices=("full", "small"), default="full")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--busy", type=float, default=0.3)
    arguments = parser.parse_args()
    import torch

    torch.backends.cudnn.benchmark = True
    all_cases = list(table(arguments.scale == "small", arguments.layers.split(",")))
    for line in sys.stdin:
        told = answer(all_cases[int(line)], torch, arguments.device, arguments.busy)
        print(json.dumps(told), flush=True)
        if "CUDA error" in told.get("error", ""):
            return  # nothing works in this process any more


if __name__ == "__main__":
    main()
