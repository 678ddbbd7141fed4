"""More of op_cases.py: types that this plugin adds to ops of tf2xla, and single ops that were missing."""

import numpy as np
import tensorflow as tf
from op_cases import COMPLEX, FLOATS, INTEGERS, OpCase, _data, compound, given, mask, real, spread, unit, whole
from tensorflow.python.eager import context, execute

R = tf.raw_ops
FLOAT8S = (tf.dtypes.experimental.float8_e4m3fn, tf.dtypes.experimental.float8_e5m2)


def _hidden(op, inputs, *attributes):
    """An op that has no function in Python."""
    return execute.execute(op.encode(), 1, inputs, attributes, context.context())[0]


def _on_cpu_as(wider, function):
    """For types that TensorFlow has no CPU kernel of: there it is computed in a wider type."""

    def call(*inputs):
        if "CPU" not in inputs[0].device:
            return function(*inputs)
        narrow = inputs[0].dtype
        results = function(*(tf.cast(x, wider) if x.dtype == narrow else x for x in inputs))
        return [tf.cast(y, narrow) if y.dtype == wider else y for y in (results if isinstance(results, list) else [results])]

    return call


def _matrices():
    for n, k in ((1, 1), (3, 2), (17, 5)):
        yield OpCase(f"MatrixSolve of complex {n}", tf.linalg.solve, (compound(2, 3, n, n), compound(2, 3, n, k)), COMPLEX, tolerance=100)
        yield OpCase(f"MatrixInverse of complex {n}", tf.linalg.inv, (compound(2, n, n),), COMPLEX, tolerance=100)
    yield OpCase("MatrixSolve of complex adjoint", lambda a, b: tf.linalg.solve(a, b, adjoint=True), (compound(4, 4), compound(4, 3)), COMPLEX, tolerance=100)
    yield OpCase("MatrixInverse of complex adjoint", lambda a: tf.linalg.inv(a, adjoint=True), (compound(4, 4),), COMPLEX, tolerance=100)
    yield OpCase("MatrixInverse of complex nothing", lambda a: [tf.linalg.inv(a[:0]), tf.linalg.inv(a[:, :0, :0]), tf.linalg.solve(a, a[:, :, :0])],
                 (compound(2, 3, 3),), COMPLEX, gradient=False)  # fmt: skip
    rows = np.array([[0, 1, 0], [0, 0, 1j], [2, 0, 0]])
    yield OpCase(
        "MatrixSolve with exchanges of rows", tf.linalg.solve, (given(rows.astype(np.complex64)), given(np.eye(3, dtype=np.complex64))), gradient=False
    )

    def hermitian(a):
        return (a + tf.linalg.adjoint(a)) / 2

    def decompose(a):
        a = hermitian(a)
        values, vectors = tf.linalg.eigh(a)
        return [values, vectors @ tf.linalg.diag(values) @ tf.linalg.adjoint(vectors), tf.linalg.adjoint(vectors) @ vectors]

    for n in (1, 2, 5, 12):
        yield OpCase(f"SelfAdjointEigV2 of complex {n}", decompose, (compound(2, n, n),), COMPLEX, gradient=False, tolerance=50)
    yield OpCase("SelfAdjointEigV2 of complex without vectors", lambda a: tf.linalg.eigvalsh(hermitian(a)), (compound(3, 4, 4),), COMPLEX, gradient=False,
                 tolerance=50)  # fmt: skip


def _tridiagonals():
    types = ("float32", "float64", *COMPLEX)

    def solve(diagonals, right, **options):
        return tf.linalg.tridiagonal_solve(diagonals, right, diagonals_format="compact", **options)

    for n in (1, 2, 3, 20):
        yield OpCase(f"TridiagonalSolve {n}", solve, (compound(2, 3, n), compound(2, n, 2)), types[2:], tolerance=100)
        yield OpCase(f"TridiagonalSolve of real numbers {n}", solve, (real(2, 3, n), real(2, n, 2)), types[:2], tolerance=100)
    exchanges = np.array([[1, 2, 3, 4, 9], [0, 0, 5, 0, 1], [9, 2, 2, 3, 7]], np.float32)
    yield OpCase("TridiagonalSolve with exchanges of rows", lambda d, r: solve(tf.cast(d, r.dtype), r), (given(exchanges), real(5, 3)), types, tolerance=20)
    zeros = np.stack([np.zeros_like(exchanges), exchanges])
    # Of complex numbers the CPU makes zeros of such a solution, not NaN.
    yield OpCase("TridiagonalSolve of a singular matrix", lambda d, r: solve(tf.cast(d, r.dtype), r), (given(zeros), real(2, 5, 1)), types[:2], gradient=False,
                 tolerance=20)  # fmt: skip
    yield OpCase("TridiagonalSolve, perturbed", lambda d, r: solve(d, r, perturb_singular=True), (real(3, 5), real(5, 2)), types[:2], gradient=False,
                 tolerance=100)  # fmt: skip
    yield OpCase("TridiagonalSolve without pivots", lambda d, r: solve(d + tf.constant([[0], [9], [0]], d.dtype), r, partial_pivoting=False),
                 (unit(2, 3, 6), real(2, 6, 2)), types, tolerance=20)  # fmt: skip
    yield OpCase("TridiagonalSolve of nothing", lambda d, r: [solve(d, r[:, :0]), solve(d[:, :0], r[:0])], (real(3, 4), real(4, 2)), types, gradient=False)
    yield OpCase("TridiagonalMatMul of complex", lambda a, b, c, r: R.TridiagonalMatMul(superdiag=a, maindiag=b, subdiag=c, rhs=r),
                 (compound(2, 1, 5), compound(2, 1, 5), compound(2, 1, 5), compound(2, 5, 3)), COMPLEX)  # fmt: skip


def _patches():
    for padding in ("SAME", "VALID"):
        options = {"sizes": [1, 2, 3, 1], "strides": [1, 2, 1, 1], "rates": [1, 2, 1, 1], "padding": padding}
        yield OpCase(f"ExtractImagePatches of complex {padding}", lambda x, o=options: tf.image.extract_patches(x, **o), (compound(2, 7, 6, 2),), COMPLEX,
                     gradient=False)  # fmt: skip
        yield OpCase(f"ExtractImagePatches of integers {padding}", lambda x, o=options: tf.image.extract_patches(x, **o), (whole(2, 7, 6, 2, high=99),),
                     (*INTEGERS, "int32"), gradient=False)  # fmt: skip
        yield OpCase(f"ExtractImagePatches of bool {padding}", _on_cpu_as(tf.int8, lambda x, o=options: tf.image.extract_patches(x, **o)), (mask(2, 7, 6, 2),),
                     gradient=False)  # fmt: skip


def _pools():
    for size, stride, padding in ((2, 2, "VALID"), (3, 1, "SAME"), (9, 3, "SAME")):
        o = {"ksize": [1, size, size, 1], "strides": [1, stride, stride, 1], "padding": padding}

        def pooled(x, o=o):
            return {"orig_input": x, "orig_output": tf.nn.max_pool2d(x, o["ksize"], o["strides"], o["padding"]), "grad": 2 * x + 1}

        yield OpCase(f"MaxPoolGradGrad {size} {padding}", lambda x, o=o, p=pooled: [R.MaxPoolGradGrad(**p(x), **o), R.MaxPoolGradGradV2(**p(x), **o)],
                     (spread(1, 11, 10, 2),), FLOATS, gradient=False)  # fmt: skip
        yield OpCase(f"MaxPoolGradGrad of equal elements {size} {padding}",
                     lambda x, g, o=o, p=pooled: R.MaxPoolGradGrad(**(p(x) | {"grad": g}), **o), (whole(1, 11, 10, 2, high=3), real(1, 11, 10, 2)), FLOATS,
                     gradient=False)  # fmt: skip
        volume = {"ksize": [1, size, 2, size, 1], "strides": [1, stride, 1, stride, 1], "padding": padding}

        def largest(x, o):  # MaxPool3D itself has no double
            return tf.cast(tf.nn.max_pool3d(tf.cast(x, tf.float32), **o), x.dtype)

        yield OpCase(
            f"MaxPool3DGradGrad {size} {padding}",
            _on_cpu_as(tf.float32, lambda x, o=volume: R.MaxPool3DGradGrad(orig_input=x, orig_output=largest(x, o), grad=2 * x, **o)),
            (spread(1, 9, 4, 10, 2),),
            FLOATS,
            gradient=False,
        )
    pool = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
    odd = np.array([[np.nan, 1, -np.inf, -np.inf], [2, 3, -np.inf, -np.inf], [np.inf, np.inf, -0.0, 0.0], [1, 2, 0.0, -0.0]], np.float32).reshape(1, 4, 4, 1)
    yield OpCase("MaxPoolGradGrad of odd numbers", lambda x, y: R.MaxPoolGradGrad(orig_input=x, orig_output=y, grad=tf.reshape(tf.range(16.0), [1, 4, 4, 1]), **pool),
                 (given(odd), given(np.array([[np.nan, -np.inf], [np.inf, 0]], np.float32).reshape(1, 2, 2, 1))), gradient=False)  # fmt: skip


def _convolutions():
    whole_images = (whole(2, 6, 5, 3, low=-9), whole(2, 3, 3, 4, low=-9))
    yield OpCase(
        "Conv2D of int32", lambda x, f: [tf.nn.conv2d(x, f, s, p) for s in (1, 2) for p in ("SAME", "VALID")], whole_images, ("int32",), gradient=False
    )
    yield OpCase("Conv2DBackpropInput of int32",
                 lambda g, f: R.Conv2DBackpropInput(input_sizes=[2, 7, 5, 3], filter=f, out_backprop=g, strides=[1, 1, 1, 1], padding="VALID"),
                 (whole(2, 6, 3, 4, low=-9), whole(2, 3, 3, 4, low=-9)), ("int32",), gradient=False)  # fmt: skip
    yield OpCase("Conv of int32", lambda x, f: R.Conv(input=x, filter=f, strides=[1, 2, 1, 1], padding="SAME"), whole_images, ("int32",), gradient=False)

    def fused(ops, x, f, *arguments, padding="SAME"):
        return _hidden("_FusedConv2D", [x, f, *arguments], "T", x.dtype.as_datatype_enum, "TArgs", [x.dtype.as_datatype_enum] * len(arguments), "num_args", len(arguments), "num_host_args", 0, "strides",
                       [1, 1, 2, 1], "padding", padding, "fused_ops", ops, "epsilon", 1e-3, "leakyrelu_alpha", 0.3)  # fmt: skip

    normalization = (real(4), real(4), real(4), _data(lambda rng: rng.uniform(0.5, 2, size=4)))
    for activation in ([], ["Relu"], ["Relu6"], ["Elu"], ["LeakyRelu"]):

        def biased(x, f, b, a=activation):
            return [fused(["BiasAdd", *a], x, f, b, padding=p) for p in ("SAME", "VALID")]

        images = (real(2, 6, 5, 3), real(2, 3, 3, 4), real(4))
        yield OpCase(f"_FusedConv2D {activation}", biased, images, ("float32", "float64"), gradient=False, tolerance=3)
        yield OpCase(f"_FusedConv2D of fp16 {activation}", _on_cpu_as(tf.float32, biased), images, ("float16",), gradient=False, tolerance=3)
        yield OpCase(f"_FusedConv2D normalized {activation}", lambda x, f, *n, a=activation: fused(["FusedBatchNorm", *a], x, f, *n),
                     (real(2, 6, 5, 3), real(2, 3, 3, 4), *normalization), ("float32",), gradient=False, tolerance=3)  # fmt: skip


def _single():
    yield OpCase("TopKV2 of uint16", lambda x: [y for k in (0, 1, 7) for y in tf.math.top_k(x, k)], (whole(3, 7, high=65536),), ("uint16",), gradient=False)
    yield OpCase("TopKV2 of equal numbers", lambda x: list(tf.math.top_k(x, 20)), (whole(40, high=5),), ("uint16",), gradient=False)
    yield OpCase("Shape of strings", lambda x: [R.Shape(input=tf.constant([["a", "b"]]), out_type=t) for t in (tf.int32, tf.int64)], (real(1),), gradient=False)
    every = (*FLOATS, *COMPLEX, *INTEGERS, "int32")
    yield OpCase("ScatterNdNonAliasingAdd", lambda x, y: [R.ScatterNdNonAliasingAdd(input=x, indices=tf.constant([[0], [2], [0]], t), updates=y)
                                                          for t in (tf.int32, tf.int64)], (whole(4, 3), whole(3, 3)), every)  # fmt: skip
    yield OpCase("ScatterNdNonAliasingAdd of bool", lambda x, y: R.ScatterNdNonAliasingAdd(input=x, indices=[[0], [2]], updates=y), (mask(4, 3), mask(2, 3)),
                 gradient=False)  # fmt: skip
    yield OpCase("ScatterNdNonAliasingAdd of elements", lambda x, y: R.ScatterNdNonAliasingAdd(input=x, indices=[[0, 1], [2, 0]], updates=y),
                 (real(4, 3), real(2)), FLOATS)  # fmt: skip

    def hashed(x, buckets):
        if "CPU" in x.device and x.dtype.is_unsigned:  # refused there
            return tf.strings.to_hash_bucket_fast(tf.as_string(x), buckets)
        return _hidden("_TensorToHashBucketFast", [x], "T", x.dtype.as_datatype_enum, "num_buckets", buckets)

    for dtype in (*INTEGERS, "int32"):
        info = np.iinfo(dtype)
        powers = [s * 10**k + d for k in range(20) for d in (-1, 0, 1) for s in (1, -1)]
        numbers = np.array([n for n in [*powers, info.min, info.max, info.min + 1, 7, 42, 12345] if info.min <= n <= info.max], dtype)
        yield OpCase(f"_TensorToHashBucketFast {dtype}", lambda x: [hashed(x, n) for n in (1, 10, 2**62 + 1)], (given(numbers),), gradient=False)
    yield OpCase("_TensorToHashBucketFast of nothing", lambda x: [hashed(x, 5), hashed(tf.constant(17, tf.int64), 5)], (given(np.zeros([0, 2], np.int64)),),
                 gradient=False)  # fmt: skip


def _speech():
    def labels(rows):
        places = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
        values = [v for row in rows for v in row]
        return tf.SparseTensor(np.reshape(np.array(places, np.int64), [-1, 2]), tf.constant(values, tf.int32), [len(rows), 9])

    batches = {
        "labels": ([[1, 2], [3], [1, 1, 4]], [6, 3, 5], 0),
        "exactly enough time": ([[1, 2, 3, 4, 1, 2], [2, 2], [3]], [6, 3, 1], 0),
        "another blank": ([[1, 0], [3], [1, 1, 3]], [6, 3, 5], 2),
        "the last class as blank": ([[1, 0], [3], [1, 1, 3]], [6, 3, 5], -1),
    }
    for name, (rows, lengths, blank) in batches.items():
        yield OpCase(f"CTCLossV2 {name}", lambda x, r=rows, n=lengths, b=blank: tf.nn.ctc_loss(labels(r), x, None, n, blank_index=b), (real(6, 3, 5),),
                     tolerance=5)  # fmt: skip
    # TensorFlow's CPU kernel refuses examples without labels.
    yield OpCase("CTCLossV2 without labels", lambda x: tf.nn.ctc_loss(labels([[1, 4], [], [2]]), x, None, [4, 3, 6], blank_index=0) if "CPU" not in x.device
                 else tf.nn.ctc_loss(tf.constant([[1, 4], [0, 0], [2, 0]]), x, [2, 0, 1], [4, 3, 6], blank_index=0), (real(6, 3, 5),), tolerance=5)  # fmt: skip
    yield OpCase("CTCLossV2 of steep logits", lambda x: tf.nn.ctc_loss(labels([[1, 2, 1], [4, 4]]), 10 * x, None, [40, 33], blank_index=0), (real(40, 2, 5),),
                 tolerance=5)  # fmt: skip
    long = [[int(v) for v in np.random.default_rng(1).integers(1, 30, size=n)] for n in (35, 3, 20, 17)]
    yield OpCase("CTCLossV2 of long sequences", lambda x: tf.nn.ctc_loss(labels(long), x, None, [120, 120, 64, 99], blank_index=0), (real(120, 4, 30),),
                 tolerance=10)  # fmt: skip


def _proposals_by_numpy(scores, deltas, images, anchors, threshold, most, least, count):
    """What the op is to give, box after box, in fp32."""
    f = np.float32
    rois, probabilities = np.zeros([len(scores), count, 4], f), np.zeros([len(scores), count], f)
    for n, (own_scores, own_deltas, image) in enumerate(zip(scores, deltas, images)):
        own_scores, own_deltas, own_anchors = own_scores.ravel(), own_deltas.reshape(-1, 4), anchors.reshape(-1, 4)
        kept = []
        for i in np.argsort(-own_scores, kind="stable")[:most]:
            a, d = own_anchors[i], own_deltas[i]
            size, center = a[2:] - a[:2], a[:2] + f(0.5) * (a[2:] - a[:2])
            center, grown = center + size * d[:2], size * np.exp(np.minimum(d[2:], f(np.log(1000.0 / 16))))
            low, high = np.clip(center - f(0.5) * grown, 0, image[:2]), np.clip(center + f(0.5) * grown, 0, image[:2])
            if min(high - low) < f(least) * image[2]:
                continue
            area = np.prod(high - low)
            is_out = False
            for other_low, other_high, _ in kept:
                other_area = np.prod(other_high - other_low)
                shared = np.prod(np.maximum(np.minimum(high, other_high) - np.maximum(low, other_low), 0))
                is_out |= bool(area != 0 and other_area != 0 and shared > (area + other_area - shared) * f(threshold))
            if not is_out:
                kept.append((low, high, own_scores[i]))
        for k, (low, high, score) in enumerate(kept[:count]):
            rois[n, k], probabilities[n, k] = [*low, *high], score
    return [tf.constant(rois), tf.constant(probabilities)]


def _boxes():
    def propose(scores, deltas, images, anchors, threshold, most, least, count):
        if "CPU" in scores.device:
            return _proposals_by_numpy(*(t.numpy() for t in (scores, deltas, images, anchors)), threshold, most, least, count)
        return list(R.GenerateBoundingBoxProposals(scores=scores, bbox_deltas=deltas, image_info=images, anchors=anchors, nms_threshold=threshold,
                                                   pre_nms_topn=most, min_size=least, post_nms_topn=count))  # fmt: skip

    def anchors(rng):
        low = rng.uniform(0, 60, size=(4, 5, 3, 2))
        return np.concatenate([low, low + rng.uniform(5, 40, size=(4, 5, 3, 2))], -1).reshape(4, 5, 12).astype(np.float32)

    def images(rng):
        return np.array([[80, 70, 1, 0, 0], [60, 90, 1.5, 0, 0]], np.float32)

    inputs = (spread(2, 4, 5, 3), _data(lambda rng: rng.normal(scale=0.3, size=(2, 4, 5, 12))), images, anchors)
    for threshold, most, least, count in ((0.5, 40, 3.0, 12), (0.0, 1000, 0.0, 9), (1.0, 60, 0.0, 70), (0.3, 7, 20.0, 5), (0.7, 60, 1e6, 4)):
        yield OpCase(f"GenerateBoundingBoxProposals {threshold} {most} {least} {count}",
                     lambda *x, o=(threshold, most, least, count): propose(*x, *o), inputs, gradient=False)  # fmt: skip
    yield OpCase("GenerateBoundingBoxProposals of no images", lambda s, d, i, a: propose(s[:0], d[:0], i[:0], a, 0.5, 10, 0.0, 3), inputs, gradient=False)


def _narrow_types():
    """Compared in wider types, which hold all of them."""

    def wide(results):
        return [tf.cast(y, tf.float32) for y in tf.nest.flatten(results)]

    exact = np.ldexp(np.arange(64.0), np.arange(-20, 18)[:, None]).ravel()  # halfway between neighbours among them, the largest and what is beyond
    near = np.concatenate([exact, np.nextafter(exact, 0), np.nextafter(exact, np.inf), [np.nan, np.inf, 0.0, 464, 465, 61440, 61441]])
    numbers = given(np.concatenate([near, -near]))
    singles = given(np.concatenate([near.astype(np.float32), -near.astype(np.float32), np.nextafter(near.astype(np.float32), np.float32(0))]))

    def after_cast(narrow, function):  # TensorFlow makes no constants of these types on a device
        return lambda x: function(tf.cast(x, narrow))

    for narrow in FLOAT8S:
        name, codes = narrow.name, given(np.arange(256, dtype=np.uint8).view(narrow.as_numpy_dtype).astype(np.float32))
        yield OpCase(f"Cast from every {name}", after_cast(narrow, lambda x: [tf.cast(x, t) for t in (tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.bool, tf.complex64)]), (codes,),
                     gradient=False)  # fmt: skip
        finite = given(np.array([-17.5, -2, -0.75, 0, 0.0625, 1, 3.5, 48], np.float32))
        yield OpCase(
            f"Cast from {name} to integers",
            after_cast(narrow, lambda x: [tf.cast(x, t) for t in (tf.int8, tf.int16, tf.int32, tf.int64)]),
            (finite,),
            gradient=False,
        )
        yield OpCase(f"Cast from fp32 to {name}", lambda x, t=narrow: wide(tf.cast(x, t)), (singles,), gradient=False)
        yield OpCase(f"Cast from fp64 to {name}", lambda x, t=narrow: wide(tf.cast(x, t)), (numbers,), gradient=False)
        yield OpCase(f"Cast to {name}", lambda x, t=narrow: wide(tf.cast(x, t)), (whole(50, high=120),), FLOATS, gradient=False)
        yield OpCase(f"Cast from {name} to the other", after_cast(narrow, lambda x: wide([tf.cast(x, t) for t in FLOAT8S])), (codes,), gradient=False)

        table = given(np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32))
        yield OpCase(f"movement of {name}", after_cast(narrow, lambda x: wide([tf.transpose(x, [2, 0, 1]), R.ConjugateTranspose(x=x, perm=[1, 0, 2]), tf.stack([x, x], 1),
                                                            tf.concat([x, x, x], 0), R.Concat(concat_dim=1, values=[x, x])])), (table,), gradient=False)  # fmt: skip
        yield OpCase(f"gathers and broadcasts of {name}", after_cast(narrow, lambda x: wide([tf.gather(x, [3, 0, 0], axis=0), tf.gather(x, [1, 4], axis=2),
                                                                          R.Gather(params=x, indices=[[2], [1]]), tf.broadcast_to(x, [2, 4, 3, 5])])), (table,),
                     gradient=False)  # fmt: skip


def _small_integers():
    numbers = given(np.array([-9, -8, -1, 0, 5, 7, 8, 15, 16, 255, 256], np.int64))
    both = (tf.dtypes.experimental.int4, tf.dtypes.experimental.uint4)
    wide = (tf.int8, tf.uint8, tf.int16, tf.uint16, tf.int32, tf.uint32, tf.int64, tf.uint64)
    for small in both:
        yield OpCase(f"Cast from {small.name}", lambda x, s=small: [tf.cast(tf.cast(x, s), t) for t in wide], (numbers,), gradient=False)
        yield OpCase(f"Cast to {small.name}", lambda x, s=small: [tf.cast(tf.cast(tf.cast(x, t), s), tf.int64) for t in wide], (numbers,), gradient=False)
        yield OpCase(f"Cast from {small.name} to the other", lambda x, s=small: [tf.cast(tf.cast(tf.cast(x, s), t), tf.int64) for t in both], (numbers,),
                     gradient=False)  # fmt: skip
        yield OpCase(f"Fill of {small.name}", lambda x, s=small: [tf.cast(R.Fill(dims=d, value=tf.cast(x[1], s)), tf.int64) for d in ([2, 3], [], [0, 4])], (numbers,),
                     gradient=False)  # fmt: skip


TYPE_CASES = [*_matrices(), *_tridiagonals(), *_patches(), *_pools(), *_convolutions(), *_single(), *_speech(), *_boxes(), *_narrow_types(), *_small_integers()]
