#!/usr/bin/env python3
"""Errors of fp32 products and convolutions against float64: TensorFlow on the Vulkan device with TF32 allowed and forbidden, beside cuBLAS and cuDNN (PyTorch).

Prints one line of JSON a case, back end and precision: the largest and the root-mean-square error (error_cases.py says relative to what).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from error_cases import ErrorCase, cases
from results_file import ResultsFile
from torch_peer import missing

Compute = Callable[[ErrorCase, np.ndarray, np.ndarray], np.ndarray]  # of a case and its two inputs
Engine = tuple[str, str, Compute, str]  # back end, precision, how to compute, device


# ---- TensorFlow ----


def _tensorflow_operation(tf, case: ErrorCase, a, b):
    operation, width = case.operation, case.width
    if operation == "product":
        return tf.linalg.matmul(a, b)
    strides, padding = [1, 1, 1, 1], "SAME"
    if operation == "forward":
        return tf.nn.conv2d(a, b, strides, padding)
    if operation == "input":
        return tf.raw_ops.Conv2DBackpropInput(input_sizes=[*a.shape[:3], b.shape[2]], filter=b, out_backprop=a, strides=strides, padding=padding)
    sizes = [width, width, a.shape[3], b.shape[3]]
    return tf.raw_ops.Conv2DBackpropFilter(input=a, filter_sizes=sizes, out_backprop=b, strides=strides, padding=padding)


def tensorflow_engines() -> Iterator[Engine]:
    """For the plugin's first device: in a compiled function and op by op."""
    import tensorflow as tf
    import tensorflow_vulkan

    devices = [device for kind in ("VULKAN", "GPU") for device in tf.config.list_logical_devices(kind)]
    if not devices:
        raise RuntimeError("TensorFlow lists no Vulkan device: `tfvk doctor` tells why")
    for precision in ("float32", "tf32"):
        for compiled in (True, False):

            def compute(case, a, b, compiled=compiled):
                function = lambda x, y: _tensorflow_operation(tf, case, x, y)  # noqa: E731
                with tf.device(devices[0].name):
                    return (tf.function(function, jit_compile=True) if compiled else function)(tf.constant(a), tf.constant(b)).numpy()

            tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
            yield f"tensorflow-vulkan, {'compiled function' if compiled else 'eager'}", precision, compute, tensorflow_vulkan.describe_device()


# ---- PyTorch ----


def torch_engines(device: str) -> Iterator[Engine]:
    import torch

    def images(array):
        return torch.from_numpy(array).to(device).permute(0, 3, 1, 2)

    def filters(array):
        return torch.from_numpy(array).to(device).permute(3, 2, 0, 1)

    def back(tensor, *order):
        return tensor.permute(*order).contiguous().cpu().numpy()

    def compute(case, a, b):
        operation, width = case.operation, case.width
        if operation == "product":
            return (torch.from_numpy(a).to(device) @ torch.from_numpy(b).to(device)).cpu().numpy()
        numbers = None, [1, 1], [width // 2] * 2, [1, 1], False, [0, 0], 1
        gradient = torch.ops.aten.convolution_backward
        if operation == "forward":
            return back(torch.nn.functional.conv2d(images(a), filters(b), padding=width // 2), 0, 2, 3, 1)
        if operation == "input":
            x = torch.empty(a.shape[0], b.shape[2], *a.shape[1:3], device=device)
            return back(gradient(images(a), x, filters(b), *numbers, [True, False, False])[0], 0, 2, 3, 1)
        w = torch.empty(b.shape[3], a.shape[3], width, width, device=device)
        return back(gradient(images(b), images(a), w, *numbers, [False, True, False])[1], 2, 3, 1, 0)

    for precision in ("float32", "tf32"):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        yield f"torch {torch.__version__} on {device}", precision, compute, "CPU" if device == "cpu" else torch.cuda.get_device_name()


# ---- Both ----


def measure(case: ErrorCase, compute: Compute) -> dict:
    a, b = case.inputs()
    try:
        return {name: float(f"{value:.4g}") for name, value in case.exact(a, b).errors(compute(case, a, b)).items()}
    except Exception as error:  # a case that fails is a result; the others follow
        return {"error": f"{type(error).__name__}: {error}"[:400]}


def run(engines: Iterator[Engine], arguments: argparse.Namespace, results: ResultsFile) -> None:
    for backend, precision, compute, device in engines:
        for case in cases(arguments.scale == "small"):
            name = f"{case.name} {case.distribution}"
            line = {"layer": "errors", "case": name, "dtype": precision, "backend": backend, "scale": arguments.scale, "device": device}
            if arguments.filter in name and not results.holds(line):
                results.add(line | measure(case, compute))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("full", "small"), default="full")
    parser.add_argument("--filter", default="", help="only cases whose name contains this")
    parser.add_argument("--output", type=Path, help="also add the lines to this file")
    parser.add_argument("--again", action="store_true", help="measure also what the file holds")
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--peer-python", default=os.environ.get("TFVK_PEER_PYTHON", sys.executable), help="the interpreter that has PyTorch")
    parser.add_argument("--peer-device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--side", choices=("both", "torch"), default="both", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    results = ResultsFile(arguments.output, arguments.again)
    if arguments.side == "torch":
        return run(torch_engines(arguments.peer_device), arguments, results)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    run(tensorflow_engines(), arguments, results)
    reason = "--no-peer" if arguments.no_peer else missing(arguments.peer_python, arguments.peer_device)
    if reason:
        print(f"error_table: PyTorch is left out: {reason}", file=sys.stderr, flush=True)
    else:
        subprocess.run([arguments.peer_python, __file__, *sys.argv[1:], "--side", "torch"])


if __name__ == "__main__":
    main()
