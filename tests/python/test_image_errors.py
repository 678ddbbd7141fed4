"""Wrong shapes and settings of image, pooling and quantisation ops: the error is TensorFlow's."""

import pytest
import tensorflow as tf
from cpu_errors import error_of

R = tf.raw_ops


def _zeros(*shape, dtype=tf.float32):
    return tf.zeros(shape, dtype)


def _owners(n):
    return tf.zeros([n], tf.int32)


POOL = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
DILATION = {"strides": [1, 1, 1, 1], "rates": [1, 1, 1, 1], "padding": "VALID"}
CALLS = {
    "crop of an image of rank 3": lambda: R.CropAndResize(image=_zeros(2, 3, 4), boxes=_zeros(1, 4), box_ind=_owners(1), crop_size=[2, 2]),
    "crop of an empty image": lambda: R.CropAndResize(image=_zeros(2, 0, 4, 1), boxes=_zeros(1, 4), box_ind=_owners(1), crop_size=[2, 2]),
    "crop with boxes of 3": lambda: R.CropAndResize(image=_zeros(2, 3, 4, 1), boxes=_zeros(1, 3), box_ind=_owners(1), crop_size=[2, 2]),
    "crop with too few owners": lambda: R.CropAndResize(image=_zeros(2, 3, 4, 1), boxes=_zeros(2, 4), box_ind=_owners(1), crop_size=[2, 2]),
    "crop of size zero": lambda: R.CropAndResize(image=_zeros(2, 3, 4, 1), boxes=_zeros(1, 4), box_ind=_owners(1), crop_size=[2, 0]),
    "crop of one size": lambda: R.CropAndResize(image=_zeros(2, 3, 4, 1), boxes=_zeros(1, 4), box_ind=_owners(1), crop_size=[2]),
    "crop's image gradient of another depth": lambda: R.CropAndResizeGradImage(
        grads=_zeros(1, 2, 2, 3), boxes=_zeros(1, 4), box_ind=_owners(1), image_size=[1, 4, 4, 2], T=tf.float32
    ),
    "crop's image gradient of other boxes": lambda: R.CropAndResizeGradImage(
        grads=_zeros(2, 2, 2, 3), boxes=_zeros(1, 4), box_ind=_owners(1), image_size=[1, 4, 4, 3], T=tf.float32
    ),
    "crop's box gradient of another depth": lambda: R.CropAndResizeGradBoxes(
        grads=_zeros(1, 2, 2, 3), image=_zeros(1, 4, 4, 2), boxes=_zeros(1, 4), box_ind=_owners(1)
    ),
    "transforms of 7": lambda: R.ImageProjectiveTransformV2(images=_zeros(2, 3, 4, 1), transforms=_zeros(2, 7), output_shape=[3, 4], interpolation="NEAREST"),
    "too many transforms": lambda: R.ImageProjectiveTransformV2(
        images=_zeros(2, 3, 4, 1), transforms=_zeros(3, 8), output_shape=[3, 4], interpolation="NEAREST"
    ),
    "transform to nothing": lambda: R.ImageProjectiveTransformV2(
        images=_zeros(2, 3, 4, 1), transforms=_zeros(1, 8), output_shape=[0, 4], interpolation="NEAREST"
    ),
    "pool over the batch": lambda: R.MaxPoolWithArgmax(input=_zeros(2, 4, 4, 2), ksize=[2, 1, 1, 1], strides=[1, 1, 1, 1], padding="VALID"),
    "dilation of another depth": lambda: R.Dilation2D(input=_zeros(1, 4, 4, 2), filter=_zeros(2, 2, 3), **DILATION),
    "dilation by a matrix": lambda: R.Dilation2D(input=_zeros(1, 4, 4, 2), filter=_zeros(2, 2), **DILATION),
    "dilation's gradient of another size": lambda: R.Dilation2DBackpropInput(
        input=_zeros(1, 4, 4, 2), filter=_zeros(2, 2, 2), out_backprop=_zeros(1, 4, 4, 2), **DILATION
    ),
    "histogram of a reversed range": lambda: R.HistogramFixedWidth(values=_zeros(3), value_range=[2.0, 1.0], nbins=3),
    "histogram without bins": lambda: R.HistogramFixedWidth(values=_zeros(3), value_range=[0.0, 1.0], nbins=0),
    "patches of rank 4": lambda: R.ExtractVolumePatches(input=_zeros(1, 4, 4, 2), ksizes=[1, 2, 2, 2, 1], strides=[1, 1, 1, 1, 1], padding="VALID"),
    "resize's gradient to nothing": lambda: R.ResizeNearestNeighborGrad(grads=_zeros(1, 4, 4, 2), size=[0, 2]),
    "cubes of rank 3": lambda: R.ResizeBicubic(images=_zeros(3, 4, 1), size=[2, 2]),
    "cubes of an empty image": lambda: R.ResizeBicubic(images=_zeros(1, 0, 4, 1), size=[2, 2]),
    "cubes without channels": lambda: R.ResizeBicubic(images=_zeros(1, 3, 4, 0), size=[2, 2]),
    "cubes to nothing": lambda: R.ResizeBicubic(images=_zeros(1, 3, 4, 1), size=[0, 2]),
    "cubes with both alignments": lambda: R.ResizeBicubic(images=_zeros(1, 3, 4, 1), size=[2, 2], align_corners=True, half_pixel_centers=True),
    "cubes' gradient of rank 3": lambda: R.ResizeBicubicGrad(grads=_zeros(3, 4, 1), original_image=_zeros(1, 3, 4, 1)),
    "cubes' gradient of nothing": lambda: R.ResizeBicubicGrad(grads=_zeros(1, 0, 4, 1), original_image=_zeros(1, 3, 4, 1)),
    "scaling of an empty image": lambda: R.ScaleAndTranslate(images=_zeros(1, 0, 4, 1), size=[2, 2], scale=[1.0, 1.0], translation=[0.0, 0.0]),
    "scaling to nothing": lambda: R.ScaleAndTranslate(images=_zeros(1, 3, 4, 1), size=[2, 0], scale=[1.0, 1.0], translation=[0.0, 0.0]),
    "scaling by zero": lambda: R.ScaleAndTranslate(images=_zeros(1, 3, 4, 1), size=[2, 2], scale=[0.0, 1.0], translation=[0.0, 0.0]),
    "scaling by an unknown kernel": lambda: R.ScaleAndTranslate(
        images=_zeros(1, 3, 4, 1), size=[2, 2], scale=[1.0, 1.0], translation=[0.0, 0.0], kernel_type="none"
    ),
    "quantisation's gradient of another shape": lambda: R.QuantizeAndDequantizeV4Grad(gradients=_zeros(2, 3), input=_zeros(3, 2), input_min=0.0, input_max=1.0),
    "numbers of a missing axis": lambda: R.Dequantize(input=tf.bitcast(_zeros(2, 3, dtype=tf.int8), tf.qint8), min_range=0.0, max_range=1.0, axis=2),
    "numbers with too few ranges": lambda: R.Dequantize(input=tf.bitcast(_zeros(2, 3, dtype=tf.int8), tf.qint8), min_range=[0.0], max_range=[1.0], axis=1),
}


@pytest.mark.parametrize("name", CALLS)
def test_error_is_that_of_the_cpu(name, device, no_soft_placement):
    (expected_class, said), (actual_class, actual) = (error_of(CALLS[name], where) for where in ("/CPU:0", device))
    assert actual_class is expected_class, (actual, said)
    # Where a shape's rule finds the mistake before the kernel does, the words are the rule's.
    assert said.split("[")[0].strip() in actual or "with input shapes" in actual


def test_boxes_of_no_image_and_without_numbers_are_outside(device, no_soft_placement):
    with tf.device(device):
        boxes = tf.constant([[0, 0, 1, 1], [0, 0, 1, 1], [float("nan"), 0, 1, 1], [0, 0, float("inf"), 1]], tf.float32)
        owners, image = tf.constant([-1, 2, 0, 0]), tf.ones([2, 4, 4, 1])
        crops = R.CropAndResize(image=image, boxes=boxes, box_ind=owners, crop_size=[2, 3], extrapolation_value=-3)
        gradient = R.CropAndResizeGradImage(grads=crops, boxes=boxes, box_ind=owners, image_size=[2, 4, 4, 1], T=tf.float32)
        by_boxes = R.CropAndResizeGradBoxes(grads=crops, image=image, boxes=boxes, box_ind=owners)
    assert (crops.numpy() == -3).all()
    assert (gradient.numpy() == 0).all()
    assert (by_boxes.numpy() == 0).all()
