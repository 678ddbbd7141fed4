"""More of op_cases.py: ops that are families of their own: non-maximum suppression, samples of the gamma distribution, checks of numbers."""

import numpy as np
import tensorflow as tf
from op_cases import FLOATS, INTEGERS, OpCase, _data, given, real, whole

R = tf.raw_ops
SPECIAL = np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.0, 3.0, -np.inf]], np.float32)
DEBUG_MODES = (2, 3, 4, 5, 8)
ALPHAS = [0.05, 0.5, 0.999, 1.0, 1.5, 30.0]


def _corners(n):
    """Boxes that overlap a lot: flipped ones, ones without area, copies and NaN among them."""

    def make(rng):
        low = rng.uniform(0, 2, size=(n, 2))
        boxes = np.concatenate([low, low + rng.uniform(0.3, 1.5, size=(n, 2))], 1)
        boxes[1] = boxes[0, [2, 3, 0, 1]]
        boxes[2, 2] = boxes[2, 0]
        boxes[5] = boxes[3]
        return boxes

    return _data(make)


def _scores(n):
    """Many are equal."""
    return _data(lambda rng: rng.integers(-2, 9, size=n) / 8.0)


def _suppressions():
    inputs = (_corners(40), _scores(40))
    versions = {
        "V2": lambda b, s, n, t: R.NonMaxSuppressionV2(boxes=b, scores=s, max_output_size=n, iou_threshold=t),
        "V3": lambda b, s, n, t: R.NonMaxSuppressionV3(boxes=b, scores=s, max_output_size=n, iou_threshold=t, score_threshold=tf.cast(0.25, b.dtype)),
        "V4": lambda b, s, n, t: R.NonMaxSuppressionV4(boxes=b, scores=s, max_output_size=n, iou_threshold=t, score_threshold=tf.cast(0.25, b.dtype)),
        "V4 padded": lambda b, s, n, t: R.NonMaxSuppressionV4(
            boxes=b, scores=s, max_output_size=n, iou_threshold=t, score_threshold=tf.cast(0.25, b.dtype), pad_to_max_output_size=True
        ),
        "V5": lambda b, s, n, t: R.NonMaxSuppressionV5(
            boxes=b, scores=s, max_output_size=n, iou_threshold=t, score_threshold=tf.cast(0.25, b.dtype), soft_nms_sigma=tf.cast(0.0, b.dtype)
        ),
        "V5 soft": lambda b, s, n, t: R.NonMaxSuppressionV5(
            boxes=b, scores=s, max_output_size=n, iou_threshold=t, score_threshold=tf.cast(0.1, b.dtype), soft_nms_sigma=tf.cast(0.4, b.dtype),
            pad_to_max_output_size=True,
        ),
    }  # fmt: skip
    for name, call in versions.items():
        for size in (0, 1, 6, 60):
            yield OpCase(
                f"NonMaxSuppression{name} {size}",
                lambda b, s, call=call, size=size: [y for t in (0.0, 0.4, 1.0) for y in _parts(call(b, s, size, tf.cast(t, b.dtype)))],
                inputs,
                ("float32", "float16"),
                gradient=False,
            )
        yield OpCase(
            f"NonMaxSuppression{name} of odd scores",
            lambda b, s, call=call: _parts(call(b, s, 9, tf.cast(0.4, b.dtype))),
            (_corners(9), given(np.array([np.nan, np.inf, -np.inf, 1, 1, 1, 0, -0.0, np.inf], np.float32))),
            gradient=False,
        )
        yield OpCase(
            f"NonMaxSuppression{name} of odd boxes",
            lambda b, s, call=call: _parts(call(b, s, 9, tf.cast(0.4, b.dtype))),
            (given(np.array([[0, 0, np.nan, 1], [0, 0, 1, 1], [0, 0, np.inf, 1], [0, 0, 0.9, 1], [0, np.nan, 1, 1]], np.float32)),
             given(np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32))),
            gradient=False,
        )  # fmt: skip
        yield OpCase(
            f"NonMaxSuppression{name} of nothing", lambda b, s, call=call: _parts(call(b, s, 5, 0.5)), (real(0, 4), real(0)), ("float32",), gradient=False
        )
    yield OpCase(
        "NonMaxSuppression", lambda b, s: R.NonMaxSuppression(boxes=b, scores=s, max_output_size=tf.constant(7), iou_threshold=0.4), inputs, gradient=False
    )


def _parts(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def _gammas():
    def third(a, seed, shape):
        with tf.device("/CPU:0"):
            key, counter = R.StatelessRandomGetKeyCounter(seed=seed)
        return R.StatelessRandomGammaV3(shape=shape, key=key, counter=counter, alg=1, alpha=a)

    for seed in ([3, 5], [-1, 2**40]):
        yield OpCase(f"StatelessRandomGammaV3 {seed}", lambda a, seed=seed: third(a, seed, [50, 6]), (_data(lambda rng: ALPHAS),), FLOATS[:3], gradient=False)
    yield OpCase(
        "StatelessRandomGammaV2", lambda a: R.StatelessRandomGammaV2(shape=[200, 6], seed=[7, -9], alpha=a), (_data(lambda rng: ALPHAS),), gradient=False
    )
    yield OpCase(
        "StatelessRandomGammaV3 after its counter's end",
        lambda a: R.StatelessRandomGammaV3(
            shape=[20, 2], key=tf.constant([2**63 + 5], tf.uint64), counter=tf.constant([2**64 - 300, 2**64 - 1], tf.uint64), alg=3, alpha=a
        ),
        (_data(lambda rng: [0.4, 2.0]),),
        gradient=False,
    )
    yield OpCase("StatelessRandomGammaV3 of odd shapes", lambda a: [third(a, [1, 2], s) for s in ([0, 2, 3], [2, 3], [1, 4, 2, 3])], (given(
        np.array([[0.0, np.nan, -1.0], [np.inf, 1e-30, 1e30]], np.float32)),), gradient=False)  # fmt: skip


def _binomials():
    yield OpCase("StatelessRandomBinomial", lambda p: [
        R.StatelessRandomBinomial(shape=[30, 4], seed=[5, 8], counts=tf.constant(n, p.dtype), probs=p, dtype=t) for n in (3, 90) for t in (tf.int32, tf.float64)
    ], (_data(lambda rng: [0.1, 0.5, 0.9, 1.0]),), FLOATS[:3], gradient=False)  # fmt: skip


def _summaries():
    for mode in DEBUG_MODES:

        def summary(x, mode=mode):
            return [R.DebugNumericSummaryV2(input=y, tensor_debug_mode=mode, tensor_id=9, output_dtype=t)
                    for y in (x, x[:0], x[0], x[0, 0]) for t in (tf.float32, tf.float64)]  # fmt: skip

        yield OpCase(f"DebugNumericSummaryV2 {mode}", summary, (_data(lambda rng: SPECIAL),), FLOATS, gradient=False)
        yield OpCase(f"DebugNumericSummaryV2 {mode} of integers", summary, (whole(5, 7, low=0, high=3),), (*INTEGERS, "bool"), gradient=False)
        yield OpCase(f"DebugNumericSummaryV2 {mode} of finite numbers", summary, (real(3, 5),), gradient=False)
    yield OpCase("DebugNumericSummaryV2 of a long shape", lambda x: R.DebugNumericSummaryV2(input=x, tensor_debug_mode=5), (real(1, 2, 3, 1, 2, 1, 2, 3),),
                 gradient=False)  # fmt: skip


def _checks():
    for op in (R.CheckNumerics, R.CheckNumericsV2):
        yield OpCase(op.__name__, lambda x, op=op: [op(tensor=y, message="x") for y in (x, x[:0], x[0, 0])], (real(3, 70),), FLOATS)


def _changes_in_place():
    indices = given(np.array([1, -1, 9, 1, 0, 1, -7], np.int32))

    def change(x, i, v, ops):
        results = []
        for op in ops:
            before = R.DeepCopy(x=x)
            results += [op(x=before, i=i, v=v), before, op(x=before[:0], i=i[:0], v=v[:0]), op(x=R.DeepCopy(x=x[:, 0, 0]), i=i, v=v[:, 0, 0])]
        return results

    for dtypes, ops in ((FLOATS, (R.InplaceUpdate, R.InplaceAdd, R.InplaceSub)), (INTEGERS, (R.InplaceUpdate, R.InplaceAdd, R.InplaceSub)),
                        (("bool",), (R.InplaceUpdate,))):  # fmt: skip
        yield OpCase("InplaceUpdate InplaceAdd InplaceSub", lambda x, i, v, ops=ops: change(x, i, v, ops), (whole(5, 2, 3), indices, whole(7, 2, 3)), dtypes,
                     gradient=False)  # fmt: skip
    yield OpCase("DeepCopy", lambda x: [R.DeepCopy(x=x), R.DeepCopy(x=x[:0]), R.DeepCopy(x=x[0, 0])], (real(3, 4),), FLOATS, gradient=False)


SINGLE_CASES = [*_changes_in_place(), *_suppressions(), *_gammas(), *_binomials(), *_summaries(), *_checks()]
