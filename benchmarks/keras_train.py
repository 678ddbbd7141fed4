#!/usr/bin/env python3
"""Times training steps of fixed Keras models on the back end and device that are active (KERAS_BACKEND=tensorflow|jax|torch).

Prints one line of JSON a model: ms is milliseconds a step of one call of `fit` with one epoch of `steps` steps whose batches `fit` feeds from host memory. It
is the sum of ms_epoch, a step's share of the epoch alone (the best of four, two in each of two calls), and call_ms, what a call takes beside its epochs (the
better of the two), divided by the steps: with TensorFlow a call copies the arrays and traces the input pipeline, on any device. ms_24 is ms for epochs of 24
steps; samples_s the samples a second; first_s the seconds until the end of the first epoch, with building and compiling; loss the last one; peak_mb the most
device memory in use.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from pathlib import Path

import keras
import numpy as np
from models import MODELS

LARGEST_EPOCH = 2**30  # bytes of input
SHORT, LONG = 24, 96


class EpochClock(keras.callbacks.Callback):
    """The seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.begin)


def measure(build, arguments) -> dict:
    start = time.perf_counter()
    model, inputs, labels = build(arguments.scale == "small")
    jit = {"auto": "auto", "true": True, "false": False}[arguments.jit]
    model.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=jit)
    batch = len(inputs)

    def fit(steps, epochs, calls):
        """Seconds of the best epoch, seconds that a call takes beside its epochs, and the last loss."""
        many_inputs, many_labels = np.concatenate([inputs] * steps), np.concatenate([labels] * steps)
        epoch = beside = float("inf")
        for _ in range(calls):
            clock = EpochClock()
            begin = time.perf_counter()
            history = model.fit(many_inputs, many_labels, batch_size=batch, epochs=epochs, verbose=0, shuffle=False, callbacks=[clock])
            beside = min(beside, time.perf_counter() - begin - sum(clock.seconds))
            epoch = min(epoch, *clock.seconds)
        return epoch, beside, history.history["loss"][-1]

    fit(4, 1, 1)
    first = time.perf_counter() - start
    wanted = arguments.steps or (SHORT if arguments.scale == "small" else LONG)
    most = max(4, min(wanted, LARGEST_EPOCH // inputs.nbytes))
    short = min(SHORT, most)
    epoch, beside, loss = fit(short, 2, 2)
    ms_short = (epoch + beside) / short * 1e3
    if most > short:
        epoch, beside, loss = fit(most, 2, 2)
    step = (epoch + beside) / most
    return {
        "batch": batch,
        "steps": most,
        "ms": round(step * 1e3, 3),
        "ms_epoch": round(epoch / most * 1e3, 3),
        "call_ms": round(beside * 1e3, 1),
        "ms_24": round(ms_short, 3),
        "samples_s": round(batch / step, 1),
        "first_s": round(first, 2),
        "loss": round(float(loss), 4),
        "params": int(model.count_params()),
    }


def describe_device() -> str:
    """The device that the back end computes on, for a person."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.devices()[0].device_kind
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    import tensorflow as tf

    if tf.config.list_logical_devices("VULKAN") or (tf.config.list_logical_devices("GPU") and not tf.test.is_built_with_cuda()):
        import tensorflow_vulkan

        return tensorflow_vulkan.describe_device()
    return "CUDA" if tf.config.list_logical_devices("GPU") else "CPU"


def peak_megabytes() -> float | None:
    """The most device memory in use since the last call; None where the back end does not tell."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        statistics = jax.devices()[0].memory_stats()  # since the process began
        return round(statistics["peak_bytes_in_use"] / 1e6, 1) if statistics else None
    if backend == "torch":
        import torch

        return round(torch.cuda.max_memory_allocated() / 1e6, 1) if torch.cuda.is_available() else None
    import tensorflow as tf

    for kind in ("GPU", "VULKAN"):
        if tf.config.list_logical_devices(kind):
            peak = tf.config.experimental.get_memory_info(f"{kind}:0")["peak"]
            tf.config.experimental.reset_memory_stats(f"{kind}:0")
            return round(peak / 1e6, 1)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated; default: all")
    parser.add_argument("--policy", default="float32", choices=("float32", "mixed_float16", "mixed_bfloat16"))
    parser.add_argument("--steps", type=int, help="steps of a measured epoch, fewer where its input would be more than a GiB; default: 96, small 24")
    parser.add_argument("--scale", choices=("full", "small"), default="full")
    parser.add_argument("--jit", choices=("auto", "true", "false"), default="auto", help="jit_compile of Keras")
    parser.add_argument("--output", type=Path, help="also append the lines to this file")
    arguments = parser.parse_args()
    names = arguments.models.split(",")
    if unknown := set(names) - MODELS.keys():
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    keras.mixed_precision.set_global_policy(arguments.policy)
    device = describe_device()
    failed = False
    for name in names:
        keras.utils.set_random_seed(0)
        gc.collect()  # the model before
        peak_megabytes()
        line = {"model": name, "policy": arguments.policy, "backend": keras.backend.backend(), "device": device, "scale": arguments.scale}
        try:
            line |= measure(MODELS[name], arguments)
            line["peak_mb"] = peak_megabytes()
        except Exception as error:  # a model that fails is a result; the others follow
            line["error"] = f"{type(error).__name__}: {error}"[:600]
            failed = True
        print(json.dumps(line), flush=True)
        if arguments.output:
            with arguments.output.open("a") as lines:
                lines.write(json.dumps(line) + "\n")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
