"""The counters of the plugin in this process."""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path


def _loaded_plugin() -> str | None:
    """Path of the plugin library that this process has mapped; opening another copy would give another copy's counters."""
    if "tensorflow" not in sys.modules:
        return None
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line[line.find("/") :] if "/" in line else ""
        if Path(path).name.startswith("libtfvk"):
            return path
    return None


def read() -> dict | None:
    path = _loaded_plugin()
    if path is None:
        return None
    function = ctypes.CDLL(path).tfvk_statistics_json
    function.restype = ctypes.c_char_p
    return json.loads(function())


def difference(counters: dict, since: dict) -> dict:
    """What was counted after `since` was read."""
    result = {}
    for name, value in counters.items():
        before = since.get(name, {} if isinstance(value, dict) else 0)
        if isinstance(value, dict):
            result[name] = {op: count - before.get(op, 0) for op, count in value.items() if count > before.get(op, 0)}
        else:
            result[name] = value - before
    return result


def programs_in_words(counters: dict) -> str:
    """Functions apart from ops that Python called one by one: a training step is one function, whatever is computed beside it."""
    functions, runs_of_functions = counters["functions_compiled"], counters["function_runs"]
    ops, runs_of_ops = counters["programs_compiled"] - functions, counters["runs"] - runs_of_functions
    return f"{functions} functions compiled, run {runs_of_functions} times; {ops} programs of single ops compiled, run {runs_of_ops} times"


def describe(counters: dict | None, since: dict | None = None) -> str:
    if counters is None:
        return "operations ran on: the CPU (no Vulkan plugin is loaded)"
    if since is not None:
        counters = difference(counters, since)
    if not counters["runs"]:
        return "operations ran on: the CPU (nothing was given to a Vulkan device)"
    compiled = f"{programs_in_words(counters)}; {counters['launches']} launches"
    placed, run = counters["ops_placed_on_cpu"], counters["ops_run_on_cpu"]
    on_cpu = {op: placed.get(op, 0) + run.get(op, 0) for op in placed | run}
    if not on_cpu:
        return f"operations ran on: the Vulkan device, all of them ({compiled}; 0 ops on the CPU)"
    names = ", ".join(f"{op} x{count}" for op, count in sorted(on_cpu.items(), key=lambda item: -item[1])[:8])
    return f"operations ran on: the Vulkan device ({compiled}), and on the CPU: {names}"
