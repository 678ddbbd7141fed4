"""More of op_cases.py: control flow in functions, lists of tensors and variables, with gradients through them."""

import tensorflow as tf
from op_cases import FLOATS, OpCase, index, positive, real, unit

R = tf.raw_ops


def _in_function(function):
    """The function as TensorFlow's graphs have it; eager calls have no control flow of their own."""
    return lambda *tensors: tf.function(function)(*tensors)


def _with_variable(function):
    """With a variable that a branch reads: stateful control flow."""

    def call(*tensors):
        variable = tf.Variable(tf.cast(1.5, tensors[0].dtype))
        return tf.function(lambda *t: function(variable, *t))(*tensors)

    return call


def _branches():
    yield OpCase("cond", _in_function(lambda x: [tf.cond(c < tf.reduce_sum(x), lambda: x * x, lambda: tf.sin(x)) for c in (0.0, 100.0)]), (positive(3, 4),))
    yield OpCase("cond that reads a variable", _with_variable(lambda v, x: tf.cond(tf.reduce_sum(x) > 0, lambda: x * v, lambda: -x)), (positive(3, 4),))
    branches = lambda x, v: [lambda: x * v, lambda: tf.sin(x), lambda: tf.reduce_sum(x) * v + x]  # noqa: E731
    yield OpCase("switch_case", _in_function(lambda x, i: tf.switch_case(i[0], branches(x, 2.0))), (real(3, 4), index(1, high=3)))
    yield OpCase("switch_case that reads a variable", _with_variable(lambda v, x, i: tf.switch_case(i[0], branches(x, v))), (real(3, 4), index(1, high=3)))


def _loops():
    def power(x):
        return tf.while_loop(lambda i, y: i < 4, lambda i, y: (i + 1, tf.sin(y) * x), (0, x))[1]

    yield OpCase("while_loop", _in_function(power), (unit(3, 4),))
    yield OpCase(
        "while_loop that reads a variable",
        _with_variable(lambda v, x: tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x * v), (0, x))[1]),
        (unit(3, 4),),
    )

    def scan(x):
        return tf.scan(lambda a, b: tf.tanh(a + b), x)

    yield OpCase("scan", _in_function(scan), (real(5, 3),))
    yield OpCase("map_fn", _in_function(lambda x: tf.map_fn(lambda row: row * tf.reduce_sum(row), x)), (real(5, 3),))


def _arrays():
    def stored(x, back):
        array = tf.TensorArray(x.dtype, 5, element_shape=[3])
        for i in range(5):
            array = array.write(i, x[i] * (i + 1.0))
        return back(array)

    def split_and_concat(x):
        array = tf.TensorArray(x.dtype, 2, infer_shape=False).split(x, [2, 3])
        return array.concat() * x

    yield OpCase("TensorArray stack", _in_function(lambda x: stored(x, lambda a: a.stack())), (real(5, 3),))
    yield OpCase("TensorArray gather", _in_function(lambda x: stored(x, lambda a: a.gather([3, 0]))), (real(5, 3),))
    yield OpCase("TensorArray read", _in_function(lambda x: stored(x, lambda a: a.read(2) + a.read(4))), (real(5, 3),))
    yield OpCase("TensorArray scatter", _in_function(lambda x: tf.TensorArray(x.dtype, 5).scatter([4, 1, 2, 0, 3], x).stack() * x), (real(5, 3),))
    yield OpCase("TensorArray unstack", _in_function(lambda x: tf.TensorArray(x.dtype, 5).unstack(x).read(3)), (real(5, 3),))
    yield OpCase("TensorArray split concat", _in_function(split_and_concat), (real(5, 3),))


def _lists():
    def of(x):
        return R.TensorListFromTensor(tensor=x, element_shape=[3])

    def stack(x, handle):
        return R.TensorListStack(input_handle=handle, element_shape=[3], element_dtype=x.dtype)

    calls = {
        "TensorListPushBack": lambda x: stack(x, R.TensorListPushBack(input_handle=of(x), tensor=2 * x[1])),
        "TensorListPopBack": lambda x: list(R.TensorListPopBack(input_handle=of(x), element_shape=[3], element_dtype=x.dtype))[1] * x[0],
        "TensorListSetItem": lambda x: stack(x, R.TensorListSetItem(input_handle=of(x), index=2, item=3 * x[0])),
        "TensorListGetItem": lambda x: R.TensorListGetItem(input_handle=of(x), index=1, element_shape=[3], element_dtype=x.dtype),
        "TensorListResize": lambda x: R.TensorListGather(input_handle=R.TensorListResize(input_handle=of(x), size=3), indices=[0, 2], element_shape=[3],
                                                         element_dtype=x.dtype),
        "TensorListGather": lambda x: R.TensorListGather(input_handle=of(x), indices=[3, 0], element_shape=[3], element_dtype=x.dtype),
        "TensorListScatter": lambda x: stack(x, R.TensorListScatter(tensor=x, indices=[4, 1, 2, 0, 3], element_shape=[3])),
        "TensorListScatterV2": lambda x: stack(x, R.TensorListScatterV2(tensor=x, indices=[4, 1, 2, 0, 3], element_shape=[3], num_elements=-1)),
        "TensorListScatterIntoExistingList": lambda x: stack(x, R.TensorListScatterIntoExistingList(input_handle=of(x), tensor=2 * x[:2], indices=[4, 1])),
        "TensorListSplit": lambda x: R.TensorListConcatV2(input_handle=R.TensorListSplit(tensor=x, element_shape=[-1, 3], lengths=[2, 3]), element_shape=[-1, 3],
                                                          leading_dims=tf.zeros([0], tf.int64), element_dtype=x.dtype).tensor * x,
        "TensorListConcat": lambda x: R.TensorListConcat(input_handle=R.TensorListSplit(tensor=x, element_shape=[-1, 3], lengths=[1, 4]),
                                                         element_dtype=x.dtype, element_shape=[None, 3]).tensor * x,
    }  # fmt: skip
    for name, call in calls.items():
        yield OpCase(f"{name}'s gradient", call, (real(5, 3),), FLOATS)


def _variables():
    """The gradient of what is read goes to what was assigned: rows that a variable is asked for."""

    def read(x, i, rows):
        variable = tf.Variable(x)
        with tf.GradientTape() as tape:
            y = rows(variable, i) ** 2
        return [y, tf.convert_to_tensor(tape.gradient(y, variable))]

    gather = lambda v, i: tf.gather(v, i)  # noqa: E731
    gather_nd = lambda v, i: tf.gather_nd(v, i[:, None])  # noqa: E731
    for name, rows in (("ResourceGather", gather), ("ResourceGatherNd", gather_nd)):
        yield OpCase(f"{name}'s gradient", lambda x, i, rows=rows: read(x, i, rows), (real(5, 3), index(4, high=5)), FLOATS, gradient=False)


CONTROL_FLOW_CASES = [*_branches(), *_loops(), *_arrays(), *_lists(), *_variables()]
