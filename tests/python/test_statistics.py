"""TFVK_STATS, TFVK_DUMP and the statistics that Python reads."""

import json
import os
import subprocess
import sys

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
    assert after["launches"] > before["launches"]


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
            tf.raw_ops.Dilation2D(input=x[None, :, :, None], filter=tf.ones([1, 1, 1]), strides=[1] * 4, rates=[1] * 4, padding="SAME"),
            x * 2.0,
        )

    with tf.device(device):
        f(tf.ones([3, 3]))
    placed = statistics()["ops_placed_on_cpu"]
    assert placed.get("Dilation2D", 0) >= 1
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
