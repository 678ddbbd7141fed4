"""Hot ops: a new shape compiles nothing, memory is reused only where nobody sees it, variables are updated as on the CPU, errors are TensorFlow's."""

import os

import numpy as np
import pytest
import tensorflow as tf

raw = tf.raw_ops


@pytest.fixture(autouse=True)
def on_device(device, no_soft_placement):
    with tf.device(device):
        yield


@pytest.fixture
def compiled(statistics):
    if "reference" in os.environ.get("TFVK_TEST_PLUGIN", ""):
        pytest.skip("the reference back end has no hot ops: it compiles every shape")

    def count(function):
        before = statistics()["programs_compiled"]
        function()
        return statistics()["programs_compiled"] - before

    return count


def _numbers(*shape):
    return tf.constant(np.random.default_rng(len(shape) + sum(shape)).normal(size=shape).astype(np.float32))


# Each function is called with the shapes of its row, one after the other; all but the first compile nothing.
SHAPES = {
    "add": (lambda x: x + x, [(3, 4), (5, 6), (17,), (2, 3, 4, 5), (1000, 3), (1,), ()]),
    "add of a row": (lambda x: x + x[0], [(3, 4), (5, 7), (300, 2)]),
    "add of a column": (lambda x: x * x[:, :1], [(3, 4), (5, 7), (300, 2)]),
    "scalar": (lambda x: tf.maximum(x, 0.25), [(3, 4), (5,), (6, 7, 8)]),
    "unary": (tf.tanh, [(3,), (4, 5), (70000,), ()]),
    "comparison": (lambda x: x < 0.5, [(3,), (4, 5), (70000,)]),
    "cast": (lambda x: tf.cast(x, tf.int64), [(3,), (4, 5), (70000,)]),
    "relu gradient": (lambda x: raw.ReluGrad(gradients=x, features=x), [(3,), (4, 5), (700,)]),
    "select": (lambda x: raw.SelectV2(condition=raw.IsNan(x=x), t=x, e=x), [(3,), (4, 5), (700,)]),
    "sum of rows": (lambda x: raw.Sum(input=x, axis=[1]), [(3, 4), (5, 600), (700, 2)]),
    "sum of columns": (lambda x: raw.Sum(input=x, axis=[0]), [(3, 4), (5, 600), (700, 2)]),
    "mean": (lambda x: raw.Mean(input=x, axis=[0, 1]), [(3, 4), (5, 600), (700, 2)]),
    "mean of the middle": (lambda x: raw.Mean(input=x, axis=[1]), [(3, 4, 5), (5, 60, 2), (7, 2, 300)]),
    "softmax": (tf.nn.softmax, [(3, 4), (5, 60), (7, 2, 300), (9,)]),
    "bias": (lambda x: raw.BiasAdd(value=x, bias=x[0]), [(3, 4), (5, 60), (700, 2)]),
    "matmul": (lambda x: raw.MatMul(a=x, b=x, transpose_b=True), [(3, 5), (5, 61), (70, 2), (129, 131)]),
    "batch matmul": (lambda x: raw.BatchMatMulV2(x=x, y=x, adj_y=True), [(2, 3, 5), (4, 5, 61), (3, 7, 70, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_a_new_shape_compiles_nothing(name, compiled):
    function, shapes = SHAPES[name]
    inputs = [_numbers(*shape) for shape in shapes]
    # The parts that rows above cut off by slices have shapes of their own to compile, so they are cut before anything is counted.
    for x in inputs:
        function(x)
    counts = [compiled(lambda x=x: function(x)) for x in inputs]
    assert counts == [0] * len(inputs)


@pytest.mark.parametrize(
    "function",
    [tf.exp, lambda x: tf.sqrt(tf.abs(x)), lambda x: x / 3.0, lambda x: raw.Max(input=x, axis=[0]), lambda x: raw.MatMul(a=x, b=x, transpose_a=True)],
    ids=range(5),
)
def test_shapes_never_seen_compile_nothing(function, compiled, not_on_reference):
    not_on_reference("it has no hot ops, and compiles every shape")
    for shape in ((3, 5), (4, 6), (9, 11)):
        function(_numbers(*shape))
    assert compiled(lambda: [function(_numbers(*shape)) for shape in ((13, 15), (7, 6), (101, 3), (2, 1001))]) == 0


def test_results_of_many_shapes_in_sequence(rng):
    for _ in range(40):
        rank = rng.integers(0, 5)
        shape = rng.integers(1, 6, size=rank)
        a = rng.normal(size=np.where(rng.random(rank) < 0.4, 1, shape)).astype(np.float32)
        b = rng.normal(size=np.where(rng.random(rank) < 0.4, 1, shape)[rng.integers(0, rank + 1) :]).astype(np.float32)
        np.testing.assert_array_equal(tf.constant(a) - tf.constant(b), a - b)
        np.testing.assert_array_equal(tf.where(tf.constant(a) > 0, a, b), np.where(a > 0, a, b))


@pytest.mark.parametrize(
    "a,b", [((2, 3, 4, 5, 6, 2), (3, 1, 5, 1, 2)), ((2, 1, 2, 1, 2, 1, 2, 1, 2), (2, 1, 2, 1, 2, 1, 2, 1)), ((2, 1) * 5, (1, 2) * 5)], ids=range(3)
)
def test_more_dimensions_than_the_cpu_broadcasts(a, b, rng):
    """The last has more of them than are built with run-time sizes."""
    x, y = rng.normal(size=a).astype(np.float32), rng.normal(size=b).astype(np.float32)
    np.testing.assert_array_equal(tf.constant(x) - tf.constant(y), x - y)
    np.testing.assert_array_equal(tf.constant(x) < tf.constant(y), x < y)


def test_a_tensor_that_is_still_held_is_not_overwritten():
    x = _numbers(1000)
    before = x.numpy()
    chain = ((x + 1.0) * 2.0 - 3.0) / 4.0
    y = tf.identity(x)
    z = y + y
    np.testing.assert_array_equal(x.numpy(), before)
    np.testing.assert_array_equal(y.numpy(), before)
    np.testing.assert_array_equal(z.numpy(), before + before)
    np.testing.assert_allclose(chain.numpy(), ((before + 1) * 2 - 3) / 4, rtol=1e-6)


def test_in_a_graph_values_used_twice_survive():
    @tf.function
    def f(x):
        y = x * 2.0
        z = y + 1.0
        return y * z, tf.exp(y), y

    x = _numbers(3, 50)
    doubled = x.numpy() * 2
    for value, expected in zip(f(x), (doubled * (doubled + 1), np.exp(doubled), doubled)):
        np.testing.assert_allclose(value.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "float64"])
def test_assign_add_and_sub(dtype):
    v = tf.Variable(tf.cast([1, 2, 3], dtype))
    v.assign_add(tf.cast([1, 1, 1], dtype))
    v.assign_sub(tf.cast([0, 1, 2], dtype))
    np.testing.assert_array_equal(v.numpy(), [2, 2, 2])


def test_a_copy_of_a_variable_does_not_change():
    v = tf.Variable([1.0, 2.0, 3.0])
    copy = v.read_value()
    v.assign_add([1.0, 1.0, 1.0])
    v.assign_add(v.read_value())
    np.testing.assert_array_equal(copy.numpy(), [1, 2, 3])
    np.testing.assert_array_equal(v.numpy(), [4, 6, 8])
    alias = v.value()
    raw.ResourceApplyGradientDescent(var=v.handle, alpha=0.5, delta=alias)
    np.testing.assert_array_equal(alias.numpy(), [4, 6, 8])
    np.testing.assert_array_equal(v.numpy(), [2, 3, 4])


def test_an_update_without_a_copy_stays_in_place(device):
    v = tf.Variable(tf.zeros([1 << 20]))
    one = tf.ones([1 << 20])
    v.assign_add(one)
    tf.config.experimental.reset_memory_stats(device)
    before = tf.config.experimental.get_memory_info(device)["current"]
    for _ in range(5):
        v.assign_add(one)
    assert tf.config.experimental.get_memory_info(device)["peak"] < before + 4 * (1 << 20)
    np.testing.assert_array_equal(v.numpy(), np.full(1 << 20, 6.0))


def _optimizer(name, slots, scalars, gradient="grad", **attributes):
    return pytest.param(name, slots, scalars, gradient, attributes, id=name + "".join(f" {k}" for k, on in attributes.items() if on))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize(
    "name,slots,scalars,gradient,attributes",
    [
        _optimizer("ResourceApplyGradientDescent", [], {"alpha": 0.1}, "delta"),
        _optimizer("ResourceApplyMomentum", ["accum"], {"lr": 0.1, "momentum": 0.9}),
        _optimizer("ResourceApplyMomentum", ["accum"], {"lr": 0.1, "momentum": 0.9}, use_nesterov=True),
        _optimizer("ResourceApplyKerasMomentum", ["accum"], {"lr": 0.1, "momentum": 0.9}),
        _optimizer("ResourceApplyKerasMomentum", ["accum"], {"lr": 0.1, "momentum": 0.9}, use_nesterov=True),
        _optimizer("ResourceApplyAdam", ["m", "v"], {"beta1_power": 0.9, "beta2_power": 0.99, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3}),
        _optimizer(
            "ResourceApplyAdam",
            ["m", "v"],
            {"beta1_power": 0.9, "beta2_power": 0.99, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3},
            use_nesterov=True,
        ),
        _optimizer("ResourceApplyAdaMax", ["m", "v"], {"beta1_power": 0.9, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3}),
        _optimizer("ResourceApplyAdagrad", ["accum"], {"lr": 0.1}),
        _optimizer("ResourceApplyAdagradV2", ["accum"], {"lr": 0.1, "epsilon": 1e-3}),
        _optimizer("ResourceApplyAdadelta", ["accum", "accum_update"], {"lr": 0.1, "rho": 0.9, "epsilon": 1e-3}),
        _optimizer("ResourceApplyRMSProp", ["ms", "mom"], {"lr": 0.1, "rho": 0.9, "momentum": 0.9, "epsilon": 1e-3}),
        _optimizer("ResourceApplyCenteredRMSProp", ["mg", "ms", "mom"], {"lr": 0.1, "rho": 0.9, "momentum": 0.9, "epsilon": 1e-3}),
    ],
)
def test_optimizers_agree_with_cpu(name, slots, scalars, gradient, attributes, dtype, device, rng):
    values = {n: rng.uniform(0.5, 1.0, size=(3, 7)) for n in ["var", *slots]}
    if "mg" in values:
        values["mg"] *= 0.1
    gradients = rng.normal(size=(3, 3, 7)) * 0.1

    def run(where):
        with tf.device(where):
            variables = {n: tf.Variable(tf.cast(x, dtype)) for n, x in values.items()}
            for g in gradients:
                arguments = {n: v.handle for n, v in variables.items()} | {n: tf.constant(x, dtype) for n, x in scalars.items()}
                getattr(raw, name)(**arguments, **{gradient: tf.cast(g, dtype)}, **attributes)
            return {n: v.numpy().astype(np.float64) for n, v in variables.items()}

    expected = run("/CPU:0")
    for n, x in run(device).items():
        np.testing.assert_allclose(
            x, expected[n], rtol={"float32": 1e-5, "float64": 1e-12, "float16": 1e-2}[dtype], atol=2e-3 if dtype == "float16" else 1e-7, err_msg=n
        )


@pytest.mark.parametrize(
    "call,message",
    [
        (lambda: tf.ones([2, 3]) + tf.ones([4]), r"Incompatible shapes: \[2,3\] vs. \[4\]"),
        (lambda: raw.MatMul(a=tf.ones([2, 3]), b=tf.ones([4, 5])), r"Matrix size-incompatible: In\[0\]: \[2,3\], In\[1\]: \[4,5\]"),
        (
            lambda: raw.BatchMatMulV2(x=tf.ones([2, 2, 3]), y=tf.ones([3, 3, 4])),
            r"In\[0\] and In\[1\] must have compatible batch dimensions: \[2,2,3\] vs. \[3,3,4\]",
        ),
        (lambda: raw.Sum(input=tf.ones([2]), axis=[3]), r"Invalid reduction dimension \(3 for input with 1 dimension"),
        (lambda: raw.Sum(input=tf.ones([2, 3]), axis=[1, -1]), r"Axes contains duplicate dimension: 1"),
        (lambda: raw.ReluGrad(gradients=tf.ones([2]), features=tf.ones([3])), r"must have the same size and shape"),
        (
            lambda: raw.BiasAdd(value=tf.ones([2, 4]), bias=tf.ones([3])),
            r"Must provide as many biases as the last dimension of the input tensor: \[3\] vs. \[2,4\]",
        ),
        (lambda: raw.SelectV2(condition=[True, False], t=tf.ones([3]), e=1.0), r"must be broadcastable"),
        (lambda: tf.Variable([1.0, 2.0]).assign_add(tf.ones([2])[None][0, :1]), r"."),
        (
            lambda: raw.AssignAddVariableOp(resource=tf.Variable([1.0, 2.0]).handle, value=tf.ones([3])),
            r"Cannot update variable with shape \[2\] using a Tensor with shape \[3\]",
        ),
        (
            lambda: raw.ResourceApplyGradientDescent(var=tf.Variable([1.0, 2.0]).handle, alpha=1.0, delta=tf.ones([3])),
            r"var and delta do not have the same shape",
        ),
        (lambda: raw.ResourceApplyGradientDescent(var=tf.Variable([1.0]).handle, alpha=[1.0], delta=tf.ones([1])), r"alpha is not a scalar: \[1\]"),
        (lambda: raw.Softmax(logits=1.0), r"logits must have >= 1 dimension"),
    ],
    ids=range(13),
)
def test_errors(call, message, not_on_reference):
    not_on_reference("it has no hot ops, and tf2xla words its errors otherwise")
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError), match=message):
        call()
    np.testing.assert_array_equal(tf.ones([3]) + 1.0, [2, 2, 2])


def test_an_uninitialized_variable_is_an_error():
    handle = raw.VarHandleOp(dtype=tf.float32, shape=[2], shared_name="never initialized")
    with pytest.raises((tf.errors.FailedPreconditionError, tf.errors.NotFoundError)):
        raw.ResourceApplyGradientDescent(var=handle, alpha=1.0, delta=[1.0, 2.0])


def test_runs_and_launches_are_counted(statistics):
    x = _numbers(3, 4)
    tf.tanh(x)
    before = statistics()
    for _ in range(10):
        tf.tanh(x)
    after = statistics()
    assert after["runs"] == before["runs"] + 10 and after["launches"] == before["launches"] + 10 and after["cache_hits"] == before["cache_hits"] + 10
