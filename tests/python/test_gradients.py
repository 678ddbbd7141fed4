"""Gradients on the device are those that finite differences give, and every differentiable op has a case with one."""

import numpy as np
import pytest
import tensorflow as tf
from gradient_reasons import NO_CASE, NO_DIFFERENCES
from tensorflow.python.framework import kernels, ops
from test_ops import ALL_CASES, _as_list, _inputs

GRADIENT_CASES = [c for c in ALL_CASES if c.gradient and any(tf.as_dtype(d).is_floating or tf.as_dtype(d).is_complex for d in c.dtypes)]
# Widest first: differences of narrow numbers say nothing.
TYPES = ("float64", "complex128", "float32", "complex64")
STEPS = {"float64": 1e-6, "complex128": 1e-6, "float32": 4e-3, "complex64": 4e-3}
TOLERANCE = {"float64": 2e-6, "complex128": 2e-6, "float32": 2e-2, "complex64": 2e-2}


def _direction(rng, array):
    numbers = rng.normal(size=array.shape)
    return (numbers + 1j * rng.normal(size=array.shape) if np.iscomplexobj(array) else numbers).astype(array.dtype)


def _along_two_lines(function, arrays, data, real_type):
    """Of two numbers t: the sum, with random weights, of what the function gives at x + t[0] a + t[1] b, with random a and b for all inputs at once."""
    rng = np.random.default_rng(11)
    moved = [d and (np.issubdtype(a.dtype, np.inexact)) for a, d in zip(arrays, data)]
    lines = [(_direction(rng, a), _direction(rng, a)) if m else None for a, m in zip(arrays, moved)]
    weights = {}

    def along(t):
        tensors = [
            tf.constant(a) if line is None else a + tf.cast(t[0], a.dtype) * line[0] + tf.cast(t[1], a.dtype) * line[1] for a, line in zip(arrays, lines)
        ]
        total = tf.zeros([], real_type)
        for i, result in enumerate(_as_list(function(*tensors))):
            for j, part in enumerate([tf.math.real(result), tf.math.imag(result)] if result.dtype.is_complex else [result]):
                if part.dtype.is_floating:
                    if (i, j) not in weights:
                        weights[i, j] = rng.normal(size=part.shape).astype(real_type)
                    total += tf.reduce_sum(tf.cast(part, real_type) * weights[i, j])
        return total

    return along


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in GRADIENT_CASES])
def test_gradient_is_that_of_differences(case, device, no_soft_placement, not_on_reference):
    not_on_reference("the comparison with the CPU's gradients in test_ops.py is enough there")
    if case.name in NO_DIFFERENCES:
        pytest.skip(NO_DIFFERENCES[case.name])
    dtype = next((t for t in TYPES if t in case.dtypes), None)
    if dtype is None:
        pytest.skip("finite differences of narrow types say nothing")
    arrays, data = _inputs(case, dtype)
    real_type = {"complex128": "float64", "complex64": "float32"}.get(dtype, dtype)
    with tf.device(device):
        along = _along_two_lines(case.function, arrays, data, real_type)
        (theory,), (differences,) = tf.test.compute_gradient(along, [tf.zeros([2], real_type)], delta=STEPS[dtype])
    scale = max(1.0, np.abs(theory).max(), float(tf.abs(along(tf.zeros([2], real_type)))) * 0.1)
    np.testing.assert_allclose(theory, differences, rtol=0, atol=TOLERANCE[dtype] * scale * case.tolerance**0.5)


def _ops_of(case):
    arrays, _ = _inputs(case, case.dtypes[0])
    traced = tf.function(case.function).get_concrete_function(*[tf.constant(a) for a in arrays])
    return {o.type for o in traced.graph.get_operations()}


def test_every_differentiable_op_has_a_case(device):
    device_type = device.split(":")[-2]
    on_device = {k.op for k in kernels.get_all_registered_kernels().kernel if k.device_type in (device_type, "DEFAULT")}
    differentiable = {o for o in on_device if ops.gradient_registry._registry.get(o, {"type": None})["type"] is not None}
    covered = set().union(*(_ops_of(c) for c in GRADIENT_CASES))
    assert not differentiable - covered - set(NO_CASE), "ops that TensorFlow has a gradient of, without a case with gradient=True"
    assert not set(NO_CASE) & covered, "a reason for an op that has a case"
