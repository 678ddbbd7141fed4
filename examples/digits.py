#!/usr/bin/env python3
"""Learns to read handwritten digits: 1,797 real 8x8 images that come with scikit-learn.

This is ordinary Keras, and nothing below asks for a GPU: with tensorflow-vulkan installed TensorFlow finds one by itself. To compare with the CPU:
TFVK_VISIBLE_DEVICES=-1 python digits.py
It writes digits.png and digits.keras into the current folder.
"""

import time

import keras
import matplotlib
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  (after the choice of a back end that needs no screen)

EPOCHS = 15
BATCH = 32
EVALUATION_BATCH = 120  # a third of the test images: all batches are of one size, for which one program is compiled


def load_images():
    """Training and test images [N, 8, 8, 1] in 0..1 and their digits [N]."""
    digits = load_digits()
    images = (digits.images[..., None] / 16).astype("float32")
    return train_test_split(images, digits.target, test_size=360, stratify=digits.target, random_state=0)


def build_model():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


class StepTimer(keras.callbacks.Callback):
    """Seconds of each epoch; the first one also holds the compilation."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


def main():
    print(describe_device())
    keras.utils.set_random_seed(1)
    x_train, x_test, y_train, y_test = load_images()
    model = build_model()
    timer = StepTimer()
    before = plugin_stats()
    history = model.fit(x_train, y_train, batch_size=BATCH, epochs=EPOCHS, callbacks=[timer])
    _, accuracy = model.evaluate(x_test, y_test, batch_size=EVALUATION_BATCH, verbose=0)
    where = where_operations_ran(since=before)
    steps = -(-len(x_train) // BATCH)
    print(f"test accuracy: {accuracy:.4f} on {len(x_test)} images the network has not seen")
    print(f"time per step: {min(timer.seconds) / steps * 1e3:.2f} ms (best epoch; the first took {timer.seconds[0]:.1f} s with compilation)")
    print(where)

    predictions = model.predict(x_test, batch_size=EVALUATION_BATCH, verbose=0)
    draw(history.history, x_test, y_test, predictions.argmax(axis=1))
    model.save("digits.keras")
    loaded = keras.models.load_model("digits.keras")
    equal = np.array_equal(loaded.predict(x_test, batch_size=EVALUATION_BATCH, verbose=0), predictions)
    print(f"saved to digits.keras and loaded again: predictions are {'equal' if equal else 'DIFFERENT'}")
    if not equal:
        raise SystemExit("the loaded model does not predict what the saved one did")


def draw(history, images, digits, predicted):
    """digits.png: the loss curve beside a grid of test images with what the network read in each."""
    figure = plt.figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    axes.plot(range(1, len(history["loss"]) + 1), history["loss"], marker="o", markersize=3)
    axes.set(xlabel="epoch", ylabel="training loss", title="Loss")
    axes.grid(alpha=0.3)
    for axes, image, digit, guess in zip(right.subplots(5, 8).flat, images, digits, predicted, strict=False):
        axes.imshow(image[..., 0], cmap="gray_r")
        axes.set_title(f"{guess}", color="black" if guess == digit else "red", fontsize=10)
        axes.axis("off")
    right.suptitle("What the network reads (red: wrong)")
    figure.savefig("digits.png", dpi=110)
    print("wrote digits.png")


def describe_device():
    """The device TensorFlow computes on, with its driver when it is a Vulkan device."""
    logical = tf.config.list_logical_devices("GPU") + tf.config.list_logical_devices("VULKAN")
    if not logical:
        return "device: CPU (TensorFlow sees no GPU here; `tfvk doctor` says why)"
    try:
        import tensorflow_vulkan

        return f"device: {logical[0].name} is {tensorflow_vulkan.describe_device(0)}"
    except ImportError:
        return f"device: {logical[0].name}"


def plugin_stats():
    """The plugin's counters; None without the plugin."""
    try:
        import tensorflow_vulkan

        return tensorflow_vulkan.stats()
    except ImportError:
        return None


def where_operations_ran(since):
    """One line about the operations after `since`."""
    try:
        import tensorflow_vulkan

        return "training and evaluation: " + tensorflow_vulkan.describe_stats(since)
    except ImportError:
        return "training and evaluation: operations ran on: the CPU (tensorflow-vulkan is not installed)"


if __name__ == "__main__":
    main()
