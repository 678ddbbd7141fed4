#!/usr/bin/env python3
"""`make bench`: runs every layer of the benchmark at the scale that suits the device, and makes the report.

Each layer is a script of this folder in a process of its own that adds to one file, so a run that was ended goes on with what is missing; --again begins anew.
Peers (Keras on JAX or PyTorch, PyTorch alone) run where --peer-python, TFVK_PEER_PYTHON or this interpreter has them with CUDA; the others are named and left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

# A script and what it is given at each scale; a command of full scale takes minutes.
LAYERS = {
    "operations": ("operations.py", [], []),
    "errors": ("error_table.py", [], []),
    "eager": ("eager_overhead.py", [], []),
    "lengths": ("sequence_lengths.py", [], ["--lengths", "12", "--epochs", "4"]),
    "keras": ("keras_runs.py", [], ["--models", "mlp,transformer", "--policies", "float32"]),
}
WITHOUT_PEERS = ("eager", "lengths")


def device_and_scale() -> tuple[str, str]:
    import tensorflow_vulkan

    for device in tensorflow_vulkan.devices():
        if device["tensorflow_ordinal"] == 0:
            return f"{device['name']}, driver {device['driver']}", "small" if device["kind"] == "cpu" else "full"
    sys.exit("bench: TensorFlow gets no Vulkan device: `tfvk doctor` tells why")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("full", "small"), help="default: full on a GPU, small on a software driver")
    parser.add_argument("--layers", default=",".join(LAYERS), help="comma-separated; default: all")
    parser.add_argument("--output", type=Path, default=ROOT / "build/bench", help="a folder for results.jsonl and the report")
    parser.add_argument("--again", action="store_true", help="begin anew instead of going on")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--peer-python", default=os.environ.get("TFVK_PEER_PYTHON", sys.executable))
    arguments = parser.parse_args()
    device, suits = device_and_scale()
    scale = arguments.scale or suits
    results = arguments.output / "results.jsonl"
    if arguments.again:
        results.unlink(missing_ok=True)
    print(f"bench: {device}, {scale} scale, results in {results}", flush=True)
    failed = []
    for layer in arguments.layers.split(","):
        script, full, small = LAYERS[layer]
        options = ["--scale", scale, "--output", str(results), *(small if scale == "small" else full)]
        if layer not in WITHOUT_PEERS:
            options += ["--no-peer"] if arguments.no_peer else ["--peer-python", arguments.peer_python]
        begin = time.perf_counter()
        status = subprocess.run([sys.executable, str(HERE / script), *options], env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}).returncode
        print(f"bench: {layer} took {time.perf_counter() - begin:.0f} s", flush=True)
        failed += [layer] if status else []
    subprocess.run([sys.executable, str(HERE / "report.py"), str(results), "--output", str(arguments.output), "--scale", scale], check=True)
    if failed:
        sys.exit(f"bench: something failed in {', '.join(failed)}; report.md lists it")


if __name__ == "__main__":
    main()
