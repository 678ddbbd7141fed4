"""The benchmark's models: each function gives a Keras model, one batch of inputs and its labels. `small` is for software drivers and tests."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers


def _batch(shape, classes):
    """Normally distributed inputs and one label a sample."""
    random = np.random.default_rng(0)
    return random.standard_normal(shape, np.float32), random.integers(0, classes, shape[0])


def mlp(small: bool):
    batch, inputs, classes, width = (64, 64, 10, 128) if small else (1024, 1024, 1000, 4096)
    hidden = [layers.Dense(width, "relu") for _ in range(3)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(classes)]), *_batch((batch, inputs), classes)


def cnn(small: bool):
    batch, size = (32, 28) if small else (256, 32)
    stack = [
        keras.Input((size, size, 3)),
        layers.Conv2D(64, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(128, 3, activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(256, "relu"),
        layers.Dense(10),
    ]
    return keras.Sequential(stack), *_batch((batch, size, size, 3), 10)


def _application(build, small: bool):
    batch, size = (2, 64) if small else (64, 224)
    model = build(weights=None, input_shape=(size, size, 3), classes=1000, classifier_activation=None)
    return model, *_batch((batch, size, size, 3), 1000)


def resnet50(small: bool):
    return _application(keras.applications.ResNet50, small)


def mobilenetv2(small: bool):
    return _application(keras.applications.MobileNetV2, small)


def transformer(small: bool, any_length: bool = False):
    batch, length, width, heads, blocks, vocabulary = (2, 16, 32, 2, 2, 100) if small else (32, 256, 512, 8, 6, 8192)
    tokens = keras.Input((None if any_length else length,), dtype="int32")
    x = layers.Embedding(vocabulary, width)(tokens)
    for _ in range(blocks):
        normal = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(heads, width // heads)(normal, normal, use_causal_mask=True)
        normal = layers.LayerNormalization()(x)
        x = x + layers.Dense(width)(layers.Dense(4 * width, "gelu")(normal))
    model = keras.Model(tokens, layers.Dense(vocabulary)(layers.LayerNormalization()(x)))
    random = np.random.default_rng(0)
    inputs, labels = (random.integers(0, vocabulary, (batch, length)) for _ in range(2))
    return model, inputs.astype("int32"), labels


def lstm(small: bool):
    batch, length, inputs, units = (4, 8, 16, 32) if small else (128, 128, 128, 512)
    stack = [keras.Input((length, inputs)), layers.LSTM(units, return_sequences=True), layers.LSTM(units), layers.Dense(10)]
    return keras.Sequential(stack), *_batch((batch, length, inputs), 10)


MODELS = {build.__name__: build for build in (mlp, cnn, resnet50, mobilenetv2, transformer, lstm)}
