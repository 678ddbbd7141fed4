"""Ops on resource variables: what they give and what they leave in the variables, on the device and on the CPU."""

import numpy as np
import pytest
import tensorflow as tf

R = tf.raw_ops
FLOATS = ("float32", "float64", "float16", "bfloat16")
TOLERANCE = {"float64": 1e-11, "float32": 1e-5, "float16": 1e-2, "bfloat16": 6e-2, "complex64": 1e-5, "complex128": 1e-11}

# The variables and the scalars of each op that updates rows; beside them it has a gradient and indices.
SPARSE = {
    "Adadelta": ("var accum accum_update", {"lr": 0.1, "rho": 0.9, "epsilon": 1e-3}, {}),
    "Adagrad": ("var accum", {"lr": 0.1}, {}),
    "Adagrad without slots": ("var accum", {"lr": 0.1}, {"update_slots": False}),
    "AdagradV2": ("var accum", {"lr": 0.1, "epsilon": 1e-3}, {}),
    "AdagradDA": ("var gradient_accumulator gradient_squared_accumulator", {"lr": 0.1, "l1": 0.05, "l2": 0.2, "global_step": 7}, {}),
    "AdagradDA without l1": ("var gradient_accumulator gradient_squared_accumulator", {"lr": 0.1, "l1": 0.0, "l2": 0.2, "global_step": 7}, {}),
    "CenteredRMSProp": ("var mg ms mom", {"lr": 0.01, "rho": 0.9, "momentum": 0.5, "epsilon": 1.0}, {}),
    "Ftrl": ("var accum linear", {"lr": 0.1, "l1": 0.3, "l2": 0.2, "lr_power": -0.5}, {}),
    "Ftrl, other power": ("var accum linear", {"lr": 0.1, "l1": 0.3, "l2": 0.2, "lr_power": -0.7}, {}),
    "Ftrl, linear times lr": ("var accum linear", {"lr": 0.1, "l1": 0.3, "l2": 0.2, "lr_power": -0.5}, {"multiply_linear_by_lr": True}),
    "FtrlV2": ("var accum linear", {"lr": 0.1, "l1": 0.3, "l2": 0.2, "l2_shrinkage": 0.1, "lr_power": -0.5}, {}),
    "FtrlV2, linear times lr": ("var accum linear", {"lr": 0.1, "l1": 0.3, "l2": 0.2, "l2_shrinkage": 0.1, "lr_power": -0.6}, {"multiply_linear_by_lr": True}),
    "KerasMomentum": ("var accum", {"lr": 0.1, "momentum": 0.9}, {}),
    "KerasMomentum, Nesterov": ("var accum", {"lr": 0.1, "momentum": 0.9}, {"use_nesterov": True}),
    "Momentum": ("var accum", {"lr": 0.1, "momentum": 0.9}, {}),
    "Momentum, Nesterov": ("var accum", {"lr": 0.1, "momentum": 0.9}, {"use_nesterov": True}),
    "ProximalAdagrad": ("var accum", {"lr": 0.1, "l1": 0.3, "l2": 0.2}, {}),
    "ProximalAdagrad without l1": ("var accum", {"lr": 0.1, "l1": 0.0, "l2": 0.2}, {}),
    "ProximalGradientDescent": ("var", {"alpha": 0.1, "l1": 0.3, "l2": 0.2}, {}),
    "RMSProp": ("var ms mom", {"lr": 0.01, "rho": 0.9, "momentum": 0.5, "epsilon": 1e-3}, {}),
}
INDICES = {"none repeated": [4, 0, 2], "repeated": [3, 1, 3, 3, 0, 1], "one": [2], "none": []}


def run_sparse(name, where, dtype, rows, index_type="int32", shape=(5, 3), seed=3, **changes):
    """The variables after one update."""
    variables, scalars, attributes = SPARSE[name]
    rng = np.random.default_rng(seed)
    with tf.device(where):
        values = {v: tf.Variable(tf.cast(rng.uniform(0.5, 1.5, size=shape), dtype)) for v in variables.split()}
        gradient = tf.cast(rng.normal(size=(len(rows), *shape[1:])), dtype)
        indices = tf.constant(rows, index_type)
        arguments = {k: v.handle for k, v in values.items()} | {k: tf.constant(v, dtype if k != "global_step" else "int64") for k, v in scalars.items()}
        arguments |= {"grad": gradient, "indices": indices} | attributes | changes
        getattr(R, "ResourceSparseApply" + name.split(" ")[0].rstrip(","))(**arguments)
    return [np.asarray(tf.cast(v, "complex128" if v.dtype.is_complex else "float64")) for v in values.values()]


@pytest.mark.parametrize("indices", INDICES)
@pytest.mark.parametrize("name", SPARSE)
def test_rows_are_updated_as_on_the_cpu(name, indices, device, no_soft_placement):
    for actual, expected in zip(run_sparse(name, device, "float32", INDICES[indices]), run_sparse(name, "/CPU:0", "float32", INDICES[indices])):
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("dtype", (*FLOATS, "complex64", "complex128"))
@pytest.mark.parametrize("name", ["Adagrad", "Momentum", "KerasMomentum", "Adadelta", "AdagradV2"])
def test_rows_of_every_type(name, dtype, device, no_soft_placement):
    for actual, expected in zip(run_sparse(name, device, dtype, [3, 1, 3], "int64"), run_sparse(name, "/CPU:0", dtype, [3, 1, 3], "int64")):
        np.testing.assert_allclose(actual, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("shape", [(7,), (4, 2, 3), (1, 5), (6, 0)])
def test_rows_of_other_shapes(shape, device, no_soft_placement):
    indices = [0, 0] if shape[0] == 1 else [3, 0, 3]
    for actual, expected in zip(
        run_sparse("Momentum", device, "float32", indices, shape=shape), run_sparse("Momentum", "/CPU:0", "float32", indices, shape=shape)
    ):
        np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)


def test_many_rows_named_many_times(device, no_soft_placement):
    indices = np.random.default_rng(1).integers(0, 40, size=300).tolist()
    for name in ("Adagrad", "Momentum"):
        for actual, expected in zip(run_sparse(name, device, "float32", indices, shape=(50, 9)), run_sparse(name, "/CPU:0", "float32", indices, shape=(50, 9))):
            np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_rows_outside_of_the_table_are_left_alone(device, no_soft_placement):
    expected = run_sparse("Momentum", "/CPU:0", "float32", [], shape=(5, 3))
    for actual, untouched in zip(run_sparse("Momentum", device, "float32", [-1, 5, 5, -7], shape=(5, 3)), expected):
        np.testing.assert_array_equal(actual, untouched)


@pytest.mark.parametrize("changes", [{"indices": [[1], [2]]}, {"lr": [0.1]}, {"grad": [[1.0, 2.0]]}, {"grad": [[1.0] * 3] * 4}, {"grad": 1.0}], ids=range(5))
def test_wrong_shapes_of_row_updates_are_refused(changes, device, no_soft_placement):
    if changes.get("grad") != 1.0:  # TensorFlow's CPU kernel ends the process there
        with pytest.raises(tf.errors.InvalidArgumentError):
            run_sparse("Momentum", "/CPU:0", "float32", [1, 2], **changes)
    with pytest.raises(tf.errors.InvalidArgumentError):
        run_sparse("Momentum", device, "float32", [1, 2], **changes)


def test_row_updates_inside_functions(device, no_soft_placement):
    results = []
    for compiled in (False, True):
        with tf.device(device):
            var, accum = tf.Variable(tf.ones([5, 3])), tf.Variable(tf.ones([5, 3]))

            @tf.function(jit_compile=compiled)
            def step(grad, indices, var=var, accum=accum):
                R.ResourceSparseApplyMomentum(var=var.handle, accum=accum.handle, lr=0.1, grad=grad, indices=indices, momentum=0.9)

            for _ in range(3):
                step(tf.ones([3, 3]), tf.constant([1, 4, 1]))
        results.append(np.stack([var, accum]))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
    assert results[0][0][0, 0] == 1 and results[0][0][1, 0] < results[0][0][4, 0] < 1


@pytest.mark.parametrize("dtype", FLOATS)
def test_adam_with_amsgrad(dtype, device, no_soft_placement, rng):
    numbers = [rng.uniform(0.1, 1, size=(3, 5)) for _ in range(4)]
    gradients = [rng.normal(size=(3, 5)) * scale for scale in (1.0, 3.0, 0.1)]
    results = []
    for where in (device, "/CPU:0"):
        with tf.device(where):
            variables = [tf.Variable(tf.cast(n, dtype)) for n in numbers]
            scalars = {
                k: tf.constant(v, dtype) for k, v in {"beta1_power": 0.9, "beta2_power": 0.99, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3}.items()
            }
            for gradient in gradients:
                handles = dict(zip(("var", "m", "v", "vhat"), (v.handle for v in variables)))
                R.ResourceApplyAdamWithAmsgrad(**handles, **scalars, grad=tf.cast(gradient, dtype))
        results.append([np.asarray(tf.cast(v, "float64")) for v in variables])
    for actual, expected in zip(*results):
        np.testing.assert_allclose(actual, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_adam_with_amsgrad_wants_one_shape(device, no_soft_placement):
    with tf.device(device):
        variables = [tf.Variable(tf.zeros([n])) for n in (3, 3, 4, 3)]
        scalars = {"beta1_power": 0.9, "beta2_power": 0.99, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3}
        with pytest.raises(tf.errors.InvalidArgumentError):
            handles = dict(zip(("var", "m", "v", "vhat"), (v.handle for v in variables)))
            R.ResourceApplyAdamWithAmsgrad(**handles, **scalars, grad=tf.zeros([3]))


@pytest.mark.parametrize("dtype", (*FLOATS, "int64", "complex64", "bool"))
@pytest.mark.parametrize("indices", [[[0, 1], [2, 0]], [[1], [1], [3]], [[[0, 2]], [[3, 1]]], np.zeros([3, 0], int), np.zeros([0, 2], int)], ids=range(5))
def test_gather_nd_of_a_variable(indices, dtype, device, no_soft_placement, rng):
    values, results = rng.integers(0, 2 if dtype == "bool" else 50, size=(4, 3)), []
    for where in (device, "/CPU:0"):
        with tf.device(where):
            v = tf.Variable(tf.cast(values, dtype))
            results.append(v.gather_nd(tf.constant(indices, "int32" if dtype == "float32" else "int64")))
    assert results[0].device.endswith("GPU:0") or "CPU" not in results[0].device
    np.testing.assert_array_equal(*results)


def test_gradient_of_gather_nd_of_a_variable(device, no_soft_placement):
    results = []
    for where in (device, "/CPU:0"):
        with tf.device(where):
            v = tf.Variable(tf.reshape(tf.range(12.0), [4, 3]))
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(v.gather_nd([[1, 2], [1, 2], [0, 0]]) ** 2)
            results.append(tf.convert_to_tensor(tape.gradient(loss, v)))
    np.testing.assert_allclose(*results)


@pytest.mark.parametrize("op", ["Update", "Add", "Sub", "Max", "Min"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8"])
@pytest.mark.parametrize("indices,updates", [([[0], [2], [0]], (3, 3)), ([[1, 2], [3, 0]], (2,)), (np.zeros([0, 1], int), (0, 3))], ids=range(3))
def test_scatter_nd_into_a_variable(op, dtype, indices, updates, device, no_soft_placement, rng):
    values, results = rng.integers(10, 50, size=(4, 3)), []
    new = rng.integers(0, 9, size=updates) * (7 if op == "Max" else 1)
    for where in (device, "/CPU:0"):
        with tf.device(where):
            v = tf.Variable(tf.cast(values, dtype))
            getattr(R, "ResourceScatterNd" + op)(ref=v.handle, indices=tf.constant(indices, "int32"), updates=tf.cast(new, dtype))
            results.append(v.numpy())
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("op", ["Update", "Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize("scalar", [False, True])
def test_scatter_into_a_variable(op, scalar, device, no_soft_placement, rng):
    values, new, results = rng.uniform(1, 2, size=(4, 3)), rng.uniform(1, 2, size=() if scalar else (3, 3)), []
    for where in (device, "/CPU:0"):
        with tf.device(where):
            v = tf.Variable(tf.cast(values, "float32"))
            getattr(R, "ResourceScatter" + op)(resource=v.handle, indices=tf.constant([2, 0, 2]), updates=tf.cast(new, "float32"))
            results.append(v.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)


@pytest.mark.parametrize("op", ["Max", "Min"])
def test_wrong_shapes_of_scatter_nd_are_refused(op, device, no_soft_placement):
    with tf.device(device):
        v = tf.Variable(tf.zeros([4, 3]))
        for indices, updates in (([[0], [1]], [[1.0, 2.0]]), ([[0, 1, 2]], [1.0]), ([[0]], [1.0])):
            with pytest.raises(tf.errors.InvalidArgumentError):
                getattr(R, "ResourceScatterNd" + op)(ref=v.handle, indices=indices, updates=updates)


def test_variables_are_made_asked_and_destroyed(device, no_soft_placement):
    with tf.device(device):
        handle = R.VarHandleOp(dtype="float32", shape=[2, 3], shared_name="asked")
        assert not R.VarIsInitializedOp(resource=handle)
        with pytest.raises(tf.errors.FailedPreconditionError):
            R.ResourceGatherNd(resource=handle, indices=[[0]], dtype="float32")
        R.AssignVariableOp(resource=handle, value=tf.ones([2, 3]))
        assert R.VarIsInitializedOp(resource=handle)
        np.testing.assert_array_equal(R.VariableShape(input=handle, out_type=tf.int64), [2, 3])
        R.DestroyResourceOp(resource=handle)
        assert not R.VarIsInitializedOp(resource=handle)
        with pytest.raises(tf.errors.NotFoundError):
            R.DestroyResourceOp(resource=handle, ignore_lookup_error=False)


@pytest.mark.parametrize("dtype", (*FLOATS, "int64", "int8", "complex64"))
def test_a_variable_is_put_together_from_blocks(dtype, device, no_soft_placement):
    blocks = [np.full([2, 2], i) for i in range(1, 5)]
    with tf.device(device):
        variable = tf.Variable(tf.zeros([3, 4], dtype))
        R.AssignVariableXlaConcatND(resource=variable.handle, inputs=[tf.cast(b, dtype) for b in blocks], num_concats=[2, 2], paddings=[1, 0])
    np.testing.assert_array_equal(variable.numpy(), np.block([blocks[:2], blocks[2:]])[:3].astype(tf.as_dtype(dtype).as_numpy_dtype))
