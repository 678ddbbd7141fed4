"""Lists of tensors and optionals on the device: all their ops, for every type of element, on the device and on the CPU."""

import numpy as np
import pytest
import tensorflow as tf

R = tf.raw_ops
TYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "bool", "complex64", "uint8", "int8")


def numbers(dtype, *shape):
    return tf.cast(np.arange(np.prod(shape)).reshape(shape) % 5, dtype)


def a_list(dtype, count=3):
    made = R.TensorListReserve(element_shape=[2], num_elements=count, element_dtype=dtype)
    for i in range(count - 1):  # the last stays unset
        made = R.TensorListSetItem(input_handle=made, index=i, item=numbers(dtype, 3, 2)[i])
    return made


def stacked(handle, dtype, shape=(2,)):
    return R.TensorListStack(input_handle=handle, element_shape=list(shape), element_dtype=dtype)


def element(dtype):
    return {"element_shape": [2], "element_dtype": dtype}


LIST_OPS = {
    "Stack": lambda t: stacked(a_list(t), t),
    "GetItem": lambda t: [R.TensorListGetItem(input_handle=a_list(t), index=i, **element(t)) for i in (1, 2)],
    "Gather": lambda t: R.TensorListGather(input_handle=a_list(t), indices=[2, 0, 1, 0], **element(t)),
    "ScatterV2": lambda t: stacked(R.TensorListScatterV2(tensor=numbers(t, 2, 2), indices=[2, 0], element_shape=[2], num_elements=4), t),
    "Scatter": lambda t: stacked(R.TensorListScatter(tensor=numbers(t, 2, 2), indices=[1, 0], element_shape=[2]), t),
    "ScatterIntoExistingList": lambda t: stacked(
        R.TensorListScatterIntoExistingList(input_handle=a_list(t), tensor=numbers(t, 2, 2), indices=[2, 0]), t
    ),
    "ConcatV2": lambda t: list(R.TensorListConcatV2(input_handle=a_list(t), leading_dims=[], **element(t))),
    "PushBack": lambda t: stacked(R.TensorListPushBack(input_handle=a_list(t), tensor=numbers(t, 2)), t),
    "PopBack": lambda t: [R.TensorListPopBack(input_handle=a_list(t), **element(t))[1]],
    "Split": lambda t: R.TensorListGetItem(
        input_handle=R.TensorListSplit(tensor=numbers(t, 5), element_shape=[-1], lengths=tf.constant([3, 2], tf.int64)),
        index=0, element_shape=[3], element_dtype=t,
    ),
    "FromTensor": lambda t: stacked(R.TensorListFromTensor(tensor=numbers(t, 3, 2), element_shape=[2]), t),
    "Resize": lambda t: stacked(R.TensorListResize(input_handle=a_list(t), size=5), t),
    "ConcatLists": lambda t: stacked(R.TensorListConcatLists(input_a=a_list(t), input_b=a_list(t), element_dtype=t), t),
    "Length": lambda t: [R.TensorListLength(input_handle=a_list(t)), R.TensorListElementShape(input_handle=a_list(t), shape_type=tf.int32)],
    "ZerosLike": lambda t: stacked(R.ZerosLike(x=a_list(t)), t),
    "AddN": lambda t: stacked(R.AddN(inputs=[a_list(t), a_list(t), a_list(t)]), t),
}  # fmt: skip


def agree(actual, expected):
    actual, expected = (list(x) if isinstance(x, (list, tuple)) else [x] for x in (actual, expected))
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected):
        assert a.dtype == e.dtype
        np.testing.assert_array_equal(a.numpy(), e.numpy())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("op", LIST_OPS)
def test_lists(op, dtype, device, no_soft_placement):
    if op == "AddN" and dtype == "bool":
        pytest.skip("TensorFlow has no sum of bool")
    with tf.device("/CPU:0"):
        expected = LIST_OPS[op](dtype)
    with tf.device(device):
        agree(LIST_OPS[op](dtype), expected)


def an_optional(dtype):
    return R.OptionalFromValue(components=[numbers(dtype, 3), numbers(dtype, 2, 2)])


def value(optional, dtype):
    return R.OptionalGetValue(optional=optional, output_types=[dtype] * 2, output_shapes=[[3], [2, 2]])


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "complex64"])
def test_optionals(dtype, device, no_soft_placement):
    results = []
    for where in (device, "/CPU:0"):
        with tf.device(where):
            optional, none = an_optional(dtype), R.OptionalNone()
            results.append([
                *value(optional, dtype), R.OptionalHasValue(optional=optional), R.OptionalHasValue(optional=none), *value(R.ZerosLike(x=optional), dtype),
                *value(R.AddN(inputs=[optional, optional]), dtype), R.OptionalHasValue(optional=R.AddN(inputs=[none, none])),
            ])  # fmt: skip
            with pytest.raises(tf.errors.InvalidArgumentError):
                value(none, dtype)
    agree(*results)


def test_lists_of_other_shapes_are_not_added(device, no_soft_placement):
    with tf.device(device):
        lists = [R.TensorListPushBack(input_handle=R.EmptyTensorList(element_shape=[-1], max_num_elements=9, element_dtype=tf.float32), tensor=tf.ones([n]))
                 for n in (2, 3)]  # fmt: skip
        with pytest.raises(tf.errors.InvalidArgumentError, match="incompatible element shapes"):
            R.AddN(inputs=lists)


def test_lists_of_lists(device, no_soft_placement):
    results = []
    for where in (device, "/CPU:0"):
        with tf.device(where):
            outer = R.EmptyTensorList(element_shape=tf.constant([], tf.int32), max_num_elements=9, element_dtype=tf.variant)
            outer = R.TensorListPushBack(input_handle=outer, tensor=a_list("float32"))
            both = R.AddN(inputs=[outer, outer])
            _, inner = R.TensorListPopBack(input_handle=both, element_shape=tf.constant([], tf.int32), element_dtype=tf.variant)
            _, zeros = R.TensorListPopBack(input_handle=R.ZerosLike(x=outer), element_shape=tf.constant([], tf.int32), element_dtype=tf.variant)
            results.append([stacked(inner, "float32"), stacked(zeros, "float32")])
    agree(*results)


def test_gradient_of_a_loop_that_keeps_tensors(device, no_soft_placement):
    """The array is read twice, so its gradient is a sum of lists."""

    @tf.function
    def loss(x):
        array = tf.TensorArray(tf.float32, 4)
        for i in tf.range(4):
            array = array.write(i, x * tf.cast(i, tf.float32))
        total = tf.zeros_like(x)
        for i in tf.range(4):
            total += tf.sin(array.read(i))
        return tf.reduce_sum(total) + tf.reduce_sum(array.stack() ** 2)

    results = []
    for where in (device, "/CPU:0"):
        with tf.device(where):
            x = tf.constant([0.1, 0.2, 0.3])
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = loss(x)
            results.append([y, tape.gradient(y, x)])
    for a, e in zip(*results):
        np.testing.assert_allclose(a, e, rtol=1e-5)
