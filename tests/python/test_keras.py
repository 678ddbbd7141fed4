"""Keras models through both doors: the training is the CPU's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

MODES = {"default": {}, "no jit": {"jit_compile": False}, "eagerly": {"run_eagerly": True}}


def digits(count):
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images[:count, ..., None] / 16).astype("float32"), data.target[:count].astype("int32")


def cnn():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )


def normalised_cnn():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(6, 3, strides=2, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.DepthwiseConv2D(3, padding="same"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )


class Losses(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.values = []

    def on_train_batch_end(self, batch, logs=None):
        self.values.append(logs["loss"])


def train(make, where, optimizer="adam", steps=20, batch=8, **compile_arguments):
    """The running losses of `steps` steps, and the model."""
    keras.utils.set_random_seed(3)
    with tf.device(where):
        model = make()
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], **compile_arguments)
        losses = Losses()
        model.fit(*digits(steps * batch), batch_size=batch, epochs=1, verbose=0, shuffle=False, callbacks=[losses])
    return np.array(losses.values), model


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", [cnn, normalised_cnn])
def test_twenty_steps_equal_the_cpus(make, mode, device):
    expected, _ = train(make, "/CPU:0", **MODES[mode])
    actual, model = train(make, device, **MODES[mode])
    assert len(actual) == 20
    np.testing.assert_allclose(actual, expected, rtol=2e-4)
    assert all("CPU" not in v.value.device for v in model.trainable_variables)


def test_default_settings_compile_the_step(device):
    _, model = train(cnn, device, steps=1)
    assert model.jit_compile


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adagrad", "adamw", "nadam", "adamax", "ftrl", "lion"])
def test_optimizers(optimizer, device):
    expected, _ = train(cnn, "/CPU:0", optimizer, steps=5)
    actual, _ = train(cnn, device, optimizer, steps=5)
    np.testing.assert_allclose(actual, expected, rtol=5e-4)


def test_momentum_and_clipping_without_jit(device):
    def make_optimizer():
        return keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipnorm=0.5)

    expected, _ = train(cnn, "/CPU:0", make_optimizer(), steps=5, jit_compile=False)
    actual, _ = train(cnn, device, make_optimizer(), steps=5, jit_compile=False)
    np.testing.assert_allclose(actual, expected, rtol=5e-4)


def test_last_batch_may_be_smaller(device):
    x, y = digits(37)
    with tf.device(device):
        model = cnn()
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        history = model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_predictions_equal_the_cpus(device):
    x, _ = digits(20)
    with tf.device("/CPU:0"):
        model = cnn()
        expected = model.predict(x, verbose=0)
    with tf.device(device):
        copy = cnn()
        copy.set_weights(model.get_weights())
        actual = copy.predict(x, verbose=0)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns(policy, device):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        with tf.device(device):
            losses, _ = train(cnn, device, keras.optimizers.Adam(0.01), steps=20)
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


def test_dropout_and_embedding(device):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 50, size=(32, 12)), rng.integers(0, 2, size=(32,))
    with tf.device(device):
        model = keras.Sequential(
            [
                keras.Input((12,), dtype="int32"),
                keras.layers.Embedding(50, 8),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dropout(0.3),
                keras.layers.Dense(2),
            ]
        )
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_attention(device):
    def make():
        inputs = keras.Input((6, 8))
        x = keras.layers.MultiHeadAttention(2, 4)(inputs, inputs)
        x = keras.layers.LayerNormalization()(x + inputs)
        return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(x)))

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 6, 8)).astype("float32"), rng.integers(0, 3, size=(16,))
    losses = []
    for where in ("/CPU:0", device):
        keras.utils.set_random_seed(5)
        with tf.device(where):
            model = make()
            model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            losses.append(model.fit(x, y, batch_size=8, epochs=3, verbose=0, shuffle=False).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
