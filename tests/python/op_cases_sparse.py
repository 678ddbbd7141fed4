"""More of op_cases.py: segments, sparse tensors, and ops whose results' sizes depend on the data."""

import numpy as np
import tensorflow as tf
from op_cases import COMPLEX, FLOATS, INTEGERS, OpCase, compound, given, real, spread, whole

R = tf.raw_ops


def _sorted_ids(n, segments, dtype=np.int32):
    """Ids in order, among them some that do not occur."""
    return given(np.sort(np.random.default_rng(n).integers(0, segments, size=n)).astype(dtype))


def _sizes():
    numbers = ("float32", "float64", "bfloat16", *INTEGERS)  # TensorFlow's CPU has no Where of float16
    yield OpCase("Where", lambda x: tf.where(x > 4), (whole(3, 5, 4),), ("float32",), gradient=False)
    yield OpCase("Where of numbers", lambda x: R.Where(condition=x), (whole(7, 11, high=3),), numbers, gradient=False)
    yield OpCase("Where of complex numbers", lambda x: R.Where(condition=x - x[0]), (compound(5, 3),), COMPLEX, gradient=False)
    yield OpCase("Where long", lambda x: R.Where(condition=x), (whole(5000, high=3),), gradient=False)
    yield OpCase("Where of nothing", lambda x: [R.Where(condition=x * 0), R.Where(condition=x[:0])], (whole(4, 3),), gradient=False)
    yield OpCase("Where all", lambda x: R.Where(condition=x + 1), (whole(1, 2, 3, 1, 2, 1, 2, 3),), gradient=False)
    yield OpCase("boolean_mask", lambda x: tf.boolean_mask(x, x[:, 0] > 0), (real(9, 4),))
    types = FLOATS + INTEGERS
    yield OpCase("Unique", lambda x: list(tf.unique(x)), (whole(50),), types, gradient=False)
    yield OpCase("UniqueWithCounts", lambda x: list(tf.unique_with_counts(x, tf.int64)), (whole(200, high=30),), types, gradient=False)
    yield OpCase("UniqueV2", lambda x: list(R.UniqueV2(x=x, axis=[0])), (whole(20),), gradient=False)
    yield OpCase("Unique of one and none", lambda x: [*tf.unique(x[:1]), *tf.unique(x[:0])], (whole(3),), gradient=False)
    yield OpCase("Unique of zeros", lambda x: list(tf.unique(x * tf.constant([1.0, -1.0, 0.0, -0.0, 1.0]) * 0)), (spread(5),), gradient=False)
    yield OpCase("DynamicPartition", lambda x: tf.dynamic_partition(x, [0, 2, 1, 2, 0, 2], 4), (real(6, 3),), FLOATS)
    yield OpCase("DynamicPartition of a matrix", lambda x: tf.dynamic_partition(x, [[0, 1, 1], [1, 0, 1]], 2), (real(2, 3, 2),), gradient=False)
    yield OpCase("DynamicPartition of integers", lambda x: tf.dynamic_partition(x, [1, 0, 1], 2), (whole(3),), INTEGERS, gradient=False)
    yield OpCase("DynamicPartition of nothing", lambda x: tf.dynamic_partition(x[:0], tf.zeros([0], tf.int32), 2), (real(3, 2),), gradient=False)


def _segments():
    for ids in (np.int32, np.int64):
        for name in ("sum", "mean", "prod", "min", "max"):
            function = getattr(tf.math, f"segment_{name}")
            kinds = FLOATS + (INTEGERS if ids is np.int64 and name != "mean" else ())
            gradient = name not in ("prod",)
            make = whole(12, 3, low=1, high=5) if name in ("prod",) else whole(12, 3)
            yield OpCase(f"segment_{name} {ids.__name__}", function, (make, _sorted_ids(12, 9, ids)), kinds, gradient=gradient, tolerance=2)
    yield OpCase("segment_sum complex", tf.math.segment_sum, (compound(12, 3), _sorted_ids(12, 9)), COMPLEX, gradient=False)
    yield OpCase("segment_sum of none", lambda x: tf.math.segment_sum(x[:0], tf.zeros([0], tf.int32)), (real(3, 2),), gradient=False)
    indices = given(np.array([4, 0, 0, 3, 5, 1, 2, 2, 5, 4, 0, 1], np.int32))
    for name in ("sum", "mean", "sqrt_n"):
        function = getattr(tf.sparse, f"segment_{name}")
        yield OpCase(f"sparse.segment_{name}", function, (real(6, 3), indices, _sorted_ids(12, 9)), FLOATS, tolerance=2)
        yield OpCase(
            f"sparse.segment_{name} with num_segments",
            lambda x, i, s, function=function: function(x, i, s, num_segments=11),
            (real(6, 3), indices, _sorted_ids(12, 9)),
            FLOATS,
            tolerance=2,
        )


SPARSE_CASES = [*_sizes(), *_segments()]
