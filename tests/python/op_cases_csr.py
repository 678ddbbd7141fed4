"""More of op_cases.py: sparse matrices in compressed rows (tensorflow.python.ops.linalg.sparse), alone and in batches."""

import itertools

import tensorflow as tf
from op_cases import COMPLEX, OpCase, compound, real
from tensorflow.python.ops.linalg.sparse import sparse_csr_matrix_ops as S

R = tf.raw_ops
REALS = ("float32", "float64")
KINDS = ((real, REALS), (compound, COMPLEX))
TRANSPOSITIONS = ({}, {"transpose": True}, {"adjoint": True})


def matrix(x, above=0.3):
    """The elements of x whose real parts are above a bound, as a sparse matrix."""
    return S.CSRSparseMatrix(tf.where(tf.math.real(x) > above, x, tf.zeros_like(x)))


def parts(m):
    """All that a matrix says of itself, in the order of its elements."""
    s = m.to_sparse_tensor()
    return [m.to_dense(), s.indices, s.values, s.dense_shape, m.nnz()]


def _components(m):
    batches = m.shape[0] if m.shape.rank == 3 else 1
    return [c for i in range(batches) for c in R.CSRSparseMatrixComponents(csr_sparse_matrix=m._matrix, index=i, type=m.dtype)]


def _through_sparse_tensor(x):
    return parts(S.CSRSparseMatrix(tf.sparse.from_dense(tf.where(tf.math.real(x) > 0.3, x, tf.zeros_like(x)))))


def _conversions():
    for make, types in KINDS:
        name = "CSR" if make is real else "complex CSR"
        for dims in ((5, 7), (3, 4, 6)):
            yield OpCase(f"{name} {dims}", lambda x: parts(matrix(x)), (make(*dims),), types, gradient=False)
            yield OpCase(f"{name} to dense {dims}", lambda x: matrix(x).to_dense(), (make(*dims),), types)
            yield OpCase(f"{name} values {dims}", lambda x: matrix(x).to_sparse_tensor().values, (make(*dims),), types)
            yield OpCase(f"{name} components {dims}", lambda x: _components(matrix(x)), (make(*dims),), types, gradient=False)
            yield OpCase(f"{name} from SparseTensor {dims}", _through_sparse_tensor, (make(*dims),), types, gradient=False)
            yield OpCase(f"{name} conj {dims}", lambda x: matrix(x).conj().to_dense(), (make(*dims),), types)
            yield OpCase(f"{name} transpose {dims}", lambda x: parts(matrix(x).transpose()), (make(*dims),), types, gradient=False)
            yield OpCase(f"{name} adjoint {dims}", lambda x: parts(matrix(x).hermitian_transpose()), (make(*dims),), types, gradient=False)
            yield OpCase(f"{name} transpose's gradient {dims}", lambda x: matrix(x).transpose().to_dense(), (make(*dims),), types)
    yield OpCase("CSR long", lambda x: parts(matrix(x)), (real(90, 70),), gradient=False)
    yield OpCase("CSR full", lambda x: parts(matrix(x, -100)), (real(8, 16),), gradient=False)
    yield OpCase("CSR of one", lambda x: parts(matrix(x, -100)), (real(1, 1),), gradient=False)
    yield OpCase("CSR without elements", lambda x: parts(matrix(x, 100)), (real(3, 2, 5),), gradient=False)
    yield OpCase("CSR with empty matrices", lambda x: parts(matrix(x * tf.constant([0.0, 1, 0, 0, 1, 0])[:, None, None])), (real(6, 3, 4),), gradient=False)
    yield OpCase("CSR without rows", lambda x: parts(matrix(x[:0])), (real(3, 5),), gradient=False)
    yield OpCase("CSR without columns", lambda x: parts(matrix(x[:, :0])), (real(3, 5),), gradient=False)
    yield OpCase("CSR of some indices", lambda x: parts(S.CSRSparseMatrix(x, indices=[[0, 1], [0, 3], [2, 0], [4, 6]])), (real(5, 7),), gradient=False)
    yield OpCase("CSR of all of a long row", lambda x: parts(matrix(x, -100)), (real(2, 3000),), gradient=False)


def _sides(a, b):
    """The flags of a product's two factors, and whether each is transposed."""
    flags = {f"{k}_a": v for k, v in a.items()} | {f"{k}_b": v for k, v in b.items()}
    return flags, bool(a), bool(b)


def _products():
    for (make, types), batch, a, b in itertools.product(KINDS, ((), (2,)), TRANSPOSITIONS, TRANSPOSITIONS):
        flags, a_turned, b_turned = _sides(a, b)
        a_dims, b_dims = batch + ((6, 4) if a_turned else (4, 6)), batch + ((5, 6) if b_turned else (6, 5))
        name = " ".join(["complex" if make is compound else "real", *(["batch"] if batch else []), *flags]).replace("_", " ")
        dense = lambda x, y, flags=flags: S.matmul(matrix(x), y, **flags)  # noqa: E731
        left = lambda x, y, flags=flags: S.matmul(y, matrix(x), **flags)  # noqa: E731
        sparse = lambda x, y, flags=flags: parts(S.matmul(matrix(x), matrix(y), **flags))  # noqa: E731
        yield OpCase(f"CSR matmul {name}", dense, (make(*a_dims), make(*b_dims)), types, tolerance=4)
        yield OpCase(f"CSR matmul from the left {name}", left, (make(*b_dims), make(*a_dims)), types, gradient=False, tolerance=4)
        yield OpCase(f"CSR sparse matmul {name}", sparse, (make(*a_dims), make(*b_dims)), types, gradient=False, tolerance=4)
    for output in ({"transpose_output": True}, {"conjugate_output": True}, {"transpose_output": True, "conjugate_output": True}):
        product = lambda x, y, output=output: S.sparse_matrix_mat_mul(matrix(x)._matrix, y, **output)  # noqa: E731
        yield OpCase(f"CSR matmul {' '.join(output)}", product, (compound(2, 4, 6), compound(2, 6, 5)), COMPLEX, gradient=False)
    yield OpCase("CSR matmul of a vector", lambda x, y: S.matmul(matrix(x), y), (real(40, 30), real(30, 1)), REALS)
    yield OpCase("CSR matmul long", lambda x, y: S.matmul(matrix(x), y), (real(100, 80), real(80, 33)), REALS, tolerance=4)
    yield OpCase("CSR matmul without elements", lambda x, y: S.matmul(matrix(x, 100), y), (real(4, 6), real(6, 3)), gradient=False)
    yield OpCase("CSR matmul without rows", lambda x, y: S.matmul(matrix(x[:0]), y), (real(4, 6), real(6, 3)), gradient=False)
    yield OpCase("CSR sparse matmul long", lambda x, y: parts(S.matmul(matrix(x), matrix(y))), (real(60, 50), real(50, 70)), REALS, gradient=False, tolerance=4)
    yield OpCase("CSR sparse matmul to dense", lambda x, y: S.matmul(matrix(x), matrix(y)).to_dense(), (real(6, 5), real(5, 4)), REALS)
    some = lambda x: tf.sparse.from_dense(tf.where(x > 0.3, x, tf.zeros_like(x)))  # noqa: E731
    yield OpCase("CSR of a sparse tensor to dense", lambda x: S.CSRSparseMatrix(some(x)).to_dense(), (real(6, 5),), REALS)
    for left, right in ((1, 3), (3, 1), (2, 2)):
        one = lambda x, y: parts(S.matmul(matrix(x), matrix(y), transpose_b=True))  # noqa: E731
        yield OpCase(f"CSR sparse matmul of {left} by {right}", one, (real(left, 4, 6), real(right, 5, 6)), gradient=False)
    none = lambda x, y: parts(S.matmul(matrix(x, 100), matrix(y)))  # noqa: E731
    yield OpCase("CSR sparse matmul without elements", none, (real(4, 6), real(6, 3)), gradient=False)
    disjoint = lambda x, y: parts(S.matmul(matrix(x * tf.constant([1.0, 0, 1, 0])), matrix(y * tf.constant([0.0, 1, 0, 1])[:, None])))  # noqa: E731
    yield OpCase("CSR sparse matmul without products", disjoint, (real(3, 4), real(4, 5)), gradient=False)


CSR_CASES = [*_conversions(), *_products()]
