"""More of op_cases.py: images, pooling with positions, morphology and quantisation, ops that have no kernel in tf2xla."""

import numpy as np
import tensorflow as tf
from op_cases import OpCase, given, index, real, spread, whole

R = tf.raw_ops
FLOAT_IMAGES = ("float32", "float16", "float64")


def _boxes(n, low=-0.2, high=1.2):
    """Corners of boxes, among them flipped ones, ones outside of the image and the whole image."""

    def make(rng):
        boxes = rng.uniform(low, high, size=(n, 4)).astype(np.float32)
        boxes[0] = [0, 0, 1, 1]
        return boxes

    return make


def _crops():
    boxes, owners = _boxes(7), index(7, high=3)
    for method in ("bilinear", "nearest"):
        for size in ([3, 4], [1, 1], [9, 2]):
            yield OpCase(
                f"CropAndResize {method} {size}",
                lambda x, b, i, method=method, size=size: R.CropAndResize(image=x, boxes=b, box_ind=i, crop_size=size, method=method, extrapolation_value=-1.5),
                (real(3, 5, 6, 2), boxes, owners),
                ("float32", "float16"),
            )
        yield OpCase(
            f"CropAndResizeGradImage {method}",
            lambda g, b, i, method=method: [
                R.CropAndResizeGradImage(grads=g, boxes=b, box_ind=i, image_size=[3, 6, 5, 2], T=t, method=method) for t in FLOAT_IMAGES
            ],
            (real(7, 4, 3, 2), boxes, owners),
            gradient=False,
            tolerance=200,  # of the fp16 result
        )
    yield OpCase("CropAndResize of fp64", lambda x, b, i: R.CropAndResize(image=x, boxes=b, box_ind=i, crop_size=[4, 3]), (real(3, 5, 6, 2), boxes, owners),
                 ("float64",), tolerance=2e4)  # fmt: skip
    yield OpCase("CropAndResize of integers", lambda x, b, i: R.CropAndResize(image=x, boxes=b, box_ind=i, crop_size=[4, 3]),
                 (whole(3, 5, 6, 2, high=100), boxes, owners), ("uint8", "int16", "int32"), gradient=False)  # fmt: skip
    for crop in ([4, 3], [1, 1]):
        yield OpCase(f"CropAndResizeGradBoxes {crop}", lambda x, g, b, i: R.CropAndResizeGradBoxes(grads=tf.cast(g, tf.float32), image=x, boxes=b, box_ind=i),
                     (real(3, 5, 6, 2), real(7, *crop, 2), boxes, owners), ("float32", "float16"), gradient=False, tolerance=3)  # fmt: skip
    yield OpCase("CropAndResize of nothing", lambda x: [
        R.CropAndResize(image=x, boxes=tf.zeros([0, 4]), box_ind=tf.zeros([0], tf.int32), crop_size=[2, 2]),
        R.CropAndResize(image=x[..., :0], boxes=tf.ones([2, 4]), box_ind=tf.zeros([2], tf.int32), crop_size=[2, 2]),
        R.CropAndResizeGradImage(grads=tf.zeros([0, 2, 2, 2]), boxes=tf.zeros([0, 4]), box_ind=tf.zeros([0], tf.int32), image_size=[2, 4, 3, 2], T=tf.float32),
        R.CropAndResizeGradBoxes(grads=tf.zeros([0, 2, 2, 2]), image=x, boxes=tf.zeros([0, 4]), box_ind=tf.zeros([0], tf.int32)),
    ], (real(2, 4, 3, 2),), gradient=False)  # fmt: skip
    yield OpCase("CropAndResize of whole images", lambda x: [
        R.CropAndResize(image=x, boxes=[[0.0, 0, 1, 1], [1.0, 1, 0, 0]], box_ind=[0, 0], crop_size=[n, n + 3], extrapolation_value=99) for n in (2, 6, 7, 11, 14)
    ], (real(1, 7, 13, 1),), gradient=False)  # fmt: skip


def _transforms(n):
    """Coefficients of transforms that leave the image on every side."""

    def make(rng):
        near = np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32)
        made = near + rng.uniform(-1, 1, size=(n, 8)) * np.array([0.5, 0.5, 20, 0.5, 0.5, 20, 0.01, 0.01])
        return made.astype(np.float32)

    return make


def _projections():
    shifts = given(np.array([[1, 0, -17, 0, 1, 12, 0, 0], [-1, 0, 4, 0, 2, -9, 0, 0], [0.5, 0, 0, 0, 0.5, -0.5, 0, 0]], np.float32))
    for mode in ("REFLECT", "WRAP", "CONSTANT", "NEAREST"):
        for interpolation in ("NEAREST", "BILINEAR"):
            options = {"fill_mode": mode, "interpolation": interpolation}
            yield OpCase(f"ImageProjectiveTransformV2 {mode} {interpolation}",
                         lambda x, t, o=options: R.ImageProjectiveTransformV2(images=x, transforms=t, output_shape=[7, 9], **o),
                         (real(3, 5, 6, 2), _transforms(3)), FLOAT_IMAGES, tolerance=3, gradient=interpolation == "NEAREST" and mode == "CONSTANT",
                         single_precision=interpolation == "BILINEAR")  # fmt: skip
            yield OpCase(f"ImageProjectiveTransformV3 {mode} {interpolation}",
                         lambda x, t, o=options: R.ImageProjectiveTransformV3(images=x, transforms=t, output_shape=[30, 40], fill_value=2.5, **o),
                         (whole(3, 4, 50, 1, high=100), shifts), ("uint8", "int32", "int64", "float32"), gradient=False)  # fmt: skip
    for interpolation in ("NEAREST", "BILINEAR"):
        yield OpCase(f"ImageProjectiveTransformV3 around the edges {interpolation}", lambda x, interpolation=interpolation: [
            R.ImageProjectiveTransformV3(images=x, transforms=[[1.0, 0, x0, 0, 1, 0.25, 0, 0]], output_shape=[4, 6], fill_value=2, interpolation=interpolation,
                                         fill_mode="CONSTANT") for x0 in (-1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75)
        ], (real(1, 3, 5, 1),), gradient=False)  # fmt: skip
    yield OpCase("ImageProjectiveTransformV3 of small images", lambda x, y: [
        R.ImageProjectiveTransformV3(images=i, transforms=[[1.0, 0.5, -2, 0, 1, 1, -1, 0]], output_shape=[4, 3], fill_value=7, interpolation="BILINEAR", fill_mode=m)
        for m in ("REFLECT", "WRAP", "CONSTANT", "NEAREST") for i in (x, y)
    ], (real(2, 1, 1, 3), real(0, 2, 2, 1)), gradient=False)  # fmt: skip


def _pools():
    many = ("float32", "float16", "bfloat16", "float64", "int64", "uint8")
    for window, strides, padding in (([1, 2, 3, 1], [1, 2, 2, 1], "VALID"), ([1, 3, 3, 1], [1, 1, 2, 1], "SAME"), ([1, 8, 7, 1], [1, 2, 1, 1], "SAME")):
        for batch in (True, False):
            pool = {"ksize": window, "strides": strides, "padding": padding, "include_batch_in_index": batch}
            name = f"{window[1:3]} {padding} batch {batch}"
            yield OpCase(f"MaxPoolWithArgmax {name}", lambda x, p=pool: list(R.MaxPoolWithArgmax(input=x, **p)), (spread(2, 6, 8, 3),), many, tolerance=2)
            yield OpCase(f"MaxPoolWithArgmax of equals {name}", lambda x, p=pool: list(R.MaxPoolWithArgmax(input=x, Targmax=tf.int64, **p)),
                         (whole(2, 9, 8, 2, high=3),), ("float32", "int64"), gradient=False)  # fmt: skip
    pool = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
    special = np.array([np.nan, 1, 2, np.nan, -np.inf, np.nan, -np.inf, -np.inf, 3, np.nan, np.inf, np.nan], np.float32).reshape([1, 2, 6, 1])
    yield OpCase("MaxPoolWithArgmax of NaN", lambda x: list(R.MaxPoolWithArgmax(input=x, **pool)), (given(special),), gradient=False)

    # TensorFlow's CPU has no MaxPoolGradGradWithArgmax: the gradient's own gradient tells what it should give.
    def second(x, g):
        found = R.MaxPoolWithArgmax(input=x, **pool)
        if "GPU" in x.device:
            return R.MaxPoolGradGradWithArgmax(input=x, grad=g, argmax=found.argmax, **pool)
        return tf.reshape(tf.gather(tf.reshape(g[0], [-1]), found.argmax[0]), found.argmax.shape)

    yield OpCase("MaxPoolGradGradWithArgmax", second, (spread(1, 4, 6, 2), spread(1, 4, 6, 2)), ("float32", "float16"), gradient=False)


def _dilations():
    types = ("float32", "float16", "bfloat16", "float64")
    for strides, rates, padding in (([1, 1, 1, 1], [1, 1, 1, 1], "SAME"), ([1, 2, 1, 1], [1, 1, 2, 1], "VALID"), ([1, 2, 3, 1], [1, 2, 1, 1], "SAME")):
        options = {"strides": strides, "rates": rates, "padding": padding}
        for name, image, kernel in (("", spread(2, 6, 7, 3), spread(2, 3, 3)), (" of equals", whole(2, 6, 7, 3, high=3), whole(3, 2, 3, high=2))):
            yield OpCase(f"Dilation2D {strides[1:3]} {rates[1:3]} {padding}{name}", lambda x, f, o=options: R.Dilation2D(input=x, filter=f, **o),
                         (image, kernel), types, tolerance=2)  # fmt: skip
    options = {"strides": [1, 1, 1, 1], "rates": [1, 1, 1, 1], "padding": "VALID"}
    yield OpCase("Dilation2D large", lambda x, f: R.Dilation2D(input=x, filter=f, **options), (spread(1, 11, 10, 2), spread(9, 8, 2)))
    yield OpCase("Dilation2D of NaN", lambda x, f, g: [
        R.Dilation2D(input=x, filter=f, **options), R.Dilation2DBackpropInput(input=x, filter=f, out_backprop=g, **options),
        R.Dilation2DBackpropFilter(input=x, filter=f, out_backprop=g, **options),
    ], (given(np.array([np.nan, np.nan, 1, -np.inf, np.nan, np.nan, -np.inf, -np.inf], np.float32).reshape([1, 2, 4, 1])), real(2, 2, 1), real(1, 1, 3, 1)),
                 gradient=False)  # fmt: skip


def _quantized(kind, *shape):
    return lambda rng: rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, size=shape).astype(kind)


def _quantizations():
    floats = ("float32", "float64")
    for signed in (True, False):
        for given_range in (True, False):
            for low, high in ((-1.0, 0.75), (-0.25, 2.0), (0.0, 1.0)):
                options = {"signed_input": signed, "range_given": given_range}
                yield OpCase(f"QuantizeAndDequantize signed {signed} range {given_range} {low} {high}", lambda x, o=options, low=low, high=high: [
                    R.QuantizeAndDequantizeV2(input=x, input_min=low, input_max=high, num_bits=5, **o),
                    R.QuantizeAndDequantizeV2(input=x, input_min=low, input_max=high, round_mode="HALF_UP", narrow_range=True, **o),
                    R.QuantizeAndDequantizeV3(input=x, input_min=low, input_max=high, num_bits=7, narrow_range=True, **o),
                ], (real(4, 5),), floats, gradient=False)  # fmt: skip
                yield OpCase(f"QuantizeAndDequantizeV4 signed {signed} range {given_range} {low} {high}",
                             lambda x, o=options, low=low, high=high: R.QuantizeAndDequantizeV4(input=x, input_min=low, input_max=high, **o), (real(4, 5),),
                             floats)  # fmt: skip
    # TensorFlow's second and fourth version take an axis only where they find the range themselves.
    for signed in (True, False):
        yield OpCase(f"QuantizeAndDequantize along an axis, signed {signed}", lambda x, a, b, s=signed: [
            R.QuantizeAndDequantizeV2(input=x, input_min=a, input_max=b, signed_input=s, range_given=False, axis=1),
            R.QuantizeAndDequantizeV2(input=x, input_min=a[:3], input_max=b[:3], signed_input=s, range_given=False, narrow_range=True, axis=0),
            R.QuantizeAndDequantizeV3(input=x, input_min=-tf.abs(a) * float(s), input_max=tf.abs(b) + 0.1, num_bits=6, signed_input=s, axis=1),
        ], (real(3, 5, 2), real(5), real(5)), floats, gradient=False)  # fmt: skip
    yield OpCase("QuantizeAndDequantizeV4Grad", lambda g, x, a, b: [
        *R.QuantizeAndDequantizeV4Grad(gradients=g, input=x, input_min=-tf.abs(a), input_max=tf.abs(b), axis=1),
        *R.QuantizeAndDequantizeV4Grad(gradients=g, input=x, input_min=-tf.abs(a[0]), input_max=tf.abs(b[0])),
    ], (real(3, 5, 2), real(3, 5, 2), real(5), real(5)), floats, gradient=False)  # fmt: skip


def _dequantizations():
    for kind, quantized in (("int8", tf.qint8), ("uint8", tf.quint8), ("int32", tf.qint32)):
        for mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
            for low, high in ((-3.0, 5.0), (0.0, 6.0), (2.0, 2.0)):
                options = {"min_range": low, "max_range": high, "mode": mode}
                yield OpCase(f"Dequantize {kind} {mode} {low} {high}", lambda x, q=quantized, o=options: [
                    R.Dequantize(input=tf.bitcast(x, q), **o), R.Dequantize(input=tf.bitcast(x, q), narrow_range=True, **o),
                ], (_quantized(kind, 4, 6),), gradient=False)  # fmt: skip
        yield OpCase(f"Dequantize {kind} along an axis", lambda x, a, b, q=quantized: [
            R.Dequantize(input=tf.bitcast(x, q), min_range=-tf.abs(a), max_range=tf.abs(b), mode=mode, axis=1) for mode in ("MIN_COMBINED", "SCALED")
        ], (_quantized(kind, 2, 4, 3), real(4), real(4)), gradient=False)  # fmt: skip
        yield OpCase(f"Dequantize {kind} to bfloat16", lambda x, q=quantized: R.Dequantize(input=tf.bitcast(x, q), min_range=-1.0, max_range=2.0, dtype=tf.bfloat16),
                     (_quantized(kind, 20),), gradient=False, tolerance=500)  # fmt: skip


def _histograms():
    edges = np.concatenate([np.arange(-3, 14) / 10, [0.3, 0.7, 0.1 + 0.2, np.inf, -np.inf]]).astype(np.float32)
    for bins in (1, 7, 10, 100):
        yield OpCase(f"HistogramFixedWidth {bins}", lambda x, e, bins=bins: [
            R.HistogramFixedWidth(values=x, value_range=[-1.0, 1.5], nbins=bins), R.HistogramFixedWidth(values=x, value_range=[0.1, 0.7], nbins=bins, dtype=tf.int64),
            R.HistogramFixedWidth(values=e, value_range=[0.0, 1.0], nbins=bins), R.HistogramFixedWidth(values=x[:0], value_range=[0.0, 1.0], nbins=bins),
        ], (real(5, 50), given(edges)), gradient=False)  # fmt: skip
    yield OpCase("HistogramFixedWidth of fp64", lambda x: R.HistogramFixedWidth(values=x, value_range=tf.constant([-1.0, 1.1], tf.float64), nbins=10),
                 (real(5, 50),), ("float64",), gradient=False)  # fmt: skip


def _others():
    types = ("float32", "float16", "float64", "int64", "uint8")
    for padding in ("VALID", "SAME"):
        yield OpCase(f"ExtractVolumePatches {padding}",
                     lambda x, padding=padding: R.ExtractVolumePatches(input=x, ksizes=[1, 2, 1, 3, 1], strides=[1, 1, 2, 2, 1], padding=padding),
                     (spread(2, 3, 4, 5, 2),), types, gradient=False)  # fmt: skip
    for corners, centers in ((False, False), (True, False), (False, True)):
        options = {"align_corners": corners, "half_pixel_centers": centers}
        yield OpCase(f"ResizeNearestNeighborGrad {corners} {centers}", lambda x, o=options: [
            R.ResizeNearestNeighborGrad(grads=x, size=size, **o) for size in ([3, 2], [9, 13], [5, 6], [1, 1])
        ], (real(2, 5, 6, 3),), ("float32", "float16", "float64"), gradient=False, tolerance=2)  # fmt: skip
        yield OpCase(f"resizes {corners} {centers}", lambda x, o=options: [
            f(images=x, size=size, **o) for f in (R.ResizeNearestNeighbor, R.ResizeBilinear) for size in ([3, 2], [9, 13], [5, 6], [1, 1])
        ], (real(2, 5, 6, 3),), ("float32", "float16"), tolerance=2)  # fmt: skip


KERNELS = ("lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic")
SIZES = ([3, 2], [9, 13], [5, 6], [1, 1], [12, 1])


def _scaled(x, size, scale, translation, **options):
    return R.ScaleAndTranslate(images=x, size=size, scale=scale, translation=translation, **options)


def _resamplings():
    with_infinity = np.where(np.arange(30) == 13, np.inf, np.arange(30)).reshape(1, 5, 6, 1).astype(np.float32)
    for corners, centers in ((False, False), (True, False), (False, True)):
        options = {"align_corners": corners, "half_pixel_centers": centers}
        yield OpCase(f"ResizeBicubic {corners} {centers}", lambda x, o=options: [R.ResizeBicubic(images=x, size=size, **o) for size in SIZES],
                     (real(2, 5, 6, 3),))  # fmt: skip
        yield OpCase(f"ResizeBicubic {corners} {centers} of fp64", lambda x, o=options: R.ResizeBicubic(images=x, size=[9, 4], **o), (real(2, 5, 6, 3),),
                     ("float64",), tolerance=2e4)  # of the fp32 result # fmt: skip
        yield OpCase(f"ResizeBicubic {corners} {centers} of other types", lambda x, o=options: [R.ResizeBicubic(images=x, size=size, **o) for size in SIZES],
                     (whole(2, 5, 6, 3, high=100),), ("float16", "bfloat16", "uint8", "int8", "int64"), gradient=False)  # fmt: skip
        yield OpCase(f"ResizeBicubic {corners} {centers} of an infinity", lambda x, o=options: R.ResizeBicubic(images=x, size=[5, 9], **o),
                     (given(with_infinity),), gradient=False)  # fmt: skip
    for kernel in KERNELS:
        for antialias in (True, False):
            options = {"kernel_type": kernel, "antialias": antialias}
            yield OpCase(f"ScaleAndTranslate {kernel} {antialias}", lambda x, o=options: [
                _scaled(x, [4, 9], [0.8, 1.5], [0.0, 0.0], **o), _scaled(x, [7, 7], [0.3, 1.0], [2.5, -3.25], **o), _scaled(x, [3, 5], [1.0, 1.0], [9.0, 0.0], **o),
            ], (real(2, 5, 6, 3),), tolerance=2)  # fmt: skip
        yield OpCase(f"ScaleAndTranslate {kernel} of other types", lambda x, k=kernel: _scaled(x, [4, 9], [0.8, 1.5], [0.0, 0.5], kernel_type=k),
                     (whole(2, 5, 6, 3, high=100),), ("float16", "bfloat16", "uint8", "int64"), gradient=False)  # fmt: skip
        yield OpCase(f"ScaleAndTranslate {kernel} of fp64", lambda x, k=kernel: _scaled(x, [4, 9], [0.8, 1.5], [0.0, 0.5], kernel_type=k), (real(2, 5, 6, 3),),
                     ("float64",), gradient=False, tolerance=2e4)  # of the fp32 result # fmt: skip
        yield OpCase(f"ScaleAndTranslate {kernel} of an infinity", lambda x, k=kernel: _scaled(x, [6, 9], [0.8, 1.5], [1.5, 3.0], kernel_type=k),
                     (given(with_infinity),), gradient=False)  # fmt: skip
    yield OpCase("resampling of no images", lambda x: [R.ResizeBicubic(images=x, size=[3, 4]), _scaled(x, [3, 4], [1.0, 1.0], [0.0, 0.0])], (real(0, 5, 6, 2),),
                 gradient=False)  # fmt: skip
    for method in ("bicubic", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"):
        yield OpCase(
            f"tf.image.resize {method}", lambda x, m=method: tf.image.resize(x, [20, 11], method=m, antialias=True), (real(2, 13, 17, 3),), tolerance=2
        )


IMAGE_CASES = [*_resamplings(), *_crops(), *_projections(), *_pools(), *_dilations(), *_quantizations(), *_dequantizations(), *_histograms(), *_others()]
