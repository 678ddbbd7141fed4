#!/usr/bin/env python3
"""Runs keras_train.py and keras_inference.py on the Vulkan device and on the peer, one after the other, each in a process of its own.

training    with an empty folder for compiled pipelines (TFVK_CACHE_DIR), then Keras on JAX, then once more with what the first run left in the folder
inference   the same for one sample and a whole batch
uncompiled  training with jit_compile=False beside Keras on PyTorch, which runs op by op

Prints their lines of JSON, with `layer`, `case`, `dtype` and `cache`; with --output they are added to a file, and what it holds already is left out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from results_file import ResultsFile

HERE = Path(__file__).resolve().parent
MODELS = ("mlp", "cnn", "transformer", "lstm", "mobilenetv2", "resnet50")  # of models.py, the short ones first
LAYERS = {"training": ("keras_train.py", "jax"), "inference": ("keras_inference.py", "jax"), "uncompiled": ("keras_train.py", "torch")}
OUT_OF_SIGHT = {"TF_PLUGGABLE_DEVICE_LIBRARY_PATH": "", "TFVK_VISIBLE_DEVICES": "-1"}  # Keras imports TensorFlow whatever computes


@dataclass(frozen=True)
class Peer:
    """Keras on another back end. `reason`: why it is left out."""

    backend: str
    python: str
    device: str
    reason: str

    @property
    def environment(self) -> dict[str, str]:
        chosen = {"KERAS_BACKEND": self.backend} | OUT_OF_SIGHT
        if self.device == "cpu":
            chosen |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
        return chosen


def find_peer(backend: str, python: str, device: str) -> Peer:
    asks = {"jax": "import jax; print(jax.devices()[0].platform)", "torch": "import torch; print('gpu' if torch.cuda.is_available() else 'cpu')"}
    peer = Peer(backend, python, device, "")
    try:
        found = subprocess.run([python, "-c", "import keras; " + asks[backend]], env=os.environ | peer.environment, capture_output=True, text=True, timeout=180)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Peer(backend, python, device, f"{python} does not start: {error}")
    if found.returncode != 0:
        return Peer(backend, python, device, f"{python} cannot import Keras on {backend}: {(found.stderr.strip().splitlines() or ['?'])[-1]}")
    platform = found.stdout.split()[-1]
    if device == "cuda" and platform == "cpu":
        return Peer(backend, python, device, f"{backend} of {python} finds no CUDA device")
    return peer


def run(python: str, script: str, arguments: list[str], environment: dict[str, str], limit_s: float) -> list[dict]:
    """The script's lines; one with `error` where it printed none."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"} | environment
    try:
        ran = subprocess.run([python, str(HERE / script), *arguments], env=environment, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        return [{"error": f"{script} did not end within {limit_s:.0f} s"}]
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    said = [line for line in ran.stderr.splitlines() if line.strip()]
    return lines or [{"error": f"{script} ended with status {ran.returncode}: {said[-1] if said else ''}"[:600]}]


class Runs:
    def __init__(self, arguments: argparse.Namespace):
        self.arguments, self.begin = arguments, time.perf_counter()
        self.results = ResultsFile(arguments.output, arguments.again)
        self.left = self.failed = 0

    def stamp(self, layer: str, policy: str, backend: str, cache: str | None) -> dict:
        return {"layer": layer, "dtype": policy, "scale": self.arguments.scale, "backend": backend, "cache": cache}

    def holds(self, layer: str, model: str, policy: str, backend: str, cache: str | None) -> bool:
        cases = [f"{model}, {samples}" for samples in ("one", "batch")] if layer == "inference" else [model]
        return all(self.results.holds(self.stamp(layer, policy, backend, cache) | {"case": case}) for case in cases)

    def measure(self, layer: str, model: str, policy: str, backend: str, cache: str | None, python: str, environment: dict[str, str]) -> None:
        if time.perf_counter() - self.begin > self.arguments.seconds:
            self.left += 1
            return
        options = ["--models", model, "--policy", policy, "--scale", self.arguments.scale]
        if layer == "uncompiled":
            options += ["--jit", "false"]
        if layer != "inference" and self.arguments.steps:
            options += ["--steps", str(self.arguments.steps)]
        for line in run(python, LAYERS[layer][0], options, environment, self.arguments.limit):
            case = f"{model}, {line['samples']}" if "samples" in line else model
            line = {name: value for name, value in line.items() if name not in ("model", "policy", "samples")}
            self.failed += "error" in line
            self.results.add(line | self.stamp(layer, policy, backend, cache) | {"case": case})

    def compare(self, layer: str, model: str, policy: str, peer: Peer) -> None:
        """On a machine whose clock may drift the peer's run lies between two of ours, the second with the folder of the first."""
        ours, theirs = (layer, model, policy, "tensorflow-vulkan"), (layer, model, policy, peer.backend)
        second = not self.holds(*ours, "warm")
        with tempfile.TemporaryDirectory(prefix="tfvk-cache-") as folder:
            environment = {"KERAS_BACKEND": "tensorflow", "TFVK_CACHE_DIR": folder}
            if second or not self.holds(*ours, "cold"):
                self.measure(*ours, "cold", sys.executable, environment)
            if not peer.reason and not self.holds(*theirs, None):
                self.measure(*theirs, None, peer.python, peer.environment)
            if second:
                self.measure(*ours, "warm", sys.executable, environment)


def combinations(arguments: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    layers, policies, models = arguments.layers.split(","), arguments.policies.split(","), arguments.models.split(",")
    for layer, policy, model in itertools.product(layers, policies, models):
        if layer != "uncompiled" or policy == "float32":
            yield layer, model, policy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", default=",".join(LAYERS), help="comma-separated; default: all")
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated; default: all")
    parser.add_argument("--policies", default="float32,mixed_bfloat16")
    parser.add_argument("--scale", choices=("full", "small"), default="full")
    parser.add_argument("--steps", type=int, help="steps of a measured epoch, as keras_train.py takes it")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no run after this time")
    parser.add_argument("--limit", type=float, default=540, help="seconds after which one run is ended")
    parser.add_argument("--output", type=Path, help="also add the lines to this file")
    parser.add_argument("--again", action="store_true", help="measure also what the file holds")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--peer-python", default=os.environ.get("TFVK_PEER_PYTHON", sys.executable), help="the interpreter that has Keras and JAX or PyTorch")
    parser.add_argument("--peer-device", choices=("cuda", "cpu"), default="cuda", help="cpu: to try the comparison itself")
    arguments = parser.parse_args()
    peers = {}
    for layer in arguments.layers.split(","):
        backend = LAYERS[layer][1]
        if backend not in peers:
            peers[backend] = find_peer(backend, arguments.peer_python, arguments.peer_device)
            if arguments.no_peer:
                peers[backend] = Peer(backend, "", "", "--no-peer")
            if peers[backend].reason:
                print(f"keras_runs: Keras on {backend} is left out: {peers[backend].reason}", file=sys.stderr, flush=True)
    runs = Runs(arguments)
    for layer, model, policy in combinations(arguments):
        runs.compare(layer, model, policy, peers[LAYERS[layer][1]])
    if runs.left:
        print(f"keras_runs: {runs.left} runs are left: the same command goes on with them", file=sys.stderr, flush=True)
    raise SystemExit(runs.failed > 0)


if __name__ == "__main__":
    main()
