"""Errors of calls, for tests that compare the device's with the CPU's."""

import pytest
import tensorflow as tf


def error_of(call, where):
    """The class and the words of the error of `call()` on the device `where`, without the names of nodes and places."""
    with tf.device(where), pytest.raises(tf.errors.OpError) as caught:
        for result in tf.nest.flatten(call()):
            if result.dtype != tf.variant:
                result.numpy()
    return type(caught.value), caught.value.message.split("{{function_node")[-1].split("}} ")[-1].split(" [Op:")[0]


def assert_error_is_that_of_the_cpu(call, device):
    assert error_of(call, device) == error_of(call, "/CPU:0")
