"""FFTND and its relatives, which have no CPU kernels: numpy says what they give."""

import numpy as np
import pytest
import tensorflow as tf

R = tf.raw_ops
SHAPE = (4, 6, 5)


def _numbers(kind):
    rng = np.random.default_rng(7)
    x = rng.normal(size=SHAPE)
    return (x if kind == "real" else x + 1j * rng.normal(size=SHAPE)).astype(np.float32 if kind == "real" else np.complex64)


def _call(op, x, lengths, axes, device):
    types = {"RFFTND": {"Tcomplex": tf.complex64}, "IRFFTND": {"Treal": tf.float32}}.get(op, {})
    with tf.device(device):
        return getattr(R, op)(input=tf.constant(x), fft_length=lengths, axes=axes, **types).numpy()


@pytest.mark.parametrize("axes", [[0], [1], [2], [0, 1], [1, 2], [2, 0], [0, 1, 2], [-1, -3]])
@pytest.mark.parametrize("cut", [0, 1, -2])
@pytest.mark.parametrize("op", ["FFTND", "IFFTND", "RFFTND", "IRFFTND"])
def test_transform_agrees_with_numpy(op, cut, axes, device):
    x = _numbers("real" if op == "RFFTND" else "complex")
    lengths = [SHAPE[a] - cut for a in axes]
    if op == "IRFFTND":
        lengths[-1] = 2 * (lengths[-1] - 1)
    numpy_function = {"FFTND": np.fft.fftn, "IFFTND": np.fft.ifftn, "RFFTND": np.fft.rfftn, "IRFFTND": np.fft.irfftn}[op]
    expected = numpy_function(x.astype(np.complex128 if op != "RFFTND" else np.float64), lengths, axes)
    actual = _call(op, x, lengths, axes, device)
    assert actual.shape == expected.shape and actual.dtype == (np.float32 if op == "IRFFTND" else np.complex64)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_axes_that_cannot_be(device):
    for axes, lengths, words in (([1, 1], [6, 6], "unique"), ([3], [4], "out of range"), ([0, 1], [4], "same length")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            _call("FFTND", _numbers("complex"), lengths, axes, device)
