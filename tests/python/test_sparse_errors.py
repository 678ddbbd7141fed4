"""Wrong indices and shapes of ops on sparse tensors: the error is TensorFlow's, word for word, and the process goes on."""

import pytest
import tensorflow as tf
from cpu_errors import assert_error_is_that_of_the_cpu

R = tf.raw_ops


def _longs(*values):
    return tf.constant(values, tf.int64)


def _product(indices=((0, 1), (2, 0), (1, 1)), values=(1.0, 2.0, 3.0), a_shape=(3, 2), b=((1.0, 2.0), (3.0, 4.0)), **settings):
    return R.SparseTensorDenseMatMul(a_indices=_longs(*indices), a_values=tf.constant(values), a_shape=_longs(*a_shape), b=tf.constant(b), **settings)


PRODUCTS = {
    "a column too high": lambda: _product(indices=[[0, 1], [2, 2], [1, 1]]),
    "a negative column": lambda: _product(indices=[[0, 1], [2, 0], [1, -1]]),
    "a row too high": lambda: _product(indices=[[0, 1], [3, 0], [1, 1]]),
    "a row of 2^40": lambda: _product(indices=[[0, 1], [2**40, 0], [1, 1]]),
    "a negative row": lambda: _product(indices=[[-1, 1], [2, 0], [1, 1]]),
    "an adjoint's column too high": lambda: _product(indices=[[0, 1], [3, 0], [1, 1]], b=[[1.0], [2.0], [3.0]], adjoint_a=True),
    "a vector": lambda: _product(b=[1.0, 2.0]),
    "too few values": lambda: _product(values=[1.0, 2.0]),
    "values of rank 2": lambda: _product(values=[[1.0], [2.0], [3.0]]),
    "indices of rank 1": lambda: _product(indices=[0, 1, 2]),
    "three columns of indices": lambda: _product(indices=[[0, 1, 0], [2, 0, 0], [1, 1, 0]]),
    "a shape of rank 3": lambda: _product(a_shape=[3, 2, 1]),
    "a shape of rank 2": lambda: _product(a_shape=[[3, 2]]),
    "other inner sizes": lambda: _product(a_shape=[3, 3]),
    "other inner sizes of adjoints": lambda: _product(adjoint_a=True),
}


def _gradient(name, gradient=((1.0, 2.0), (3.0, 4.0)), indices=(0, 4, 2), segment_ids=(0, 0, 1), rows=5):
    op = getattr(R, f"SparseSegment{name}GradV2")
    return op(grad=tf.constant(gradient), indices=tf.constant(indices), segment_ids=tf.constant(segment_ids), dense_output_dim0=tf.constant(rows))


GRADIENTS = {
    "an index too high": {"indices": [0, 5, 2]},
    "a negative index": {"indices": [0, -1, 2]},
    "a segment too high": {"segment_ids": [0, 2, 1]},
    "a last segment too high": {"segment_ids": [0, 1, 2]},
    "a negative segment": {"segment_ids": [-1, 0, 1]},
    "too few ids": {"segment_ids": [0, 1]},
    "indices of rank 2": {"indices": [[0, 4, 2]]},
    "ids of rank 2": {"segment_ids": [[0, 0, 1]]},
    "rows of rank 1": {"rows": [5]},
    "fewer rows than none": {"rows": -5},
    "a scalar": {"gradient": 1.0},
    "no segments": {"gradient": tf.zeros([0, 2])},
}
ROWS, VALUES = _longs([2, 0], [0, 1], [1, 1]), tf.constant([1.0, 2.0, 3.0])
ORDERS = {
    "SparseReorder: too few values": lambda: R.SparseReorder(input_indices=ROWS, input_values=VALUES[:2], input_shape=_longs(3, 2)),
    "SparseReorder: a longer shape": lambda: R.SparseReorder(input_indices=ROWS, input_values=VALUES, input_shape=_longs(3, 2, 1)),
    "SparseReorder: indices of rank 1": lambda: R.SparseReorder(input_indices=ROWS[0], input_values=VALUES, input_shape=_longs(3, 2)),
    **{
        f"SparseReshape: {what}": lambda s=s, t=t: R.SparseReshape(input_indices=ROWS, input_shape=_longs(*s), new_shape=tf.constant(t, tf.int64))
        for what, s, t in (
            ("another size", [3, 2], [7]),
            ("no fitting size", [3, 2], [4, -1]),
            ("two sizes open", [3, 2], [-1, -1]),
            ("a negative size", [3, 2], [-2, 3]),
            ("rank 0", [3, 2], []),
            ("an empty shape", [0, 2], [2, 0]),
            ("an empty shape to resolve", [0, 2], [0, -1]),
            ("a longer shape", [3, 2, 1], [6]),
            ("a negative shape", [-3, 2], [6]),
            ("too many elements", [2**40, 2**40], [6]),
        )
    },
    **{
        f"SparseConcat: {what}": lambda i=i, v=v, s=s, axis=axis: R.SparseConcat(indices=i, values=v, shapes=[_longs(*one) for one in s], concat_dim=axis)
        for what, i, v, s, axis in (
            ("an axis too high", [ROWS, ROWS], [VALUES, VALUES], [[3, 2], [3, 2]], 2),
            ("an axis too low", [ROWS, ROWS], [VALUES, VALUES], [[3, 2], [3, 2]], -3),
            ("other shapes", [ROWS, ROWS], [VALUES, VALUES], [[3, 2], [3, 3]], 0),
            ("other ranks", [ROWS, ROWS], [VALUES, VALUES], [[3, 2], [3, 2, 1]], 0),
            ("indices of rank 1", [ROWS, ROWS[0]], [VALUES, VALUES], [[3, 2], [3, 2]], 0),
            ("too few values", [ROWS, ROWS], [VALUES, VALUES[:2]], [[3, 2], [3, 2]], 0),
            ("too many elements", [ROWS, ROWS], [VALUES, VALUES], [[2**40, 2**40], [2**40, 2**40]], 0),
            ("a negative shape", [ROWS, ROWS], [VALUES, VALUES], [[-3, 2], [-3, 2]], 0),
        )
    },
}


def _filled(indices=ROWS, values=VALUES, shape=(3, 2), default=0.0):
    return R.SparseFillEmptyRows(indices=indices, values=values, dense_shape=tf.constant(shape, tf.int64), default_value=default)


def _filled_ragged(rows=ROWS[:, 0], values=VALUES, n=3, default=0.0):
    return R.RaggedFillEmptyRows(value_rowids=rows, values=values, nrows=tf.constant(n, tf.int64), default_value=default)


FILLED = {
    "SparseFillEmptyRows: a row too high": lambda: _filled(shape=[2, 2]),
    "SparseFillEmptyRows: a negative row": lambda: _filled(indices=ROWS - 1),
    "SparseFillEmptyRows: no rows": lambda: _filled(shape=[0, 2]),
    "SparseFillEmptyRows: fewer rows than none": lambda: _filled(shape=[-1, 2]),
    "SparseFillEmptyRows: a longer shape": lambda: _filled(shape=[3, 2, 1]),
    "SparseFillEmptyRows: a scalar shape": lambda: _filled(shape=3),
    "SparseFillEmptyRows: too few values": lambda: _filled(values=VALUES[:2]),
    "SparseFillEmptyRows: two default values": lambda: _filled(default=[0.0, 1.0]),
    "RaggedFillEmptyRows: a row too high": lambda: _filled_ragged(n=2),
    "RaggedFillEmptyRows: a negative row": lambda: _filled_ragged(rows=ROWS[:, 0] - 1),
    "RaggedFillEmptyRows: no rows": lambda: _filled_ragged(n=0),
    "RaggedFillEmptyRows: fewer rows than none": lambda: _filled_ragged(n=-1),
    "RaggedFillEmptyRows: a vector of rows": lambda: _filled_ragged(n=[3]),
    "RaggedFillEmptyRows: too few values": lambda: _filled_ragged(values=VALUES[:2]),
    **{
        f"{name}FillEmptyRowsGrad: {what}": lambda name=name, m=m: getattr(R, f"{name}FillEmptyRowsGrad")(reverse_index_map=m, grad_values=VALUES)
        for name in ("Sparse", "Ragged")
        for what, m in (("an element too high", _longs(0, 3)), ("a negative element", _longs(0, -1)), ("a matrix", ROWS))
    },
}


def _sliced(indices=ROWS, values=VALUES, shape=(3, 2), start=(0, 0), size=(2, 2)):
    return R.SparseSlice(indices=indices, values=values, shape=_longs(*shape), start=_longs(*start), size=_longs(*size))


def _split(axis=0, indices=ROWS, values=VALUES, shape=(3, 2), parts=2):
    return R.SparseSplit(split_dim=tf.constant(axis, tf.int64), indices=indices, values=values, shape=_longs(*shape), num_split=parts)


def _slice_gradient(gradient=VALUES[:2], indices=ROWS, start=(0, 0), rows=ROWS[1:]):
    return R.SparseSliceGrad(backprop_val_grad=gradient, input_indices=indices, input_start=_longs(*start), output_indices=rows)


SLICES = {
    "SparseSlice: a negative size": lambda: _sliced(size=[-1, 2]),
    "SparseSlice: a longer start": lambda: _sliced(start=[0, 0, 0]),
    "SparseSlice: a longer size": lambda: _sliced(size=[1, 1, 1]),
    "SparseSlice: a longer shape": lambda: _sliced(shape=[3, 2, 1]),
    "SparseSlice: a negative shape": lambda: _sliced(shape=[-3, 2]),
    "SparseSlice: too few values": lambda: _sliced(values=VALUES[:2]),
    "SparseSlice: too many elements": lambda: _sliced(shape=[2**40, 2**40]),
    "SparseSplit: a row too high": lambda: _split(shape=[2, 2]),
    "SparseSplit: a column too high": lambda: _split(shape=[3, 1]),
    "SparseSplit: a negative row": lambda: _split(indices=ROWS - 1),
    "SparseSplit: more parts than rows": lambda: _split(parts=4),
    "SparseSplit: an axis too high": lambda: _split(axis=2),
    "SparseSplit: an axis too low": lambda: _split(axis=-3),
    "SparseSplit: two axes": lambda: _split(axis=[0, 1]),
    "SparseSplit: a longer shape": lambda: _split(shape=[3, 2, 1]),
    "SparseSplit: too few values": lambda: _split(values=VALUES[:2]),
    "SparseSliceGrad: rows in another order": lambda: _slice_gradient(rows=ROWS[:0:-1]),
    "SparseSliceGrad: a row of no input": lambda: _slice_gradient(rows=_longs([0, 1], [5, 5])),
    "SparseSliceGrad: a row twice": lambda: _slice_gradient(rows=_longs([0, 1], [0, 1])),
    "SparseSliceGrad: another start": lambda: _slice_gradient(start=[0, 1]),
    "SparseSliceGrad: a longer start": lambda: _slice_gradient(start=[0, 0, 0]),
    "SparseSliceGrad: fewer columns": lambda: _slice_gradient(rows=ROWS[1:, :1]),
    "SparseSliceGrad: too few gradients": lambda: _slice_gradient(gradient=VALUES[:1]),
    "SparseSliceGrad: more rows than inputs": lambda: _slice_gradient(indices=ROWS[:1]),
    "SparseSliceGrad: a matrix of gradients": lambda: _slice_gradient(gradient=VALUES[None, :2]),
}


def _dense(indices=((0, 1), (1, 0), (2, 1)), shape=(3, 2), values=(1.0, 2.0, 3.0), default=7.0, validated=True):
    indices, shape, values = tf.constant(indices), tf.constant(shape), tf.constant(values)
    return R.SparseToDense(sparse_indices=indices, output_shape=shape, sparse_values=values, default_value=default, validate_indices=validated)


DENSE = {
    f"SparseToDense: {what}": lambda wrong=wrong: _dense(**wrong)
    for what, wrong in {
        "indices in no order": {"indices": [[0, 1], [2, 0], [1, 1]]},
        "an index twice": {"indices": [[0, 1], [0, 1], [1, 1]]},
        "an index too high": {"indices": [[0, 1], [1, 2], [2, 1]]},
        "an index too high, not validated": {"indices": [[0, 1], [1, 2], [2, 1]], "validated": False},
        "a negative index": {"indices": [[0, -1], [1, 0], [2, 1]]},
        "a negative index, not validated": {"indices": [[0, -1], [1, 0], [2, 1]], "validated": False},
        "an element of a vector too high": {"indices": [0, 3, 5], "shape": [5]},
        "an empty shape": {"shape": [0, 2]},
        "a negative shape": {"shape": [-3, 2]},
        "a longer shape": {"shape": [3, 2, 2]},
        "a scalar shape": {"indices": 3, "shape": 5, "values": 1.0},
        "indices of rank 3": {"indices": [[[0, 1], [1, 0], [2, 1]]]},
        "too few values": {"values": [1.0, 2.0]},
        "values of rank 2": {"values": [[1.0, 2.0, 3.0]]},
        "two default values": {"default": [7.0, 8.0]},
    }.items()
}
CALLS = {
    **DENSE,
    **ORDERS,
    **FILLED,
    **SLICES,
    **{f"SparseTensorDenseMatMul: {what}": call for what, call in PRODUCTS.items()},
    **{
        f"SparseSegment{name}GradV2: {what}": lambda name=name, wrong=wrong: _gradient(name, **wrong)
        for name in ("Sum", "Mean", "SqrtN")
        for what, wrong in GRADIENTS.items()
    },
}


@pytest.mark.parametrize("name", CALLS)
def test_error_is_that_of_the_cpu(name, device, no_soft_placement):
    assert_error_is_that_of_the_cpu(CALLS[name], device)


def test_rows_that_tensorflow_finds_by_going_through_them(device, no_soft_placement):
    """A row that occurs twice in the input and once in the slice: TensorFlow's loop takes the first."""
    rows = _longs([0, 1], [1, 1], [1, 1], [2, 0])
    for where in (device, "/CPU:0"):
        with tf.device(where):
            gradient = R.SparseSliceGrad(backprop_val_grad=VALUES, input_indices=rows, input_start=_longs(0, 0), output_indices=_longs([0, 1], [1, 1], [2, 0]))
        assert gradient.numpy().tolist() == [1.0, 2.0, 0.0, 3.0]


def test_negative_sizes_are_an_error(device, no_soft_placement):
    """TensorFlow's own kernel would end the process."""
    with tf.device(device), pytest.raises(tf.errors.InvalidArgumentError, match="non-negative, got -3"):
        _product(a_shape=[-3, 2]).numpy()
