"""Ops that TensorFlow's graph rewrites make, and ops of its old control flow: graphs that hold them give what they give on the CPU."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.op_def_library import apply_op
from test_older_graphs import _normal, _run

v1 = tf.compat.v1
X, SCALES = _normal(2, 3, 4, 8), [_normal(8), _normal(8), _normal(8), _normal(8) ** 2 + 1]
NORM = {"T": tf.float32, "U": tf.float32, "epsilon": 0.01, "num_side_inputs": 0, "is_training": False}

MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def test_a_chain_of_functions_agrees_with_cpu(device):
    call = ("_UnaryOpsComposition", [_normal(3, 7)], {"T": tf.float32, "op_names": [b"Tanh", b"Exp", b"Relu"]}, 1)
    np.testing.assert_allclose(_run(*call, "/device:GPU:0")[0], _run(*call, "/device:CPU:0")[0], rtol=2e-5)


@pytest.mark.parametrize(("activation", "function"), [("Identity", lambda y: y), ("Relu", tf.nn.relu)])
def test_a_normalization_with_its_activation(activation, function, device):
    """TensorFlow's CPU has no kernel that gives the result, so the ops that the rewrite replaces say what it is."""
    actual = _run("_FusedBatchNormEx", [X, *SCALES], {**NORM, "activation_mode": activation}, 1, "/device:GPU:0")[0]
    with tf.device("/CPU:0"):
        expected = function(v1.nn.fused_batch_norm(X, *SCALES, epsilon=0.01, is_training=False)[0])
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)


def _in_session(build, where):
    with tf.Graph().as_default(), tf.device(where):
        fetches = build()
        with v1.Session(config=v1.ConfigProto(allow_soft_placement=False)) as session:
            session.run(v1.global_variables_initializer())
            return session.run(fetches)


def _stack():
    stack = apply_op("Stack", elem_type=tf.float32, stack_name="kept")
    pushed = apply_op("StackPush", handle=stack, elem=tf.constant([1.0, 2.0]) * 2.0, swap_memory=False)
    with tf.control_dependencies([pushed]):
        popped = apply_op("StackPop", handle=stack, elem_type=tf.float32)
    with tf.control_dependencies([popped]):
        closed = apply_op("StackClose", handle=stack)
    with tf.control_dependencies([closed]):
        return tf.identity(popped)


def _counted():
    variable = v1.Variable(np.int64(3), use_resource=False)
    return apply_op("CountUpTo", ref=variable._ref(), limit=9)


def _initialized():
    variable = v1.Variable([1.0, 2.0], use_resource=False)
    return [apply_op("IsVariableInitialized", ref=variable._ref()), variable.read_value()]


def _slices():
    variable = v1.Variable(np.arange(20, dtype=np.float32).reshape(5, 4), use_resource=False)
    value = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    return tf.identity(apply_op("StridedSliceAssign", ref=variable._ref(), begin=[1, 3], end=[4, 1], strides=[2, -1], value=value, **dict.fromkeys(MASKS, 0)))


def _without_values():
    """A branch that is not taken has dead tensors, and a control trigger runs all the same."""
    x = tf.constant([1.0, 2.0])
    no, yes = v1.raw_ops.Switch(data=x, pred=tf.reduce_sum(x) > 0)
    merged, index = v1.raw_ops.Merge(inputs=[tf.sin(no), tf.cos(yes)])
    with tf.control_dependencies([merged]):
        trigger = apply_op("ControlTrigger")
    with tf.control_dependencies([trigger]):
        return [tf.identity(merged), tf.identity(index)]


@pytest.mark.parametrize("build", [_stack, _counted, _initialized, _slices, _without_values], ids=lambda f: f.__name__.strip("_"))
def test_old_state_agrees_with_cpu(build, device):
    tf.nest.map_structure(np.testing.assert_array_equal, _in_session(build, device), _in_session(build, "/CPU:0"))
