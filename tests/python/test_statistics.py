"""TFVK_STATS, TFVK_DUMP and the statistics that Python reads."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf

CODE = """
import tensorflow as tf
f = tf.function(lambda x: tf.tanh(x) * 2.0, jit_compile=True)
for _ in range(3):
    f(tf.ones([5]))
"""


def test_a_replayed_function_is_compiled_once(device, statistics):
    with tf.device(device):
        f = tf.function(lambda x: tf.sin(x) + tf.cos(x) * 0.375, jit_compile=True)
        x = tf.zeros([11])
        before = statistics()
        for _ in range(4):
            f(x)
        after = statistics()
    assert after["programs_compiled"] == before["programs_compiled"] + 1
    assert after["cache_hits"] == before["cache_hits"] + 3
    assert after["runs"] == before["runs"] + 4
    assert after["functions_compiled"] == before["functions_compiled"] + 1
    assert after["function_runs"] == before["function_runs"] + 4
    assert after["launches"] > before["launches"]


def test_single_ops_are_no_functions(device, statistics):
    with tf.device(device):
        x = tf.ones([3, 2])
        before = statistics()
        tf.linalg.diag(x * 0.4375)
        after = statistics()
    assert after["programs_compiled"] > before["programs_compiled"]
    assert after["runs"] >= before["runs"] + 2
    assert after["functions_compiled"] == before["functions_compiled"]
    assert after["function_runs"] == before["function_runs"]


def test_a_fit_with_an_evaluation_compiles_three_functions(device, statistics):
    """One for full batches, one for the last batch, one for the evaluation; every step is a run of these, and nothing of it runs on the CPU."""
    with tf.device(device):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, activation="relu"), keras.layers.BatchNormalization(), keras.layers.Dense(3)])
        model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        x, y = np.ones((40, 6), np.float32), np.arange(40) % 3
        before = statistics()
        model.fit(x, y, batch_size=16, epochs=4, verbose=0)
        model.evaluate(x, y, batch_size=20, verbose=0)
        after = statistics()
    assert after["functions_compiled"] == before["functions_compiled"] + 3
    assert after["function_runs"] == before["function_runs"] + 4 * 3 + 2
    assert after["ops_placed_on_cpu"] == before["ops_placed_on_cpu"]
    assert after["ops_run_on_cpu"] == before["ops_run_on_cpu"]


def test_transfers_are_counted(device, statistics):
    with tf.device(device):
        before = statistics()
        x = tf.identity(tf.constant([1.0] * 1000)) * 3.0
        x.numpy()
        after = statistics()
    assert after["bytes_uploaded"] >= before["bytes_uploaded"] + 4000
    assert after["bytes_downloaded"] >= before["bytes_downloaded"] + 4000


def test_ops_placed_on_the_cpu_are_counted(device, statistics):
    @tf.function
    def f(x):
        return (
            tf.strings.length(tf.strings.as_string(x)),
            tf.raw_ops.ResizeArea(images=x[None, :, :, None], size=[2, 2]),
            x * 2.0,
        )

    with tf.device(device):
        f(tf.ones([3, 3]))
    placed = statistics()["ops_placed_on_cpu"]
    assert placed.get("ResizeArea", 0) >= 1
    assert "MatMul" not in placed


def test_exit_report_and_dump(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**os.environ, "TFVK_STATS": "1", "TFVK_DUMP": str(tmp_path)}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stderr.splitlines() if line.startswith("tensorflow-vulkan statistics: "))
    assert json.loads(line.split(": ", 1)[1])["programs_compiled"] >= 1
    dumped = [p for p in tmp_path.iterdir() if p.name.endswith(".hlo.txt") and "tanh" in p.read_text()]
    assert dumped and dumped[0].with_name(dumped[0].name.replace(".hlo.txt", ".program.txt")).exists()
