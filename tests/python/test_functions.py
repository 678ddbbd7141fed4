"""tf.function with and without jit_compile, control flow, gradient tapes, variables."""

import time

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


@pytest.mark.parametrize(
    "draw,mean,deviation",
    [
        (lambda: tf.random.uniform([5000]), 0.5, 0.2887),
        (lambda: tf.random.normal([5000]), 0.0, 1.0),
        (lambda: tf.random.truncated_normal([5000]), 0.0, 0.8796),
        (lambda: tf.cast(tf.random.uniform([5000], 0, 10, tf.int32), tf.float32), 4.5, 2.8723),
        (lambda: tf.nn.dropout(tf.ones([5000]), 0.5), 1.0, 1.0),
    ],
    ids=["uniform", "normal", "truncated normal", "integers", "dropout"],
)
def test_stateful_random_in_compiled_function(draw, mean, deviation):
    f = tf.function(draw, jit_compile=True)
    first, second = f().numpy(), f().numpy()
    assert not np.array_equal(first, second)
    for sample in (first, second):
        assert abs(sample.mean() - mean) < 5 * deviation / 5000**0.5 and abs(sample.std() / deviation - 1) < 0.1


def test_stateful_random_in_loops_and_branches():
    def f(x):
        drawn = tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, tf.tensor_scatter_nd_update(a, [[i]], tf.random.uniform([1]))), (0, tf.zeros([4])))[1]
        return drawn, tf.cond(x > 0, lambda: tf.random.uniform([3]) + 10, lambda: tf.random.uniform([3]) - 10)

    compiled = tf.function(f, jit_compile=True)
    loop, branch = compiled(tf.constant(1.0))
    assert len(set(loop.numpy())) == 4 and (branch.numpy() >= 10).all()
    assert (compiled(tf.constant(-1.0))[1].numpy() < -9).all()


def test_seeds_of_stateful_random_in_compiled_functions():
    def draw(seed):
        tf.random.set_seed(seed)
        f = tf.function(lambda: tf.random.uniform([3]), jit_compile=True)
        return [f().numpy(), f().numpy()]

    np.testing.assert_array_equal(draw(7), draw(7))
    assert not np.array_equal(draw(7), draw(8))


def _rows(x):
    return tf.boolean_mask(x, x[:, 0] > 0)


@pytest.mark.parametrize(
    "function,expected",
    [
        (lambda x: tf.reduce_sum(tf.boolean_mask(x, x > 0)), lambda x: x[x > 0].sum()),
        (lambda x: tf.reduce_mean(_rows(x), 0), lambda x: x[x[:, 0] > 0].mean(0)),
        (lambda x: tf.matmul(_rows(x), _rows(x), transpose_a=True), lambda x: x[x[:, 0] > 0].T @ x[x[:, 0] > 0]),
        (lambda x: tf.gradients(tf.reduce_mean(tf.boolean_mask(x, x > 0) ** 2), x)[0], lambda x: np.where(x > 0, 2 * x / (x > 0).sum(), 0)),
        (lambda x: tf.scatter_nd(tf.where(x > 0), tf.boolean_mask(x, x > 0), [4, 6]), lambda x: np.maximum(x, 0)),
        (lambda x: tf.size(tf.unique(tf.cast(tf.reshape(x, [-1]) * 3, tf.int64))[0]), lambda x: len(np.unique((x * 3).astype(np.int64)))),
        (lambda x: tf.reduce_sum(tf.nn.softmax(tf.boolean_mask(x, x > 0)) ** 2), lambda x: np.sum((np.exp(x[x > 0]) / np.exp(x[x > 0]).sum()) ** 2)),
        (lambda x: tf.reduce_sum(tf.boolean_mask(x, x > 99)), lambda x: 0),
    ],
    ids=["mask", "rows", "matmul", "gradient", "scatter", "unique", "softmax", "none"],
)
def test_sizes_that_depend_on_data_inside_of_compiled_functions(function, expected, not_on_reference):
    not_on_reference("the evaluator has its own dynamic sizes")
    x = np.random.default_rng(3).normal(size=(4, 6)).astype(np.float32)
    np.testing.assert_allclose(tf.function(function, jit_compile=True)(tf.constant(x)), expected(x), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: tf.boolean_mask(x, x > 0),  # the result's size
        lambda x: tf.reduce_sum(tf.cumsum(tf.boolean_mask(x, x > 0))),  # XLA's padder gets windows wrong
        lambda x: tf.boolean_mask(x, x > 0)[-1],  # tf2xla counts from the end of the bound
    ],
    ids=["result", "window", "from the end"],
)
def test_sizes_that_depend_on_data_are_refused_where_they_would_be_wrong(function, not_on_reference):
    not_on_reference("the evaluator has its own dynamic sizes")
    with pytest.raises(tf.errors.UnimplementedError, match="HLO instruction"):
        tf.function(function, jit_compile=True)(tf.ones([4, 6]))


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


def test_a_small_result_is_there_long_before_the_function_ends(not_on_reference):
    not_on_reference("it computes a function before the call returns")

    @tf.function(jit_compile=True)
    def f(x):
        first = tf.reduce_sum(x[0, :4])
        for _ in range(24):
            x = tf.matmul(x, x) * 0.001
        return first, x

    def shares(x):
        """The function's seconds; which share of the function's time has passed when the host has read the first result, and when sync_devices returns."""
        start = time.perf_counter()
        first, last = f(x)
        assert float(first) == 4.0
        read = time.perf_counter()
        tf.test.experimental.sync_devices()
        waited = time.perf_counter()
        last[0, 0].numpy()
        end = time.perf_counter()
        return end - start, (read - start) / (end - start), (waited - start) / (end - start)

    size, seconds = 256, 0
    while seconds < 0.1:  # long beside what the calls cost the host
        size *= 2
        x = tf.ones([size, size])
        shares(x)  # compiles
        seconds = shares(x)[0]
    _, read, waited = np.median([shares(x) for _ in range(5)], axis=0)
    assert read < 0.6 and waited > 0.9
