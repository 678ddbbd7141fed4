"""Every layer of keras.layers: its inference and one training step, compiled and not, are the CPU's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras_cases_layers import AUGMENTATION, DRAWS, LAYERS, WITHOUT_MODEL
from keras_known import CPU_LAYERS, UNCOMPILED_LAYERS
from keras_run import assert_same, check_fallback, expression_function, to_numpy, with_fallback
from keras_walk import entries_without_case


class Scale(keras.layers.Layer):
    """One weight before the layer, so that the step takes the layer's gradient to its input; after it, where the layer gives no floating-point numbers."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return x * self.scale


class Wrapped(keras.Model):
    """The layer, called as its case says, and the sum of the squares of what it gives as its loss."""

    def __init__(self, name):
        super().__init__()
        arguments, self.inputs_expression = LAYERS[name]
        self.scale = Scale()
        self.layer = eval(f"keras.layers.{name}({arguments})", {"keras": keras})
        if name == "Normalization":  # otherwise Keras builds it in a graph that it leaves
            self.layer.build((None, 4))

    def call(self, tensors, training=False):
        scope = {"layer": lambda *inputs: self.layer(*tf.nest.map_structure(self._scaled, inputs), **self._training(training))}
        function, _ = expression_function(f"layer({self.inputs_expression})", scope)
        return [leaf if leaf.dtype.is_floating else self.scale(tf.cast(leaf, "float32")) for leaf in tf.nest.flatten(function(*tensors))]

    def _scaled(self, x):
        return self.scale(x) if x.dtype.is_floating else x

    def _training(self, training):
        return {"training": training} if self.layer._call_has_training_arg else {}


def wrapped(name, weights=None, **compile_arguments):
    """The built model, its arrays and its targets, which are zeros."""
    keras.utils.set_random_seed(1234)
    model = Wrapped(name)
    _, data = expression_function(LAYERS[name][1], {})
    result = [np.zeros(leaf.shape, "float32") for leaf in model([tf.constant(a) for a in data])]
    if weights is not None:
        model.set_weights(weights)
    model.compile(keras.optimizers.SGD(0.05), loss=["mse"] * len(result), **compile_arguments)
    return model, data, result


_expected = {}


def expected_of(name):
    """Weights, inference, loss and weights after one step, on the CPU."""
    if name not in _expected:
        with tf.device("/CPU:0"):
            model, data, targets = wrapped(name, jit_compile=False)
            before = _arrays(model)
            inference = to_numpy(model([tf.constant(a) for a in data]))
            loss = model.train_on_batch(data, targets)
            _expected[name] = before, inference, loss, _arrays(model)
    return _expected[name]


def _arrays(model):
    return [np.array(w) for w in model.get_weights()]


def test_every_layer_has_a_case():
    missing = entries_without_case("layers", LAYERS, AUGMENTATION, WITHOUT_MODEL)
    assert not missing, f"keras.layers has layers without a case in keras_cases_layers.py: {missing}"


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_inference(name, device):
    before, expected, _, _ = expected_of(name)

    def run():
        with tf.device(device):
            model, data, _ = wrapped(name, before)
            return to_numpy(model([tf.constant(a) for a in data]))

    result, op = with_fallback(run)
    check_fallback(f"layers.{name}", op, CPU_LAYERS)
    assert_same(result, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mode", ["default", "no jit"])
@pytest.mark.parametrize("name", sorted(LAYERS))
def test_training_step(name, mode, device, request):
    if mode == "default" and (reason := UNCOMPILED_LAYERS.get(f"layers.{name}")):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True, raises=(tf.errors.OpError, ValueError)))
    before, _, expected_loss, expected = expected_of(name)
    with tf.device(device):
        model, data, targets = wrapped(name, before, **({"jit_compile": False} if mode == "no jit" else {}))
        loss = model.train_on_batch(data, targets)
    after = _arrays(model)
    if name in DRAWS:
        assert np.isfinite(loss).all() and all(np.isfinite(a).all() for a in after)
    else:
        np.testing.assert_allclose(loss, expected_loss, rtol=1e-3, atol=1e-5)
        assert_same(after, expected, rtol=2e-3, atol=1e-4)


def _augment(name, training):
    arguments, inputs = AUGMENTATION[name]
    keras.utils.set_random_seed(1234)
    seed = {} if name in WITHOUT_SEED else {"seed": 3}
    layer = eval(f"keras.layers.{name}({arguments}{', ' if arguments and seed else ''}{'seed=3' if seed else ''})", {"keras": keras})
    function, data = expression_function(f"layer({inputs})", {"layer": lambda images: layer(images, training=training)})
    return function, data


WITHOUT_SEED = {"AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization", "Equalization", "Solarization"}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", sorted(AUGMENTATION))
def test_augmentation(name, training, device):
    """Alone and in a function; the numbers that it draws from a seed are the CPU's, too."""
    with tf.device("/CPU:0"):
        function, data = _augment(name, training)
        expected = to_numpy(function(*[tf.constant(a) for a in data]))

    def run():
        with tf.device(device):
            function, data = _augment(name, training)
            return to_numpy(function(*[tf.constant(a) for a in data]))

    result, op = with_fallback(run)
    check_fallback(f"layers.{name}{' in training' if training else ''}", op, CPU_LAYERS)
    assert_same(result, expected, rtol=1e-3, atol=1e-2)


# XLA's CPU has no kernel for their ImageProjectiveTransformV3 or StatelessRandomGammaV3, whose numbers test_ops.py compares.
WITHOUT_REFERENCE = {"AugMix", "CutMix", "MixUp", "RandomPerspective", "RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom"}


@pytest.mark.parametrize("name", sorted(AUGMENTATION))
def test_augmentation_in_a_compiled_function(name, device, request):
    if reason := UNCOMPILED_LAYERS.get(f"layers.{name}"):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True, raises=(tf.errors.OpError, ValueError)))

    # Compiled on both: XLA draws other numbers than TensorFlow's kernels, on every device the same.
    def run(where):
        with tf.device(where):
            function, data = _augment(name, True)
            return to_numpy(tf.function(function, jit_compile=True)(*[tf.constant(a) for a in data]))

    result = run(device)
    if name in WITHOUT_REFERENCE:
        function, data = _augment(name, False)
        assert [a.shape for a in result] == [a.shape for a in to_numpy(function(*data))] and all(np.isfinite(a).all() for a in result)
    else:
        assert_same(result, run("/CPU:0"), rtol=1e-3, atol=1e-2)
