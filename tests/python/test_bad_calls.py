"""Bad shapes, sizes, indices and attributes for every op of the table: the error has the class and the words of TensorFlow's CPU, and the process goes on. What the
CPU takes the device takes too."""

import collections
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from bad_call_reasons import ENDS_THE_PROCESS, GIVES_ERRORS, GIVES_RESULTS, OTHER_CLASS, OTHER_WORDS
from bad_calls import bad_calls, collect, outcome
from cpu_errors import assert_error_is_that_of_the_cpu
from tensorflow.python.framework import kernels
from test_ops import ALL_CASES, _inputs, _run

CALLS = collect(ALL_CASES, _inputs, _run)


@pytest.fixture(scope="session")
def on_cpu(tmp_path_factory):
    """What came of every bad call on the CPU, from a process of its own, as some of TensorFlow's kernels end theirs; oneDNN's would at many more."""
    file = tmp_path_factory.mktemp("bad calls") / "cpu.jsonl"
    program = Path(__file__).with_name("bad_calls.py")
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0", "TFVK_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, program, file], env=environment, capture_output=True, text=True, timeout=900)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert done.returncode == 0, f"TensorFlow's CPU ended the process at {lines[-1]}:\n{done.stderr[-2000:]}"
    outcomes = collections.defaultdict(dict)
    for op, i, what, *came in lines:
        if came:
            outcomes[op][i, what] = came[0]
    return outcomes


def _reason(table, op, what):
    return next((reason for pattern, reason in table.items() if re.fullmatch(pattern, f"{op}: {what}")), None)


def _fault(op, what, expected, actual):
    """What is wrong with the device's outcome, or an empty text."""
    if expected is None:
        return "" if actual is None or _reason(GIVES_ERRORS, op, what) else f"{actual} instead of results"
    if actual is None:
        return "" if _reason(GIVES_RESULTS, op, what) else f"results instead of {expected}"
    if actual[0] != expected[0]:
        return "" if _reason(OTHER_CLASS, op, what) else f"{actual} instead of {expected}"
    of_shape_function = f" for '= {op}[" in actual[1]
    known = actual[1] == expected[1] or of_shape_function or _reason(OTHER_WORDS, op, what)
    return "" if known else f"the words {actual[1]!r} instead of {expected[1]!r}"


def _has_kernel(op, device):
    return any(k.device_type in (device.split(":")[-2], "DEFAULT") for k in kernels.get_registered_kernels_for_op(op).kernel)


@pytest.mark.parametrize("op", sorted(CALLS))
def test_bad_calls_fail_as_on_the_cpu(op, device, no_soft_placement, not_on_reference, on_cpu):
    not_on_reference("what refuses a call stands before both back ends")
    if not _has_kernel(op, device):
        pytest.skip("no kernel on this device")
    faults = []
    for i, call in enumerate(CALLS[op]):
        for what, bad in bad_calls(call):
            if any(re.fullmatch(pattern, f"{op}: {what}") for pattern in ENDS_THE_PROCESS):
                outcome(bad, device)  # no process may end
                continue
            if (i, what) in on_cpu[op] and (fault := _fault(op, what, on_cpu[op][i, what], outcome(bad, device))):
                faults.append(f"{what}: {fault}")
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults)
    with tf.device(device):
        assert float(tf.reduce_sum(tf.ones([3]) + 1.0)) == 6


SMALL_FILLS = {
    "a negative size": ([2, -1], 3),
    "a negative size behind none": ([0, -7], 3),
    "too many elements": ([2**31 - 1, 2**31 - 1, 4], 3),
    "a matrix of sizes": ([[2, 3]], 3),
    "two values": ([2], [3, 4]),
    "two values and a matrix of sizes": ([[2]], [3, 4]),
}


@pytest.mark.parametrize("index", (tf.int32, tf.int64), ids=lambda t: t.name)
@pytest.mark.parametrize("name", SMALL_FILLS)
def test_fills_of_small_integers_fail_as_on_the_cpu(name, index, device, no_soft_placement):
    """TensorFlow makes no constants of 4 bits on a device, so no call above has them."""
    sizes, value = SMALL_FILLS[name]
    for small in (tf.dtypes.experimental.int4, tf.dtypes.experimental.uint4):
        assert_error_is_that_of_the_cpu(lambda s=small: tf.raw_ops.Fill(dims=tf.constant(sizes, index), value=tf.cast(tf.constant(value), s)), device)


def test_one_value_and_one_size_of_small_integers_need_no_rank(device, no_soft_placement):
    """As in graphs of TensorFlow before 1.0."""
    for small in (tf.dtypes.experimental.int4, tf.dtypes.experimental.uint4):
        with tf.device(device):
            filled = tf.raw_ops.Fill(dims=3, value=tf.cast([5], small))
        assert tf.cast(filled, tf.int32).numpy().tolist() == [5, 5, 5]


OF_NOTHING = {
    "values of no rows": lambda: tf.raw_ops.Svd(input=tf.zeros([2, 0, 3]), compute_uv=False)[0],
    "values and vectors of no rows": lambda: list(tf.raw_ops.Svd(input=tf.zeros([0, 3]))),
    "all vectors of no columns": lambda: list(tf.raw_ops.Svd(input=tf.zeros([3, 0]), full_matrices=True)),
    "no matrices": lambda: list(tf.raw_ops.Svd(input=tf.zeros([0, 3, 2]))),
    "a count of one number": lambda: tf.raw_ops.DenseBincount(input=2, size=4, weights=tf.constant([], tf.float32)),
    "a sum of one number": lambda: tf.raw_ops.DenseBincount(input=2, size=4, weights=1.5),
    "a size that is no vector": lambda: tf.raw_ops.Fill(dims=3, value=2.5),
}


@pytest.mark.parametrize("name", OF_NOTHING)
def test_forms_that_the_compiler_does_not_take(name, device, no_soft_placement):
    """tf2xla has errors at them, at one after reading a size that is not there. The results are those of TensorFlow's kernels."""
    results = {}
    for where in (device, "/CPU:0"):
        with tf.device(where):
            results[where] = [y.numpy() for y in tf.nest.flatten(OF_NOTHING[name]())]
    for actual, expected in zip(results[device], results["/CPU:0"], strict=True):
        assert actual.dtype == expected.dtype
        assert actual.tolist() == expected.tolist()
        assert actual.shape == expected.shape


@pytest.mark.parametrize("axis", (-2, -7))
def test_axes_before_the_first_of_quantized_numbers(axis, device, no_soft_placement):
    """tf2xla's kernel ended the process."""
    R, ranges = tf.raw_ops, {"quantization_axis": axis, "quantization_min_val": -128, "quantization_max_val": 127}
    numbers = tf.bitcast(tf.ones([2, 3], tf.int8), tf.qint8)
    for scales, zeros in ((tf.ones([1]), tf.zeros([1], tf.int32)), (tf.ones([]), tf.zeros([], tf.int32))):
        quantized = {"scales": scales, "zero_points": zeros, **ranges}
        assert_error_is_that_of_the_cpu(lambda q=quantized: R.UniformQuantize(input=tf.ones([2, 3]), Tout=tf.qint8, **q), device)
        assert_error_is_that_of_the_cpu(lambda q=quantized: R.UniformDequantize(input=numbers, Tout=tf.float32, **q), device)
