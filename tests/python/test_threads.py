"""Several Python threads use the device at once."""

import threading

import numpy as np
import pytest
import tensorflow as tf


def in_threads(count, work):
    """Runs work(i) in `count` threads that start together; raises what any of them raised."""
    barrier, failures = threading.Barrier(count), []

    def run(i):
        try:
            barrier.wait()
            work(i)
        except Exception as failure:  # noqa: BLE001: handed on below
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_one_signature_is_compiled_once(device, statistics):
    with tf.device(device):
        f = tf.function(lambda x: tf.tanh(tf.matmul(x, x)) + 0.625, jit_compile=True)
        f.get_concrete_function(tf.TensorSpec([7, 7]))
        x = tf.random.stateless_normal([7, 7], [1, 2])
        before = statistics()["programs_compiled"]
        results = [None] * 4

        def work(i):
            with tf.device(device):
                results[i] = f(x).numpy()

        in_threads(4, work)
    assert statistics()["programs_compiled"] == before + 1
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_different_signatures_at_once(device):
    def work(i):
        with tf.device(device):
            for n in range(1, 8):
                x = tf.ones([n, i + 1])
                assert float(tf.reduce_sum(tf.matmul(x, x, transpose_b=True) + 1.0)) == n * n * (i + 2)

    in_threads(4, work)


def test_one_variable_from_several_threads(device):
    with tf.device(device):
        v = tf.Variable(tf.zeros([100]))
        add = tf.function(lambda: v.assign_add(tf.ones([100])), jit_compile=True)

    def work(i):
        with tf.device(device):
            for _ in range(25):
                add()

    in_threads(4, work)
    np.testing.assert_array_equal(v, np.full(100, 100.0))


def test_single_ops_get_the_arguments_of_their_own_thread(device):
    """Shapes, axes and small numbers come from the host; TensorFlow used to send them to the device under names that the threads share (eager_ops.h)."""

    def work(i):
        rows, columns = i + 1, 20 - i
        values = np.arange(rows * columns, dtype=np.float32)
        with tf.device(device):
            x = tf.constant(values)
            for _ in range(800):
                table = tf.reshape(x, [rows, columns])
                assert table.shape == (rows, columns)
                np.testing.assert_array_equal(table[i // 2] * float(i), values.reshape(rows, columns)[i // 2] * i)

    in_threads(8, work)


def test_single_ops_are_not_wrapped_in_functions(device):
    """What the test above counts on, shown without luck: TensorFlow's messages name the function that an op runs in."""
    with tf.device(device), pytest.raises(tf.errors.InvalidArgumentError) as raised:
        tf.reshape(tf.ones([3]), [2])
    assert "__wrapped__" not in str(raised.value)
