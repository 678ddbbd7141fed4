"""More of op_cases.py: random numbers, the same on every device for the same seed."""

import itertools

import numpy as np
import tensorflow as tf
from op_cases import OpCase, _data, given, real, whole
from tensorflow.python.framework.op_def_library import apply_op

R = tf.raw_ops
KINDS = ("float32", "float64", "float16", "bfloat16")
SHAPES = ([7], [2, 3], [0], [])
PHILOX = 1
_seeds = itertools.count(100)


def _key():
    with tf.device("/CPU:0"):
        return R.StatelessRandomGetKeyCounter(seed=tf.constant([3, -5], tf.int64))


def _seeded():
    seed = given(np.array([3, -5], np.int64))
    for dtype in KINDS:
        kind, narrow = tf.as_dtype(dtype), 400 if "16" in dtype else 1
        for name in ("Uniform", "Normal"):
            first, second = getattr(R, "StatelessRandom" + name), getattr(R, f"StatelessRandom{name}V2")
            yield OpCase(f"StatelessRandom{name} {dtype}", lambda s, f=first, k=kind: [f(shape=n, seed=s, dtype=k) for n in SHAPES], (seed,), gradient=False,
                         tolerance=narrow)  # fmt: skip
            yield OpCase(f"StatelessRandom{name}V2 {dtype}", lambda s, f=second, k=kind: [f(shape=n, key=_key()[0], counter=_key()[1], alg=PHILOX, dtype=k)
                                                                                            for n in SHAPES], (seed,), gradient=False, tolerance=narrow)  # fmt: skip
        yield OpCase(f"StatelessTruncatedNormal {dtype}", lambda s, k=kind: [
            R.StatelessTruncatedNormal(shape=[9], seed=s, dtype=k), R.StatelessTruncatedNormalV2(shape=[9], key=_key()[0], counter=_key()[1], alg=PHILOX, dtype=k)],
            (seed,), gradient=False, tolerance=narrow)  # fmt: skip
    for dtype in ("int32", "int64", "uint32", "uint64"):
        kind = tf.as_dtype(dtype)
        yield OpCase(f"StatelessRandomUniformFullInt {dtype}", lambda s, k=kind: [
            R.StatelessRandomUniformFullInt(shape=[9], seed=tf.cast(s, tf.int64), dtype=k),
            R.StatelessRandomUniformFullIntV2(shape=[9], key=_key()[0], counter=_key()[1], alg=PHILOX, dtype=k)], (seed,), gradient=False)  # fmt: skip
        low, high = tf.constant(3, kind).numpy(), tf.constant(1000, kind).numpy()
        if not dtype.startswith("u"):  # TensorFlow's CPU has none
            yield OpCase(f"StatelessRandomUniformInt {dtype}", lambda s, a=low, b=high: R.StatelessRandomUniformInt(shape=[9], seed=s, minval=a, maxval=b), (seed,),
                         gradient=False)  # fmt: skip
            yield OpCase(f"StatelessRandomUniformIntV2 {dtype}", lambda s, a=low, b=high: R.StatelessRandomUniformIntV2(
                shape=[9], key=_key()[0], counter=_key()[1], alg=PHILOX, minval=a, maxval=b), (seed,), gradient=False)  # fmt: skip
    yield OpCase("StatelessRandomGetKeyCounter", lambda s: [R.StatelessRandomGetAlg(), *R.StatelessRandomGetKeyCounter(seed=s), *R.StatelessRandomGetKeyCounterAlg(seed=s)],
                 (seed,), gradient=False)  # fmt: skip
    yield OpCase("StatelessMultinomial", lambda x, s: [R.StatelessMultinomial(logits=x, num_samples=20, seed=s, output_dtype=t) for t in (tf.int32, tf.int64)],
                 (real(3, 5), seed), ("float32", "float64", "float16"), gradient=False)  # fmt: skip
    yield OpCase("StatelessParameterizedTruncatedNormal", lambda m, s: R.StatelessParameterizedTruncatedNormal(
        shape=[8, 3], seed=s, means=m, stddevs=tf.ones_like(m), minvals=m - 1, maxvals=m + 2), (_data(lambda rng: [0.0, 1.0, -2.0]), seed), ("float32", "float64"),
        gradient=False)  # fmt: skip

    def whole_numbers(x):  # TensorFlow's Python has no name for the op
        types = (tf.int8, tf.int16, tf.int32)
        numbers = [apply_op("StochasticCastToInt", input=20 * x, key=_key()[0], counter=_key()[1], alg=PHILOX, Tout=t) for t in types]
        return [tf.abs(tf.cast(n, x.dtype) - 20 * x) < 1 for n in numbers]

    yield OpCase("StochasticCastToInt", tf.function(whole_numbers), (real(3, 5),), gradient=False, compiled_reference=True)


def _with_state():
    """A kernel of a seed of its own begins anew on every device."""

    nothing = (given(np.zeros([1], np.float32)),)

    def once(name, call, inputs=nothing, dtypes=("float32",), tolerance=1.0):
        seeds = {"seed": next(_seeds), "seed2": 7}
        return OpCase(name, lambda *tensors: call(*tensors, **seeds), inputs, dtypes, gradient=False, tolerance=tolerance)

    for dtype in KINDS:
        kind = tf.as_dtype(dtype)
        for name in ("RandomUniform", "RandomStandardNormal", "TruncatedNormal"):
            yield once(
                f"{name} {dtype}",
                lambda x, n=name, k=kind, **s: [getattr(R, n)(shape=[9], dtype=k, **s) for _ in range(2)],
                tolerance=400 if "16" in dtype else 1,
            )
    for dtype in ("int32", "int64"):
        kind = tf.as_dtype(dtype)
        yield once(f"RandomUniformInt {dtype}", lambda x, k=kind, **s: R.RandomUniformInt(shape=[9], minval=tf.constant(3, k), maxval=tf.constant(99, k), **s))
    yield once("Multinomial", lambda x, **s: R.Multinomial(logits=x, num_samples=20, **s), (real(3, 5),), ("float32", "float64", "float16"))
    yield once("RandomShuffle", lambda x, **s: R.RandomShuffle(value=x, **s), (real(9, 2),), (*KINDS, "int64", "int8"))
    yield once("RandomGamma", lambda x, **s: R.RandomGamma(shape=[9], alpha=tf.abs(x) + 0.5, **s), (real(3),), ("float32", "float64", "float16"))
    for dtype in ("float32", "float64", "int64"):
        kind = tf.as_dtype(dtype)
        yield once(f"RandomPoissonV2 {dtype}", lambda x, k=kind, **s: R.RandomPoissonV2(shape=[9], rate=x, dtype=k, **s), (whole(3, low=1),),
                   ("float32", "float64"))  # fmt: skip
    yield once("ParameterizedTruncatedNormal", lambda m, **s: R.ParameterizedTruncatedNormal(
        shape=[3, 8], means=m, stdevs=tf.ones_like(m), minvals=m - 1, maxvals=m + 2, **s), (_data(lambda rng: [0.0, 1.0, -2.0]),), ("float32", "float64"))  # fmt: skip


RANDOM_CASES = [*_seeded(), *_with_state()]
