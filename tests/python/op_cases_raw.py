"""More of op_cases.py: ops that are best called by their raw names, among them XLA's own."""

import numpy as np
import tensorflow as tf
from op_cases import OpCase, given, index, mask, positive, real, spread, unit, whole
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

R = tf.raw_ops


def _boxes(n):
    """Corners of boxes of positive areas."""

    def make(rng):
        low, high = rng.uniform(0, 0.5, size=(n, 2)), rng.uniform(0.5, 1, size=(n, 2))
        return np.concatenate([low, high], axis=1).astype(np.float32)

    return make


def _images():
    yield OpCase("AdjustContrast", lambda x: R.AdjustContrastv2(images=x, contrast_factor=1.7), (unit(2, 4, 5, 3),), gradient=False)
    yield OpCase("AdjustHue", lambda x: R.AdjustHue(images=tf.abs(x), delta=0.2), (unit(2, 4, 5, 3),), gradient=False, tolerance=5)
    yield OpCase("AdjustSaturation", lambda x: R.AdjustSaturation(images=tf.abs(x), scale=1.5), (unit(2, 4, 5, 3),), gradient=False, tolerance=5)
    yield OpCase("RGBToHSV HSVToRGB", lambda x: [R.RGBToHSV(images=tf.abs(x)), R.HSVToRGB(images=tf.abs(x))], (unit(2, 4, 5, 3),), gradient=False, tolerance=5)
    yield OpCase("ExtractImagePatches", lambda x: tf.image.extract_patches(x, [1, 2, 2, 1], [1, 1, 2, 1], [1, 1, 1, 1], "SAME"), (real(1, 5, 6, 2),))
    for padded in (True, False):
        yield OpCase(
            f"NonMaxSuppressionV4 padded {padded}",
            lambda b, s, padded=padded: list(
                R.NonMaxSuppressionV4(boxes=b, scores=s, max_output_size=4, iou_threshold=0.5, score_threshold=0.1, pad_to_max_output_size=padded)
            ),
            (_boxes(9), unit(9)),
            gradient=False,
        )


def _functions():
    yield OpCase("BesselI0e BesselI1e", lambda x: [R.BesselI0e(x=4 * x), R.BesselI1e(x=4 * x)], (real(30),), ("float32", "float64"), tolerance=5)
    yield OpCase("Betainc", lambda a, b, x: tf.math.betainc(a, b, tf.abs(x)), (positive(20), positive(20), unit(20)), gradient=False, tolerance=50)
    yield OpCase("Igamma", lambda a, x: [tf.math.igamma(a, x), tf.math.igammac(a, x)], (positive(20), positive(20)), tolerance=50)
    yield OpCase("RandomGammaGrad", lambda a, x: R.RandomGammaGrad(alpha=a, sample=x), (positive(20), positive(20)), gradient=False, tolerance=50)
    yield OpCase("Zeta Polygamma", lambda a, x: [tf.math.zeta(a + 1, x), tf.math.polygamma(tf.round(a) + 1, x)], (positive(20), positive(20)), gradient=False,
                 tolerance=50)  # fmt: skip
    yield OpCase("Ndtri", lambda x: R.Ndtri(x=tf.abs(x) + 0.01), (unit(20),), tolerance=5)
    yield OpCase("NextAfter", tf.math.nextafter, (real(9), real(9)), gradient=False)
    yield OpCase("ApproximateEqual", lambda x: R.ApproximateEqual(x=x, y=x + 1e-6, tolerance=1e-5), (real(9),), gradient=False)
    yield OpCase("Bucketize", lambda x: R.Bucketize(input=x, boundaries=[-1.0, 0.0, 0.5]), (real(20),), gradient=False)
    yield OpCase("Cross", tf.linalg.cross, (real(4, 3), real(4, 3)))
    yield OpCase("CumulativeLogsumexp", lambda x: [tf.math.cumulative_logsumexp(x, 1), tf.math.cumulative_logsumexp(x, 0, True, True)], (real(4, 5),))
    yield OpCase("Bitcast", lambda x: [tf.bitcast(x, t) for t in (tf.int32, tf.uint8, tf.float16)], (positive(3, 4),), gradient=False)
    yield OpCase("bits of integers", lambda x: [R.PopulationCount(x=x), R.Invert(x=x), R.LeftShift(x=x, y=x % 5), R.RightShift(x=x, y=x % 5)], (whole(20),),
                 ("int64", "uint8"), gradient=False)  # fmt: skip
    yield OpCase("TruncateMod TruncateDiv", lambda x, y: [R.TruncateMod(x=x, y=y), R.TruncateDiv(x=x, y=y)], (whole(20, low=-9), whole(20, low=1)), ("int64",),
                 gradient=False)  # fmt: skip
    yield OpCase("FakeQuant", lambda x: [R.FakeQuantWithMinMaxArgs(inputs=x), R.FakeQuantWithMinMaxVars(inputs=x, min=-2.0, max=1.5),
                                         R.FakeQuantWithMinMaxVarsPerChannel(inputs=x, min=[-1.0] * 5, max=[1.0] * 5)], (real(4, 5),))  # fmt: skip
    yield OpCase("QuantizeAndDequantize", lambda x: [R.QuantizeAndDequantizeV2(input=x, input_min=-2.0, input_max=2.0),
                                                     R.QuantizeAndDequantizeV3(input=x, input_min=-2.0, input_max=2.0, num_bits=8)], (real(4, 5),),
                 gradient=False)  # fmt: skip
    yield OpCase(
        "UniformQuantize UniformDequantize",
        lambda x: R.UniformDequantize(
            input=R.UniformQuantize(input=x, scales=0.1, zero_points=3, Tout=tf.qint8, quantization_min_val=-128, quantization_max_val=127),
            scales=0.1, zero_points=3, Tout=tf.float32, quantization_min_val=-128, quantization_max_val=127,
        ),
        (real(9),),
        gradient=False,
    )  # fmt: skip


def _movement():
    yield OpCase("SpaceToBatch BatchToSpace", lambda x: [R.SpaceToBatch(input=x, block_size=2, paddings=[[0, 0], [1, 1]]),
                                                         R.BatchToSpace(input=x, block_size=2, crops=[[0, 0], [1, 0]])], (real(4, 4, 6, 2),))  # fmt: skip
    yield OpCase("MatrixSetDiag", lambda x, d: [R.MatrixSetDiag(input=x, diagonal=d), R.MatrixSetDiagV3(input=x, diagonal=[[1.0, 2.0, 3.0]] * 2, k=[0, 1])],
                 (real(3, 3), real(3)), gradient=False)  # fmt: skip
    yield OpCase("DynamicStitch", lambda x, y: [R.DynamicStitch(indices=[[0, 2], [1, 3]], data=[x, y]),
                                                R.ParallelDynamicStitch(indices=[[0, 2], [1, 3]], data=[x, y])], (real(2, 3), real(2, 3)))  # fmt: skip
    yield OpCase("SparseToDense", lambda x: R.SparseToDense(sparse_indices=[[0, 1], [2, 3]], output_shape=[3, 4], sparse_values=x, default_value=1.5),
                 (real(2),), gradient=False)  # fmt: skip
    yield OpCase("TensorScatter", lambda x, y: [f(tensor=x, indices=[[0], [2], [0]], updates=y) for f in (R.TensorScatterMax, R.TensorScatterMin,
                                                                                                      R.TensorScatterSub)],
                 (real(4, 3), spread(3, 3)), gradient=False)  # fmt: skip
    yield OpCase("TensorStridedSliceUpdate", lambda x, y: R.TensorStridedSliceUpdate(input=x, begin=[1], end=[3], strides=[1], value=y),
                 (real(4, 3), real(2, 3)))  # fmt: skip
    yield OpCase("UnsortedSegmentMin UnsortedSegmentProd", lambda x: [f(data=x, segment_ids=[0, 2, 1, 0, -1, 2], num_segments=4)
                                                                      for f in (R.UnsortedSegmentMin, R.UnsortedSegmentProd)], (real(6, 2),),
                 gradient=False)  # fmt: skip
    yield OpCase("Bincount", lambda i, w: [R.Bincount(arr=i, size=5, weights=w), R.DenseBincount(input=i, size=5, weights=w), tf.math.bincount(i)],
                 (index(20, high=7), real(20)), gradient=False)  # fmt: skip
    yield OpCase("DenseBincount of rows", lambda i: [R.DenseBincount(input=i, size=5, weights=tf.zeros([0]), binary_output=b) for b in (True, False)],
                 (index(3, 9, high=7, dtype="int64"),), gradient=False)  # fmt: skip
    yield OpCase("UpperBound LowerBound", lambda x, y: [f(sorted_inputs=tf.sort(x), values=y) for f in (R.UpperBound, R.LowerBound)],
                 (real(2, 8), real(2, 5)), gradient=False)  # fmt: skip
    yield OpCase("Select", lambda c, x, y: R.SelectV2(condition=c, t=x, e=y), (mask(4, 1), real(4, 5), real(5)))


def _contractions():
    yield OpCase("SparseMatMul", lambda x, y: R.SparseMatMul(a=x, b=y), (real(4, 5), real(5, 3)))
    yield OpCase("TridiagonalSolve", lambda d, r: R.TridiagonalSolve(diagonals=d + tf.constant([[0.0], [9.0], [0.0]]), rhs=r, partial_pivoting=False),
                 (unit(3, 5), real(5, 2)), gradient=False, tolerance=5)  # fmt: skip
    yield OpCase("TridiagonalSolve with pivoting", lambda d, r: R.TridiagonalSolve(diagonals=d + tf.constant([[0.0], [9.0], [0.0]]), rhs=r),
                 (unit(3, 5), real(5, 2)), gradient=False, tolerance=5)  # fmt: skip
    yield OpCase("TridiagonalMatMul", lambda a, b, c, r: R.TridiagonalMatMul(superdiag=a, maindiag=b, subdiag=c, rhs=r),
                 (real(1, 5), real(1, 5), real(1, 5), real(5, 2)))  # fmt: skip
    pool = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
    yield OpCase("MaxPoolGradGrad", lambda x: R.MaxPoolGradGrad(orig_input=x, orig_output=R.MaxPool(input=x, **pool), grad=2 * x, **pool), (spread(1, 4, 4, 2),),
                 gradient=False)  # fmt: skip
    volume = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 2, 2, 2, 1], "padding": "VALID"}
    yield OpCase("MaxPool3DGradGrad", lambda x: R.MaxPool3DGradGrad(orig_input=x, orig_output=R.MaxPool3D(input=x, **volume), grad=2 * x, **volume),
                 (spread(1, 4, 4, 4, 2),), gradient=False)  # fmt: skip
    yield OpCase("Svd vectors", lambda x: tf.abs(tf.linalg.svd(x)[1]), (real(5, 3),), gradient=False, tolerance=50)
    yield OpCase("Qr full", lambda x: tf.abs(tf.linalg.qr(x, full_matrices=True)[1]), (real(5, 3),), gradient=False, tolerance=50)


def _sum():
    scalar = tf.TensorSpec([], tf.float32)
    return tf.function(lambda a, b: a + b).get_concrete_function(scalar, scalar)


def _xla():
    def case(name, function, inputs, tolerance=1.0):
        return OpCase(name, function, inputs, gradient=False, tolerance=tolerance, compiled_reference=True)

    yield case("XlaSort", lambda x: gen_xla_ops.xla_sort(x), (real(9),))
    yield case("XlaKeyValueSort", lambda x, y: list(gen_xla_ops.xla_key_value_sort(x, y)), (real(9), real(9)))
    yield case("XlaPad", lambda x: gen_xla_ops.xla_pad(x, 1.0, [1, 0], [0, 2], [1, 0]), (real(3, 4),))
    yield case("XlaEinsum", lambda x, y: gen_xla_ops.xla_einsum(x, y, equation="ab,bc->ac"), (real(3, 4), real(4, 2)))
    yield case("XlaReducePrecision", lambda x: gen_xla_ops.xla_reduce_precision(x, exponent_bits=5, mantissa_bits=10), (real(9),))
    yield case("XlaDynamicSlice", lambda x: gen_xla_ops.xla_dynamic_slice(x, [1, 0], [2, 2]), (real(4, 4),))
    yield case("XlaDynamicUpdateSlice", lambda x, y: gen_xla_ops.xla_dynamic_update_slice(x, y, [1, 1]), (real(4, 4), real(2, 2)))
    yield case("XlaReduce", lambda x: gen_xla_ops.xla_reduce(x, 0.0, dimensions_to_reduce=[1], reducer=_sum()), (real(3, 4),))
    yield case("XlaReduceWindow", lambda x: gen_xla_ops.xla_reduce_window(x, 0.0, [2, 2], [1, 2], [1, 1], [1, 1], [[0, 1], [1, 0]], computation=_sum()),
               (real(3, 4),))  # fmt: skip
    yield case("XlaSelfAdjointEig", lambda x: gen_xla_ops.xla_self_adjoint_eig(x + tf.transpose(x), lower=True, max_iter=100, epsilon=1e-6)[0], (real(4, 4),),
               tolerance=50)  # fmt: skip
    yield case("XlaSvd", lambda x: gen_xla_ops.xla_svd(x, max_iter=100, epsilon=1e-6, precision_config="")[0], (real(4, 3),), tolerance=50)
    yield case("XlaRngBitGenerator", lambda s: gen_xla_ops.xla_rng_bit_generator(1, s, [10], dtype=tf.uint32)[1], (given(np.array([1, 2], np.uint64)),))


def _lstm_block(peephole, clip):
    """A step of an LSTM and its gradient."""

    def run(x, cs, h, w, wci, wcf, wco, b, cs_grad, h_grad):
        given = {"x": x, "cs_prev": cs, "h_prev": h, "w": w, "wci": wci, "wcf": wcf, "wco": wco, "b": b}
        step = R.LSTMBlockCell(**given, forget_bias=0.5, cell_clip=clip, use_peephole=peephole)
        kept = {name: getattr(step, name) for name in ("i", "cs", "f", "o", "ci", "co")}
        return [*step, *R.LSTMBlockCellGrad(**given, **kept, cs_grad=cs_grad, h_grad=h_grad, use_peephole=peephole)]

    return run


def _block_lstm(version, peephole, clip, length):
    """An LSTM over a sequence of 5 and its gradient."""
    forward, gradient = (R.BlockLSTM, R.BlockLSTMGrad) if version == 1 else (R.BlockLSTMV2, R.BlockLSTMGradV2)

    def run(x, cs, h, w, wci, wcf, wco, b, cs_grad, h_grad):
        given = {"seq_len_max": tf.constant(length, tf.int64), "x": x, "cs_prev": cs, "h_prev": h, "w": w, "wci": wci, "wcf": wcf, "wco": wco, "b": b}
        steps = forward(**given, cell_clip=clip, use_peephole=peephole)
        gradients = gradient(**given, **steps._asdict(), cs_grad=cs_grad, h_grad=h_grad, use_peephole=peephole)
        # TensorFlow's kernels leave the gates undefined beyond the length.
        return [steps.cs, steps.h, *(getattr(steps, gate)[:length] for gate in ("i", "f", "o", "ci", "co")), *gradients]

    return run


def _gru_block(x, h, w_ru, w_c, b_ru, b_c, d_h):
    given = {"x": x, "h_prev": h, "w_ru": w_ru, "w_c": w_c, "b_ru": b_ru, "b_c": b_c}
    step = R.GRUBlockCell(**given)
    return [*step, *R.GRUBlockCellGrad(**given, r=step.r, u=step.u, c=step.c, d_h=d_h)]


def _recurrent():
    weights = (real(3, 4), real(3, 4), real(9, 16), real(4), real(4), real(4), real(16))
    both = ("float32", "float16")
    for peephole, clip in ((False, 3.0), (True, 0.0), (True, 0.4)):
        yield OpCase(f"LSTMBlockCell peephole {peephole} clip {clip}", _lstm_block(peephole, clip), (real(3, 5), *weights, real(3, 4), real(3, 4)), both,
                     gradient=False, tolerance=4)  # fmt: skip
    for version, peephole, clip, length in ((1, False, 3.0, 5), (1, True, 0.4, 3), (2, False, 0.0, 4), (2, True, 0.4, 5), (2, False, 0.0, 0)):
        yield OpCase(f"BlockLSTM {version} peephole {peephole} clip {clip} length {length}", _block_lstm(version, peephole, clip, length),
                     (real(5, 3, 5), *weights, real(5, 3, 4), real(5, 3, 4)), both, gradient=False, tolerance=8)  # fmt: skip
    yield OpCase("GRUBlockCell", _gru_block, (real(3, 5), real(3, 4), real(9, 8), real(9, 4), real(8), real(4), real(3, 4)), gradient=False, tolerance=2)


RAW_CASES = [*_images(), *_functions(), *_movement(), *_contractions(), *_recurrent(), *_xla()]
