"""More of op_cases.py: ops that say something of a tensor, hand it on, or are another spelling of an op that other files have."""

import numpy as np
import tensorflow as tf
from op_cases import COMPLEX, FLOATS, INTEGERS, OpCase, compound, given, real, whole
from tensorflow.python.framework.op_def_library import apply_op

R = tf.raw_ops
QUANTIZED = {"quantization_min_val": -128, "quantization_max_val": 127}


def _told():
    types = FLOATS + INTEGERS + ("bool",)
    yield OpCase("Rank Size Shape ShapeN", lambda x: [R.Rank(input=x), R.Size(input=x, out_type=tf.int64), R.Shape(input=x, out_type=tf.int64), R.Size(input=x),
                                                      *R.ShapeN(input=[x, x[0]], out_type=tf.int64), R.Rank(input=x) * 2], (real(3, 4),), types, gradient=False)  # fmt: skip
    yield OpCase("DeviceIndex IsTensorFloat32Enabled", lambda x: [R.DeviceIndex(device_names=["TPU"]), tf.function(
        lambda: apply_op("IsTensorFloat32Enabled"))(), 2 * x], (real(3),), gradient=False)  # fmt: skip
    for mode in ("DebugNanCount", "DebugNumericSummary"):
        yield OpCase(
            mode,
            lambda x, m=mode: getattr(R, m)(input=x, tensor_name="x:0"),
            (given(np.array([np.nan, 1, np.inf, -2, -np.inf, 0], np.float32)),),
            gradient=False,
        )
    yield OpCase("ConcatOffset", lambda x: [*R.ConcatOffset(concat_dim=1, shape=[[2, 3], [2, 4], [2, 1]])], (real(3),), gradient=False)
    yield OpCase("ToBool", lambda x: [R.ToBool(input=y) for y in (x, x[0], x[:0], x[0] * 0)], (real(3),), ("float32", "float64", "int64"), gradient=False)


def _handed_on():
    types = FLOATS + INTEGERS + ("bool",)
    options = {"PlaceholderWithDefault": {"shape": [3, 4]}, "DebugIdentity": {"tensor_name": "x:0"}, "DebugIdentityV3": {"tensor_name": "x:0"}}
    for name in ("Snapshot", "DebugGradientIdentity", "Copy", "CopyHost", "DebugIdentity", "DebugIdentityV3", "PlaceholderWithDefault"):
        yield OpCase(name, lambda x, n=name: getattr(R, n)(input=x, **options.get(n, {})), (real(3, 4),), types, gradient=False)
    yield OpCase("IdentityN", lambda x, y: R.IdentityN(input=[x, y, x[0]]), (real(3, 4), real(2)), FLOATS)
    yield OpCase("Empty", lambda x: R.Empty(shape=[2, 3], dtype=x.dtype, init=True) + x, (real(3),), FLOATS + ("int64", "uint8"), gradient=False)
    yield OpCase("PreventGradient", lambda x: R.PreventGradient(input=x), (real(3),), types, gradient=False)
    yield OpCase(
        "ParallelConcat", lambda x: tf.function(lambda y: tf.parallel_stack([y, 2 * y, y]))(x), (real(3, 4),), ("float32", "float16", "int64"), gradient=False
    )


def _other_spellings():
    yield OpCase("LinSpace", lambda x: [R.LinSpace(start=x[0], stop=x[1], num=n) for n in (1, 2, 7)], (real(2),), ("float32", "float64"), gradient=False)
    yield OpCase("Mod", lambda x, y: R.Mod(x=x, y=y), (whole(20, low=-9), whole(20, low=1)), ("float32", "float64", "int64"), gradient=False)
    for name in ("Min", "Max", "Prod", "Sum"):
        yield OpCase(f"Segment{name}V2", lambda x, n=name: getattr(R, f"Segment{n}V2")(data=x, segment_ids=[0, 0, 2, 2, 3], num_segments=5),
                     (whole(5, 3, low=1, high=5),), FLOATS + ("int64",), gradient=False, compiled_reference=True)  # fmt: skip
    yield OpCase("UniqueWithCountsV2", lambda x: list(R.UniqueWithCountsV2(x=x, axis=[0])), (whole(30),), FLOATS + INTEGERS, gradient=False)
    for formats in (("NHWC", "NCHW"), ("NCHW", "NHWC")):
        options = dict(zip(("src_format", "dst_format"), formats))
        yield OpCase(f"DataFormatDimMap DataFormatVecPermute {formats[0]}", lambda x, o=options: [
            R.DataFormatDimMap(x=tf.constant([0, -1, 2, 3, 1], x.dtype), **o), R.DataFormatVecPermute(x=x, **o), R.DataFormatVecPermute(x=tf.stack([x, x], 1), **o)],
            (whole(4),), ("int64", "int32"), gradient=False)  # fmt: skip
    for formatted in ("CHANNELS_LAST", "CHANNELS_FIRST"):
        if formatted == "CHANNELS_LAST":
            yield OpCase("Conv", lambda x, k: R.Conv(input=x, filter=k, strides=[1, 2, 1, 1], padding="SAME"), (real(2, 6, 5, 3), real(3, 2, 3, 4)),
                         ("float32", "float64", "float16"), gradient=False)  # fmt: skip
            yield OpCase("Conv of volumes", lambda x, k: R.Conv(input=x, filter=k, strides=[1, 1, 2, 1, 1], padding="VALID"),
                         (real(1, 4, 5, 4, 2), real(2, 3, 2, 2, 3)), gradient=False)  # fmt: skip
    lists = lambda x: R.TensorListFromTensor(tensor=x, element_shape=[3])  # noqa: E731

    def joined(x):
        with tf.device("/CPU:0"):  # which alone stacks variants and takes them apart
            both = tf.stack([lists(x), lists(2 * x)])
        pushed = R.TensorListPushBackBatch(input_handles=both, tensor=x[:2])
        with tf.device("/CPU:0"):
            second = pushed[1]
        concatenated = R.TensorListConcatLists(input_a=lists(x), input_b=lists(3 * x), element_dtype=x.dtype)
        return [R.TensorListStack(input_handle=h, element_shape=[3], element_dtype=x.dtype) for h in (second, concatenated)]

    yield OpCase("TensorListPushBackBatch TensorListConcatLists", joined, (real(4, 3),), FLOATS + ("int64",), gradient=False)


def _quantized():
    def codes(x, scale):
        return R.UniformQuantize(input=x, scales=scale, zero_points=3, Tout=tf.qint8, quantization_min_val=-128, quantization_max_val=127)

    def bounds(*names):
        return {f"{n}_{k}": v for n in names for k, v in QUANTIZED.items()}

    wide = {"output_quantization_min_val": -(2**31), "output_quantization_max_val": 2**31 - 1}
    yield OpCase("UniformQuantizedDot", lambda x, y: tf.bitcast(R.UniformQuantizedDot(
        lhs=codes(x, 0.1), rhs=codes(y, 0.2), lhs_scales=0.1, lhs_zero_points=3, rhs_scales=0.2, rhs_zero_points=3, output_scales=0.02, output_zero_points=0,
        Tout=tf.qint32, **bounds("lhs", "rhs"), **wide), tf.int32), (real(4, 5), real(5, 3)), gradient=False)  # fmt: skip
    yield OpCase("UniformQuantizedConvolution", lambda x, y: tf.bitcast(R.UniformQuantizedConvolution(
        lhs=codes(x, 0.1), rhs=codes(y, 0.2), lhs_scales=0.1, lhs_zero_points=3, rhs_scales=0.2, rhs_zero_points=3, output_scales=0.02, output_zero_points=0,
        Tout=tf.qint32, padding="SAME", **bounds("lhs", "rhs"), **wide), tf.int32), (real(2, 3, 5, 6), real(4, 3, 3, 2)), gradient=False)  # fmt: skip
    yield OpCase("UniformRequantize", lambda x: [tf.bitcast(R.UniformRequantize(
        input=codes(x, 0.1), input_scales=0.1, input_zero_points=3, output_scales=0.15, output_zero_points=-4, Tout=tf.qint8, **bounds("input", "output")), tf.int8)],
        (real(4, 5),), gradient=False)  # fmt: skip

    def sums(x, y):
        bits = [tf.bitcast(tf.cast(100 * t, tf.int32), tf.qint32) for t in (x, y)]
        limits = {f"{n}_quantization_{m}_val": v for n in ("lhs", "rhs", "output") for m, v in (("min", -(2**31)), ("max", 2**31 - 1))}
        total = R.UniformQuantizedAdd(lhs=bits[0], rhs=bits[1], lhs_scales=0.5, lhs_zero_points=3, rhs_scales=0.25, rhs_zero_points=-1, output_scales=0.3,
                                      output_zero_points=2, **limits)  # fmt: skip
        clipped = R.UniformQuantizedClipByValue(operand=total, min=tf.bitcast(tf.constant(-50), tf.qint32), max=tf.bitcast(tf.constant(70), tf.qint32), scales=0.3,
                                                zero_points=2, quantization_min_val=-(2**31), quantization_max_val=2**31 - 1)  # fmt: skip
        return [tf.bitcast(t, tf.int32) for t in (total, clipped)]

    yield OpCase("UniformQuantizedAdd UniformQuantizedClipByValue", sums, (real(4, 5), real(5)), gradient=False)


def _more_types():
    yield OpCase("AddN of integers", lambda x: tf.add_n([x, x, 2 * x]), (whole(3, 4),), INTEGERS, gradient=False)
    yield OpCase("AddN of complex numbers", lambda x: tf.add_n([x, x, 2 * x]), (compound(3, 4),), COMPLEX)


PLAIN_CASES = [*_told(), *_handed_on(), *_other_spellings(), *_quantized(), *_more_types()]
