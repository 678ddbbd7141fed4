"""Reference variables of TensorFlow 1 (use_resource=False): their ops on the device and on the CPU, and training with them."""

import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.ops import gen_array_ops, gen_state_ops, gen_training_ops
from test_variables import SPARSE, TOLERANCE

v1 = tf.compat.v1
FLOATS = ("float32", "float64", "float16", "bfloat16")


def run(where, build, steps=1):
    """`build` makes a graph on the device `where` and gives what to fetch; the results of the last of the steps."""
    with tf.Graph().as_default():
        with tf.device(where):
            fetches = build()
        config = v1.ConfigProto(allow_soft_placement=False)
        with v1.Session(config=config) as session:
            session.run(v1.global_variables_initializer())
            for _ in range(steps):
                results = session.run(fetches)
    return [np.asarray(r) for r in (results if isinstance(results, (list, tuple)) else [results])]


def variable(value, dtype="float32", name=None):
    return v1.Variable(tf.cast(value, dtype), use_resource=False, name=name)


def compare(device, build, tolerance=1e-6, steps=1):
    actual, expected = run(device, build, steps), run("/CPU:0", build, steps)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected):
        assert a.dtype == e.dtype and a.shape == e.shape
        widest = np.complex128 if np.iscomplexobj(e) else np.float64
        np.testing.assert_allclose(a.astype(widest), e.astype(widest), rtol=tolerance, atol=tolerance)
    return actual


DENSE = {
    "GradientDescent": ("var", {"alpha": 0.1}, {}),
    "Momentum": ("var accum", {"lr": 0.1, "momentum": 0.9}, {}),
    "Momentum, Nesterov": ("var accum", {"lr": 0.1, "momentum": 0.9}, {"use_nesterov": True}),
    "Adam": ("var m v", {"beta1_power": 0.9, "beta2_power": 0.99, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3}, {}),
    "AdaMax": ("var m v", {"beta1_power": 0.9, "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-3}, {}),
    "Adagrad": ("var accum", {"lr": 0.1}, {}),
    "Adagrad without slots": ("var accum", {"lr": 0.1}, {"update_slots": False}),
    "AdagradV2": ("var accum", {"lr": 0.1, "epsilon": 1e-3}, {}),
    "Adadelta": ("var accum accum_update", {"lr": 0.1, "rho": 0.9, "epsilon": 1e-3}, {}),
    "RMSProp": ("var ms mom", {"lr": 0.01, "rho": 0.9, "momentum": 0.5, "epsilon": 1e-3}, {}),
    "CenteredRMSProp": ("var mg ms mom", {"lr": 0.01, "rho": 0.9, "momentum": 0.5, "epsilon": 1.0}, {}),
    "Ftrl": ("var accum linear", {"lr": 0.1, "l1": 0.3, "l2": 0.2, "lr_power": -0.5}, {}),
    "FtrlV2": ("var accum linear", {"lr": 0.1, "l1": 0.3, "l2": 0.2, "l2_shrinkage": 0.1, "lr_power": -0.5}, {}),
    "AddSign": ("var m", {"lr": 0.1, "alpha": 1.0, "sign_decay": 0.9, "beta": 0.8}, {}),
    "PowerSign": ("var m", {"lr": 0.1, "logbase": 1.1, "sign_decay": 0.9, "beta": 0.8}, {}),
    "ProximalAdagrad": ("var accum", {"lr": 0.1, "l1": 0.3, "l2": 0.2}, {}),
    "ProximalGradientDescent": ("var", {"alpha": 0.1, "l1": 0.3, "l2": 0.2}, {}),
    "AdagradDA": ("var gradient_accumulator gradient_squared_accumulator", {"lr": 0.1, "l1": 0.05, "l2": 0.2, "global_step": 7}, {}),
}


def update(op, row, dtype, sparse, use_locking=False):
    """Builds one update; fetches the op's output and then all of its variables."""
    variables, scalars, attributes = row

    def build():
        rng = np.random.default_rng(5)
        values = {v: variable(rng.uniform(0.5, 1.5, size=(5, 3)), dtype) for v in variables.split()}
        arguments = {k: tf.constant(v, dtype if k != "global_step" else "int64") for k, v in scalars.items()} | attributes
        gradient = tf.cast(rng.normal(size=(4, 3) if sparse else (5, 3)), dtype)
        arguments["delta" if "GradientDescent" in op and not sparse else "grad"] = gradient
        if sparse:
            arguments["indices"] = tf.constant([3, 1, 3, 0])
        references = {k: v._ref() for k, v in values.items()}
        name = re.sub("(?<!^)(?=[A-Z])", "_", op.replace("RMSProp", "RmsProp").replace("DA", "Da")).lower()
        function = getattr(gen_training_ops, name)
        result = function(**references, **arguments, use_locking=use_locking)
        with tf.control_dependencies([result]):
            return [tf.identity(v) for v in [result, *(v.read_value() for v in values.values())]]

    return build


@pytest.mark.parametrize("name", DENSE)
def test_optimizers(name, device):
    compare(device, update("Apply" + name.split(" ")[0].rstrip(","), DENSE[name], "float32", sparse=False), 2e-5, steps=3)


def updated(name, where, dtype):
    """The resource variables after one update by the rule of the same name."""
    variables, scalars, attributes = DENSE[name]
    rng = np.random.default_rng(5)
    with tf.device(where):
        values = {v: tf.Variable(tf.cast(rng.uniform(0.5, 1.5, size=(5, 3)), dtype)) for v in variables.split()}
        arguments = {k: tf.constant(v, dtype if k != "global_step" else "int64") for k, v in scalars.items()} | attributes
        arguments["delta" if "GradientDescent" in name else "grad"] = tf.cast(rng.normal(size=(5, 3)), dtype)
        getattr(tf.raw_ops, "ResourceApply" + name.split(" ")[0].rstrip(","))(**{k: v.handle for k, v in values.items()}, **arguments)
    return [tf.cast(v, "float64").numpy() for v in values.values()]


# TensorFlow's CPU does not have all narrow types of these rules.
UPDATES = [(n, t) for n in DENSE for t in FLOATS if "16" not in t or not n.startswith(("Proximal", "AdagradDA", "AdaMax"))]


@pytest.mark.parametrize("name,dtype", UPDATES)
def test_the_same_updates_of_resource_variables(name, dtype, device, no_soft_placement):
    for actual, expected in zip(updated(name, device, dtype), updated(name, "/CPU:0", dtype)):
        np.testing.assert_allclose(actual, expected, rtol=2 * TOLERANCE[dtype], atol=2 * TOLERANCE[dtype])


@pytest.mark.parametrize("name", [n for n in SPARSE if "Keras" not in n])
def test_optimizers_of_rows(name, device):
    compare(device, update("SparseApply" + name.split(" ")[0].rstrip(","), SPARSE[name], "float32", sparse=True), 2e-5, steps=3)


@pytest.mark.parametrize("name,dtype", [*((n, t) for n in ("Adam", "Momentum") for t in FLOATS), ("Momentum", "complex64"), ("Momentum", "complex128")])
def test_optimizers_of_every_type(name, dtype, device):
    compare(device, update("Apply" + name, DENSE[name], dtype, sparse=False, use_locking=True), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", (*FLOATS, "int64", "complex64"))
def test_assignments(dtype, device):
    def build():
        v, w = variable([[1, 2], [3, 4]], dtype), variable([[5, 6], [7, 8]], dtype)
        with tf.control_dependencies([v1.assign(v, w.read_value())]):
            with tf.control_dependencies([v1.assign_add(v, tf.cast([[1, 1], [2, 2]], dtype))]):
                with tf.control_dependencies([v1.assign_sub(w, tf.cast([[2, 0], [0, 2]], dtype))]):
                    return [v.read_value(), w.read_value()]

    actual = compare(device, build, steps=2)
    np.testing.assert_array_equal(actual[0], np.asarray(tf.cast([[4, 7], [9, 8]], dtype)))


def test_a_value_assigned_is_not_changed_with_the_variable(device):
    def build():
        value = tf.ones([3]) * v1.placeholder_with_default(2.0, [])
        v = variable([0.0, 0, 0])
        with tf.control_dependencies([v1.assign(v, value)]):
            before = v.read_value()
            with tf.control_dependencies([before]):
                with tf.control_dependencies([v1.assign_add(v, [1.0, 1, 1])]):
                    return [v.read_value(), tf.identity(value), before + 0.0]

    actual = run(device, build, steps=3)
    np.testing.assert_array_equal(actual[0], [3, 3, 3])
    np.testing.assert_array_equal(actual[1], [2, 2, 2])


def test_assignments_of_other_shapes(device):
    def build():
        v = v1.Variable(tf.zeros([2]), use_resource=False, validate_shape=False)
        with tf.control_dependencies([v1.assign(v, tf.ones([3, 2]), validate_shape=False)]):
            return [v.read_value()]

    compare(device, build)
    for where in (device, "/CPU:0"):
        with tf.Graph().as_default(), v1.Session() as session:
            with tf.device(where):
                v, shape = variable([0.0, 0.0]), v1.placeholder("int32", [1])
                wrong = v1.assign(v, tf.ones(shape))
            session.run(v.initializer)
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"Assign requires shapes of both tensors to match. lhs shape= \[2\] rhs shape= \[3\]"):
                session.run(wrong, {shape: [3]})
            np.testing.assert_array_equal(session.run(v), [0, 0])


@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "min", "max", "update"])
@pytest.mark.parametrize("scalar", [False, True])
def test_scatter(op, scalar, device):
    def build():
        v = variable(np.arange(1.0, 13).reshape(4, 3))
        updates = tf.constant(2.5) if scalar else tf.constant(np.linspace(0.5, 9, 9).reshape(3, 3), "float32")
        result = getattr(gen_state_ops, "scatter_" + op)(v._ref(), [2, 0, 2], updates)
        with tf.control_dependencies([result]):
            return [tf.identity(result), v.read_value()]

    compare(device, build)


@pytest.mark.parametrize("op", ["add", "sub", "update", "max", "min"])
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_scatter_nd(op, dtype, device):
    def build():
        v = variable(np.arange(1, 13).reshape(4, 3), dtype)
        result = getattr(gen_state_ops, "scatter_nd_" + op)(v._ref(), tf.constant([[2, 0], [0, 1], [2, 0]]), tf.cast([5, 6, 5], dtype))
        with tf.control_dependencies([result]):
            return [tf.identity(result), v.read_value()]

    compare(device, build)


def test_strided_slice_assign(device):
    def build():
        v = variable(np.arange(12.0).reshape(4, 3))
        result = gen_array_ops.strided_slice_assign(v._ref(), [1, 0], [3, 2], [1, 1], tf.constant([[7.0, 8], [9, 10]]))
        with tf.control_dependencies([result]):
            return [tf.identity(result), v.read_value()]

    compare(device, build)


def test_temporary_variables(device):
    def build():
        temporary = gen_state_ops.temporary_variable([2], "float32")
        filled = v1.assign_add(v1.assign(temporary, [1.0, 2.0]), [3.0, 4.0])
        return [gen_state_ops.destroy_temporary_variable(filled, temporary.op.name), v1.is_variable_initialized(variable([1.0]))]

    actual = run(device, build)
    np.testing.assert_array_equal(actual[0], [4, 6])


def test_accumulate_n(device):
    compare(device, lambda: [v1.accumulate_n([tf.ones([3]), 2 * tf.ones([3]), 3 * tf.ones([3])])])


@pytest.mark.parametrize("resource", [False, True])
def test_count_up_to(resource, device):
    for where in (device, "/CPU:0"):
        with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(allow_soft_placement=False)) as session:
            with tf.device(where):
                v = v1.Variable(tf.constant(0, "int64"), use_resource=resource)
                count = gen_state_ops.resource_count_up_to(v.handle, 3, tf.int64) if resource else gen_state_ops.count_up_to(v._ref(), 3)
            session.run(v.initializer)
            assert [session.run(count) for _ in range(3)] == [0, 1, 2]
            with pytest.raises(tf.errors.OutOfRangeError, match="Reached limit of 3"):
                session.run(count)
            assert session.run(v) == 3


def test_uninitialized_variables_are_refused(device):
    for where in (device, "/CPU:0"):
        with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(allow_soft_placement=False)) as session:
            with tf.device(where):
                v = variable([1.0, 2.0])
                add = v1.assign_add(v, [1.0, 1.0])
                made = v1.is_variable_initialized(v)
            assert not session.run(made)
            with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized"):
                session.run(add)
            session.run(v.initializer)
            assert session.run(made)
            np.testing.assert_array_equal(session.run(add), [2, 3])


def test_wrong_shapes_are_refused(device):
    for where in (device, "/CPU:0"):
        with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(allow_soft_placement=False)) as session:
            with tf.device(where):
                v, n = variable([1.0, 2.0]), v1.placeholder("int32", [1])
                bad = [gen_training_ops.apply_gradient_descent(v._ref(), 0.1, tf.ones(n)), v1.assign_add(v, tf.ones(n)),
                       gen_state_ops.scatter_nd_add(v._ref(), [[0]], tf.ones(n))]  # fmt: skip
            session.run(v.initializer)
            for op in bad:
                with pytest.raises(tf.errors.InvalidArgumentError):
                    session.run(op, {n: [3]})
            np.testing.assert_array_equal(session.run(v), [1, 2])


OPTIMIZERS = {
    "gradient descent": lambda: v1.train.GradientDescentOptimizer(0.1),
    "momentum": lambda: v1.train.MomentumOptimizer(0.05, 0.9),
    "Adam": lambda: v1.train.AdamOptimizer(0.05),
    "Adagrad": lambda: v1.train.AdagradOptimizer(0.1),
    "RMSProp": lambda: v1.train.RMSPropOptimizer(0.01, momentum=0.5, centered=True),
    "Ftrl": lambda: v1.train.FtrlOptimizer(0.1, l1_regularization_strength=0.01),
    "Adadelta": lambda: v1.train.AdadeltaOptimizer(0.5),
    "proximal": lambda: v1.train.ProximalAdagradOptimizer(0.1, l1_regularization_strength=0.001),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_with_an_embedding(name, device):
    """A table of which a batch names some rows, two of them twice, and a dense layer."""

    def train(where):
        rng = np.random.default_rng(2)
        with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(allow_soft_placement=False)) as session:
            with tf.device(where):
                ids, target = v1.placeholder("int32", [6]), v1.placeholder("float32", [6, 2])
                table = v1.get_variable("table", initializer=tf.constant(rng.normal(size=(10, 4)), "float32"), use_resource=False)
                weights = v1.get_variable("weights", initializer=tf.constant(rng.normal(size=(4, 2)), "float32"), use_resource=False)
                bias = v1.get_variable("bias", initializer=tf.zeros([2]), use_resource=False)
                assert table.op.type == "VariableV2"
                loss = tf.reduce_mean(tf.square(tf.matmul(tf.nn.embedding_lookup(table, ids), weights) + bias - target))
                step = OPTIMIZERS[name]().minimize(loss)
            session.run(v1.global_variables_initializer())
            feeds = [{ids: rng.integers(0, 10, size=6), target: rng.normal(size=(6, 2))} for _ in range(8)]
            losses = [session.run([step, loss], feed)[1] for feed in feeds]
            return losses, session.run([table, weights, bias])

    (losses, values), (expected_losses, expected) = train(device), train("/CPU:0")
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-4)
    for a, e in zip(values, expected):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-4)


def test_saving_and_restoring(device, tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        with tf.device(device):
            v = variable([1.0, 2.0], name="saved")
            twice = v1.assign(v, v.read_value() * 2)
        saver = v1.train.Saver([v])
        session.run(v.initializer)
        session.run(twice)
        path = saver.save(session, str(tmp_path / "model"))
        session.run(twice)
        saver.restore(session, path)
        np.testing.assert_array_equal(session.run(v), [2, 4])
