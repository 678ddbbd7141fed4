"""Gradients on the device are those that finite differences give, and every differentiable op has a case with one."""

import re

import numpy as np
import pytest
import tensorflow as tf
from gradient_reasons import NO_CASE, NO_DIFFERENCES
from tensorflow.python.framework import kernels, ops
from test_ops import ALL_CASES, _as_list, _inputs

GRADIENT_CASES = [c for c in ALL_CASES if c.gradient and any(tf.as_dtype(d).is_floating or tf.as_dtype(d).is_complex for d in c.dtypes)]
# Widest first: differences of narrow numbers say nothing.
TYPES = ("float64", "complex128", "float32", "complex64")
STEPS = {"float64": 1e-6, "float32": 4e-3}
TOLERANCE = {"float64": 2e-6, "float32": 2e-2}


def _direction(rng, array):
    numbers = rng.normal(size=array.shape)
    return (numbers + 1j * rng.normal(size=array.shape) if np.iscomplexobj(array) else numbers).astype(array.dtype)


def _parts(function, tensors):
    """The floating-point parts of the results, 0 where they are not finite."""
    for result in _as_list(function(*tensors)):
        for part in [tf.math.real(result), tf.math.imag(result)] if result.dtype.is_complex else [result]:
            if part.dtype.is_floating:
                yield tf.where(tf.math.is_finite(part), part, tf.zeros_like(part))


def _with_gradient(function, arrays, data):
    """Which of the arrays the results have a gradient by, and the narrowest type of the results."""
    tensors = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        watched = [t for t, d in zip(tensors, data) if d and (t.dtype.is_floating or t.dtype.is_complex)]
        tape.watch(watched)
        parts = list(_parts(function, tensors))
        total = tf.add_n([tf.reduce_sum(tf.cast(p, tf.float64)) for p in parts])
    gradients = tape.gradient(total, watched)
    moved = {id(t) for t, g in zip(watched, gradients) if g is not None}
    return [id(t) in moved for t in tensors], min((p.dtype for p in parts), key=lambda t: t.size).name


def _along_two_lines(function, arrays, moved, real_type):
    """Of two numbers t: the sum, with random weights, of what the function gives at x + t[0] a + t[1] b, with random a and b for all inputs at once."""
    rng = np.random.default_rng(11)
    lines = [(_direction(rng, a), _direction(rng, a)) if m else None for a, m in zip(arrays, moved)]
    weights = []

    def along(t):
        tensors = [
            tf.constant(a) if line is None else a + tf.cast(t[0], a.dtype) * line[0] + tf.cast(t[1], a.dtype) * line[1] for a, line in zip(arrays, lines)
        ]
        parts = list(_parts(function, tensors))
        if not weights:
            weights.extend(rng.normal(size=p.shape).astype(real_type) for p in parts)
        return tf.add_n([tf.reduce_sum(tf.cast(p, real_type) * w) for p, w in zip(parts, weights)])

    return along


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in GRADIENT_CASES])
def test_gradient_is_that_of_differences(case, device, no_soft_placement, not_on_reference):
    not_on_reference("the comparison with the CPU's gradients in test_ops.py is enough there")
    if reason := next((r for pattern, r in NO_DIFFERENCES.items() if re.fullmatch(pattern, case.name)), None):
        pytest.skip(reason)
    dtype = next((t for t in TYPES if t in case.dtypes), None)
    if dtype is None:
        pytest.skip("finite differences of narrow types say nothing")
    arrays, data = _inputs(case, dtype)
    real_type = {"complex128": "float64", "complex64": "float32"}.get(dtype, dtype)
    try:
        with tf.device(device):
            moved, narrowest = _with_gradient(case.function, arrays, data)
            along = _along_two_lines(case.function, arrays, moved, real_type)
            (theory,), (differences,) = tf.test.compute_gradient(along, [tf.zeros([2], real_type)], delta=STEPS[narrowest])
            scale = max(1.0, np.abs(theory).max(), 0.1 * float(tf.abs(along(tf.zeros([2], real_type)))))
    except tf.errors.InvalidArgumentError as error:
        if "Could not satisfy device specification" in str(error):
            pytest.skip(f"no kernel on this device: {str(error)[-80:]}")
        raise
    np.testing.assert_allclose(theory, differences, rtol=0, atol=TOLERANCE[narrowest] * scale)


def _ops_of(case):
    arrays, _ = _inputs(case, case.dtypes[0])
    with tf.Graph().as_default() as graph:
        case.function(*[tf.constant(a) for a in arrays])
    inside = graph.as_graph_def().library.function
    return {o.type for o in graph.get_operations()} | {node.op for function in inside for node in function.node_def}


def test_every_differentiable_op_has_a_case(device):
    device_type = device.split(":")[-2]
    on_device = {k.op for k in kernels.get_all_registered_kernels().kernel if k.device_type in (device_type, "DEFAULT")}
    differentiable = {o for o in on_device if ops.gradient_registry._registry.get(o, {"type": None})["type"] is not None}
    covered = set().union(*(_ops_of(c) for c in GRADIENT_CASES))
    assert not differentiable - covered - set(NO_CASE), "ops that TensorFlow has a gradient of, without a case with gradient=True"
    assert not set(NO_CASE) & covered, "a reason for an op that has a case"
