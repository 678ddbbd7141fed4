"""The arrays that the cases of Keras's registries name: small, the same in every run."""

import numpy as np


def _softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def arrays():
    rng = np.random.default_rng(11)

    def normal(*shape):
        return rng.normal(size=shape).astype("float32")

    square = normal(4, 4)
    image = rng.uniform(0.05, 0.95, size=(2, 8, 8, 3)).astype("float32")
    return {
        "x": normal(3, 4),
        "y": normal(3, 4),
        "p": rng.uniform(0.1, 0.9, size=(3, 4)).astype("float32"),
        "big": (1 + rng.uniform(0.1, 3, size=(3, 4))).astype("float32"),
        "nans": np.array([[1, np.nan, -3, 2], [0.5, 4, np.nan, -1], [2, 3, np.inf, 7]], "float32"),
        "holes": np.array([[1, np.nan, -3, 2], [0.5, 4, np.nan, -1], [2, 3, 6, 7]], "float32"),
        "i": rng.integers(0, 6, size=(3, 4)).astype("int32"),
        "j": rng.integers(1, 4, size=(3, 4)).astype("int32"),
        "b": rng.integers(0, 2, size=(3, 4)).astype(bool),
        "b2": rng.integers(0, 2, size=(3, 4)).astype(bool),
        "v": normal(6),
        "w": normal(6),
        "u3": normal(3),
        "v3": normal(2, 3),
        "w3": normal(2, 3),
        "ascending": np.array([-1.5, -0.5, 0.25, 1.0], "float32"),
        "counts": np.array([0, 1, 1, 3, 2, 1], "int32"),
        "ids": np.array([0, 2, 1], "int32"),
        "flat": np.array([3, 7, 11], "int32"),
        "square": square,
        "spd": (square @ square.T + 2 * np.eye(4)).astype("float32"),
        "lower": (np.tril(square) + 3 * np.eye(4)).astype("float32"),
        "rhs": normal(4, 2),
        "tall": normal(5, 3),
        "c": (normal(3, 4) + 1j * normal(3, 4)).astype("complex64"),
        "image": image,
        "image2": np.ascontiguousarray(image[::-1]),
        "square_image": rng.uniform(0.05, 0.95, size=(2, 8, 8, 1)).astype("float32"),
        "bytes_image": np.round(image * 255).astype("float32"),
        "volume": normal(2, 4, 4, 4, 2),
        "seq": normal(2, 6, 3),
        "seq2": normal(2, 5, 3),
        "heads": normal(2, 5, 2, 4),
        "signal": normal(2, 64),
        "sequence_images": normal(2, 3, 6, 6, 2),
        "sequence_rows": normal(2, 3, 6, 2),
        "sequence_volumes": normal(1, 2, 4, 4, 4, 1),
        "kernel1": normal(3, 3, 2),
        "kernel2": normal(3, 3, 3, 4),
        "kernel2t": normal(3, 3, 4, 3),
        "depth_kernel": normal(3, 3, 3, 1),
        "point_kernel": normal(1, 1, 3, 4),
        "state": normal(2, 4),
        "step": normal(2, 3),
        "tokens": rng.integers(0, 5, size=(2, 6)).astype("int32"),
        "labels": np.array([1, 3, 0], "int32"),
        "onehot": np.eye(4, dtype="float32")[[1, 3, 0]],
        "probs": _softmax(normal(3, 4)).astype("float32"),
        "binary": np.array([[1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0]], "float32"),
        "signs": np.array([[1, -1, -1, 1], [-1, 1, 1, -1], [1, 1, -1, -1]], "float32"),
        "logits": normal(2, 6, 5),
        "targets": np.array([[1, 2, 4], [3, 1, 0]], "int32"),
        "target_lengths": np.array([3, 2], "int32"),
        "output_lengths": np.array([6, 5], "int32"),
        "points": rng.uniform(0, 7, size=(2, 5)).astype("float32"),
        "transforms": np.array([[1, 0.1, -1, 0.05, 1, 0.5, 0, 0], [0.9, 0, 0.3, 0, 1.1, 0, 0, 0]], "float32"),
        "start_points": np.array([[[0, 0], [0, 7], [7, 0], [7, 7]]] * 2, "float32"),
        "end_points": np.array([[[0, 1], [1, 7], [6, 0], [7, 6]]] * 2, "float32"),
    }
