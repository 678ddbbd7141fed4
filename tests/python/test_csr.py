"""Sparse matrices in compressed rows where TensorFlow's CPU has nothing to compare with, on their way between devices, and the errors of all their ops."""

import numpy as np
import pytest
import tensorflow as tf
from cpu_errors import assert_error_is_that_of_the_cpu, error_of
from op_cases_csr import matrix, parts
from tensorflow.python.ops.linalg.sparse import sparse_csr_matrix_ops as S

R = tf.raw_ops
TYPES = ("float32", "float64", "complex64", "complex128")
TOLERANCE = {"float32": 2e-6, "complex64": 2e-6, "float64": 1e-12, "complex128": 1e-12}
SHAPES = ((5, 7), (3, 4, 6), (40, 50), (1, 1), (2, 3, 1))


@pytest.fixture(autouse=True)
def on_device(device, no_soft_placement):
    with tf.device(device):
        yield


def numbers(rng, shape, dtype, above=0.3):
    """An array with zeros in it."""
    x = rng.normal(size=shape)
    x = np.where(x > above, x + (1j * rng.normal(size=shape) if dtype.startswith("complex") else 0), 0)
    return x.astype(dtype)


def dense(handle, dtype):
    return R.CSRSparseMatrixToDense(sparse_input=handle, type=dtype).numpy()


def close(actual, expected, dtype):
    assert actual.dtype == expected.dtype == dtype
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", TYPES)
def test_sum(rng, dtype, shape):
    a, b = numbers(rng, shape, dtype), numbers(rng, shape, dtype)
    alpha, beta = np.asarray(2.5, dtype), np.asarray(-0.75, dtype)
    total = S.sparse_matrix_add(matrix(a)._matrix, matrix(b)._matrix, alpha, beta)
    close(dense(total, dtype), alpha * a + beta * b, dtype)
    indices = R.CSRSparseMatrixToSparseTensor(sparse_matrix=total, type=dtype).indices
    np.testing.assert_array_equal(indices, np.argwhere((a != 0) | (b != 0)))


def test_sum_keeps_what_cancels_out():
    a = tf.constant([[1.0, 0, 2], [0, 0, 3]])
    total = S.sparse_matrix_add(matrix(a)._matrix, matrix(a)._matrix, 1.0, -1.0)
    assert R.SparseMatrixNNZ(sparse_matrix=total).numpy() == 3
    assert not dense(total, "float32").any()


@pytest.mark.parametrize("dtype", TYPES)
def test_sum_of_variants(rng, dtype):
    arrays = [numbers(rng, (3, 4, 6), dtype) for _ in range(3)]
    close(dense(R.AddN(inputs=[matrix(a)._matrix for a in arrays]), dtype), sum(arrays[1:], arrays[0]), dtype)


@pytest.mark.parametrize("dtype", TYPES)
def test_zeros(rng, dtype):
    for dims in ([3, 5], [2, 3, 5], [0, 4], [2, 0, 3]):  # TensorFlow takes no batch of no matrices
        zeros = R.SparseMatrixZeros(dense_shape=tf.constant(dims, tf.int64), type=dtype)
        made = dense(zeros, dtype)
        assert made.shape == tuple(dims) and made.dtype == dtype and not made.any()
        assert not np.any(R.SparseMatrixNNZ(sparse_matrix=zeros))
    like = R.ZerosLike(x=matrix(numbers(rng, (4, 3), dtype))._matrix)
    assert dense(like, dtype).shape == (4, 3) and not dense(like, dtype).any()


@pytest.mark.parametrize("dtype", TYPES)
def test_multiples(rng, dtype):
    a, factor = numbers(rng, (3, 4, 6), dtype), np.asarray(1.5, dtype)
    close(dense(R.SparseMatrixMul(a=matrix(a)._matrix, b=factor), dtype), a * factor, dtype)
    factors = rng.normal(size=(3, 1, 1)).astype(dtype)
    close(dense(R.SparseMatrixMul(a=matrix(a)._matrix, b=factors), dtype), a * factors, dtype)
    none = np.zeros((2, 2), dtype)
    close(dense(R.SparseMatrixMul(a=matrix(none)._matrix, b=factor), dtype), none, dtype)


def softmax(x, kept):
    with np.errstate(all="ignore"):
        powers = np.where(kept, np.exp(x - np.max(np.where(kept, x, -np.inf), -1, keepdims=True)), 0)
        return np.where(kept, powers / powers.sum(-1, keepdims=True), 0).astype(x.dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_softmax(rng, dtype, shape):
    x = numbers(rng, shape, dtype) * np.asarray(30, dtype)
    expected = softmax(x, x != 0)
    m = matrix(x)
    result = S.sparse_matrix_softmax(m._matrix, type=m.dtype)
    close(dense(result, dtype), expected, dtype)
    gradient = numbers(rng, shape, dtype, above=-0.2)  # at other places too, and not at all of the softmax's
    back = S.sparse_matrix_softmax_grad(result, matrix(gradient, above=-0.2)._matrix, type=m.dtype)
    close(dense(back, dtype), expected * (gradient - (gradient * expected).sum(-1, keepdims=True)), dtype)


def test_softmax_of_a_row_with_nan_and_infinities():
    rows = [[1, np.nan, 2], [np.inf, 1, 2], [-np.inf, 1, 1], [3, 3, 3]]
    m = S.CSRSparseMatrix(tf.constant(rows, tf.float32), indices=[[i, j] for i in range(4) for j in range(3)])
    result = dense(S.sparse_matrix_softmax(m._matrix, type=tf.float32), "float32")
    np.testing.assert_allclose(result, [[np.nan] * 3, [np.nan] * 3, [0, 0.5, 0.5], [1 / 3] * 3], rtol=1e-6)


def test_softmax_gradient_through_the_tape(rng):
    x = tf.constant(numbers(rng, (3, 6, 5), "float64"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        m = matrix(x)
        result = R.CSRSparseMatrixToDense(sparse_input=S.sparse_matrix_softmax(m._matrix, type=m.dtype), type=m.dtype)
        loss = tf.reduce_sum(result * tf.range(5, dtype=tf.float64))
    s, g = softmax(x.numpy(), x.numpy() != 0), np.arange(5.0)
    np.testing.assert_allclose(tape.gradient(loss, x), s * (g - (g * s).sum(-1, keepdims=True)), atol=1e-12)


def test_sum_gradient_through_the_tape(rng):
    x, y = (tf.constant(numbers(rng, (6, 5), "float64")) for _ in range(2))
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        total = S.sparse_matrix_add(matrix(x)._matrix, matrix(y)._matrix, tf.constant(2.0, tf.float64), tf.constant(3.0, tf.float64))
        loss = tf.reduce_sum(R.CSRSparseMatrixToDense(sparse_input=total, type=tf.float64) * tf.range(5, dtype=tf.float64))
    gradients = tape.gradient(loss, [x, y])
    for gradient, scale, of in zip(gradients, (2.0, 3.0), (x, y)):
        np.testing.assert_allclose(gradient, scale * np.arange(5.0) * (of.numpy() != 0), atol=1e-12)


@pytest.mark.parametrize("dtype", TYPES)
def test_matrices_move_between_devices(rng, device, dtype):
    x = numbers(rng, (3, 4, 6), dtype)
    with tf.device("/CPU:0"):
        there = matrix(x)
    here = matrix(x)
    for made, where in ((there._matrix, device), (here._matrix, "/CPU:0")):
        with tf.device(where):
            moved = tf.identity(made)
            assert moved.device.endswith(where.split("/")[-1].removeprefix("device:"))
            np.testing.assert_array_equal(dense(moved, dtype), x)
            np.testing.assert_array_equal(R.SparseMatrixNNZ(sparse_matrix=moved), np.count_nonzero(x, (1, 2)))


def test_product_of_width_0(rng):
    """An error of TensorFlow's CPU kernel."""
    assert S.matmul(matrix(numbers(rng, (4, 6), "float32")), tf.zeros([6, 0])).shape == (4, 0)


def test_in_a_function(rng):
    a, b, y = (tf.constant(numbers(rng, s, "float32")) for s in ((4, 6), (4, 6), (6, 3)))

    @tf.function
    def run(a, b, y):
        total = S.sparse_matrix_add(matrix(a)._matrix, matrix(b)._matrix, 1.0, 2.0)
        return S.sparse_matrix_mat_mul(total, y), S.sparse_matrix_nnz(total)

    product, count = run(a, b, y)
    np.testing.assert_allclose(product, (a + 2 * b) @ y, rtol=1e-5)
    assert count == np.count_nonzero((a != 0) | (b != 0))


def test_the_same_bits_each_time(rng):
    """Sums over rows have one order, whatever the device does first."""
    a, y = rng.normal(size=(7, 3000)).astype("float32"), rng.normal(size=(3000, 5)).astype("float32")
    runs = [S.matmul(matrix(a, -1), y).numpy() for _ in range(3)]
    assert all(run.tobytes() == runs[0].tobytes() for run in runs)


def test_few_sizes_compile(rng, statistics):
    """Another number of elements of the same power of two runs the same programs."""

    def compiled(elements):
        a = np.zeros((16, 16), "float32")
        a.flat[:elements] = 1 + np.arange(elements)
        before = statistics()["programs_compiled"]
        m = S.CSRSparseMatrix(tf.constant(a), indices=np.argwhere(a))
        np.testing.assert_allclose(S.matmul(m, tf.constant(a)), a @ a, rtol=1e-5)
        return statistics()["programs_compiled"] - before

    compiled(70)
    assert compiled(100) == 0


def _m(shape=(3, 4), dtype="float32"):
    return matrix(tf.ones(shape, dtype))._matrix


ERRORS_OF_THE_CPU = {
    "params of rank 1": lambda: R.DenseToCSRSparseMatrix(dense_input=tf.ones([3]), indices=tf.zeros([1, 1], tf.int64)),
    "indices of rank 1": lambda: R.DenseToCSRSparseMatrix(dense_input=tf.ones([3, 2]), indices=tf.zeros([2], tf.int64)),
    "indices of another rank": lambda: R.DenseToCSRSparseMatrix(dense_input=tf.ones([3, 2]), indices=tf.zeros([2, 3], tf.int64)),
    "a row too high": lambda: R.DenseToCSRSparseMatrix(dense_input=tf.ones([3, 2]), indices=tf.constant([[0, 0], [3, 0]], tf.int64)),
    "a column below 0": lambda: R.DenseToCSRSparseMatrix(dense_input=tf.ones([3, 2]), indices=tf.constant([[0, -1]], tf.int64)),
    "a batch too high": lambda: R.DenseToCSRSparseMatrix(dense_input=tf.ones([2, 3, 2]), indices=tf.constant([[2, 0, 0]], tf.int64)),
    "an index of no elements": lambda: R.DenseToCSRSparseMatrix(dense_input=tf.ones([0, 2]), indices=tf.constant([[0, 0]], tf.int64)),
    "a sparse tensor of rank 1": lambda: _sparse([[0]], [4]),
    "a sparse tensor's row too high": lambda: _sparse([[0, 0], [3, 1]], [3, 2]),
    "a sparse tensor's column below 0": lambda: _sparse([[0, -1]], [3, 2]),
    "a sparse tensor's batch too high": lambda: _sparse([[1, 0, 0]], [1, 3, 2]),
    "a sparse tensor of no rows": lambda: _sparse([[0, 0]], [0, 2]),
    "indices of other length": lambda: R.SparseTensorToCSRSparseMatrix(
        indices=tf.zeros([2, 2], tf.int64), values=tf.ones([3]), dense_shape=tf.constant([3, 2], tf.int64)
    ),
    "dense of another type": lambda: R.CSRSparseMatrixToDense(sparse_input=_m(), type=tf.float64),
    "sparse tensor of another type": lambda: R.CSRSparseMatrixToSparseTensor(sparse_matrix=_m(), type=tf.float64),
    "components of another type": lambda: R.CSRSparseMatrixComponents(csr_sparse_matrix=_m(), index=0, type=tf.float64),
    "components of another batch": lambda: R.CSRSparseMatrixComponents(csr_sparse_matrix=_m(), index=1, type=tf.float32),
    "components before the first": lambda: R.CSRSparseMatrixComponents(csr_sparse_matrix=_m((2, 3, 4)), index=-1, type=tf.float32),
    "transpose of another type": lambda: S.sparse_matrix_transpose(_m(), type=tf.complex64),
    "product of two types": lambda: S.sparse_matrix_mat_mul(_m(), tf.ones([4, 2], tf.float64)),
    "product of two ranks": lambda: S.sparse_matrix_mat_mul(_m(), tf.ones([1, 4, 2])),
    "product of two batch sizes": lambda: S.sparse_matrix_mat_mul(_m((2, 3, 4)), tf.ones([3, 4, 2])),
    "product of other sizes": lambda: S.sparse_matrix_mat_mul(_m(), tf.ones([3, 2])),
    "product of other sizes, transposed": lambda: S.sparse_matrix_mat_mul(_m(), tf.ones([4, 2]), transpose_a=True),
    "transposed and adjoint": lambda: S.sparse_matrix_mat_mul(_m(), tf.ones([4, 2]), transpose_a=True, adjoint_a=True),
    "b transposed and adjoint": lambda: S.sparse_matrix_sparse_mat_mul(_m(), _m(), tf.float32, transpose_b=True, adjoint_b=True),
    "sparse product of another type": lambda: S.sparse_matrix_sparse_mat_mul(_m(), _m((4, 2)), tf.float64),
    "sparse product of two types": lambda: S.sparse_matrix_sparse_mat_mul(_m(), _m((4, 2), "float64"), tf.float32),
    "sparse product of two batch sizes": lambda: S.sparse_matrix_sparse_mat_mul(_m((2, 3, 4)), _m((3, 4, 2)), tf.float32),
    "sparse product of other sizes": lambda: S.sparse_matrix_sparse_mat_mul(_m(), _m(), tf.float32),
}
OTHER_ERRORS = {
    "sum of two types": (lambda: S.sparse_matrix_add(_m(), _m(dtype="float64"), 1.0, 1.0), "dtype of b is not equal to 'type': double vs. float"),
    "sum of two shapes": (
        lambda: S.sparse_matrix_add(_m(), _m((3, 5)), 1.0, 1.0),
        "Incompatible shapes of a and b, a.shape == [3,4], b.shape == [3,5]",
    ),
    "sum with a vector": (lambda: S.sparse_matrix_add(_m(), _m(), [1.0], 1.0), "Expected alpha to be a scalar, saw shape: [1]"),
    "sum of variants of two shapes": (lambda: R.AddN(inputs=[_m(), _m((4, 3))]), "Incompatible shapes of a and b, a.shape == [3,4], b.shape == [4,3]"),
    "sum of variants of two types": (lambda: R.AddN(inputs=[_m(), _m(dtype="float64")]), "Inconsistent dtypes for input matrices"),
    "multiple of another type": (lambda: R.SparseMatrixMul(a=_m(), b=tf.constant(1.0, tf.float64)), "Input types don't match.  a.dtype == float"),
    "multiple by a matrix": (lambda: R.SparseMatrixMul(a=_m(), b=tf.ones([3, 4])), "Multiplying by a 2D+ dense tensor is not currently supported"),
    "multiple by other batches": (lambda: R.SparseMatrixMul(a=_m((2, 3, 4)), b=tf.ones([3, 1, 1])), "If b is a rank-3 tensor, then a must be a rank 3"),
    "softmax of another type": (lambda: S.sparse_matrix_softmax(_m(), type=tf.float64), "dtype of logits is not equal to 'type': float vs. double"),
    "gradient of another shape": (
        lambda: S.sparse_matrix_softmax_grad(_m(), _m((3, 5)), type=tf.float32),
        "Shapes of softmax and grad_softmax matrices differ",
    ),
    "gradient of another rank": (
        lambda: S.sparse_matrix_softmax_grad(_m(), _m((1, 3, 4)), type=tf.float32),
        "Ranks of softmax and grad_softmax matrices differ: 2 vs. 3",
    ),
    "zeros of rank 1": (lambda: R.SparseMatrixZeros(dense_shape=tf.constant([3], tf.int64), type=tf.float32), "sparse tensor must have rank == 2 or 3"),
    "sparse product of two ranks": (lambda: S.sparse_matrix_sparse_mat_mul(_m(), _m((1, 4, 2)), tf.float32), "Ranks of a and b must match, saw: 2 vs. 3"),
}


def _sparse(indices, dense_shape):
    indices = tf.constant(indices, tf.int64)
    return R.SparseTensorToCSRSparseMatrix(indices=indices, values=tf.ones([indices.shape[0]]), dense_shape=tf.constant(dense_shape, tf.int64))


@pytest.mark.parametrize("name", ERRORS_OF_THE_CPU)
def test_error_is_that_of_the_cpu(name, device):
    assert_error_is_that_of_the_cpu(ERRORS_OF_THE_CPU[name], device)


@pytest.mark.parametrize("name", OTHER_ERRORS)
def test_error(name, device):
    call, words = OTHER_ERRORS[name]
    assert words in error_of(call, device)[1]


def test_a_variant_that_is_no_matrix(device):
    no_matrix = R.EmptyTensorList(element_shape=tf.zeros([0], tf.int32), max_num_elements=1, element_dtype=tf.float32)
    assert "Could not retrieve Variant input 0" in error_of(lambda: R.CSRSparseMatrixToDense(sparse_input=no_matrix, type=tf.float32), device)[1]


def test_parts_are_on_the_device(rng):
    for tensor in parts(matrix(numbers(rng, (4, 5), "float32")))[:3]:
        assert "CPU" not in tensor.device
