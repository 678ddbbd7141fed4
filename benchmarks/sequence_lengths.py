#!/usr/bin/env python3
"""Trains models.py's transformer op by op (jit_compile=False) on batches of many distinct lengths, and on as many tokens of one length.

Prints one line of JSON: for each epoch the Programs that the plugin compiled and the microseconds a token, and for the best epoch after the second how much more
a token costs than with one length. --policy and --compiled change the two things that are otherwise float32 and not compiled.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
from results_file import ResultsFile


class Epochs:
    """Runs epochs over batches of these lengths, and notes what each compiled and how long it took."""

    def __init__(self, model, batch: int, lengths: list[int], vocabulary: int):
        import tensorflow as tf

        self.model, self.batch, self.lengths = model, batch, lengths
        random = np.random.default_rng(0)
        batches = [random.integers(0, vocabulary, (2, batch, length), np.int32) for length in lengths]
        signature = tf.TensorSpec((batch, None), tf.int32)
        self.data = tf.data.Dataset.from_generator(lambda: ((x, y) for x, y in batches), output_signature=(signature, signature))
        self.compiled, self.us_a_token = [], []

    def run(self) -> None:
        import tensorflow_vulkan

        before, begin = tensorflow_vulkan.stats(), time.perf_counter()
        self.model.fit(self.data, epochs=1, verbose=0)
        seconds, after = time.perf_counter() - begin, tensorflow_vulkan.stats()
        self.us_a_token.append(round(seconds * 1e6 / self.batch / sum(self.lengths), 3))
        self.compiled.append(after["programs_compiled"] - before["programs_compiled"] if after else None)

    def settled(self) -> float:
        """Of the epochs after the second."""
        return min(self.us_a_token[2:])


def measure(arguments: argparse.Namespace) -> dict:
    import keras
    import tensorflow_vulkan
    from models import transformer

    small = arguments.scale == "small"
    batch, shortest, step, vocabulary = (2, 6, 1, 100) if small else (32, 64, 4, 8192)
    lengths = [shortest + step * i for i in range(arguments.lengths)]
    order = list(np.random.default_rng(1).permutation(lengths))
    keras.mixed_precision.set_global_policy(arguments.policy)
    runs = {}
    for name, of_run in (("fixed", [round(sum(lengths) / len(lengths))] * len(lengths)), ("distinct", order)):
        keras.utils.set_random_seed(0)
        model, *_ = transformer(small, any_length=True)
        model.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=arguments.compiled)
        runs[name] = Epochs(model, batch, [int(length) for length in of_run], vocabulary)
        for _ in range(arguments.epochs):
            runs[name].run()
    distinct, fixed = runs["distinct"], runs["fixed"]
    return {
        "device": tensorflow_vulkan.describe_device(),
        "compiled": distinct.compiled,
        "compiled_fixed": fixed.compiled,
        "compiled_after_second": None if None in distinct.compiled else sum(distinct.compiled[2:]),
        "us_a_token": distinct.us_a_token,
        "us_a_token_fixed": fixed.us_a_token,
        "ratio": round(distinct.settled() / fixed.settled(), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("full", "small"), default="full")
    parser.add_argument("--lengths", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--policy", default="float32", choices=("float32", "mixed_float16", "mixed_bfloat16"))
    parser.add_argument("--compiled", action="store_true", help="with jit_compile=True: every length is a function of its own")
    parser.add_argument("--output", type=Path, help="also add the line to this file")
    parser.add_argument("--again", action="store_true", help="measure also what the file holds")
    arguments = parser.parse_args()
    if arguments.epochs < 3:
        parser.error("the epochs after the second are what counts: --epochs 3 at least")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    name = f"transformer, {arguments.lengths} lengths{', compiled' if arguments.compiled else ''}"
    line = {"layer": "lengths", "case": name, "dtype": arguments.policy, "scale": arguments.scale}
    results = ResultsFile(arguments.output, arguments.again)
    if results.holds(line):
        return
    try:
        line |= measure(arguments)
    except Exception as error:
        line["error"] = f"{type(error).__name__}: {error}"[:600]
    results.add(line)
    raise SystemExit("error" in line)


if __name__ == "__main__":
    main()
