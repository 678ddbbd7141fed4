"""Sparse tensors in compiled functions and in Keras; what their kernels compile and leave to the CPU."""

import numpy as np
import pytest
import tensorflow as tf


def _sparse(n, shape, seed=0):
    """A sparse tensor of n elements in order, and the same as an array."""
    rng = np.random.default_rng(seed)
    flat = np.sort(rng.choice(int(np.prod(shape)), size=n, replace=False))
    array = np.zeros(shape, np.float32)
    array.flat[flat] = rng.normal(size=n)
    indices = np.stack(np.unravel_index(flat, shape), axis=1)
    return tf.SparseTensor(indices, array.flat[flat], shape), array


@pytest.mark.parametrize("jit", [False, True], ids=["graph", "compiled"])
def test_a_product_in_a_function_has_the_gradients_of_the_dense_one(jit, device, no_soft_placement, rng):
    b = tf.constant(rng.normal(size=(7, 3)).astype(np.float32))

    @tf.function(jit_compile=jit)
    def value_and_gradients(indices, values, shape, b):
        with tf.GradientTape() as tape:
            tape.watch([values, b])
            y = tf.sparse.sparse_dense_matmul(tf.SparseTensor(indices, values, shape), b)
            loss = tf.reduce_sum(y * y)
        return y, *tape.gradient(loss, [values, b])

    with tf.device(device):
        a, array = _sparse(20, [9, 7])
        y, of_values, of_b = value_and_gradients(a.indices, a.values, a.dense_shape, b)
    dense = 2 * (array @ b.numpy())
    np.testing.assert_allclose(2 * y.numpy(), dense, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(of_b.numpy(), array.T @ dense, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(of_values.numpy(), (dense @ b.numpy().T)[tuple(a.indices.numpy().T)], rtol=1e-5, atol=1e-4)


def test_compiled_functions_drop_elements_outside(device, no_soft_placement):
    product = tf.function(lambda i, v, b: tf.sparse.sparse_dense_matmul(tf.SparseTensor(i, v, [2, 3]), b), jit_compile=True)
    with tf.device(device):
        y = product(tf.constant([[0, 1], [2, 0], [1, 3], [-1, 0], [1, -1], [1, 2]], tf.int64), tf.ones([6]), tf.ones([3, 2]))
    assert y.numpy().tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_product_is_the_same_each_time(device, no_soft_placement, rng):
    """Many elements of few places, in no order: floating-point sums tell in which order they were made."""
    n = 5000
    indices, values, b = rng.integers(0, 8, size=(n, 2)), rng.normal(size=n).astype(np.float32), rng.normal(size=(8, 5)).astype(np.float32)
    with tf.device(device):
        a = tf.SparseTensor(indices, values, [8, 8])
        results = {tf.sparse.sparse_dense_matmul(a, b).numpy().tobytes() for _ in range(5)}
    assert len(results) == 1


def _steps(n):
    """A call of each kernel on n elements."""
    x, _ = _sparse(n, [100, 10], seed=n)
    y = tf.sparse.reorder(x)
    tf.sparse.sparse_dense_matmul(y, tf.ones([10, 2]))
    filled = tf.raw_ops.SparseFillEmptyRows(indices=y.indices, values=y.values, dense_shape=y.dense_shape, default_value=0.0)
    tf.raw_ops.SparseFillEmptyRowsGrad(reverse_index_map=filled.reverse_index_map, grad_values=filled.output_values)
    tf.sparse.reshape(y, [10, 100])
    cut = tf.sparse.slice(y, [0, 0], [100, 10])
    tf.raw_ops.SparseSliceGrad(backprop_val_grad=cut.values, input_indices=y.indices, input_start=tf.zeros([2], tf.int64), output_indices=cut.indices)
    tf.raw_ops.SparseSplit(split_dim=tf.constant(0, tf.int64), indices=y.indices, values=y.values, shape=y.dense_shape, num_split=3)
    tf.sparse.concat(1, [y, y])
    ids = tf.raw_ops.SparseSegmentSumGradV2(grad=tf.ones([4, 2]), indices=tf.range(n), segment_ids=tf.range(n) * 4 // n, dense_output_dim0=n)
    return ids.sorted_unique_indices


def test_other_numbers_of_elements_compile_nothing(device, no_soft_placement, statistics, not_on_reference):
    not_on_reference("it compiles the hot ops between the kernels for every shape")
    with tf.device(device):
        for n in (520, 530):  # the second compiles what cuts and converts
            _steps(n)
        before = statistics()
        for n in (540, 600, 1000):
            _steps(n)
        after = statistics()
    assert after["programs_compiled"] == before["programs_compiled"]
    assert after["ops_run_on_cpu"] == before["ops_run_on_cpu"]


def test_keras_learns_from_sparse_batches(device, statistics):
    import keras

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(3)
    batches = []
    for k in range(8):
        x, array = _sparse(int(rng.integers(40, 60)), [16, 30], seed=k)
        batches.append((x, array.sum(1, keepdims=True)))

    def draw():
        yield from batches

    data = tf.data.Dataset.from_generator(draw, output_signature=(tf.SparseTensorSpec([16, 30], tf.float32), tf.TensorSpec([16, 1], tf.float32)))
    with tf.device(device):
        model = keras.Sequential([keras.Input([30], sparse=True), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.3), "mse", jit_compile=False)
        before = statistics()["ops_run_on_cpu"]
        losses = model.fit(data.repeat(5), verbose=0, epochs=1, steps_per_epoch=8).history["loss"] + model.fit(data, verbose=0).history["loss"]
        after = statistics()["ops_run_on_cpu"]
    assert losses[-1] < 0.7 * losses[0]
    assert not [op for op in after if "Sparse" in op and after[op] != before.get(op, 0)]
