"""Running the expressions of Keras's cases on a device and on the CPU, and seeing which ops have no kernel on the device."""

import ast
import contextlib
import functools
import re

import keras
import numpy as np
import tensorflow as tf
from keras_data import arrays

_DATA = arrays()
# Eager ops: "... (OpKernel was not found) ... [Op:Eig]"; functions: "Cannot assign a device for operation eig/Eig: ... [[{{node eig/Eig}}]]".
_EAGER_OP = re.compile(r"Could not satisfy device specification.*\[Op:(\w+)\]|Could not find device for node: \{\{node (\w+)\}\}", re.S)
_FUNCTION_OP = re.compile(r"Cannot assign a device for operation \S*?([^/\s:]+?)(?:_\d+)?:")


@functools.cache
def _parsed(expression):
    code = compile(expression, expression, "eval")
    names = {node.id for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)}
    return code, tuple(sorted(names & _DATA.keys()))


def expression_function(expression, scope):
    """A function of tensors for the expression, and the arrays that it is called with."""
    code, names = _parsed(expression)

    def call(*tensors):
        return eval(code, scope | dict(zip(names, tensors, strict=True)))

    return call, [_DATA[name] for name in names]


def data(name):
    return _DATA[name]


def to_numpy(result):
    """The arrays of a nest of results."""
    leaves = [leaf for leaf in tf.nest.flatten(result) if leaf is not None]
    return [np.asarray(leaf) for leaf in leaves]


@contextlib.contextmanager
def soft_placement(on):
    before = tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(on)
    try:
        yield
    finally:
        tf.config.set_soft_device_placement(before)


def missing_kernel(error):
    """The op that has no kernel on the device, of an error with soft placement off, which Keras may have wrapped; None for any other error."""
    for pattern in (_EAGER_OP, _FUNCTION_OP):
        if found := pattern.search(str(error)):
            return next(group for group in found.groups() if group)
    return None


def with_fallback(run):
    """The result of `run`, and the first op of it that TensorFlow has to place on the CPU, if any."""
    keras.utils.set_random_seed(1234)
    try:
        with soft_placement(False):
            return run(), None
    except (tf.errors.OpError, ValueError) as error:
        op = missing_kernel(error)
        if op is None:
            raise
    keras.utils.set_random_seed(1234)
    with soft_placement(True):
        return run(), op


def check_fallback(case, op, known):
    """Fails for a fallback that is not in the table, and for one of the table that does not happen any more."""
    assert op == known.get(case), (
        f"{case}: {op} ran on the CPU, for lack of a kernel; is that known, keras_known.py says so"
        if op
        else f"{case}: {known[case]} does not run on the CPU any more: take it out of keras_known.py"
    )


def assert_same(actual, expected, rtol=2e-4, atol=2e-5, signs=True):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape and a.dtype == e.dtype, f"{a.dtype}{a.shape} instead of {e.dtype}{e.shape}"
        if not signs:
            a, e = np.abs(a), np.abs(e)
        if a.dtype.kind in "fc" or a.dtype.name == "bfloat16":
            np.testing.assert_allclose(a, e, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(a, e)
