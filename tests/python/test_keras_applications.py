"""Every family of keras.applications, built with new weights: one training step gives a finite loss and moves every layer's weights."""

import os

import keras
import numpy as np
import pytest
import tensorflow as tf

# The smallest model of each family, and the smallest image that it takes.
FAMILIES = {
    "convnext": ("ConvNeXtTiny", 32),
    "densenet": ("DenseNet121", 32),
    "efficientnet": ("EfficientNetB0", 32),
    "efficientnet_v2": ("EfficientNetV2B0", 32),
    "inception_resnet_v2": ("InceptionResNetV2", 75),
    "inception_v3": ("InceptionV3", 75),
    "mobilenet": ("MobileNet", 32),
    "mobilenet_v2": ("MobileNetV2", 32),
    "mobilenet_v3": ("MobileNetV3Small", 32),
    "nasnet": ("NASNetMobile", 32),
    "resnet": ("ResNet50", 32),
    "resnet_v2": ("ResNet50V2", 32),
    "vgg16": ("VGG16", 32),
    "vgg19": ("VGG19", 32),
    "xception": ("Xception", 71),
}
NO_FAMILY = {"imagenet_utils": "helpers", "resnet50": "another name of resnet's model"}


def test_every_family_is_here():
    modules = {name for name in dir(keras.applications) if not name.startswith("_") and name.islower()}
    assert modules == set(FAMILIES) | set(NO_FAMILY)


@pytest.mark.skipif(not os.environ.get("TFVK_SLOW_TESTS"), reason="takes long: set TFVK_SLOW_TESTS=1")
@pytest.mark.parametrize("family", FAMILIES)
def test_one_training_step(family, device):
    name, size = FAMILIES[family]
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 255, size=(2, size, size, 3)).astype("float32"), np.array([1, 3])
    with tf.device(device):
        model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=5)
        before = model.get_weights()
        model.compile(keras.optimizers.Adam(1e-4), keras.losses.SparseCategoricalCrossentropy())
        loss = model.train_on_batch(x, y)
    after = model.get_weights()
    assert np.isfinite(loss) and all(np.isfinite(a).all() for a in after)
    assert sum(not np.array_equal(a, b) for a, b in zip(after, before, strict=True)) > len(before) // 2
