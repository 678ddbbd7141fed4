"""The complementary error function in single precision keeps its relative error down to where it vanishes."""

import math

import numpy as np
import pytest
import tensorflow as tf


@pytest.mark.parametrize("compiled", [False, True])
def test_erfc_is_exact_to_a_few_roundings(compiled, device):
    numbers = np.concatenate([np.linspace(-6, 9, 3001), [1e-30, -1e-30, 0.0, -0.0]]).astype(np.float32)
    function = tf.function(tf.math.erfc, jit_compile=True) if compiled else tf.math.erfc
    with tf.device(device):
        found = function(tf.constant(numbers)).numpy().astype(np.float64)
    expected = np.array([math.erfc(x) for x in numbers.astype(np.float64)])
    error = np.abs(found - expected) / expected
    # What XLA makes of it, on the reference back end, rounds x^2 before the exponential.
    assert error[numbers <= 2].max() < 6e-7
    assert error.max() < 6e-6


def test_erfc_at_the_ends(device):
    with tf.device(device):
        found = tf.math.erfc(tf.constant([np.inf, -np.inf, np.nan, 20.0, -20.0, 3e38, -3e38], tf.float32)).numpy()
    np.testing.assert_array_equal(found, np.array([0, 2, np.nan, 0, 2, 0, 2], np.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_erfc_of_other_types(dtype, device):
    numbers = np.linspace(-3, 3, 61)
    with tf.device(device):
        x = tf.cast(tf.constant(numbers), dtype)
        found = tf.cast(tf.math.erfc(x), tf.float64).numpy()
    expected = np.array([math.erfc(v) for v in tf.cast(x, tf.float64).numpy()])
    np.testing.assert_allclose(found, expected, rtol={"float16": 1e-3, "bfloat16": 8e-3, "float64": 1e-13}[dtype], atol=1e-7 if dtype == "float16" else 0)
