"""Tensors of 5 GiB and of 2^32 elements: what they hold at the far end is right. For devices with the memory (40 GB); TFVK_LARGE_TENSORS=1 asks for it."""

import os

import numpy as np
import pytest
import tensorflow as tf

GIB = 2**30
ELEMENTS = 2**32
ROWS = 81920  # of 16,384 fp32 elements: 5 GiB


pytestmark = pytest.mark.skipif(os.environ.get("TFVK_LARGE_TENSORS") != "1", reason="needs 40 GB of device memory and minutes: TFVK_LARGE_TENSORS=1")


@pytest.fixture(scope="module")
def wide():
    """[ROWS, 16384] fp32 whose element [r, c] is r + c / 16384."""
    with tf.device("/GPU:0"):
        return tf.range(ROWS, dtype=tf.float32)[:, None] + tf.range(16384, dtype=tf.float32)[None, :] / 16384


@pytest.fixture(scope="module")
def many():
    """[65536, 65536] uint8 whose element [r, c] is (3 r + c) mod 251, in 2^32 elements."""
    with tf.device("/GPU:0"):
        rows, columns = tf.range(65536, dtype=tf.int32), tf.range(65536, dtype=tf.int32)
        return tf.cast((3 * rows[:, None] % 251 + columns[None, :] % 251) % 251, tf.uint8)


def _wide(rows, columns):
    return np.add.outer(np.asarray(rows, np.float32), np.asarray(columns, np.float32) / 16384).astype(np.float32)


def _many(rows, columns):
    return (np.add.outer(3 * np.asarray(rows, np.int64), np.asarray(columns, np.int64) % 251) % 251).astype(np.uint8)


FAR = [0, 1, 32768, ROWS - 2, ROWS - 1]
FAR_OF_MANY = [0, 1, 32767, 32768, 65534, 65535]


@pytest.mark.parametrize("jit", [False, True])
class TestFiveGibibytes:
    def test_elementwise(self, wide, jit):
        result = tf.function(lambda x: x * 2 + 1, jit_compile=jit)(wide)
        np.testing.assert_array_equal(result[-3:].numpy(), _wide(range(ROWS - 3, ROWS), range(16384)) * 2 + 1)
        np.testing.assert_array_equal(result[:3].numpy(), _wide(range(3), range(16384)) * 2 + 1)

    def test_reduction(self, wide, jit):
        maximum, by_row = tf.function(lambda x: (tf.reduce_max(x), tf.reduce_sum(x, 1)), jit_compile=jit)(wide)
        assert maximum.numpy() == _wide([ROWS - 1], [16383])[0, 0]
        expected = np.arange(ROWS, dtype=np.float64) * 16384 + 16383 / 2
        np.testing.assert_allclose(by_row.numpy(), expected, rtol=1e-5)
        by_column = tf.function(lambda x: tf.reduce_max(x, 0), jit_compile=jit)(wide)
        np.testing.assert_array_equal(by_column.numpy(), _wide([ROWS - 1], range(16384))[0])

    def test_matmul(self, wide, jit):
        right = tf.one_hot([16383, 0, 5], 16384, axis=0)
        picked = tf.function(tf.matmul, jit_compile=jit)(wide, right)
        np.testing.assert_allclose(picked.numpy(), _wide(range(ROWS), [16383, 0, 5]), rtol=1e-3)

    def test_gather(self, wide, jit):
        rows = tf.constant(FAR[::-1])
        np.testing.assert_array_equal(tf.function(tf.gather, jit_compile=jit)(wide, rows).numpy(), _wide(FAR[::-1], range(16384)))

    def test_copy(self, wide, jit):
        copy = tf.function(lambda x: tf.reverse(tf.transpose(x), [0]), jit_compile=jit)(wide)
        np.testing.assert_array_equal(copy[:, -2:].numpy(), _wide([ROWS - 2, ROWS - 1], range(16384)).T[::-1])


def test_five_gibibytes_go_to_the_host_and_back(wide):
    on_host = wide.numpy()
    np.testing.assert_array_equal(on_host[FAR], _wide(FAR, range(16384)))
    with tf.device("/GPU:0"):
        back = tf.identity(tf.constant(on_host))
    assert bool(tf.reduce_all(back == wide))


@pytest.mark.parametrize("jit", [False, True])
class TestTwoToThe32Elements:
    def test_elementwise(self, many, jit):
        result = tf.function(lambda x: tf.bitwise.invert(x), jit_compile=jit)(many)
        np.testing.assert_array_equal(result[-2:].numpy(), ~_many([65534, 65535], range(65536)))
        np.testing.assert_array_equal(result[:2].numpy(), ~_many([0, 1], range(65536)))

    def test_reduction(self, many, jit):
        by_row, largest = tf.function(lambda x: (tf.reduce_sum(tf.cast(x, tf.int32), 1), tf.reduce_max(x)), jit_compile=jit)(many)
        np.testing.assert_array_equal(by_row.numpy()[FAR_OF_MANY], _many(FAR_OF_MANY, range(65536)).sum(1, dtype=np.int32))
        assert largest.numpy() == 250
        flat = tf.function(lambda x: tf.reduce_sum(tf.cast(tf.reshape(x, [-1]), tf.int64)), jit_compile=jit)(many)
        counts = np.bincount(np.arange(65536) % 251, minlength=251)
        expected = sum(int(((3 * r + np.arange(251)) % 251 * counts).sum()) for r in range(65536))
        assert flat.numpy() == expected

    def test_matmul(self, many, jit):
        columns = [65535, 0, 32768]
        right = tf.cast(tf.one_hot(columns, 65536, axis=0), tf.float16)
        picked = tf.function(lambda x, y: tf.matmul(tf.cast(x, tf.float16), y), jit_compile=jit)(many, right)
        np.testing.assert_array_equal(picked.numpy(), _many(range(65536), columns).astype(np.float16))

    def test_gather(self, many, jit):
        flat = tf.reshape(many, [-1])
        places = np.array([r * 65536 + c for r in FAR_OF_MANY for c in FAR_OF_MANY], np.int64)
        picked = tf.function(tf.gather, jit_compile=jit)(flat, tf.constant(places))
        np.testing.assert_array_equal(picked.numpy(), _many(FAR_OF_MANY, FAR_OF_MANY).reshape(-1))
        rows = tf.function(tf.gather, jit_compile=jit)(many, tf.constant(FAR_OF_MANY))
        np.testing.assert_array_equal(rows.numpy(), _many(FAR_OF_MANY, range(65536)))

    def test_copy(self, many, jit):
        turned = tf.function(tf.transpose, jit_compile=jit)(many)
        np.testing.assert_array_equal(turned[-2:].numpy(), _many(range(65536), [65534, 65535]).T)
        joined = tf.function(lambda x: tf.concat([x[1:], x[:1]], 0), jit_compile=jit)(many)
        np.testing.assert_array_equal(joined[-2:].numpy(), _many([65535, 0], range(65536)))


def test_product_of_2_to_the_32_results():
    with tf.device("/GPU:0"):
        left = tf.cast(tf.range(65536) % 32, tf.float16)[:, None]
        right = tf.cast(tf.range(65536) % 64, tf.float16)[None, :]
        result = tf.matmul(tf.concat([left, left + 1], 1), tf.concat([right, right], 0))
    expected = np.multiply.outer((2 * (np.arange(65532, 65536) % 32) + 1), np.arange(65536) % 64).astype(np.float16)
    np.testing.assert_array_equal(result[-4:].numpy(), expected)
