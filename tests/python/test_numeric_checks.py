"""Ops of checks, suppression and samples say what is wrong in TensorFlow's words."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

R = tf.raw_ops
BAD = ([np.nan], [np.inf], [-np.inf], [np.nan, np.inf], [np.nan, -np.inf], [np.inf, -np.inf], [np.nan, np.inf, -np.inf])
TYPES = ("float32", "float64", "float16", "bfloat16")


def _message(call, where):
    with tf.device(where), pytest.raises(tf.errors.OpError) as raised:
        call()
    return type(raised.value), raised.value.message.split("\n")[0].split("}} ")[-1].split(" [Op:")[0]


@pytest.mark.parametrize("op,dtype", list(itertools.product((R.CheckNumerics, R.CheckNumericsV2), TYPES)))
def test_check_names_what_it_found(op, dtype, device, no_soft_placement):
    for bad in BAD:
        for place in (0, 500, 999):
            numbers = np.zeros(1000)
            numbers[place : place + 1] = bad[0]
            numbers[300 : 300 + len(bad)] = bad
            tensor = tf.cast(numbers.reshape(10, 100), dtype)
            assert _message(lambda t=tensor: op(tensor=t, message="here"), device) == _message(lambda t=tensor: op(tensor=t, message="here"), "/CPU:0")


def test_check_in_a_function(device, no_soft_placement):
    @tf.function
    def half(x):
        return tf.debugging.check_numerics(x * 0.5, "half")

    with tf.device(device):
        np.testing.assert_array_equal(half(tf.constant([1.0, 3.0])), [0.5, 1.5])
        with pytest.raises(tf.errors.InvalidArgumentError, match="half : Tensor had Inf values"):
            half(tf.constant([1.0, np.inf]))


def _suppress(version=3, **changes):
    arguments = {"boxes": tf.zeros([2, 4]), "scores": tf.zeros([2]), "max_output_size": 1, "iou_threshold": 0.5, "score_threshold": 0.1, **changes}
    if version < 3:
        del arguments["score_threshold"]
    if version == 5 and "soft_nms_sigma" not in arguments:
        arguments["soft_nms_sigma"] = 0.0
    return getattr(R, f"NonMaxSuppressionV{version}")(**arguments)


CALLS = {
    **{f"suppression {v} of {name}": (lambda v=v, c=changes: _suppress(v, **c)) for v in (2, 3, 4, 5) for name, changes in {
        "a large threshold": {"iou_threshold": 1.5},
        "a threshold that is no number": {"iou_threshold": np.nan},
        "a negative size": {"max_output_size": -1},
        "three columns": {"boxes": tf.zeros([2, 3])},
        "boxes of rank 3": {"boxes": tf.zeros([2, 4, 1])},
        "other scores": {"scores": tf.zeros([3])},
        "scores of rank 2": {"scores": tf.zeros([2, 1])},
        "a vector of sizes": {"max_output_size": [1]},
        "a vector of thresholds": {"iou_threshold": [0.5]},
    }.items()},
    "suppression by a negative sigma": lambda: _suppress(5, soft_nms_sigma=-1.0),
    "a change by a matrix": lambda: R.InplaceAdd(x=tf.zeros([2, 3]), i=tf.zeros([1, 1], tf.int32), v=tf.zeros([1, 3])),
    "a change of another rank": lambda: R.InplaceAdd(x=tf.zeros([2, 3]), i=tf.zeros([1], tf.int32), v=tf.zeros([1, 3, 1])),
    "a change of other rows": lambda: R.InplaceUpdate(x=tf.zeros([2, 3]), i=tf.zeros([1], tf.int32), v=tf.zeros([1, 4])),
    "a change by too few indices": lambda: R.InplaceSub(x=tf.zeros([2, 3]), i=tf.zeros([1], tf.int32), v=tf.zeros([2, 3])),
    "a summary of an unknown mode": lambda: R.DebugNumericSummaryV2(input=[1.0], tensor_debug_mode=7),
    "a summary of a large number": lambda: R.DebugNumericSummaryV2(input=[1.0], tensor_debug_mode=2, tensor_id=2**24 + 1),
    "samples of another shape": lambda: R.StatelessRandomGammaV2(shape=[3, 2], seed=[1, 2], alpha=[1.0, 2.0, 3.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_errors_are_tensorflows(name, device, no_soft_placement):
    assert _message(CALLS[name], device) == _message(CALLS[name], "/CPU:0")


def test_parallel_stack(device, no_soft_placement):
    @tf.function
    def stack(a, b, c):
        return tf.parallel_stack([a, b, c])

    for dtype in ("float32", "float16", "bfloat16", "float64", "int64", "int32", "bool", "complex64", "uint8"):
        parts = [tf.cast(np.arange(6).reshape(2, 3) + i, dtype) for i in range(3)]
        with tf.device(device):
            np.testing.assert_array_equal(stack(*parts), tf.stack(parts))
