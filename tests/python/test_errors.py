"""Bad input gives TensorFlow's own error classes, and the process goes on."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(autouse=True)
def on_device(device):
    with tf.device(device):
        yield


@pytest.mark.parametrize(
    "call",
    [
        lambda: tf.matmul(tf.ones([2, 3]), tf.ones([4, 5])),
        lambda: tf.add(tf.ones([2, 3]), tf.ones([4])),
        lambda: tf.reshape(tf.ones([6]), [4]),
        lambda: tf.concat([tf.ones([2, 3]), tf.ones([3, 4])], axis=0),
        lambda: tf.nn.conv2d(tf.ones([1, 4, 4, 3]), tf.ones([3, 3, 2, 1]), 1, "VALID"),
        lambda: tf.reduce_sum(tf.ones([2]), axis=3),
        lambda: tf.transpose(tf.ones([2, 3]), [0, 0]),
        lambda: tf.slice(tf.ones([3]), [2], [5]),
        lambda: tf.split(tf.ones([5]), 2),
        lambda: tf.gather(tf.ones([3]), tf.constant([0]), axis=4),
        lambda: tf.stack([tf.ones([2]), tf.ones([3])]),
        lambda: tf.matmul(tf.ones([2, 2, 3]), tf.ones([2, 2, 3])),
        lambda: tf.nn.max_pool2d(tf.ones([1, 2, 2, 1]), 3, 1, "VALID"),
        lambda: tf.raw_ops.ResourceApplyGradientDescent(var=tf.Variable([1.0, 2.0]).handle, alpha=1.0, delta=tf.ones([3])),
    ],
    ids=[
        "matmul",
        "add",
        "reshape",
        "concat",
        "conv2d",
        "reduce",
        "transpose",
        "slice",
        "split",
        "gather",
        "stack",
        "batch matmul",
        "pool",
        "gradient descent",
    ],
)
def test_bad_shapes(call):
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        call()
    assert float(tf.reduce_sum(tf.ones([3]) + 1.0)) == 6


def test_mixed_types():
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
        tf.add(tf.ones([2]), tf.ones([2], tf.float64))


def test_error_inside_a_compiled_function():
    f = tf.function(lambda x: tf.reshape(x, [2, 2]) * 2.0, jit_compile=True, input_signature=[tf.TensorSpec(None)])
    with pytest.raises(tf.errors.InvalidArgumentError):
        f(tf.ones([5]))
    np.testing.assert_array_equal(f(tf.ones([4])), [[2, 2], [2, 2]])


def test_out_of_memory_is_an_error_and_passes():
    with pytest.raises(tf.errors.ResourceExhaustedError):
        tf.zeros([1 << 20, 1 << 20]) + 1.0
    assert float(tf.reduce_sum(tf.ones([10]))) == 10


def test_memory_statistics(device):
    x = tf.ones([1 << 20]) + 1.0
    info = tf.config.experimental.get_memory_info(device)
    assert info["current"] >= x.shape[0] * 4 and info["peak"] >= info["current"]


def _python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0", **environment}, capture_output=True, text=True, timeout=300
    )


def test_exit_is_clean():
    done = _python("import tensorflow as tf; print(float(tf.reduce_sum(tf.ones([4]) * 2.0)))")
    assert done.returncode == 0 and done.stdout.strip() == "8.0", done.stderr


def test_no_device_is_a_warning_only(not_on_reference):
    not_on_reference("it has a device everywhere")
    done = _python("import tensorflow as tf; print(tf.config.list_physical_devices('GPU'), float(tf.ones([]) + 1.0))", TFVK_VISIBLE_DEVICES="-1")
    assert done.returncode == 0 and done.stdout.strip() == "[] 2.0", done.stderr
    assert done.stderr.count("tensorflow-vulkan:") == 1
