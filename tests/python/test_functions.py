"""tf.function with and without jit_compile, control flow, gradient tapes, variables."""

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(autouse=True)
def on_device(device):
    with tf.device(device):
        yield


@pytest.fixture(params=[True, False], ids=["jit", "no jit"])
def function(request):
    return lambda f: tf.function(f, jit_compile=request.param)


def test_several_results_and_constants(function):
    f = function(lambda x: (x + 1.0, tf.constant([1.0, 2.0]), tf.reduce_sum(x), x))
    a, b, c, d = f(tf.constant([3.0, 4.0]))
    np.testing.assert_array_equal(a, [4, 5])
    np.testing.assert_array_equal(b, [1, 2])
    assert c.numpy() == 7
    np.testing.assert_array_equal(d, [3, 4])


def test_int32_arguments_and_results(function):
    f = function(lambda x, i: (tf.gather(x, i), i + 1, tf.shape(x)))
    a, b, c = f(tf.constant([1.0, 2.0, 3.0]), tf.constant([2, 0]))
    np.testing.assert_array_equal(a, [3, 1])
    np.testing.assert_array_equal(b, [3, 1])
    np.testing.assert_array_equal(c, [3])


def test_shapes_recompile(function):
    f = function(lambda x: tf.reduce_sum(x * x))
    for n in (0, 1, 2, 17, 1000):
        assert f(tf.ones([n])).numpy() == n


def test_gradient_inside(function):
    @function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.tanh(x) ** 2)
        return tape.gradient(y, x)

    x = np.linspace(-2, 2, 9, dtype=np.float32)
    np.testing.assert_allclose(f(tf.constant(x)), 2 * np.tanh(x) * (1 - np.tanh(x) ** 2), rtol=1e-4, atol=1e-6)


def test_gradient_outside(function):
    w = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    f = function(lambda x: tf.reduce_sum(tf.matmul(x, w) ** 2))
    with tf.GradientTape() as tape:
        y = f(tf.constant([[1.0, 1.0]]))
    np.testing.assert_allclose(tape.gradient(y, w), [[8, 12], [8, 12]])


def test_second_order():
    x = tf.Variable(2.0)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            y = x**3
        first = inner.gradient(y, x)
    assert outer.gradient(first, x).numpy() == pytest.approx(12)


def test_variable_updates(function):
    v = tf.Variable(tf.zeros([4]))

    @function
    def step(x):
        v.assign_add(x)
        v.assign_sub(0.5 * x)
        return v * 2.0

    for i in range(1, 6):
        np.testing.assert_allclose(step(tf.ones([4])), np.full(4, i))
    np.testing.assert_allclose(v, np.full(4, 2.5))


def test_update_in_place_leaves_earlier_reads_alone(function):
    v = tf.Variable([1.0, 2.0])
    step = function(lambda: v.assign_add([1.0, 1.0]))
    before = v.read_value()
    alias = tf.identity(before)
    step()
    np.testing.assert_array_equal(before, [1, 2])
    np.testing.assert_array_equal(alias, [1, 2])
    np.testing.assert_array_equal(v, [2, 3])


def test_two_variables_swapped(function):
    a, b = tf.Variable([1.0, 2.0, 3.0]), tf.Variable([10.0, 20.0, 30.0])

    @function
    def swap():
        x, y = a.read_value(), b.read_value()
        a.assign(y)
        b.assign(x)

    for _ in range(3):
        swap()
    np.testing.assert_array_equal(a, [10, 20, 30])
    np.testing.assert_array_equal(b, [1, 2, 3])


def test_variable_methods():
    v = tf.Variable(tf.reshape(tf.range(12.0), [4, 3]))
    v.scatter_add(tf.IndexedSlices(tf.ones([2, 3]), tf.constant([0, 3])))
    v.scatter_update(tf.IndexedSlices(tf.zeros([1, 3]), tf.constant([1])))
    v[2, 1:].assign([7.0, 8.0])
    expected = np.arange(12, dtype=np.float32).reshape(4, 3)
    expected[[0, 3]] += 1
    expected[1] = 0
    expected[2, 1:] = [7, 8]
    np.testing.assert_array_equal(v, expected)
    np.testing.assert_array_equal(v.sparse_read([2, 0]), expected[[2, 0]])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int64"])
def test_variable_dtypes(dtype):
    v = tf.Variable(tf.cast([1, 2, 3], dtype))
    v.assign_add(tf.cast([1, 1, 1], dtype))
    v.assign_sub(tf.cast([0, 2, 0], dtype))
    np.testing.assert_array_equal(tf.cast(v, tf.float32), [2, 1, 4])


def test_loop_and_condition(function):
    @function
    def f(x, n):
        total = tf.zeros_like(x)
        for i in tf.range(n):
            if tf.reduce_sum(x) > 2.0:
                total += x * tf.cast(i, tf.float32)
            else:
                total -= x
        return total

    np.testing.assert_allclose(f(tf.constant([1.0, 2.0]), tf.constant(4)), [6, 12])
    np.testing.assert_allclose(f(tf.constant([1.0, 0.0]), tf.constant(3)), [-3, 0])


def test_nested_functions():
    inner = tf.function(lambda x: x * 2.0, jit_compile=True)
    outer = tf.function(lambda x: inner(x) + inner(x + 1.0))
    assert outer(tf.constant(3.0)).numpy() == 14


def test_map_fn_and_tensor_array():
    f = tf.function(lambda x: tf.map_fn(lambda r: tf.reduce_sum(r) * 2.0, x))
    np.testing.assert_allclose(f(tf.ones([3, 4])), [8, 8, 8])


def test_random_in_compiled_function():
    f = tf.function(lambda: tf.random.stateless_normal([1000], [1, 2]), jit_compile=True)
    sample = f().numpy()
    assert abs(sample.mean()) < 0.15 and 0.9 < sample.std() < 1.1


def test_eager_random_is_the_cpus(device):
    for draw in (
        lambda: tf.random.stateless_uniform([5], [3, 4]),
        lambda: tf.random.normal([5], seed=1),
        lambda: tf.random.uniform([5], maxval=9, dtype=tf.int32, seed=1),
    ):
        tf.random.set_seed(11)
        with tf.device("/CPU:0"):
            expected = draw()
        tf.random.set_seed(11)
        with tf.device(device):
            np.testing.assert_array_equal(draw(), expected)


def test_strings_run_on_the_host():
    assert tf.strings.join(["a", "b"]).numpy() == b"ab"


def test_print_runs_on_the_host(tmp_path):
    @tf.function
    def f(x):
        tf.print(x, output_stream=f"file://{tmp_path / 'out'}")
        return x + 1.0

    f(tf.ones([2]))
    assert (tmp_path / "out").read_text() == "[1 1]\n"
