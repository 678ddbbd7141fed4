"""Every function of keras.ops against the CPU: alone, in a function, and in a compiled function."""

import keras
import pytest
import tensorflow as tf
from keras_cases_ops import CASES, NO_NUMBERS, REFUSED
from keras_known import CPU_OPS, CPU_OPS_IN_FUNCTIONS, NOT_IN_GRAPHS, UNCOMPILED_OPS
from keras_run import assert_same, check_fallback, expression_function, to_numpy, with_fallback
from keras_walk import entries, entries_without_case

SCOPE = {"ops": keras.ops}
# Vectors of decompositions are unique only up to a sign.
ANY_SIGN = {"svd", "qr", "eigh", "eig"}
# XLA draws other numbers than TensorFlow's kernels, on every device the same.
DRAWS = {"image.elastic_transform"}
# Not functions of tensors in a graph: they look at what is there, or give arrays of NumPy.
ONLY_EAGER = {"convert_to_numpy", "is_tensor", "dtype", "shape", "ndim", "custom_gradient"}
CALLS = [(name, index) for name, calls in sorted(CASES.items()) for index in range(len(calls))]


def key(name, index):
    """The call's name in keras_known.py."""
    return f"ops.{name}[{index}]" if index else f"ops.{name}"


def call_of(name, index):
    return expression_function(f"ops.{name}({CASES[name][index]})", SCOPE)


_expected = {}


def expected_of(name, index, compiled=False):
    compiled = compiled and name in DRAWS
    if (name, index, compiled) not in _expected:
        function, arguments = call_of(name, index)
        with tf.device("/CPU:0"):
            run = tf.function(function, jit_compile=True) if compiled else function
            _expected[name, index, compiled] = to_numpy(run(*[tf.constant(a) for a in arguments]))
    return _expected[name, index, compiled]


def compare(name, index, actual, compiled=False):
    if name in NO_NUMBERS:
        assert [a.shape for a in actual] == [e.shape for e in expected_of(name, index)]
    else:
        assert_same(actual, expected_of(name, index, compiled), rtol=1e-3, atol=1e-4, signs=name not in ANY_SIGN)


def expect_no_graph(name, request):
    if reason := NOT_IN_GRAPHS.get(f"ops.{name}"):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True, raises=(TypeError, ValueError, NotImplementedError)))


def test_every_function_has_a_case():
    missing = entries_without_case("ops", CASES, REFUSED)
    assert not missing, f"keras.ops has functions without a case in keras_cases_ops.py: {missing}"
    stale = set(CASES) - {name for group in entries("ops") for name in group}
    assert not stale, f"keras_cases_ops.py has cases of functions that keras.ops does not have: {stale}"


@pytest.mark.parametrize("name,index", CALLS)
def test_alone(name, index, device):
    function, arguments = call_of(name, index)
    with tf.device(device):
        result, op = with_fallback(lambda: to_numpy(function(*[tf.constant(a) for a in arguments])))
    check_fallback(key(name, index), op, CPU_OPS)
    compare(name, index, result)


@pytest.mark.parametrize("name,index", [call for call in CALLS if call[0] not in ONLY_EAGER])
def test_in_a_function(name, index, device, request, statistics):
    expect_no_graph(name, request)
    function, arguments = call_of(name, index)
    with tf.device(device):
        tensors = [tf.constant(a) for a in arguments]
        before = statistics()["ops_placed_on_cpu"]
        result = to_numpy(tf.function(function)(*tensors))
        after = statistics()["ops_placed_on_cpu"]
    placed = sorted(op for op in after if after[op] != before.get(op))
    check_fallback(key(name, index), placed[0] if placed else None, CPU_OPS_IN_FUNCTIONS)
    compare(name, index, result)


@pytest.mark.parametrize("name,index", [call for call in CALLS if call[0] not in ONLY_EAGER])
def test_in_a_compiled_function(name, index, device, request):
    expect_no_graph(name, request)
    if reason := UNCOMPILED_OPS.get(key(name, index)):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True, raises=(tf.errors.OpError, ValueError)))
    function, arguments = call_of(name, index)
    with tf.device(device):
        tensors = [tf.constant(a) for a in arguments]
        result = to_numpy(tf.function(function, jit_compile=True)(*tensors))
    compare(name, index, result, compiled=True)
