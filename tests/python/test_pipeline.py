"""tf.data on the device, tensors that sessions keep, ops of one replica's collectives: what moves tensors instead of computing them."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.op_def_library import apply_op

R = tf.raw_ops
v1 = tf.compat.v1
_keys = itertools.count(500)


@pytest.fixture
def numbers():
    return tf.data.Dataset.range(12).map(lambda i: tf.cast(i, tf.float32) * 0.5).batch(5)


def test_prefetching_to_the_device(numbers, device):
    batches = list(numbers.apply(tf.data.experimental.prefetch_to_device(device)))
    assert all("GPU" in b.device or "VULKAN" in b.device for b in batches)
    np.testing.assert_array_equal(np.concatenate([b.numpy() for b in batches]), np.arange(12) / 2)


def test_copying_to_the_device(numbers, device):
    dataset = numbers.apply(tf.data.experimental.copy_to_device(device)).prefetch(1)
    with tf.device(device):
        np.testing.assert_array_equal(np.concatenate([b.numpy() for b in dataset]), np.arange(12) / 2)


def test_iterating_inside_a_function(numbers, device):
    @tf.function
    def total(dataset):
        result = tf.zeros([])
        for batch in dataset:
            result += tf.reduce_sum(batch)
        return result

    with tf.device(device):
        assert float(total(numbers)) == 33


def test_optional_batches(numbers, device):
    with tf.device(device):
        iterator = iter(numbers)
        sizes = []
        while (batch := iterator.get_next_as_optional()).has_value():
            sizes.append(int(tf.shape(batch.get_value())[0]))
    assert sizes == [5, 5, 2]


def test_a_distributed_dataset(numbers, device):
    strategy = tf.distribute.MirroredStrategy([device])
    batches = [strategy.experimental_local_results(b)[0] for b in strategy.experimental_distribute_dataset(numbers)]
    np.testing.assert_array_equal(np.concatenate([b.numpy() for b in batches]), np.arange(12) / 2)


def test_iterators_of_sessions(numbers, device):
    with tf.Graph().as_default(), tf.device(device):
        dataset = v1.data.Dataset.range(6).map(lambda i: tf.cast(i, tf.float32))
        iterator = v1.data.make_initializable_iterator(dataset)
        doubled = iterator.get_next() * 2
        with v1.Session(config=v1.ConfigProto(allow_soft_placement=True)) as session:
            session.run(iterator.initializer)
            assert [float(session.run(doubled)) for _ in range(6)] == [0, 2, 4, 6, 8, 10]
            with pytest.raises(tf.errors.OutOfRangeError):
                session.run(doubled)


def test_tensors_that_a_session_keeps(device):
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(allow_soft_placement=False)) as session:
        with tf.device(device):
            handle = v1.get_session_handle(tf.constant([1.0, 2.0]) * 3.0)
            kept = session.run(handle)
            place, tensor = v1.get_session_tensor(kept.handle, tf.float32)
            np.testing.assert_array_equal(session.run(tensor + 1.0, {place: kept.handle}), [4, 7])
        kept.delete()


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int64"])
def test_collectives_of_one_replica(dtype, device):
    x = tf.constant(np.arange(6).reshape(2, 3), dtype)
    with tf.device(device):
        group = {"group_size": 1, "group_key": next(_keys), "instance_key": 0}
        reduced = R.CollectiveReduceV2(input=x, merge_op="Add", final_op="Id", ordering_token=[], **{**group, "instance_key": next(_keys)})
        gathered = R.CollectiveGatherV2(input=x, ordering_token=[], **{**group, "instance_key": next(_keys)})
    np.testing.assert_array_equal(reduced, x)
    np.testing.assert_array_equal(gathered, x)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64"])
def test_an_in_graph_temporary_variable(dtype, device):
    with tf.Graph().as_default(), tf.device(device):
        place = apply_op("TemporaryVariable", shape=[2, 2], dtype=tf.as_dtype(dtype), var_name="kept")
        filled = v1.assign(place, tf.cast([[1, 2], [3, 4]], dtype))
        result = apply_op("DestroyTemporaryVariable", ref=filled, var_name="kept")
        with v1.Session(config=v1.ConfigProto(allow_soft_placement=dtype not in ("float32", "int64"))) as session:
            np.testing.assert_array_equal(session.run(result), [[1, 2], [3, 4]])
