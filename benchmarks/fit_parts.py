#!/usr/bin/env python3
"""Where the time of a step of `fit` goes with TensorFlow, in milliseconds: the step on a batch that lies on the device and on one in host memory, with and
without waiting for each loss as Keras does, the input pipeline alone, and `fit` itself. One line of JSON a model.

usage: fit_parts.py [--scale full|small] MODEL...
"""

from __future__ import annotations

import argparse
import json
import time

import keras
import numpy as np
import tensorflow as tf
from keras_train import describe_device
from models import MODELS

STEPS = 24


def best_of_three(run, steps) -> float:
    """Milliseconds a step."""
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return round(min(times) / steps * 1e3, 2)


def loss_of(logs) -> float:
    return float(logs["loss"])


def parts(name: str, small: bool) -> dict:
    model, inputs, labels = MODELS[name](small)
    model.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    batch = len(inputs)
    many = np.concatenate([inputs] * STEPS), np.concatenate([labels] * STEPS)

    def fit():
        model.fit(*many, batch_size=batch, epochs=1, verbose=0, shuffle=False)

    def pipeline():
        for _ in keras.src.trainers.data_adapters.array_data_adapter.ArrayDataAdapter(*many, batch_size=batch, shuffle=False).get_tf_dataset():
            pass

    fit()
    model.make_train_function()
    with tf.device("/CPU:0"):
        on_host = tf.constant(inputs), tf.constant(labels)
    from_host = iter(tf.data.Dataset.from_tensors(on_host).repeat())
    on_device = tf.identity(on_host[0]), tf.identity(on_host[1])
    step = tf.function(lambda x, y: model.train_step((x, y)), jit_compile=True)

    def steps_from_host(wait):
        for _ in range(STEPS):
            logs = model.train_function(from_host)
            if wait:
                loss_of(logs)
        loss_of(logs)

    def steps_on_device(wait):
        for _ in range(STEPS):
            logs = step(*on_device)
            if wait:
                loss_of(logs)
        loss_of(logs)

    steps_from_host(False)
    steps_on_device(False)
    return {
        "on_device_ms": best_of_three(lambda: steps_on_device(False), STEPS),
        "on_device_waiting_ms": best_of_three(lambda: steps_on_device(True), STEPS),
        "from_host_ms": best_of_three(lambda: steps_from_host(False), STEPS),
        "from_host_waiting_ms": best_of_three(lambda: steps_from_host(True), STEPS),
        "pipeline_ms": best_of_three(pipeline, STEPS),
        "fit_ms": best_of_three(fit, STEPS),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", choices=MODELS)
    parser.add_argument("--scale", choices=["full", "small"], default="full")
    arguments = parser.parse_args()
    for name in arguments.models:
        print(json.dumps({"model": name, "device": describe_device(), "scale": arguments.scale, **parts(name, arguments.scale == "small")}))


if __name__ == "__main__":
    main()
