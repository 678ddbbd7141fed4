#!/usr/bin/env python3
"""What an eager op costs the host: a loop of 10,000 `a + b` on small tensors, on the Vulkan device and on TensorFlow's CPU, one after the other in one process.

Prints a line of JSON a shape: `us` and `cpu_us` are microseconds of wall time per op, the best of three loops; the wait for the last result is in them.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from results_file import ResultsFile

ROUNDS = 3
OPERATIONS = ("a + b", "a * b", "matmul(a, b)", "relu(a)", "v.assign_add(a)")


def loop(tf, operation: str, device: str, shape: tuple[int, ...], count: int) -> float:
    """Microseconds an op."""
    with tf.device(device):
        a, b = tf.ones(shape), tf.ones(shape)
        variable = tf.Variable(tf.zeros(shape))
        once = {
            "a + b": lambda: a + b,
            "a * b": lambda: a * b,
            "matmul(a, b)": lambda: tf.linalg.matmul(a, b),
            "relu(a)": lambda: tf.nn.relu(a),
            "v.assign_add(a)": lambda: variable.assign_add(a),
        }[operation]
        begin = time.perf_counter()
        for _ in range(count):
            result = once()
        result.numpy()
        return (time.perf_counter() - begin) / count * 1e6


def measure(tf, operation: str, device: str, shape: tuple[int, ...], count: int) -> dict:
    best = {device: float("inf"), "CPU:0": float("inf")}
    for name in best:
        loop(tf, operation, name, shape, 100)
    for _ in range(ROUNDS):
        for name in best:
            best[name] = min(best[name], loop(tf, operation, name, shape, count))
    return {"us": round(best[device], 3), "cpu_us": round(best["CPU:0"], 3), "over_cpu_us": round(best[device] - best["CPU:0"], 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("full", "small"), default="full", help="small: 2,000 ops a loop and fewer cases")
    parser.add_argument("--output", type=Path, help="also add the lines to this file")
    parser.add_argument("--again", action="store_true", help="measure also what the file holds")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf
    import tensorflow_vulkan

    devices = [device.name for kind in ("VULKAN", "GPU") for device in tf.config.list_logical_devices(kind)]
    if not devices:
        raise SystemExit("eager_overhead: TensorFlow lists no Vulkan device: `tfvk doctor` tells why")
    small = arguments.scale == "small"
    results = ResultsFile(arguments.output, arguments.again)
    for operation in OPERATIONS[:1] if small else OPERATIONS:
        for shape in ((4, 4), (32, 32)) if "matmul" in operation or small else ((), (4, 4), (32, 32), (256, 256)):
            name = f"{operation} {list(shape)}"
            line = {"layer": "eager", "case": name, "dtype": "float32", "scale": arguments.scale, "device": tensorflow_vulkan.describe_device()}
            if not results.holds(line):
                results.add(line | measure(tf, operation, devices[0], shape, 2000 if small else 10000))


if __name__ == "__main__":
    main()
