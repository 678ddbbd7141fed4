"""Keras's losses, metrics, optimizers, activations, initializers and the rest, each against the CPU: alone, in a function, compiled."""

import keras
import pytest
import tensorflow as tf
from keras_cases_objects import NOT_CALLED, ONLY_EAGER, TABLES
from keras_known import CPU_OBJECTS, UNCOMPILED_OBJECTS
from keras_run import assert_same, check_fallback, data, expression_function, to_numpy, with_fallback
from keras_walk import NAMESPACES, entries_without_case, public

CASES = [(namespace, name) for namespace, table in TABLES.items() for name in table]


def twice(metric, *arguments):
    metric.update_state(*arguments)
    metric.update_state(*[a[::-1] for a in arguments[:1]], *arguments[1:])
    return metric.result()


def steps(optimizer):
    """Three updates of a matrix and a vector by gradients that are not constant."""
    matrix, vector = keras.Variable(data("x")), keras.Variable(data("v"))
    optimizer.build([matrix, vector])
    for _ in range(3):
        scale = optimizer.scale_loss(1.0) if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) else 1.0
        optimizer.apply([(matrix.value - 0.3) * scale, (vector.value + 0.2) * scale], [matrix, vector])
    return [matrix.value, vector.value]


def call_of(namespace, name):
    scope = {"make": public(NAMESPACES[namespace])[name], "twice": twice, "steps": steps, "keras": keras}
    return expression_function(TABLES[namespace][name], scope)


_expected = {}


def expected_of(namespace, name, compiled=False):
    # XLA draws other numbers than TensorFlow's kernels, on every device the same; but for these, which it has not, and which the plugin draws as the kernels do.
    compiled = compiled and namespace == "random" and name not in ("beta", "gamma")
    if (namespace, name, compiled) not in _expected:
        keras.utils.set_random_seed(1234)
        with tf.device("/CPU:0"):
            function, arguments = call_of(namespace, name)
            run = tf.function(function, jit_compile=True) if compiled else function
            _expected[namespace, name, compiled] = to_numpy(run(*[tf.constant(a) for a in arguments]))
    return _expected[namespace, name, compiled]


def compare(namespace, name, actual, compiled=False):
    assert_same(actual, expected_of(namespace, name, compiled), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("namespace", TABLES)
def test_everything_has_a_case(namespace):
    elsewhere = {"metrics": TABLES["losses"], "optimizers": {f"schedules.{n}" for n in [*TABLES["schedules"], *NOT_CALLED["schedules"]]}}.get(namespace, {})
    missing = entries_without_case(namespace, TABLES[namespace], NOT_CALLED.get(namespace, {}), elsewhere)
    assert not missing, f"keras.{namespace} has entries without a case in keras_cases_objects.py: {missing}"


@pytest.mark.parametrize("namespace,name", CASES)
def test_alone(namespace, name, device):
    expected_of(namespace, name)

    def run():
        with tf.device(device):
            function, arguments = call_of(namespace, name)
            return to_numpy(function(*[tf.constant(a) for a in arguments]))

    result, op = with_fallback(run)
    check_fallback(f"{namespace}.{name}", op, CPU_OBJECTS)
    compare(namespace, name, result)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("namespace,name", [case for case in CASES if case[0] not in ONLY_EAGER and ".".join(case) not in ONLY_EAGER])
def test_in_a_function(namespace, name, compiled, device, request):
    if compiled and (reason := UNCOMPILED_OBJECTS.get(f"{namespace}.{name}")):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True, raises=(tf.errors.OpError, ValueError)))
    expected_of(namespace, name, compiled)
    keras.utils.set_random_seed(1234)
    function, arguments = call_of(namespace, name)
    with tf.device(device):
        result = to_numpy(tf.function(function, jit_compile=compiled)(*[tf.constant(a) for a in arguments]))
    compare(namespace, name, result, compiled)


def test_a_new_entry_would_be_seen(monkeypatch):
    monkeypatch.setattr(keras.losses, "Unheard", type("Unheard", (), {}), raising=False)
    assert [("Unheard",)] == entries_without_case("losses", TABLES["losses"], NOT_CALLED["losses"])
