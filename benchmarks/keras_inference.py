#!/usr/bin/env python3
"""Times `predict_on_batch` of models.py's models on the back end and device that are active (KERAS_BACKEND=tensorflow|jax|torch): one sample, and a whole batch.

Prints one line of JSON a model and batch: `ms` is milliseconds a call from an array in host memory to the result there, the best of three loops; `first_s` the
seconds of the first call, with building and compiling.
"""

from __future__ import annotations

import argparse
import json
import time

import keras
from keras_train import describe_device, peak_megabytes
from models import MODELS

LOOPS = 3


def measure(build, small: bool, single: bool) -> dict:
    start = time.perf_counter()
    model, inputs, _ = build(small)
    inputs = inputs[:1] if single else inputs
    model.predict_on_batch(inputs)
    first = time.perf_counter() - start
    begin = time.perf_counter()
    model.predict_on_batch(inputs)
    calls = max(3, min(200, int((0.1 if small else 1) / (time.perf_counter() - begin))))
    best = float("inf")
    for _ in range(LOOPS):
        begin = time.perf_counter()
        for _ in range(calls):
            model.predict_on_batch(inputs)
        best = min(best, (time.perf_counter() - begin) / calls)
    return {"batch": len(inputs), "ms": round(best * 1e3, 3), "samples_s": round(len(inputs) / best, 1), "first_s": round(first, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated; default: all")
    parser.add_argument("--policy", default="float32", choices=("float32", "mixed_float16", "mixed_bfloat16"))
    parser.add_argument("--scale", choices=("full", "small"), default="full")
    arguments = parser.parse_args()
    keras.mixed_precision.set_global_policy(arguments.policy)
    failed = False
    for name in arguments.models.split(","):
        for single in (True, False):
            keras.utils.set_random_seed(0)
            line = {"model": name, "policy": arguments.policy, "backend": keras.backend.backend(), "device": describe_device(), "scale": arguments.scale}
            line["samples"] = "one" if single else "batch"
            try:
                line |= measure(MODELS[name], arguments.scale == "small", single)
                line["peak_mb"] = peak_megabytes()
            except Exception as error:  # a model that fails is a result; the others follow
                line["error"] = f"{type(error).__name__}: {error}"[:600]
                failed = True
            print(json.dumps(line), flush=True)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
