"""Wrong ids, indices and shapes of the ops whose results' sizes depend on the data: the error is TensorFlow's, word for word, and the process goes on."""

import pytest
import tensorflow as tf
from cpu_errors import assert_error_is_that_of_the_cpu

R = tf.raw_ops


def _rows(n, width=2):
    return tf.ones([n, width])


def _ids(*values, dtype=tf.int32):
    return tf.constant(values, dtype)


SEGMENTS = {
    "a scalar": lambda op: op(data=tf.constant(1.0), segment_ids=_ids(0)),
    "ids of rank 2": lambda op: op(data=_rows(2), segment_ids=tf.zeros([1, 2], tf.int32)),
    "too few ids": lambda op: op(data=_rows(3), segment_ids=_ids(0, 1)),
    "a negative id": lambda op: op(data=_rows(3), segment_ids=_ids(-1, 0, 1)),
    "ids that fall": lambda op: op(data=_rows(4), segment_ids=_ids(0, 2, 1, 3)),
    "an id of 2^40": lambda op: op(data=_rows(1), segment_ids=_ids(2**40, dtype=tf.int64)),
    "wide ids that fall": lambda op: op(data=_rows(4), segment_ids=_ids(5, 2, 2, 3, dtype=tf.int64)),
}
SPARSE_SEGMENTS = {
    "a scalar": lambda op: op(data=tf.constant(1.0), indices=_ids(0), segment_ids=_ids(0)),
    "indices of rank 2": lambda op: op(data=_rows(4), indices=tf.zeros([1, 2], tf.int32), segment_ids=_ids(0, 1)),
    "too few ids": lambda op: op(data=_rows(4), indices=_ids(0, 1, 2), segment_ids=_ids(0, 1)),
    "a negative id": lambda op: op(data=_rows(4), indices=_ids(0, 1, 2), segment_ids=_ids(-1, 0, 1)),
    "ids that fall": lambda op: op(data=_rows(4), indices=_ids(0, 1, 2), segment_ids=_ids(0, 2, 1)),
    "an index too high": lambda op: op(data=_rows(4), indices=_ids(0, 4, 2), segment_ids=_ids(0, 1, 1)),
    "a negative index": lambda op: op(data=_rows(4), indices=_ids(0, 1, -2), segment_ids=_ids(0, 1, 1)),
    "no rows": lambda op: op(data=_rows(0), indices=_ids(0, 1), segment_ids=_ids(0, 1)),
}
CALLS = {
    "a partition too high": lambda: R.DynamicPartition(data=_rows(3), partitions=_ids(0, 2, 1), num_partitions=2),
    "a negative partition": lambda: R.DynamicPartition(data=_rows(3), partitions=_ids(0, -1, 1), num_partitions=2),
    "partitions of other rows": lambda: R.DynamicPartition(data=_rows(3), partitions=_ids(0, 1), num_partitions=2),
    "distinct values of a matrix": lambda: R.Unique(x=_rows(3)),
    "distinct values along axis 1 of a vector": lambda: R.UniqueV2(x=tf.ones([3]), axis=_ids(1)),
    "distinct values along two axes": lambda: R.UniqueV2(x=_rows(3), axis=_ids(0, 1)),
    **{
        f"{op}: {what}": lambda op=op, call=call: call(getattr(R, op))
        for op in ("SegmentSum", "SegmentMean", "SegmentProd", "SegmentMin", "SegmentMax")
        for what, call in SEGMENTS.items()
    },
    **{
        f"{op}: {what}": lambda op=op, call=call: call(getattr(R, op))
        for op in ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")
        for what, call in SPARSE_SEGMENTS.items()
    },
}


@pytest.mark.parametrize("name", CALLS)
def test_error_is_that_of_the_cpu(name, device, no_soft_placement):
    assert_error_is_that_of_the_cpu(CALLS[name], device)


def test_nan_is_a_value_of_its_own(device, no_soft_placement):
    """NaN is equal to nothing, -0 to 0."""
    x = tf.constant([3, float("nan"), 1, float("nan"), 3, float("inf"), -0.0, 0.0, 1])
    with tf.device(device):
        values, indices, counts = (t.numpy() for t in tf.unique_with_counts(x))
    assert str(values) == "[ 3. nan  1. nan inf -0.]"
    assert indices.tolist() == [0, 1, 2, 3, 0, 4, 5, 5, 2]
    assert counts.tolist() == [2, 1, 2, 1, 1, 2]
