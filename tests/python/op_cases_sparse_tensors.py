"""More of op_cases.py: ops on sparse tensors, whose elements are rows of indices and a value each."""

import numpy as np
import tensorflow as tf
from op_cases import COMPLEX, FLOATS, INTEGERS, OpCase, compound, given, index, real, whole

R = tf.raw_ops
NUMBERS = FLOATS + INTEGERS + COMPLEX


def _rows(n, shape, seed=0, repeats=False, ordered=False, dtype=np.int64):
    """Indices of n elements in a shape, in no order."""
    rng = np.random.default_rng(seed + n)
    flat = rng.choice(int(np.prod(shape)), size=n, replace=repeats)
    return given(np.stack(np.unravel_index(np.sort(flat) if ordered else flat, shape), axis=1).astype(dtype))


def _product(adjoint_a, adjoint_b, shape):
    def function(values, b, indices):
        return R.SparseTensorDenseMatMul(
            a_indices=indices, a_values=values, a_shape=tf.constant(shape, tf.int64), b=b, adjoint_a=adjoint_a, adjoint_b=adjoint_b
        )

    return function


def _products():
    for adjoint_a in (False, True):
        for adjoint_b in (False, True):
            shape = [5, 7] if adjoint_a else [7, 5]
            sides = [3, 5] if adjoint_b else [5, 3]
            function = _product(adjoint_a, adjoint_b, shape)
            for ids in (np.int32, np.int64):
                name = f"SparseTensorDenseMatMul {adjoint_a} {adjoint_b} {ids.__name__}"
                indices = _rows(12, shape, repeats=True, dtype=ids)
                yield OpCase(name, function, (real(12), real(*sides), indices), FLOATS, tolerance=2)
                yield OpCase(name + " complex", function, (compound(12), compound(*sides), indices), COMPLEX, gradient=ids is np.int64)
    for n, shape, columns in ((1, [1, 1], 1), (700, [3, 50], 2), (5000, [400, 100], 33), (64, [300, 2000], 65)):
        function = _product(False, False, shape)
        yield OpCase(f"SparseTensorDenseMatMul of {n} in {shape}", function, (real(n), real(shape[1], columns), _rows(n, shape, repeats=True)), tolerance=2)
    for n, shape, b in ((0, [3, 4], [4, 2]), (2, [3, 4], [4, 0]), (0, [3, 0], [0, 2]), (0, [0, 4], [4, 2])):
        indices = given(np.zeros([n, 2], np.int64))
        yield OpCase(f"SparseTensorDenseMatMul of {n} in {shape} by {b}", _product(False, False, shape), (real(n), real(*b), indices), gradient=False)
    yield OpCase(
        "SparseTensorDenseMatMul of infinities",
        lambda v, i: _product(False, False, [2, 3])(v, tf.constant([[1.0, np.inf], [np.nan, -0.0], [0.0, 3.0]]), i),
        (given(np.array([0.0, 2.0, -np.inf], np.float32)), given(np.array([[0, 0], [0, 2], [1, 2]]))),
        gradient=False,
    )

    def dense(x, values, b):
        a = tf.SparseTensor(tf.where(x > 0), values, tf.shape(x, tf.int64))
        return tf.sparse.sparse_dense_matmul(a, b)

    yield OpCase("sparse_dense_matmul", dense, (given(np.tri(4, 5, dtype=np.float32)), real(10), real(5, 2)))


def _gradients_of_segments():
    for name in ("Sum", "Mean", "SqrtN"):
        op = getattr(R, f"SparseSegment{name}GradV2")
        for ids in (np.int32, np.int64):
            for segment_ids in (np.int32, np.int64):
                yield OpCase(
                    f"SparseSegment{name}GradV2 {ids.__name__} {segment_ids.__name__}",
                    lambda g, i, s, op=op: list(op(grad=g, indices=i, segment_ids=s, dense_output_dim0=20)),
                    (real(6, 3), index(13, high=20, dtype=ids), lambda rng, t=segment_ids: np.sort(rng.integers(0, 6, 13)).astype(t)),
                    FLOATS if ids is segment_ids else ("float32",),
                    gradient=False,
                )
        yield OpCase(
            f"SparseSegment{name}GradV2 long",
            lambda g, i, s, op=op: list(op(grad=g, indices=i, segment_ids=s, dense_output_dim0=700)),
            (real(300, 2, 3), index(2000, high=700), lambda rng: np.sort(rng.integers(0, 300, 2000)).astype(np.int32)),
            gradient=False,
        )
        yield OpCase(
            f"SparseSegment{name}GradV2 of none",
            lambda g, i, op=op: [
                *op(grad=g, indices=i[:0], segment_ids=i[:0], dense_output_dim0=9),
                *op(grad=g, indices=i, segment_ids=i, dense_output_dim0=0),
                *op(grad=g[:, :0], indices=i, segment_ids=i, dense_output_dim0=9),
            ],
            (real(3, 2), given(np.array([0, 1, 1], np.int32))),
            gradient=False,
        )
    # What TensorFlow's gradient of a function of variables uses.
    yield OpCase(
        "sparse gradient of segment_mean",
        lambda x, i, s: tf.sparse.segment_mean(tf.gather(x, tf.range(6)), i, s),
        (real(6, 3), index(9, high=6), given(np.array([0, 0, 1, 1, 1, 3, 3, 4, 4], np.int32))),
    )


def _longs(*values):
    return tf.constant(values, tf.int64)


def _orders():
    sizes = ((1, [3]), (16, [8, 9]), (33, [4, 5, 6]), (300, [7, 1, 9, 11]), (1500, [50, 60]))
    for n, shape in sizes:
        yield OpCase(
            f"SparseReorder of {n} in {shape}",
            lambda v, i, s=shape: list(R.SparseReorder(input_indices=i, input_values=v, input_shape=_longs(*s))),
            (whole(n), _rows(n, shape)),
            NUMBERS if n == 33 else ("float32",),
            gradient=False,
        )
    reorder = lambda v, i, s: list(R.SparseReorder(input_indices=i, input_values=v, input_shape=s))  # noqa: E731
    yield OpCase("SparseReorder of bools", lambda v, i: reorder(v > 4, i, _longs(8, 9)), (whole(16), _rows(16, [8, 9])), gradient=False)
    # Fewer than 17, which TensorFlow's sort leaves in their order where they are equal.
    yield OpCase("SparseReorder of equal rows", lambda v, i: reorder(v, i, _longs(2, 3)), (whole(13), _rows(13, [2, 3], repeats=True)), gradient=False)
    outside = given(np.array([[2, 0], [-1, 9], [2**62, 1], [2**63 - 1, 2**63 - 1], [0, -(2**63)]]))
    yield OpCase("SparseReorder of rows outside", lambda v, i: reorder(v, i, _longs(3, 2)), (whole(5), outside), gradient=False)
    yield OpCase("SparseReorder of none", lambda v, i: reorder(v[:0], i[:0], _longs(3, 2)), (whole(5), outside), gradient=False)
    yield OpCase(
        "gradient of sparse.reorder", lambda v, i: tf.sparse.reorder(tf.SparseTensor(i, v, [8, 9])).values * [*range(16)], (real(16), _rows(16, [8, 9]))
    )
    for axis, shapes in ((0, ([3, 4], [5, 4], [1, 4])), (-1, ([3, 4], [3, 1])), (1, ([2, 3, 4], [2, 5, 4], [2, 0, 4], [2, 7, 4]))):
        counts = [min(9, int(np.prod(s))) for s in shapes]
        yield OpCase(
            f"SparseConcat {axis} of {len(shapes)}",
            lambda v, *rows, c=counts, s=shapes, axis=axis: list(
                R.SparseConcat(indices=rows, values=tf.split(v, c), shapes=[_longs(*one) for one in s], concat_dim=axis)
            ),
            (whole(sum(counts)), *(_rows(n, s, seed=7) for n, s in zip(counts, shapes))),
            NUMBERS if axis == 0 else ("float32",),
            gradient=False,
        )
    yield OpCase(
        "SparseConcat of none",
        lambda v: list(R.SparseConcat(indices=[tf.zeros([0, 2], tf.int64)] * 2, values=[v, v], shapes=[_longs(3, 0), _longs(3, 4)], concat_dim=1)),
        (whole(0),),
        gradient=False,
    )
    # The shapes do not say where the rows may be, nor how many elements there can be.
    yield OpCase(
        "SparseConcat of rows outside",
        lambda v, i: list(R.SparseConcat(indices=[i, i + 1], values=[v, v], shapes=[_longs(2**40, 1)] * 2, concat_dim=1)),
        (whole(3), given(np.array([[5, 7], [-5, 2], [5, 6]]))),
        gradient=False,
    )

    def concatenated(v, i):
        x = tf.SparseTensor(i, v, [8, 9])
        return tf.sparse.to_dense(tf.sparse.concat(0, [x, tf.sparse.SparseTensor(i, v + 1, [8, 9])]))

    yield OpCase("sparse.concat", concatenated, (real(16), _rows(16, [8, 9], ordered=True)), gradient=False)
    for n, shape, target in (
        (5, [6], [2, 3]), (16, [8, 9], [-1]), (16, [8, 9], [3, 2, -1, 4]), (40, [4, 5, 6], [20, -1]), (8, [1, 8, 1], [8]), (5, [6], [6]), (1, [1], []),
    ):  # fmt: skip
        yield OpCase(
            f"SparseReshape of {n} in {shape} to {target}",
            lambda v, i, s=shape, t=target: list(R.SparseReshape(input_indices=i, input_shape=_longs(*s), new_shape=tf.constant(t, tf.int64))),
            (whole(1), _rows(n, shape)),
            gradient=False,
        )
    reshape = lambda i, s, t: list(R.SparseReshape(input_indices=i, input_shape=s, new_shape=t))  # noqa: E731
    yield OpCase("SparseReshape of none", lambda v: reshape(tf.zeros([0, 2], tf.int64), _longs(0, 2), _longs(3, 0, 5)), (whole(1),), gradient=False)
    yield OpCase("SparseReshape of none in rows", lambda v: reshape(tf.zeros([0, 2], tf.int64), _longs(3, 4), _longs(-1)), (whole(1),), gradient=False)
    yield OpCase("SparseReshape of rows outside", lambda v, i: reshape(i, _longs(3, 2), _longs(2, -1)), (whole(1), outside), gradient=False)


def _filled_rows():
    fill = lambda v, i, shape: list(R.SparseFillEmptyRows(indices=i, values=v[1:], dense_shape=_longs(*shape), default_value=v[0]))  # noqa: E731
    ragged = lambda v, i, n: list(R.RaggedFillEmptyRows(value_rowids=i[:, 0], values=v[1:], nrows=_longs(n)[0], default_value=v[0]))  # noqa: E731
    for n, shape in ((1, [1, 1]), (9, [5, 4]), (20, [33, 3, 2]), (150, [40, 40]), (2, [1000, 5])):
        types = NUMBERS if n == 9 else ("float32",)
        for ordered in (False, True):
            rows = _rows(n, shape, ordered=ordered)
            order = "in order" if ordered else "in no order"
            yield OpCase(f"SparseFillEmptyRows of {n} in {shape} {order}", lambda v, i, s=shape: fill(v, i, s), (whole(n + 1), rows), types, gradient=False)
            yield OpCase(
                f"RaggedFillEmptyRows of {n} in {shape} {order}", lambda v, i, s=shape: ragged(v, i, s[0]), (whole(n + 1), rows), types, gradient=False
            )
    every = given(np.array([[0, 3], [1, 0], [1, 2**40], [2, -1]]))
    yield OpCase("SparseFillEmptyRows of full rows", lambda v, i: fill(v, i, [3, 4]), (whole(5), every), gradient=False)
    yield OpCase("SparseFillEmptyRows of bools", lambda v, i: fill(v > 4, i, [7, 4]), (whole(5), every), gradient=False)
    for rows in (0, 1, 5):
        none = given(np.zeros([0, 2], np.int64))
        yield OpCase(f"SparseFillEmptyRows of none in {rows}", lambda v, i, n=rows: fill(v, i, [n, 4]), (whole(1), none), gradient=False)
        yield OpCase(f"RaggedFillEmptyRows' values in {rows}", lambda v, i, n=rows: ragged(v, i, n)[1], (real(1), none))
        yield OpCase(f"RaggedFillEmptyRows of none in {rows}", lambda v, i, n=rows: ragged(v, i, n), (whole(1), none), gradient=False)
    for name in ("Sparse", "Ragged"):
        op = getattr(R, f"{name}FillEmptyRowsGrad")
        for n, filled in ((0, 0), (0, 5), (1, 1), (5, 9), (70, 100)):
            yield OpCase(
                f"{name}FillEmptyRowsGrad of {n} of {filled}",
                lambda g, i, op=op: list(op(reverse_index_map=i, grad_values=g)),
                (whole(filled), index(n, high=max(filled, 1), dtype=np.int64)),
                NUMBERS if n == 5 else ("float32",),
                gradient=False,
            )

    def filled(v, default, i):
        x, is_empty = tf.sparse.fill_empty_rows(tf.SparseTensor(i, v, [12, 4]), tf.reduce_sum(default))
        return [x.values * tf.cast(tf.range(tf.size(x.values)), x.values.dtype), tf.cast(is_empty, tf.float32)]

    yield OpCase("gradient of sparse.fill_empty_rows", filled, (real(9), real(1), _rows(9, [12, 4])))


def _slices():
    cut = lambda v, i, shape, start, size: list(R.SparseSlice(indices=i, values=v, shape=_longs(*shape), start=_longs(*start), size=_longs(*size)))  # noqa: E731
    for n, shape, start, size in (
        (16, [8, 9], [2, 3], [4, 4]), (16, [8, 9], [5, 0], [40, 2]), (16, [8, 9], [9, 0], [1, 9]), (16, [8, 9], [0, 0], [8, 9]), (16, [8, 9], [1, 1], [0, 5]),
        (16, [8, 9], [-2, -1], [5, 20]), (100, [5, 6, 7], [1, 2, 3], [3, 3, 3]), (700, [1000], [100], [333]), (1, [1], [0], [1]),
        (16, [8, 9], [1, 0], [2**63 - 1, 2**63 - 1]),
    ):  # fmt: skip
        types = NUMBERS if n == 100 else ("float32",)
        inputs = (whole(n), _rows(n, shape))
        yield OpCase(
            f"SparseSlice of {n} in {shape} at {start} of {size}", lambda v, i, *_, a=(shape, start, size): cut(v, i, *a), inputs, types, gradient=False
        )
    yield OpCase("SparseSlice of none", lambda v: cut(v[:0], tf.zeros([0, 2], tf.int64), [3, 4], [0, 1], [2, 2]), (whole(1),), gradient=False)
    yield OpCase("SparseSlice of equal rows", lambda v, i: cut(v, i, [2, 3], [0, 1], [2, 2]), (whole(40), _rows(40, [2, 3], repeats=True)), gradient=False)
    yield OpCase("SparseSlice of bools", lambda v, i: cut(v > 4, i, [8, 9], [1, 1], [5, 5]), (whole(16), _rows(16, [8, 9])), gradient=False)

    def sliced(v, i):
        return tf.sparse.slice(tf.SparseTensor(i, v, [8, 9]), [2, 1], [4, 7]).values

    yield OpCase("gradient of sparse.slice", sliced, (real(30), _rows(30, [8, 9])), FLOATS)
    yield OpCase("gradient of sparse.slice in order", sliced, (real(30), _rows(30, [8, 9], ordered=True)))
    yield OpCase("gradient of sparse.slice of equal rows", sliced, (real(100), _rows(100, [8, 9], repeats=True)))
    yield OpCase("gradient of sparse.slice of nothing", lambda v, i: sliced(v, i + 8), (real(30), _rows(30, [8, 9])))
    for types in (INTEGERS, COMPLEX):
        yield OpCase(
            f"SparseSliceGrad {types[0]}",
            lambda g, i: R.SparseSliceGrad(backprop_val_grad=g, input_indices=i, input_start=_longs(0, 2), output_indices=i[3:7] - [[0, 2]]),
            (whole(4), _rows(20, [8, 9])),
            types,
            gradient=False,
        )
    for n, shape, axis, parts in ((16, [8, 9], 0, 3), (16, [8, 9], 1, 9), (16, [8, 9], -1, 2), (60, [4, 5, 6], 1, 4), (300, [1000], 0, 7), (1, [1], 0, 1)):
        yield OpCase(
            f"SparseSplit of {n} in {shape} along {axis} in {parts}",
            lambda v, i, s=shape, axis=axis, parts=parts: tf.nest.flatten(
                R.SparseSplit(split_dim=tf.constant(axis, tf.int64), indices=i, values=v, shape=_longs(*s), num_split=parts)
            ),
            (whole(n), _rows(n, shape)),
            NUMBERS if n == 60 else ("float32",),
            gradient=False,
        )
    yield OpCase(
        "SparseSplit of none",
        lambda v: tf.nest.flatten(R.SparseSplit(split_dim=_longs(1)[0], indices=tf.zeros([0, 2], tf.int64), values=v, shape=_longs(3, 4), num_split=3)),
        (whole(0),),
        gradient=False,
    )


def _dense():
    def dense(values, indices, shape, default=0, validated=True):
        default = tf.cast(default, values.dtype)
        return R.SparseToDense(sparse_indices=indices, output_shape=shape, sparse_values=values, default_value=default, validate_indices=validated)

    for n, shape in ((1, [1]), (9, [5, 4]), (100, [5, 6, 7]), (700, [1000]), (0, [3, 2])):
        for ids in (np.int32, np.int64):
            rows = _rows(n, shape, ordered=True, dtype=ids)
            types = NUMBERS if n == 9 else ("float32",)
            sizes = np.array(shape, ids)
            yield OpCase(f"SparseToDense of {n} in {shape} {ids.__name__}", lambda v, i, s=sizes: dense(v, i, s), (whole(n), rows), types, gradient=False)
    lines = given(np.array([1, 2, 7], np.int32))
    yield OpCase("SparseToDense of one value", lambda v, i: dense(v[0], i[:, None], [9], 3), (whole(1), lines), gradient=False)
    yield OpCase("SparseToDense of a vector's indices", lambda v, i: dense(v, i, [9], 3), (whole(3), lines), gradient=False)
    yield OpCase("SparseToDense of an index", lambda v, i: [dense(v, i[2], [9]), dense(v[0], i[2], [9])], (whole(1), lines), gradient=False)
    yield OpCase("SparseToDense of bools", lambda v, i: dense(v > 4, i, [9], True), (whole(3), lines), gradient=False)
    yield OpCase("SparseToDense in an empty shape", lambda v: dense(v[:0], tf.zeros([0, 2], tf.int32), [0, 2]), (whole(1),), gradient=False)
    for n, shape in ((16, [8, 9]), (700, [10, 20])):
        yield OpCase(
            f"SparseToDense not validated, of {n}",
            lambda v, i, s=shape: dense(v, i, s, 5, False),
            (real(n), _rows(n, shape, repeats=True, dtype=np.int32)),
            gradient=False,
        )
    yield OpCase(
        "gradient of sparse.to_dense", lambda v, i: tf.sparse.to_dense(tf.SparseTensor(i, v, [8, 9])), (real(16), _rows(16, [8, 9], ordered=True)), FLOATS
    )


SPARSE_TENSOR_CASES = [*_products(), *_gradients_of_segments(), *_orders(), *_filled_rows(), *_slices(), *_dense()]
