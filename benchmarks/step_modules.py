#!/usr/bin/env python3
"""Writes the HLO of the benchmark's training steps, a file for each model and policy, without running them: for

    build/release/tfvk-hlo --time --tf32 FILE                                            what each launch takes on a device
    build/release/tfvk-hlo --tf32 --device tests/vulkan/snapshots/nvidia_h200.json FILE  launches and memory on one that is not there

usage: step_modules.py [--models mlp,cnn,...] [--policies float32,mixed_bfloat16,mixed_float16] [--scale full|small] FOLDER
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import dump_keras_hlo  # first: it keeps TensorFlow to the CPU
import keras
import tensorflow as tf
from models import MODELS


def write_step(folder: str, name: str, policy: str, small: bool) -> None:
    keras.mixed_precision.set_global_policy(policy)
    keras.utils.set_random_seed(0)
    model, inputs, labels = MODELS[name](small)
    optimizer = keras.optimizers.Adam(1e-4)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    dump_keras_hlo.write(folder, f"{name}_{policy}", dump_keras_hlo.train_step(model), tf.constant(inputs), tf.constant(labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--models", default="mlp,cnn,transformer,mobilenetv2,resnet50")
    parser.add_argument("--policies", default="float32")
    parser.add_argument("--scale", choices=["full", "small"], default="full")
    arguments = parser.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    for policy in arguments.policies.split(","):
        for name in arguments.models.split(","):
            write_step(arguments.folder, name, policy, arguments.scale == "small")


if __name__ == "__main__":
    main()
