"""What one thread of the load test does over and over: tasks on inputs from fixed sets, so that compilation caches have an end, each checked against NumPy.

A task is a function without arguments that gives how many calls it made; what they should give is computed when the task is made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

Task = Callable[[], int]


@tf.function(jit_compile=True)
def dense_tanh(x, w):
    """Shared by all threads, with a program for each signature."""
    return tf.tanh(x @ w), tf.reduce_sum(x * x, axis=-1)


@tf.function(jit_compile=True, reduce_retracing=False)
def standardize(x):
    mean = tf.reduce_mean(x, axis=0, keepdims=True)
    return (x - mean) * tf.math.rsqrt(tf.reduce_mean(tf.square(x - mean), axis=0, keepdims=True) + 1e-3)


@tf.function
def halve_until_small(x):
    """Not compiled as a whole: the loop runs on TensorFlow's executor, its body op by op."""
    steps = 0
    while tf.reduce_max(tf.abs(x)) > 1.0:
        x = x * 0.5
        steps += 1
    return x, steps


def close(found, expected, tolerance=2e-4):
    np.testing.assert_allclose(np.asarray(found), expected, rtol=tolerance, atol=tolerance)


def normal(rng, *shape) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def cycle(cases: list) -> Callable[[], tuple]:
    """A function that gives the next case at each call, and the first one after the last."""
    place = -1

    def following():
        nonlocal place
        place = (place + 1) % len(cases)
        return cases[place]

    return following


def compiled_functions(rng) -> Task:
    cases = []
    for rows, inner, columns in [(1, 3, 5), (7, 16, 8), (32, 33, 10), (64, 100, 17), (129, 64, 64)]:
        x, w = normal(rng, rows, inner), normal(rng, inner, columns) / np.float32(np.sqrt(inner))
        centred = x - x.mean(0, keepdims=True)
        cases.append((x, w, np.tanh(x @ w), (x * x).sum(-1), centred / np.sqrt((centred**2).mean(0, keepdims=True) + 1e-3)))
    following = cycle(cases)

    def task():
        x, w, product, squares, standard = following()
        found = dense_tanh(tf.constant(x), tf.constant(w))
        close(found[0], product)
        close(found[1], squares)
        close(standardize(tf.constant(x)), standard)
        return 2

    return task


def eager_ops(rng) -> Task:
    cases = []
    for shape in [(4, 5), (1, 1), (3, 70), (128, 9), (17, 17), (2, 1000), (300, 4), (5, 6)]:
        x = normal(rng, *shape)
        order = rng.integers(0, shape[0], 6)
        cases.append((x, order, x * 2 - x[0], x @ x.T, np.maximum(x, 0).sum(0), np.concatenate([x, x[::-1]], 1).T, x[order]))
    following = cycle(cases)

    def task():
        x, order, row, product, positive, joined, gathered = following()
        on_device = tf.constant(x)
        close(on_device * 2.0 - on_device[0], row)
        close(tf.matmul(on_device, on_device, transpose_b=True), product, 1e-3)
        close(tf.reduce_sum(tf.nn.relu(on_device), axis=0), positive, 1e-3)
        close(tf.transpose(tf.concat([on_device, on_device[::-1]], axis=1)), joined)
        close(tf.gather(on_device, tf.constant(order)), gathered)
        return 11

    return task


def gradients(rng) -> Task:
    cases = []
    for rows, inner, columns in [(5, 3, 2), (16, 20, 10), (33, 8, 40)]:
        x, w, b = normal(rng, rows, inner), normal(rng, inner, columns), normal(rng, columns)
        y = np.tanh(x @ w + b)
        downward = 2 * y * (1 - y * y) / np.float32(y.size)
        cases.append((x, w, b, x.T @ downward, downward.sum(0)))
    following = cycle(cases)

    def task():
        x, *parameters, of_w, of_b = following()
        w, b = (tf.constant(p) for p in parameters)
        with tf.GradientTape() as tape:
            tape.watch([w, b])
            loss = tf.reduce_mean(tf.square(tf.tanh(tf.constant(x) @ w + b)))
        found = tape.gradient(loss, [w, b])
        close(found[0], of_w)
        close(found[1], of_b)
        return 12

    return task


def variable_updates(rng) -> Task:
    start, step, rows = normal(rng, 50, 12), normal(rng, 50, 12), normal(rng, 2, 12)
    expected = start + 3 * step
    expected[[7, 31]] = rows
    variable = tf.Variable(start)
    advance = tf.function(lambda by: variable.assign_add(by), jit_compile=True)

    def task():
        variable.assign(start)
        by = tf.constant(step)
        variable.assign_add(by)
        variable.assign_sub(-by)
        advance(by)
        variable.scatter_nd_update([[7], [31]], rows)
        close(variable, expected)
        return 6

    return task


def transfers(rng) -> Task:
    cases = [rng.integers(0, 256, count, dtype=np.uint8) for count in (1, 1000, 65_537, 1 << 20, 3_000_001)]
    cases += [normal(rng, count) for count in (1, 1025, 250_000, 1 << 20)]
    following = cycle(cases)

    def task():
        values = following()
        there = tf.identity(tf.constant(values))
        np.testing.assert_array_equal(there.numpy(), values)
        np.testing.assert_array_equal((there + there).numpy(), values + values)
        return 4

    return task


def functions_on_the_executor(rng) -> Task:
    cases = []
    for shape, scale in [((3,), 5.0), ((40, 3), 20.0), ((700,), 0.01), ((9, 9), 100.0)]:
        x = normal(rng, *shape) * np.float32(scale)
        steps = max(0, int(np.ceil(np.log2(np.abs(x).max()))))
        cases.append((x, x * np.float32(0.5**steps), steps))
    following = cycle(cases)

    def task():
        x, small, steps = following()
        found = halve_until_small(tf.constant(x))
        close(found[0], small)
        assert int(found[1]) == steps, f"{int(found[1])} steps of the loop, not {steps}"
        return 1

    return task


class Perceptron:
    """Two dense layers in NumPy, trained on the mean squared error with plain gradient descent."""

    def __init__(self, rng, inputs: int, hidden: int, outputs: int):
        self.weights = [normal(rng, inputs, hidden) * np.float32(0.3), np.zeros(hidden, np.float32), normal(rng, hidden, outputs) * np.float32(0.3)]
        self.weights.append(np.zeros(outputs, np.float32))

    def predict(self, x):
        w1, b1, w2, b2 = self.weights
        return np.maximum(x @ w1 + b1, 0) @ w2 + b2

    def train(self, x, y, rate: float) -> float:
        w1, b1, w2, b2 = self.weights
        hidden = np.maximum(x @ w1 + b1, 0)
        error = hidden @ w2 + b2 - y
        downward = 2 * error / np.float32(error.size)
        into_hidden = (downward @ w2.T) * (hidden > 0)
        steps = [x.T @ into_hidden, into_hidden.sum(0), hidden.T @ downward, downward.sum(0)]
        self.weights = [value - np.float32(rate) * step for value, step in zip(self.weights, steps, strict=True)]
        return float((error * error).mean())


def keras_models(rng, inputs: int) -> Task:
    numpy_model, rate = Perceptron(rng, inputs, 24, 3), 0.05
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(24, activation="relu"), keras.layers.Dense(3)])
    model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
    start = numpy_model.weights
    x, y = normal(rng, 40, inputs), normal(rng, 40, 3)
    batches = [slice(0, 16), slice(16, 32), slice(32, 40)]
    losses = [numpy_model.train(x[batch], y[batch], rate) for batch in batches]
    predictions, trained = numpy_model.predict(x), numpy_model.weights

    def task():
        model.set_weights(start)
        for batch, loss in zip(batches, losses, strict=True):
            model.reset_metrics()
            close(model.train_on_batch(x[batch], y[batch]), loss)
        close(model.predict(x, batch_size=16, verbose=0), predictions)
        close(model.predict_on_batch(x[:16]), predictions[:16])
        for found, expected in zip(model.get_weights(), trained, strict=True):
            close(found, expected)
        return 7

    return task


def checkpoints(rng, folder: Path) -> Task:
    values = [normal(rng, 300, 30), normal(rng, 7), rng.integers(0, 1 << 40, 5)]
    variables = [tf.Variable(value) for value in values]
    checkpoint = tf.train.Checkpoint(variables=variables)

    def task():
        path = checkpoint.write(str(folder / "checkpoint"))
        for variable in variables:
            variable.assign(tf.zeros_like(variable))
        checkpoint.read(path).assert_consumed()
        for variable, value in zip(variables, values, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value)
        return 8

    return task


def tasks_of_thread(number: int, folder: Path) -> list[Task]:
    """In another order for each thread, so that the tasks that meet differ."""
    rng = np.random.default_rng(100 + number)
    folder.mkdir()
    tasks = [
        compiled_functions(rng),
        eager_ops(rng),
        gradients(rng),
        variable_updates(rng),
        transfers(rng),
        functions_on_the_executor(rng),
        keras_models(rng, inputs=4 + number),
        checkpoints(rng, folder),
    ]
    return [tasks[i] for i in rng.permutation(len(tasks))]
