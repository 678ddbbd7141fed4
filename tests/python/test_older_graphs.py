"""Ops that only graphs of old versions of TensorFlow have: on the device they give what they give on the CPU."""

import numpy as np
import pytest
import tensorflow as tf
from graph_attributes import set_attributes

OLD_PRODUCER = 2  # a version in which none of these ops was removed


def _run(op, inputs, attributes, outputs, where):
    """The results of a graph of one node, in a session."""
    graph_def = tf.compat.v1.GraphDef()
    graph_def.versions.producer = OLD_PRODUCER
    node = graph_def.node.add(name="node", op=op, device=where)
    for i, value in enumerate(inputs):
        feed = graph_def.node.add(name=f"input{i}", op="Placeholder")
        feed.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
        node.input.append(feed.name)
    set_attributes(node, attributes)
    with tf.Graph().as_default():
        tf.import_graph_def(graph_def, name="")
        config = tf.compat.v1.ConfigProto(allow_soft_placement=False)
        with tf.compat.v1.Session(config=config) as session:
            return session.run([f"node:{i}" for i in range(outputs)], {f"input{i}:0": v for i, v in enumerate(inputs)})


def _normal(*shape, dtype=np.float32):
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.issubdtype(dtype, np.complexfloating) else x).astype(dtype)


def _definite(n):
    a = _normal(2, n, n)
    return a @ a.swapaxes(-1, -2) + n * np.eye(n, dtype=np.float32)


F = {"T": tf.float32}
CONV = {**F, "strides": [1, 1, 2, 1, 1], "padding": "SAME"}
NORM = {**F, "variance_epsilon": 0.01}
# TopK and TileGrad are missing: TensorFlow registers CPU kernels of these with attributes that the ops lack, so it refuses graphs with them everywhere.
CASES = [
    ("BatchMatrixBandPart", [_normal(2, 4, 5), np.int64(1), np.int64(-1)], F, 1),
    ("BatchMatrixDiag", [_normal(2, 4)], F, 1),
    ("BatchMatrixDiagPart", [_normal(2, 4, 5)], F, 1),
    ("BatchMatrixSetDiag", [_normal(2, 4, 4), _normal(2, 4)], F, 1),
    ("BatchMatrixTriangularSolve", [np.tril(_definite(4)), _normal(2, 4, 3)], {**F, "lower": True, "adjoint": False}, 1),
    ("BatchMatrixTriangularSolve", [np.triu(_definite(4)), _normal(2, 4, 3)], {**F, "lower": False, "adjoint": True}, 1),
    ("BatchMatrixInverse", [_definite(4)], {**F, "adjoint": True}, 1),
    ("BatchMatrixDeterminant", [_normal(2, 4, 4)], F, 1),
    ("BatchMatrixSolve", [_definite(4), _normal(2, 4, 3)], F, 1),
    ("BatchCholesky", [_definite(4)], F, 1),
    ("BatchSvd", [_normal(2, 4, 3)], {**F, "compute_uv": False}, 1),
    ("InvGrad", [_normal(7), _normal(7)], F, 1),
    ("BatchNormWithGlobalNormalization", [_normal(2, 3, 4, 5), _normal(5), _normal(5) ** 2, _normal(5), _normal(5)],
     {**NORM, "scale_after_normalization": True}, 1),
    ("BatchNormWithGlobalNormalization", [_normal(2, 3, 4, 5), _normal(5), _normal(5) ** 2, _normal(5), _normal(5)],
     {**NORM, "scale_after_normalization": False}, 1),
    ("BatchNormWithGlobalNormalizationGrad", [_normal(2, 3, 4, 5), _normal(5), _normal(5) ** 2, _normal(5), _normal(2, 3, 4, 5)],
     {**NORM, "scale_after_normalization": True}, 5),
    ("BatchNormWithGlobalNormalizationGrad", [_normal(2, 3, 4, 5), _normal(5), _normal(5) ** 2, _normal(5), _normal(2, 3, 4, 5)],
     {**NORM, "scale_after_normalization": False}, 5),
    ("BatchSelfAdjointEigV2", [_definite(4)], {**F, "compute_v": False}, 1),
    ("RandomPoisson", [np.array([9], np.int32), np.array([2.0, 5.0], np.float32)], {"S": tf.int32, "dtype": tf.float32, "seed": 3, "seed2": 4}, 1),
    ("Conv3DBackpropInput", [_normal(2, 5, 6, 4, 3), _normal(3, 3, 3, 3, 4), _normal(2, 5, 3, 4, 4)], CONV, 1),
    ("Conv3DBackpropFilter", [_normal(2, 5, 6, 4, 3), _normal(3, 3, 3, 3, 4), _normal(2, 5, 3, 4, 4)], CONV, 1),
]  # fmt: skip


@pytest.mark.parametrize("op,inputs,attributes,outputs", [pytest.param(*c, id=f"{i}-{c[0]}") for i, c in enumerate(CASES)])
def test_older_op_agrees_with_cpu(op, inputs, attributes, outputs, device):
    expected = _run(op, inputs, attributes, outputs, "/device:CPU:0")
    actual = _run(op, inputs, attributes, outputs, "/device:GPU:0")
    for a, e in zip(actual, expected):
        assert a.dtype == e.dtype and a.shape == e.shape
        np.testing.assert_allclose(a, e, rtol=2e-5, atol=2e-5 * max(1.0, np.abs(e).max()))


def test_fourier_transforms_agree_with_numpy(device):
    x = _normal(2, 3, 4, 5, dtype=np.complex64)
    for dimensions, suffix in ((1, ""), (2, "2D"), (3, "3D")):
        axes = range(-dimensions, 0)
        for op, function in ((f"BatchFFT{suffix}", np.fft.fftn), (f"BatchIFFT{suffix}", np.fft.ifftn)):
            np.testing.assert_allclose(_run(op, [x], {}, 1, "/device:GPU:0")[0], function(x, axes=axes), rtol=2e-5, atol=2e-4, err_msg=op)
