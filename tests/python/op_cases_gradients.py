"""More of op_cases.py: gradients of ops that TensorFlow calls in gradients only, of older ops, and of those whose other cases have none."""

import numpy as np
import tensorflow as tf
from op_cases import COMPLEX, FLOATS, OpCase, compound, definite, given, index, mask, positive, real, spread, unit
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

R = tf.raw_ops
DOUBLES = ("float32", "float64")
POOL = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
VOLUME = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 2, 2, 2, 1], "padding": "VALID"}
CONV = {"strides": [1, 1, 1, 1], "padding": "SAME"}
CONV3D = {"strides": [1, 1, 1, 1, 1], "padding": "SAME"}


def _functions():
    for name, argument, make in (
        ("ReluGrad", "features", real), ("Relu6Grad", "features", real), ("LeakyReluGrad", "features", real), ("SoftplusGrad", "features", real),
        ("EluGrad", "outputs", unit), ("SeluGrad", "outputs", unit),
    ):  # fmt: skip
        yield OpCase(f"{name}'s gradient", lambda g, x, n=name, a=argument: getattr(R, n)(**{"gradients": g, a: x}), (real(3, 5), make(3, 5)), FLOATS)
    for name in ("TanhGrad", "SigmoidGrad", "SqrtGrad", "RsqrtGrad", "ReciprocalGrad", "InvGrad"):
        yield OpCase(f"{name}'s gradient", lambda y, dy, n=name: getattr(R, n)(y=y, dy=dy), (positive(3, 5), real(3, 5)), FLOATS)
    for name in ("Div", "MulNoNan", "Xdivy", "Xlog1py"):
        yield OpCase(f"{name}'s gradient", lambda x, y, n=name: getattr(R, n)(x=x, y=y), (real(4, 1, 5), positive(3, 1)), DOUBLES, tolerance=4)
    yield OpCase("Add's gradient", lambda x, y: R.Add(x=x, y=y), (real(4, 1, 5), real(3, 1)), FLOATS)
    yield OpCase("Inv's gradient", lambda x: R.Inv(x=x), (positive(7),), FLOATS)
    yield OpCase("Betainc's gradient", lambda x: tf.math.betainc(1.5, 0.75, tf.abs(x)), (unit(20),), tolerance=50)
    yield OpCase("Zeta's and Polygamma's gradients", lambda x: [tf.math.zeta(3.0, x), tf.math.polygamma(2.0, x)], (positive(20),), tolerance=50)
    yield OpCase("NextAfter's gradient", tf.math.nextafter, (real(9), real(9)), DOUBLES)
    for low, high in (((), ()), ((4, 5), (4, 5))):
        yield OpCase(f"ClipByValue's gradient with bounds {low}", lambda x, a, b: R.ClipByValue(t=x, clip_value_min=a - 0.5, clip_value_max=b + 0.5),
                     (real(4, 5), unit(*low), positive(*high)), DOUBLES)  # fmt: skip
    yield OpCase("QuantizeAndDequantize's gradients", lambda x: [R.QuantizeAndDequantizeV2(input=x, input_min=-9.0, input_max=9.0),
                                                                 R.QuantizeAndDequantizeV3(input=x, input_min=-9.0, input_max=9.0, num_bits=8),
                                                                 R.QuantizeAndDequantizeV4(input=x, input_min=-1.0, input_max=1.0)],
                 (real(4, 5),))  # fmt: skip
    yield OpCase("StatelessRandomGamma's gradient", lambda a: R.StatelessRandomGammaV2(shape=[50, 3], seed=[3, 4], alpha=a), (positive(3),), tolerance=50)
    yield OpCase("StatelessParameterizedTruncatedNormal's gradient", lambda m, s: R.StatelessParameterizedTruncatedNormal(
        shape=[8, 3], seed=[3, 4], means=m, stddevs=s, minvals=m - 1, maxvals=m + 2), (real(3), positive(3)), DOUBLES, tolerance=20)  # fmt: skip
    yield OpCase("Sign's gradient", lambda x: x * tf.sign(x), (real(9),), FLOATS)


def _movement():
    yield OpCase("MatrixDiag's gradient", lambda x: R.MatrixDiag(diagonal=x), (real(2, 4),), DOUBLES)
    yield OpCase("MatrixDiagPart's gradient", lambda x: R.MatrixDiagPart(input=x), (real(2, 4, 4),), DOUBLES)
    yield OpCase("MatrixDiagV2's gradient", lambda x: R.MatrixDiagV2(diagonal=x, k=[0, 1], num_rows=4, num_cols=4, padding_value=tf.cast(0.5, x.dtype)),
                 (real(3, 2, 4),), DOUBLES)  # fmt: skip
    yield OpCase("MatrixDiagPartV2's gradient", lambda x: R.MatrixDiagPartV2(input=x, k=[-1, 1], padding_value=tf.cast(0, x.dtype)), (real(2, 4, 5),), DOUBLES)
    yield OpCase("MatrixSetDiag's gradient", lambda x, d: R.MatrixSetDiag(input=x, diagonal=d), (real(2, 3, 4), real(2, 3)), DOUBLES)
    yield OpCase("MatrixSetDiagV2's gradient", lambda x, d: R.MatrixSetDiagV2(input=x, diagonal=d, k=[0, 1]), (real(4, 4), real(2, 4)), DOUBLES)
    yield OpCase("MatrixSetDiagV3's gradient", lambda x, d: R.MatrixSetDiagV3(input=x, diagonal=d, k=[-1, 0]), (real(4, 4), real(2, 4)), DOUBLES)
    yield OpCase("Diag's and DiagPart's gradients", lambda x: [R.Diag(diagonal=x), R.DiagPart(input=x)], (real(3, 3),), ("float32", "complex64"))
    yield OpCase("Concat's gradient", lambda x, y: R.Concat(concat_dim=1, values=[x, y, x]), (real(3, 2), real(3, 4)), FLOATS)
    yield OpCase("Reverse's gradient", lambda x: R.Reverse(tensor=x, dims=[True, False]), (real(3, 4),), FLOATS)
    yield OpCase("BatchToSpaceND's gradient", lambda x: tf.batch_to_space(x, [2, 2], [[0, 1], [1, 0]]), (real(8, 2, 3, 2),), DOUBLES)
    for mode in ("REFLECT", "SYMMETRIC"):
        yield OpCase(f"MirrorPadGrad's gradient {mode}", lambda x, m=mode: R.MirrorPadGrad(input=x, paddings=[[1, 2], [2, 1]], mode=m), (real(6, 7),), DOUBLES)
    yield OpCase(
        "StridedSliceGrad's gradient", lambda x: R.StridedSliceGrad(shape=[5, 7], begin=[1, 6], end=[5, 0], strides=[2, -3], dy=x), (real(2, 2),), FLOATS
    )
    yield OpCase("EnsureShape's gradient", lambda x: tf.ensure_shape(x, [3, None]), (real(3, 4),), FLOATS)
    yield OpCase("ExtractVolumePatches' gradient",
                 lambda x: R.ExtractVolumePatches(input=x, ksizes=[1, 2, 2, 2, 1], strides=[1, 1, 2, 1, 1], padding="SAME"), (real(1, 3, 4, 3, 2),))  # fmt: skip
    yield OpCase("ImageProjectiveTransformV3's gradient", lambda x: R.ImageProjectiveTransformV3(
        images=x, transforms=[[1.0, 0.25, 1.0, 0.0, 1.0, -2.0, 0.0, 0.0]], output_shape=[5, 6], fill_value=0.0, interpolation="BILINEAR"), (real(2, 5, 6, 2),))  # fmt: skip
    yield OpCase("Gather's gradient", lambda x, i: R.Gather(params=x, indices=i), (real(5, 3), index(2, 4, high=5)), DOUBLES)
    yield OpCase("SparseToDense's gradient", lambda x, d: R.SparseToDense(sparse_indices=[[0, 1], [2, 3]], output_shape=[3, 4], sparse_values=x, default_value=d),
                 (real(2), real()), DOUBLES)  # fmt: skip
    yield OpCase(
        "TensorScatterSub's gradient", lambda x, y: R.TensorScatterSub(tensor=x, indices=[[0], [2], [0]], updates=y), (real(4, 3), real(3, 3)), DOUBLES
    )
    yield OpCase("TensorScatterMax's and TensorScatterMin's gradients", lambda x, y: [f(tensor=x, indices=[[0], [2], [3]], updates=y)
                                                                                     for f in (R.TensorScatterMax, R.TensorScatterMin)],
                 (real(4, 3), real(3, 3)), DOUBLES)  # fmt: skip
    yield OpCase("ApproxTopK's gradient", lambda x: tf.math.approx_max_k(x, 3)[0], (spread(4, 9),), compiled_reference=True)


def _segments():
    ids = given(np.array([0, 2, 1, 0, -1, 2], np.int32))
    yield OpCase("UnsortedSegmentMin's gradient", lambda x, i: R.UnsortedSegmentMin(data=x, segment_ids=i, num_segments=4), (spread(6, 2), ids), DOUBLES)
    yield OpCase("UnsortedSegmentProd's gradient", lambda x, i: R.UnsortedSegmentProd(data=x, segment_ids=i, num_segments=4), (positive(6, 2), ids), DOUBLES)
    zeros = given(np.array([[0.0, 2.0], [3.0, 0.0], [1.5, 0.0], [2.0, 1.0], [1.0, 1.0], [0.0, 4.0]], np.float32))
    yield OpCase("UnsortedSegmentProd's gradient with zeros", lambda x, z, i: R.UnsortedSegmentProd(data=x * z, segment_ids=i, num_segments=4),
                 (positive(6, 2), zeros, ids))  # fmt: skip
    order = given(np.array([0, 0, 0, 1, 3, 3], np.int64))
    yield OpCase("SegmentProd's gradient", tf.math.segment_prod, (positive(6, 2), order), DOUBLES)
    yield OpCase("SegmentProd's gradient with zeros", lambda x, z, i: tf.math.segment_prod(x * z, i), (positive(6, 2), zeros, order))
    for name in ("sum", "mean"):
        yield OpCase(f"segment_{name}'s gradient of complex numbers", getattr(tf.math, f"segment_{name}"), (compound(6, 2), order), COMPLEX)


def _contractions():
    yield OpCase("BatchMatMul's gradient", lambda x, y: R.BatchMatMul(x=x, y=y), (real(2, 3, 4), real(2, 4, 2)), DOUBLES)
    yield OpCase("BatchMatMulV3's gradient", lambda x, y: R.BatchMatMulV3(x=x, y=y, Tout=x.dtype), (real(2, 3, 4), real(2, 4, 2)), DOUBLES)
    yield OpCase("BiasAddV1's gradient", lambda x, b: R.BiasAddV1(value=x, bias=b), (real(3, 4), real(4)), DOUBLES)
    yield OpCase(
        "BiasAddGrad's gradient", lambda x: [R.BiasAddGrad(out_backprop=x), R.BiasAddGrad(out_backprop=x, data_format="NCHW")], (real(2, 3, 4, 5),), DOUBLES
    )
    yield OpCase("Conv2DBackpropFilter's gradient", lambda x, g: R.Conv2DBackpropFilter(input=x, filter_sizes=[3, 2, 2, 3], out_backprop=g, **CONV),
                 (real(2, 4, 5, 2), real(2, 4, 5, 3)), DOUBLES)  # fmt: skip
    yield OpCase("Conv2DBackpropInput's gradient", lambda w, g: R.Conv2DBackpropInput(input_sizes=[2, 4, 5, 2], filter=w, out_backprop=g, **CONV),
                 (real(3, 2, 2, 3), real(2, 4, 5, 3)), DOUBLES)  # fmt: skip
    yield OpCase("Conv3DBackpropFilterV2's gradient", lambda x, g: R.Conv3DBackpropFilterV2(input=x, filter_sizes=[2, 3, 2, 2, 3], out_backprop=g, **CONV3D),
                 (real(1, 3, 4, 3, 2), real(1, 3, 4, 3, 3)), DOUBLES)  # fmt: skip
    yield OpCase("Conv3DBackpropInputV2's gradient", lambda w, g: R.Conv3DBackpropInputV2(input_sizes=[1, 3, 4, 3, 2], filter=w, out_backprop=g, **CONV3D),
                 (real(2, 3, 2, 2, 3), real(1, 3, 4, 3, 3)), DOUBLES)  # fmt: skip
    yield OpCase("DepthwiseConv2dNativeBackpropFilter's gradient",
                 lambda x, g: R.DepthwiseConv2dNativeBackpropFilter(input=x, filter_sizes=[3, 2, 2, 2], out_backprop=g, **CONV), (real(2, 4, 5, 2), real(2, 4, 5, 4)),
                 DOUBLES)  # fmt: skip
    yield OpCase("DepthwiseConv2dNativeBackpropInput's gradient",
                 lambda w, g: R.DepthwiseConv2dNativeBackpropInput(input_sizes=[2, 4, 5, 2], filter=w, out_backprop=g, **CONV), (real(3, 2, 2, 2), real(2, 4, 5, 4)),
                 DOUBLES)  # fmt: skip
    yield OpCase("XlaEinsum's gradient", lambda x, y: gen_xla_ops.xla_einsum(x, y, equation="ab,bc->ac"), (real(3, 4), real(4, 2)), compiled_reference=True)


def _pools():
    yield OpCase("AvgPoolGrad's gradient", lambda g: R.AvgPoolGrad(orig_input_shape=[2, 4, 6, 3], grad=g, **POOL), (real(2, 2, 3, 3),), DOUBLES)
    yield OpCase("AvgPool3DGrad's gradient", lambda g: R.AvgPool3DGrad(orig_input_shape=[1, 4, 4, 2, 3], grad=g, **VOLUME), (real(1, 2, 2, 1, 3),))
    yield OpCase("MaxPoolV2's gradient", lambda x: R.MaxPoolV2(input=x, **POOL), (spread(2, 4, 6, 3),))
    yield OpCase("MaxPoolGrad's gradient", lambda x, g: R.MaxPoolGrad(orig_input=x, orig_output=R.MaxPool(input=x, **POOL), grad=g, **POOL),
                 (spread(1, 4, 4, 2), real(1, 2, 2, 2)))  # fmt: skip
    yield OpCase("MaxPoolGradV2's gradient", lambda x, g: R.MaxPoolGradV2(orig_input=x, orig_output=R.MaxPool(input=x, **POOL), grad=g, **POOL),
                 (spread(1, 4, 4, 2), real(1, 2, 2, 2)))  # fmt: skip
    yield OpCase("MaxPoolGradGrad's gradient", lambda x, g: R.MaxPoolGradGrad(orig_input=x, orig_output=R.MaxPool(input=x, **POOL), grad=g, **POOL),
                 (spread(1, 4, 4, 2), real(1, 4, 4, 2)))  # fmt: skip
    yield OpCase("MaxPool3DGrad's gradient", lambda x, g: R.MaxPool3DGrad(orig_input=x, orig_output=R.MaxPool3D(input=x, **VOLUME), grad=g, **VOLUME),
                 (spread(1, 4, 4, 4, 2), real(1, 2, 2, 2, 2)))  # fmt: skip
    yield OpCase("MaxPool3DGradGrad's gradient", lambda x, g: R.MaxPool3DGradGrad(orig_input=x, orig_output=R.MaxPool3D(input=x, **VOLUME), grad=g, **VOLUME),
                 (spread(1, 4, 4, 4, 2), real(1, 4, 4, 4, 2)))  # fmt: skip


def _normalizations():
    for name in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"):
        for training in (True, False):
            yield OpCase(
                f"{name}'s gradient training {training}",
                lambda x, s, o, m, v, n=name, t=training: (
                    list(getattr(R, n)(x=x, scale=s, offset=o, mean=m if not t else [], variance=v if not t else [], is_training=t))[0] * x
                ),
                (real(4, 3, 5, 3), positive(3), real(3), real(3), positive(3)),
                tolerance=10,
            )

    def second(x, s, g, name):
        forward = getattr(R, name)(x=x, scale=s, offset=tf.zeros_like(s), mean=[], variance=[])
        extra = {"reserve_space_3": forward[5]} if name.endswith("V3") else {}
        gradient = getattr(R, name.replace("Norm", "NormGrad"))
        return list(gradient(y_backprop=g, x=x, scale=s, reserve_space_1=forward[3], reserve_space_2=forward[4], **extra))[:3]

    for name in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"):
        yield OpCase(f"{name.replace('Norm', 'NormGrad')}'s gradient", lambda x, s, g, n=name: second(x, s, g, n), (real(4, 3, 5, 3), positive(3), real(4, 3, 5, 3)),
                     tolerance=20)  # fmt: skip
    yield OpCase("RGBToHSV's gradient", lambda x: tf.image.rgb_to_hsv(tf.abs(x)), (unit(2, 4, 5, 3),), tolerance=10)


def _factors():
    yield OpCase("Qr's gradient", lambda a: [tf.abs(t) for t in tf.linalg.qr(a)], (definite(4, (2,)),), DOUBLES, tolerance=50)
    yield OpCase("SelfAdjointEig's gradient", lambda a: tf.linalg.eigh(a)[0], (definite(4, (2,)),), DOUBLES, tolerance=50)
    yield OpCase("eigenvectors' gradient", lambda a: tf.abs(tf.linalg.eigh(a)[1]), (definite(4),), DOUBLES, tolerance=200)
    yield OpCase("Svd's gradient", lambda a: tf.linalg.svd(a, compute_uv=False), (real(2, 5, 3),), DOUBLES, tolerance=50)
    yield OpCase("TridiagonalSolve's gradient", lambda d, r: tf.linalg.tridiagonal_solve(d + tf.constant([[0.0], [9.0], [0.0]], d.dtype), r), (unit(3, 5), real(5, 2)),
                 DOUBLES, tolerance=5)  # fmt: skip


def _fourier():
    types = ("complex64", "complex128")
    for name in ("fft", "ifft", "fft2d", "ifft2d", "fft3d", "ifft3d"):
        yield OpCase(f"{name}'s gradient", getattr(tf.signal, name), (compound(3, 4, 5),), types)
    for name in ("rfft", "rfft2d"):
        yield OpCase(f"{name}'s gradient", getattr(tf.signal, name), (real(3, 4, 6),), DOUBLES)
    for name in ("irfft", "irfft2d"):
        yield OpCase(f"{name}'s gradient", getattr(tf.signal, name), (compound(3, 4, 4),), types)
    yield OpCase("irfft's gradient of odd lengths", lambda x: tf.signal.irfft(x, [7]), (compound(3, 4),), types)


def _blocks():
    """LSTM blocks have gradients themselves; TensorFlow's tape reaches them through raw ops."""
    weights = (real(3, 4), real(3, 4), real(9, 16), real(4), real(4), real(4), real(16))
    for name in ("BlockLSTM", "BlockLSTMV2"):
        yield OpCase(
            f"{name}'s gradient",
            lambda x, cs, h, w, wci, wcf, wco, b, n=name: [
                s for k, s in getattr(R, n)(
                    seq_len_max=tf.constant(4, tf.int64), x=x, cs_prev=cs, h_prev=h, w=w, wci=wci, wcf=wcf, wco=wco, b=b, cell_clip=0.0, use_peephole=False
                )._asdict().items() if k in ("cs", "h")
            ],
            (real(4, 3, 5), *weights), tolerance=10,
        )  # fmt: skip


def _selected():
    yield OpCase("Select's gradient", lambda c, x, y: R.Select(condition=c, x=x, y=y), (mask(4, 5), real(4, 5), real(4, 5)), FLOATS)


GRADIENT_CASES = [
    *_functions(), *_movement(), *_segments(), *_contractions(), *_pools(), *_normalizations(), *_factors(), *_fourier(), *_blocks(), *_selected(),
]  # fmt: skip
