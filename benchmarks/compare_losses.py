#!/usr/bin/env python3
"""Trains the models of keras_train.py (small scale) on the Vulkan device and on TensorFlow's CPU, with the same seeds, and compares the loss of every step.

The reference is the CPU in the same policy: float16's loss scaling skips the first steps of some models, and its dropout draws other masks than float32's.
How far rounding may lead is measured, not guessed: the CPU trains once more in float32 from weights that were changed by the relative rounding of the policy
(2^-24, 2^-8 or 2^-11), and up to each step the device may be four times as far from the reference as that run is, for it rounds every activation. (Batch
normalisation over a batch of two and Adam's first steps make much of little: after six steps of ResNet-50 the last bit of the weights moves the loss by a
tenth. So the first steps tell most.)
Prints one line of JSON for each model and policy; the exit status is 1 when one differs by more than its tolerance.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

ROUNDING = {"float32": 2.0**-24, "mixed_bfloat16": 2.0**-8, "mixed_float16": 2.0**-11}
LEAST_TOLERANCE = 1e-3
NAMES = ("mlp", "cnn", "resnet50", "mobilenetv2", "transformer")


def train(name: str, policy: str, steps: int, perturbation: float) -> dict:
    """The losses of the first steps on the device that is active, from weights that are changed by that relative amount."""
    import keras
    import numpy as np
    import tensorflow as tf
    from keras_train import describe_device
    from models import MODELS

    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(0)
    model, inputs, labels = MODELS[name](True)
    model.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=True)
    random = np.random.default_rng(1)
    if perturbation:
        model.set_weights([w * (1 + perturbation * random.standard_normal(w.shape).astype("float32")) for w in model.get_weights()])
    losses = []
    for _ in range(steps):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(inputs, labels)))
    return {"device": describe_device(), "losses": losses, "tensorflow": tf.__version__}


def train_apart(name: str, policy: str, steps: int, device: str | None, perturbation: float = 0) -> dict:
    """`train` in a process of its own; `device` as TFVK_VISIBLE_DEVICES takes it."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"} | ({"TFVK_VISIBLE_DEVICES": device} if device else {})
    command = [sys.executable, __file__, "--train", name, "--policies", policy, "--steps", str(steps), "--perturbation", str(perturbation)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{name} in {policy} failed on {device or 'the device'}: {result.stderr[-2000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def distances(losses: list[float], expected: list[float]) -> list[float]:
    return [abs(a - b) / max(abs(b), 1e-3) for a, b in zip(losses, expected, strict=True)]


def rounded(numbers: list[float]) -> list[float]:
    return [round(number, 6) for number in numbers]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(NAMES))
    parser.add_argument("--policies", default=",".join(ROUNDING))
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--output", type=Path, help="also append the lines to this file")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--perturbation", type=float, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        print(json.dumps(train(arguments.train, arguments.policies, arguments.steps, arguments.perturbation)))
        return
    agree = True
    for name in arguments.models.split(","):
        in_float32 = train_apart(name, "float32", arguments.steps, "-1")["losses"]
        for policy in arguments.policies.split(","):
            expected = in_float32 if policy == "float32" else train_apart(name, policy, arguments.steps, "-1")["losses"]
            run = train_apart(name, policy, arguments.steps, None)
            perturbed = train_apart(name, "float32", arguments.steps, "-1", ROUNDING[policy])["losses"]
            differences = distances(run["losses"], expected)
            tolerances = [max(LEAST_TOLERANCE, 4 * most) for most in itertools.accumulate(distances(perturbed, in_float32), max)]
            line = {"model": name, "policy": policy, "device": run["device"], "losses": rounded(run["losses"])}
            line |= {"reference": policy, "cpu": rounded(expected), "differences": rounded(differences), "tolerances": rounded(tolerances)}
            line["agree"] = all(d <= t for d, t in zip(differences, tolerances, strict=True))
            agree = agree and line["agree"]
            print(json.dumps(line), flush=True)
            if arguments.output:
                with arguments.output.open("a") as lines:
                    lines.write(json.dumps(line) + "\n")
    raise SystemExit(not agree)


if __name__ == "__main__":
    main()
