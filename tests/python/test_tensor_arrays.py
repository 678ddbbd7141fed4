"""TensorFlow 1's arrays of tensors: every version of their ops, for every type of element, in graphs that run on the device and on the CPU."""

import numpy as np
import pytest
import tensorflow as tf
from graph_attributes import set_attributes

VERSIONS = ("", "V2", "V3")
TYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "bool", "complex64", "uint8", "int8")
OLD_PRODUCER = 2  # a version of graphs that still has the first ops


class Graph:
    """Nodes by name; all on one device but for those in host memory anyway."""

    def __init__(self, where, version):
        self.where, self.version, self.graph_def = where, version, tf.compat.v1.GraphDef()
        self.graph_def.versions.producer = OLD_PRODUCER
        self.flow = self.constant(np.float32(0))

    def add(self, op, *inputs, **attributes):
        name = f"node{len(self.graph_def.node)}"
        set_attributes(self.graph_def.node.add(name=name, op=op, input=inputs, device=self.where), attributes)
        return name

    def constant(self, value):
        return self.add("Const", dtype=tf.as_dtype(np.asarray(value).dtype), value=value)

    def hidden(self, value):
        """A constant of whose shape only the kernels know."""
        self.where, where = "/device:CPU:0", self.where
        name = self.add("PlaceholderWithDefault", self.constant(value), dtype=tf.as_dtype(np.asarray(value).dtype), shape=tf.TensorShape(None))
        self.where = where
        return name

    def array(self, size, dtype, **attributes):
        self.dtype = tf.as_dtype(dtype)
        name = self.add("TensorArray" + self.version, self.constant(np.int32(size)), dtype=self.dtype, **attributes)
        if self.version == "V3":
            self.flow = name + ":1"
        return name

    def do(self, op, handle, *inputs, type_name="T", **attributes):
        """An op that gives a flow, on which the next one waits."""
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.flow = self.add("TensorArray" + op, handle, *inputs, self.flow, **{type_name: self.dtype}, **attributes)

    def get(self, op, handle, *inputs, **attributes):
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        return self.add("TensorArray" + op, handle, *inputs, self.flow, dtype=self.dtype, **attributes)

    def run(self, outputs):
        with tf.Graph().as_default():
            tf.import_graph_def(self.graph_def, name="")
            config = tf.compat.v1.ConfigProto(allow_soft_placement=False)
            config.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
            with tf.compat.v1.Session(config=config) as session:
                return session.run([o if ":" in o else o + ":0" for o in outputs])


def numbers(dtype, *shape):
    return (np.arange(np.prod(shape)).reshape(shape) % 7).astype(tf.as_dtype(dtype).as_numpy_dtype)


def written(g, dtype, v, **attributes):
    handle = g.array(3, dtype, clear_after_read=False, **attributes)
    for i in (2, 0, 1):
        g.do("Write" + v, handle, np.int32(i), numbers(dtype, 4, 2)[i])
    return handle


def write_and_read(g, dtype, v):
    handle = written(g, dtype, v)
    return [*(g.get("Read" + v, handle, np.int32(i)) for i in range(3)), g.add("TensorArraySize" + v, handle, g.flow)]


def gather(g, dtype, v):
    handle = written(g, dtype, v)
    return [g.get("Gather" + v, handle, np.array(i, np.int32)) for i in ([2, 0], [1], [0, 1, 2])]


def gather_nothing(g, dtype, v):
    handle, shape = g.array(0, dtype), tf.TensorShape([2, 3])
    return [g.get("Gather" + v, handle, np.zeros([0], np.int32), element_shape=shape), *concatenated(g, handle, v, element_shape_except0=tf.TensorShape([5]))]


def concatenated(g, handle, v, **attributes):
    node = g.get("Concat" + v, handle, **attributes)
    return [node, node + ":1"]


def scatter(g, dtype, v):
    handle = g.array(2, dtype, dynamic_size=True)
    g.do("Scatter" + v, handle, np.array([3, 0, 1, 2], np.int32), numbers(dtype, 4, 2, 3))
    return [g.get("Gather" + v, handle, np.array([0, 1, 2, 3], np.int32)), g.add("TensorArraySize" + v, handle, g.flow)]


def split_and_concat(g, dtype, v):
    handle = g.array(3, dtype)
    g.do("Split" + v, handle, numbers(dtype, 5, 3), np.array([2, 0, 3], np.int64))
    return concatenated(g, handle, v)


def unset(g, dtype, v):
    handle = g.array(2, dtype, clear_after_read=False, element_shape=tf.TensorShape([3]))
    g.do("Write" + v, handle, np.int32(0), numbers(dtype, 3))
    return [g.get("Read" + v, handle, np.int32(i)) for i in range(2)]


def gradient(g, dtype, v):
    """Two sums at one index, one value at another, and zeros where nothing is written."""
    handle = written(g, dtype, v)
    made = g.add("TensorArrayGrad" + v, handle, g.flow, source="gradients")
    if v == "V3":
        g.flow = made + ":1"
    for i, row in ((0, 0), (2, 1), (0, 2), (0, 3)):
        g.do("Write" + v, made, np.int32(i), numbers(dtype, 4, 2)[row])
    return [g.get("Read" + v, made, np.int32(i)) for i in range(3)]


SCENES = (write_and_read, gather, gather_nothing, scatter, split_and_concat, unset, gradient)


def agree(scene, dtype, version, device):
    results = []
    for where in (device, "/device:CPU:0"):
        graph = Graph(where, version)
        results.append(graph.run(scene(graph, dtype, version)))
    for actual, expected in zip(*results):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)


# TensorFlow has no sum of bool.
@pytest.mark.parametrize(
    ("scene", "dtype"), [(s, t) for s in SCENES for t in TYPES if s is not gradient or t != "bool"], ids=lambda p: getattr(p, "__name__", p)
)
def test_third_version(scene, dtype, device):
    agree(scene, dtype, "V3", device)


@pytest.mark.parametrize("version", VERSIONS[:2])
@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.__name__)
def test_older_versions(scene, version, device):
    for dtype in ("float32", "int32"):
        agree(scene, dtype, version, device)


def pack_and_unpack(g, dtype, v):
    handle = g.array(2, dtype, dynamic_size=True)
    g.do("Unpack", handle, numbers(dtype, 4, 3))
    return [g.get("Pack", handle)]


def test_pack_and_unpack(device):
    for dtype in ("float32", "int32"):
        agree(pack_and_unpack, dtype, "", device)


def _writes(*values, size=2, **attributes):
    def scene(g, v):
        handle = g.array(size, "float32", **attributes)
        for i, value in values:
            g.do("Write" + v, handle, np.int32(i), g.hidden(np.asarray(value, np.float32)))
        return handle

    return scene


def _after(scene, *operations):
    def run(g, v):
        handle = scene(g, v)
        return [g.flow if end is None else end for end in (operation(g, v, handle) for operation in operations)]

    return run


ERRORS = {
    "written beyond": _after(_writes((2, [1.0])), lambda g, v, h: None),
    "written twice": _after(_writes((0, [1.0]), (0, [1.0])), lambda g, v, h: None),
    "of another shape": _after(_writes((0, [1.0, 2.0]), element_shape=tf.TensorShape([1])), lambda g, v, h: None),
    "read beyond": _after(_writes((0, [1.0])), lambda g, v, h: g.get("Read" + v, h, np.int32(5))),
    "read unset": _after(_writes((0, [1.0])), lambda g, v, h: g.get("Read" + v, h, np.int32(1))),
    "of negative size": _after(_writes(size=-1), lambda g, v, h: g.add("TensorArraySize" + v, h, g.flow)),
    "gathered by a matrix": _after(_writes((0, [1.0])), lambda g, v, h: g.get("Gather" + v, h, g.hidden(np.zeros([1, 1], np.int32)))),
    "gathered from different shapes": _after(_writes((0, [1.0]), (1, [1.0, 2.0])), lambda g, v, h: g.get("Gather" + v, h, np.array([0, 1], np.int32))),
    "gathered in another shape": _after(
        _writes((0, [1.0])), lambda g, v, h: g.get("Gather" + v, h, np.array([0], np.int32), element_shape=tf.TensorShape([3]))
    ),
    "gathered without a shape": _after(_writes(size=0), lambda g, v, h: g.get("Gather" + v, h, np.zeros([0], np.int32))),
    "joined of scalars": _after(_writes((0, 1.0), (1, 2.0)), lambda g, v, h: g.get("Concat" + v, h)),
    "joined of other rows": _after(_writes((0, [[1.0]]), (1, [[1.0, 2.0]])), lambda g, v, h: g.get("Concat" + v, h)),
    "joined in another shape": _after(_writes((0, [[1.0]]), (1, [[1.0]])), lambda g, v, h: g.get("Concat" + v, h, element_shape_except0=tf.TensorShape([2]))),
    "filled by too few indices": _after(_writes(), lambda g, v, h: g.do("Scatter" + v, h, g.hidden(np.zeros([1], np.int32)), np.ones([2, 3], np.float32))),
    "filled from a scalar": _after(_writes(), lambda g, v, h: g.do("Scatter" + v, h, np.zeros([1], np.int32), g.hidden(np.float32(1)))),
    "split into too much": _after(_writes(), lambda g, v, h: g.do("Split" + v, h, np.ones([2, 3], np.float32), np.array([1, 0], np.int64))),
    "split into too many": _after(_writes(), lambda g, v, h: g.do("Split" + v, h, np.ones([2, 3], np.float32), np.array([1, 1, 0], np.int64))),
    "of another type": _after(_writes((0, [1.0])), lambda g, v, h: g.add("TensorArrayRead" + v, h, g.constant(np.int32(0)), g.flow, dtype=tf.float64)),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_tensorflows(name, device):
    words = []
    for where in (device, "/device:CPU:0"):
        graph = Graph(where, "V3")
        with pytest.raises(tf.errors.OpError) as raised:
            graph.run(ERRORS[name](graph, "V3"))
        text = raised.value.message.split("\n")[0].split("}} ")[-1]
        words.append((type(raised.value), "".join("#" if c.isdigit() else c for c in text)))  # arrays are numbered
    assert words[0] == words[1]


def test_split_by_negative_lengths(device):
    """TensorFlow's kernels read beyond the tensor; these refuse."""
    graph = Graph(device, "V3")
    handle = graph.array(2, "float32")
    graph.do("SplitV3", handle, np.ones([2, 3], np.float32), np.array([-1, 3], np.int64))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected lengths that are not negative"):
        graph.run([graph.flow])


def _loop(where):
    """An old loop that reads one array and writes another, with its gradient."""
    with tf.Graph().as_default(), tf.device(where):
        x = tf.constant(np.linspace(-1, 1, 20).reshape(5, 4), tf.float32)
        inputs = tf.TensorArray(tf.float32, 5).unstack(x)
        outputs = tf.TensorArray(tf.float32, 5, clear_after_read=False)

        def step(i, state, outputs):
            state = tf.tanh(state * 0.5 + inputs.read(i))
            return i + 1, state, outputs.write(i, state)

        _, state, outputs = tf.compat.v1.while_loop(lambda i, *_: i < 5, step, (tf.constant(0), tf.zeros([4]), outputs))
        result = outputs.stack()
        gradient = tf.compat.v1.gradients(tf.reduce_sum(result * result) + tf.reduce_sum(outputs.concat()) * 0.0, x)[0]
        ops = {op.type for op in tf.compat.v1.get_default_graph().get_operations()}
        assert {"TensorArrayV3", "TensorArrayGradV3", "TensorArrayScatterV3", "TensorArrayGatherV3", "TensorArrayReadV3", "TensorArrayWriteV3"} <= ops
        with tf.compat.v1.Session() as session:
            return session.run([result, state, gradient])


def test_loop_of_tensorflow_1(device):
    tf.compat.v1.disable_control_flow_v2()
    try:
        for actual, expected in zip(_loop(device), _loop("/CPU:0")):
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    finally:
        tf.compat.v1.enable_control_flow_v2()
