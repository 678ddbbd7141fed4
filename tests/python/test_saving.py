"""Checkpoints, SavedModel, .keras files, tf.data input."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from test_keras import cnn, digits


@pytest.fixture
def trained(device):
    with tf.device(device):
        model = cnn()
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        model.fit(*digits(32), batch_size=16, epochs=1, verbose=0)
    return model


def test_keras_file(trained, tmp_path):
    x, _ = digits(8)
    expected = trained.predict(x, verbose=0)
    trained.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras").predict(x, verbose=0), expected)


def test_weights_file(trained, tmp_path):
    trained.save_weights(tmp_path / "model.weights.h5")
    other = cnn()
    other.load_weights(tmp_path / "model.weights.h5")
    for a, b in zip(trained.get_weights(), other.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_checkpoint_continues_training(trained, tmp_path):
    checkpoint = tf.train.Checkpoint(model=trained, optimizer=trained.optimizer)
    path = checkpoint.save(str(tmp_path / "checkpoint"))
    saved = [np.array(w) for w in trained.get_weights()]
    trained.fit(*digits(16), batch_size=16, epochs=1, verbose=0)
    assert any((a != b).any() for a, b in zip(saved, trained.get_weights()))
    checkpoint.restore(path).assert_existing_objects_matched()
    for a, b in zip(saved, trained.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_saved_model(trained, tmp_path, device):
    x, _ = digits(8)
    expected = trained.predict(x, verbose=0)
    trained.export(tmp_path / "served")
    with tf.device(device):
        served = tf.saved_model.load(str(tmp_path / "served"))
        np.testing.assert_allclose(served.serve(x), expected, rtol=1e-3, atol=1e-4)  # another program: its products may round otherwise


def test_module_with_variables(tmp_path, device):
    class Scaler(tf.Module):
        def __init__(self):
            self.factor = tf.Variable([2.0, 3.0])

        @tf.function(input_signature=[tf.TensorSpec([None, 2])])
        def __call__(self, x):
            return x * self.factor

    with tf.device(device):
        tf.saved_model.save(Scaler(), str(tmp_path))
        np.testing.assert_array_equal(tf.saved_model.load(str(tmp_path))(tf.ones([1, 2])), [[2, 3]])


def test_data_pipeline_into_fit(device):
    x, y = digits(40)
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(40).map(lambda a, b: (a * 2.0, b)).batch(16).prefetch(2)
    with tf.device(device):
        model = cnn()
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        assert np.isfinite(model.fit(data, epochs=2, verbose=0).history["loss"]).all()


def test_data_iterated_in_a_custom_loop(device):
    x, y = digits(32)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    with tf.device(device):
        model = cnn()
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(model.trainable_variables)

        @tf.function
        def step(a, b):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(b, model(a, training=True)))
            optimizer.apply(tape.gradient(loss, model.trainable_variables))
            return loss

        losses = [float(step(a, b)) for _ in range(6) for a, b in data]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


def test_prefetch_to_device(device):
    data = tf.data.Dataset.range(5).map(lambda i: tf.cast(i, tf.float32)).apply(tf.data.experimental.prefetch_to_device(device))
    assert [float(v * 2.0) for v in data] == [0, 2, 4, 6, 8]
