"""More of op_cases.py: linear algebra."""

import numpy as np
import tensorflow as tf
from op_cases import COMPLEX, OpCase, compound, definite, given, real

R = tf.raw_ops
DOUBLES = ("float32", "float64")


def _determinants():
    for n in (1, 2, 3, 8, 33):
        yield OpCase(f"Determinant {n}", tf.linalg.det, (real(2, 3, n, n),), DOUBLES, gradient=n < 33, tolerance=20)
        yield OpCase(f"LogDeterminant {n}", lambda x: list(tf.linalg.slogdet(x)), (real(3, n, n),), DOUBLES, gradient=n < 33, tolerance=50)
        yield OpCase(f"Lu {n}", lambda x: list(R.Lu(input=x)), (real(2, 3, n, n),), DOUBLES, gradient=False, tolerance=50)
    yield OpCase("Determinant of complex numbers", tf.linalg.det, (compound(3, 4, 4),), COMPLEX, gradient=False, tolerance=20)
    yield OpCase(
        "LogDeterminant of complex numbers", lambda x: list(R.LogMatrixDeterminant(input=x)), (compound(3, 4, 4),), COMPLEX, gradient=False, tolerance=20
    )
    yield OpCase("Lu of complex numbers", lambda x: list(R.Lu(input=x, output_idx_type=tf.int64)), (compound(2, 5, 5),), COMPLEX, gradient=False, tolerance=20)
    yield OpCase("Determinant of singular matrices", tf.linalg.det, (given(np.array([[[1, 2], [2, 4]], [[0, 0], [0, 0]], [[0, 1], [1, 0]]], np.float32)),),
                 gradient=False)  # fmt: skip
    yield OpCase("LogDeterminant of singular matrices", lambda x: list(R.LogMatrixDeterminant(input=x)),
                 (given(np.array([[[0, 0], [0, 0]], [[0, 1], [1, 0]]], np.float32)),), gradient=False)  # fmt: skip
    large_and_small = np.diag([1e25, 1e25, 1e-25, 1e-25]).astype(np.float32)
    yield OpCase("Determinant out of range on the way", tf.linalg.det, (given(large_and_small),), gradient=False)
    for shape in ((0, 3, 3), (2, 0, 0)):
        yield OpCase(f"determinants of {shape}", lambda x: [tf.linalg.det(x), *R.LogMatrixDeterminant(input=x), *R.Lu(input=x)],
                     (given(np.zeros(shape, np.float32)),), gradient=False)  # fmt: skip
    yield OpCase("Lu's solution and inverse", lambda a: [tf.linalg.lu_matrix_inverse(*tf.linalg.lu(a)), tf.linalg.lu_reconstruct(*tf.linalg.lu(a))],
                 (definite(6, (2,)),), gradient=False, tolerance=20)  # fmt: skip


def _norms():
    types = ("float32", "float64", "float16", "bfloat16")
    yield OpCase("EuclideanNorm", lambda x: [tf.math.reduce_euclidean_norm(x, 1), tf.math.reduce_euclidean_norm(x, [0, -1], keepdims=True),
                                             tf.math.reduce_euclidean_norm(x)], (real(3, 4, 5),), types)  # fmt: skip
    yield OpCase("EuclideanNorm of complex numbers", lambda x: [R.EuclideanNorm(input=x, axis=[0]), R.EuclideanNorm(input=x, axis=[-1, 0])],
                 (compound(3, 4),), COMPLEX, gradient=False)  # fmt: skip
    yield OpCase("EuclideanNorm of nothing", lambda x: [R.EuclideanNorm(input=x, axis=[0]), R.EuclideanNorm(input=x, axis=[1])],
                 (given(np.zeros([0, 3], np.float32)),), gradient=False)  # fmt: skip


LINALG_CASES = [*_determinants(), *_norms()]
