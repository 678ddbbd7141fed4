"""One table of ops: what test_ops.py runs on the device and on the CPU, with gradients."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

FLOATS = ("float32", "float64", "float16", "bfloat16")
COMPLEX = ("complex64", "complex128")
INTEGERS = ("int64", "int8", "int16", "uint8", "uint16", "uint32", "uint64")
# Relative to the largest magnitude of a result.
TOLERANCE = {"float64": 1e-9, "float32": 2e-5, "float16": 5e-3, "bfloat16": 4e-2, "complex64": 2e-5, "complex128": 1e-9}


@dataclasses.dataclass(frozen=True)
class OpCase:
    name: str
    function: Callable  # of the input tensors; one tensor or a list of them
    inputs: tuple  # of makers: rng -> array; those marked `data` take the case's dtype and get gradients
    dtypes: tuple = ("float32",)
    gradient: bool = True
    tolerance: float = 1.0  # times TOLERANCE[dtype]
    single_precision: bool = False  # TensorFlow's kernels compute in float32 in every dtype
    not_on_reference: str = ""  # why the case is skipped on the reference back end
    compiled_reference: bool = False  # TensorFlow's CPU kernels refuse the case: XLA compiles it for the CPU


def _data(make):
    make.data = True
    return make


def real(*shape):
    return _data(lambda rng: rng.normal(size=shape))


def compound(*shape):
    """Complex numbers."""
    return _data(lambda rng: rng.normal(size=shape) + 1j * rng.normal(size=shape))


def positive(*shape):
    return _data(lambda rng: rng.uniform(0.5, 2.0, size=shape))


def unit(*shape):
    return _data(lambda rng: rng.uniform(-0.9, 0.9, size=shape))


def whole(*shape, low=0, high=9):
    return _data(lambda rng: rng.integers(low, high, size=shape))


def spread(*shape):
    """Distinct values, so that maxima and orders are unique in every type."""
    return _data(lambda rng: rng.permutation(int(np.prod(shape))).reshape(shape) / 4.0)


def definite(n, batch=()):
    """Symmetric positive definite matrices."""

    def make(rng):
        a = rng.normal(size=(*batch, n, n))
        return a @ np.swapaxes(a, -1, -2) + n * np.eye(n)

    return _data(make)


def index(*shape, high, dtype="int32"):
    return lambda rng: rng.integers(0, high, size=shape).astype(dtype)


def mask(*shape):
    return lambda rng: rng.random(size=shape) < 0.5


def given(array):
    return lambda rng: np.asarray(array)


def _elementwise():
    smooth = "Tanh Sigmoid Softplus Softsign Sin Cos Exp Expm1 Square Neg Erf Erfc Sinh Cosh Atan Asinh".split()
    functions = {
        "Tanh": tf.tanh, "Sigmoid": tf.sigmoid, "Softplus": tf.nn.softplus, "Softsign": tf.nn.softsign, "Sin": tf.sin, "Cos": tf.cos, "Exp": tf.exp,
        "Expm1": tf.math.expm1, "Square": tf.square, "Neg": tf.negative, "Erf": tf.math.erf, "Erfc": tf.math.erfc, "Sinh": tf.sinh, "Cosh": tf.cosh,
        "Atan": tf.atan, "Asinh": tf.asinh,
    }  # fmt: skip
    for name in smooth:
        yield OpCase(name, functions[name], (real(3, 17),), FLOATS)
    for name, function in {
        "Log": tf.math.log, "Log1p": tf.math.log1p, "Sqrt": tf.sqrt, "Rsqrt": tf.math.rsqrt, "Reciprocal": tf.math.reciprocal, "Lgamma": tf.math.lgamma,
        "Digamma": tf.math.digamma,
    }.items():  # fmt: skip
        yield OpCase(name, function, (positive(4, 9),), FLOATS if name not in ("Lgamma", "Digamma") else ("float32",), tolerance=4)
    for name, function in {"Asin": tf.asin, "Acos": tf.acos, "Atanh": tf.atanh, "Tan": tf.tan, "Erfinv": tf.math.erfinv}.items():
        yield OpCase(name, function, (unit(33),), ("float32", "float64") if name != "Erfinv" else ("float32",), tolerance=4)
    for name, function in {"Relu": tf.nn.relu, "Relu6": tf.nn.relu6, "Elu": tf.nn.elu, "Selu": tf.nn.selu, "LeakyRelu": tf.nn.leaky_relu, "Gelu": tf.nn.gelu,
                           "Swish": tf.nn.silu, "Abs": tf.abs}.items():  # fmt: skip
        yield OpCase(name, function, (real(5, 7),), FLOATS)
    for name, function in {"Floor": tf.floor, "Ceil": tf.math.ceil, "Round": tf.round, "Rint": tf.math.rint, "Sign": tf.sign, "IsNan": tf.math.is_nan,
                           "IsFinite": tf.math.is_finite, "IsInf": tf.math.is_inf}.items():  # fmt: skip
        yield OpCase(name, function, (real(29),), ("float32", "float64"), gradient=False)
    yield OpCase("specials", lambda x: [tf.math.is_nan(x), tf.exp(x), tf.tanh(x), tf.maximum(x, 0.0), tf.sign(x), tf.math.is_inf(x)],
                 (given(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5], np.float32)),), gradient=False)  # fmt: skip


def _binary():
    for name, function in {"Add": tf.add, "Sub": tf.subtract, "Mul": tf.multiply, "Maximum": tf.maximum, "Minimum": tf.minimum,
                           "SquaredDifference": tf.math.squared_difference}.items():  # fmt: skip
        yield OpCase(name, function, (real(4, 1, 5), real(3, 1)), FLOATS)
        yield OpCase(name + " integers", function, (whole(4, 5, low=1), whole(5)), ("int64",), gradient=False)
    yield OpCase("RealDiv", tf.truediv, (real(4, 5), positive(5)), FLOATS)
    yield OpCase("Pow", tf.pow, (positive(6, 3), real(3)), ("float32", "float64"), tolerance=4)
    yield OpCase("Atan2", tf.atan2, (real(8), real(8)), ("float32", "float64"))
    yield OpCase("FloorDiv", tf.math.floordiv, (whole(20, low=-9), whole(20, low=1)), ("float32", "int64"), gradient=False)
    yield OpCase("FloorMod", tf.math.floormod, (whole(20, low=-9), whole(20, low=1)), ("float32", "int64"), gradient=False)
    yield OpCase("DivNoNan", tf.math.divide_no_nan, (real(6), given(np.array([1, 0, 2, 0, -3, 4], np.float32))), gradient=False)
    yield OpCase("Xlogy", tf.math.xlogy, (positive(6), positive(6)))
    yield OpCase("AddN", lambda a, b, c: tf.add_n([a, b, c]), (real(7), real(7), real(7)), FLOATS)
    for name, function in {"Less": tf.less, "LessEqual": tf.less_equal, "Greater": tf.greater, "GreaterEqual": tf.greater_equal, "Equal": tf.equal,
                           "NotEqual": tf.not_equal}.items():  # fmt: skip
        yield OpCase(name, function, (whole(5, 7, high=3), whole(7, high=3)), ("float32", "int64", "int8", "uint8"), gradient=False)
    yield OpCase(
        "logical", lambda a, b: [tf.logical_and(a, b), tf.logical_or(a, b), tf.logical_not(a), tf.math.logical_xor(a, b)], (mask(9), mask(9)), gradient=False
    )
    yield OpCase("bitwise", lambda a, b: [tf.bitwise.bitwise_and(a, b), tf.bitwise.bitwise_or(a, b), tf.bitwise.bitwise_xor(a, b), tf.bitwise.invert(a)],
                 (whole(9, high=100), whole(9, high=100)), ("int64", "uint8", "int16"), gradient=False)  # fmt: skip
    yield OpCase(
        "shifts", lambda a, b: [tf.bitwise.left_shift(a, b), tf.bitwise.right_shift(a, b)], (whole(9, high=100), whole(9, high=5)), ("int64",), gradient=False
    )
    yield OpCase("Where select", tf.where, (mask(4, 5), real(4, 5), real(5)), FLOATS)
    yield OpCase("ClipByValue", lambda x: tf.clip_by_value(x, -0.5, 0.5), (real(30),), ("float32", "float16"))
    for source in ("float32", "int64", "bool", "uint8", "bfloat16"):
        yield OpCase(f"Cast from {source}", lambda x, s=source: [tf.cast(tf.cast(x, s), t) for t in ("float32", "float16", "int64", "bool", "int8", "float64")],
                     (given(np.array([0, 1, 2, 100, 3, 7], np.float32)),), gradient=False)  # fmt: skip


def _broadcasts():
    """Every way in which two shapes can go together, with dimensions that can be merged and ones that cannot."""
    for a, b in (
        ((), (7,)), ((7,), ()), ((), ()), ((1, 1), (1,)), ((4, 5, 6), (6,)), ((4, 5, 6), (4, 1, 1)), ((4, 5, 6), (5, 1)), ((5, 6), (4, 5, 6)), ((4, 1, 6), (1, 5, 1)),
        ((2, 1, 3, 1, 5), (1, 4, 3, 1, 1)), ((3, 0), (1,)), ((0,), (1, 1)), ((257, 3), (257, 1)), ((70000,), (1,)),
    ):  # fmt: skip
        name = f"{list(a)} and {list(b)}"
        yield OpCase(f"Sub {name}", tf.subtract, (real(*a), real(*b)))
        yield OpCase(f"Less {name}", tf.less, (whole(*a, high=3), whole(*b, high=3)), ("float16", "int64", "uint8"), gradient=False)
    for shapes in (((4, 1), (1, 5), ()), ((), (3, 4), (4,)), ((3,), (2, 1), (2, 3)), ((2, 3), (2, 3), (2, 3)), ((1,), (), ()), ((0, 3), (1, 3), ())):
        yield OpCase(f"Select {shapes}", tf.where, (mask(*shapes[0]), real(*shapes[1]), real(*shapes[2])), ("float32", "bfloat16"))
    yield OpCase("Select v1", lambda c, x, y: [tf.raw_ops.Select(condition=d, x=x, y=y) for d in (c, c[0, 0], c[:, 0])],
                 (mask(4, 5), real(4, 5), real(4, 5)))  # fmt: skip
    yield OpCase(
        "BroadcastTo shapes",
        lambda x: [tf.broadcast_to(x, s) for s in ([3, 4], [2, 3, 4], [3, 3, 4], [1, 3, 4], [0, 3, 4])],
        (real(1, 4),),
        ("float32", "int64"),
        gradient=False,
    )
    yield OpCase("Fill", lambda x: [tf.fill([2, 3], x), tf.fill([], x), tf.fill([0], x)], (real(),), FLOATS + ("int64", "uint8"), gradient=False)
    yield OpCase("BiasAdd NCHW", lambda x, b: tf.nn.bias_add(x, b, data_format="NCHW"), (real(2, 3, 4, 5), real(3)), ("float32", "float16"))
    yield OpCase("BiasAdd matrix", tf.nn.bias_add, (real(6, 5), real(5)), FLOATS)
    yield OpCase(
        "ClipByValue tensors",
        lambda x, y: tf.raw_ops.ClipByValue(t=x, clip_value_min=y - 1.0, clip_value_max=y + 1.0),
        (real(4, 5), real(4, 5)),
        gradient=False,
    )
    yield OpCase(
        "Equal of shapes that do not fit",
        lambda a, b: [f(x=a, y=b, incompatible_shape_error=False) for f in (tf.raw_ops.Equal, tf.raw_ops.NotEqual)],
        (whole(2, 3), whole(4)),
        gradient=False,
        not_on_reference="tf2xla refuses such shapes, and only hot ops do without it",
    )


def _special_values():
    """Functions at the numbers where definitions differ."""
    numbers = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 6.0, 7.0, 30.0, -30.0, 1e-6, 100.0, -100.0])
    line = _data(lambda rng: numbers)
    functions = {
        "Relu6": tf.nn.relu6, "Relu": tf.nn.relu, "Elu": tf.nn.elu, "Selu": tf.nn.selu, "LeakyRelu": lambda x: tf.nn.leaky_relu(x, 1.5), "Softplus": tf.nn.softplus, "Softsign": tf.nn.softsign,
        "Sigmoid": tf.sigmoid, "Round": tf.round, "Rint": tf.math.rint, "Sign": tf.sign, "Rsqrt": tf.math.rsqrt, "Expm1": tf.math.expm1, "Log1p": tf.math.log1p, "Square": tf.square,
        "Reciprocal": tf.math.reciprocal, "IsInf": tf.math.is_inf, "IsNan": tf.math.is_nan, "IsFinite": tf.math.is_finite, "ClipByValue": lambda x: tf.clip_by_value(x, -1.0, 2.0),
    }  # fmt: skip
    for name, function in functions.items():
        yield OpCase(f"{name} special", function, (line,), FLOATS if name != "Rint" else FLOATS[:2], gradient=False)
    table, column = _data(lambda rng: numbers), _data(lambda rng: numbers[:, None])
    for name, function in {
        "Maximum": tf.maximum, "Minimum": tf.minimum, "FloorDiv": tf.math.floordiv, "FloorMod": tf.math.floormod, "DivNoNan": tf.math.divide_no_nan, "MulNoNan": tf.math.multiply_no_nan,
        "Xdivy": tf.math.xdivy, "Xlogy": tf.math.xlogy, "Xlog1py": tf.math.xlog1py, "Pow": tf.pow, "SquaredDifference": tf.math.squared_difference, "RealDiv": tf.truediv, "Equal": tf.equal,
        "NotEqual": tf.not_equal, "GreaterEqual": tf.greater_equal,
    }.items():  # fmt: skip
        yield OpCase(f"{name} special", function, (column, table), ("float32", "float64"), gradient=False)
    extremes = given(np.array([-128, -127, -7, -1, 0, 1, 7, 127], np.int8)[:, None])
    divisors = given(np.array([-128, -3, -1, 1, 3, 127], np.int8))
    yield OpCase("int8 division", lambda a, b: [tf.math.floordiv(a, b), tf.math.floormod(a, b), tf.raw_ops.TruncateDiv(x=a, y=b), tf.maximum(a, b), a * b, a - b],
                 (extremes, divisors), gradient=False)  # fmt: skip
    yield OpCase(
        "uint8 arithmetic",
        lambda a, b: [tf.math.floordiv(a, b), tf.math.floormod(a, b), a * b, a - b],
        (whole(20, high=255), whole(20, low=1, high=255)),
        ("uint8", "uint16"),
        gradient=False,
    )
    yield OpCase("Cast of negative numbers", lambda x: [tf.cast(x, t) for t in ("int8", "int32", "int64", "float16", "bool", "uint8", "uint16")],
                 (given(np.array([0, 1.5, -1.5, -0.0, 100.75, -100.75], np.float32)),), gradient=False,
                 not_on_reference="XLA's evaluator has another idea of negative numbers as unsigned ones")  # fmt: skip
    for name in ("Relu6Grad", "EluGrad", "SeluGrad", "SoftplusGrad", "SoftsignGrad"):
        argument = {"EluGrad": "outputs", "SeluGrad": "outputs"}.get(name, "features")
        yield OpCase(name, lambda g, x, n=name, a=argument: getattr(tf.raw_ops, n)(**{"gradients": g, a: x}), (real(5, 7), real(5, 7)), FLOATS, gradient=False)


def _reduction_patterns():
    functions = {"Sum": tf.reduce_sum, "Mean": tf.reduce_mean, "Max": tf.reduce_max, "Min": tf.reduce_min, "Prod": tf.reduce_prod}
    for axes in ([], [0], [1], [3], [0, 2], [1, 3], [0, 1], [-1, -2], [0, 1, 2, 3], [0, 2, 3]):
        for name, function in functions.items():
            yield OpCase(
                f"{name} of {axes}",
                lambda x, f=function, a=axes: [f(x, axis=a), f(x, axis=a, keepdims=True)],
                (positive(2, 3, 4, 5),),
                ("float32",),
                gradient=name in ("Sum", "Mean"),
            )
    for name, function in functions.items():
        yield OpCase(f"{name} of nothing", lambda x, f=function: [f(x), f(x, axis=0), f(x, axis=1)], (real(0, 3),), ("float32", "float16"), gradient=False)
        yield OpCase(f"{name} of units", lambda x, f=function: [f(x, axis=[0, 2]), f(x)], (positive(1, 5, 1),), FLOATS, gradient=False)
        yield OpCase(
            f"{name} of integers", lambda x, f=function: [f(x, axis=0), f(x)], (whole(3, 7, low=1, high=4),), ("int64", "int8", "uint8"), gradient=False
        )
        yield OpCase(f"{name} long", lambda x, f=function: [f(x, axis=0), f(x, axis=1)], (unit(3, 5000),), ("float32", "float16"), gradient=False, tolerance=4)
    yield OpCase(
        "Max Min special",
        lambda x: [tf.reduce_max(x), tf.reduce_min(x), tf.reduce_max(x, axis=0)],
        (given(np.array([[1.0, -np.inf], [np.nan, 2.0]], np.float32)),),
        gradient=False,
    )
    yield OpCase(
        "All Any patterns",
        lambda x: [f(x, axis=a) for f in (tf.reduce_all, tf.reduce_any) for a in ([], [0], [1], [0, 2], [0, 1, 2])],
        (mask(3, 4, 2),),
        gradient=False,
    )
    yield OpCase(
        "Softmax patterns",
        lambda x: [tf.nn.softmax(x), tf.nn.softmax(x, axis=0), tf.nn.softmax(x[0, 0]), tf.nn.softmax(x[:, :, :1]), tf.nn.log_softmax(x)],
        (real(3, 4, 37),),
    )
    yield OpCase("Softmax special", tf.nn.softmax, (given(np.array([[1e4, -1e4, 0], [-np.inf, 0, 1], [np.nan, 0, 1]], np.float32)),), gradient=False)
    yield OpCase(
        "BiasAddGrad",
        lambda x: [tf.raw_ops.BiasAddGrad(out_backprop=x), tf.raw_ops.BiasAddGrad(out_backprop=x, data_format="NCHW")],
        (real(2, 3, 4, 5),),
        FLOATS,
        gradient=False,
    )


def _reductions():
    for name, function in {"Sum": tf.reduce_sum, "Mean": tf.reduce_mean, "Max": tf.reduce_max, "Min": tf.reduce_min}.items():
        make = spread if name in ("Max", "Min") else real
        yield OpCase(name + " all", function, (make(3, 4, 5),), FLOATS)
        yield OpCase(name + " last", lambda x, f=function: f(x, axis=-1), (make(3, 65),), FLOATS)
        yield OpCase(name + " outer", lambda x, f=function: f(x, axis=[0, 2], keepdims=True), (make(3, 4, 5),), FLOATS)
    yield OpCase("Sum empty", tf.reduce_sum, (real(0, 3),))
    yield OpCase("Sum of int64", lambda x: tf.reduce_sum(x, axis=0), (whole(5, 6),), ("int64",), gradient=False)
    yield OpCase("Prod", lambda x: tf.reduce_prod(x, axis=1), (positive(3, 5),), ("float32", "float64"))
    yield OpCase("All Any", lambda x: [tf.reduce_all(x, axis=1), tf.reduce_any(x, axis=0)], (mask(4, 5),), gradient=False)
    yield OpCase("ArgMax", lambda x: [tf.argmax(x, axis=1), tf.argmin(x, axis=0)], (spread(5, 7),), ("float32", "float64", "int64"), gradient=False)
    yield OpCase("EuclideanNorm", lambda x: tf.norm(x, axis=-1), (real(3, 8),))
    yield OpCase("moments", lambda x: list(tf.nn.moments(x, [0, 1])), (real(4, 5, 6),), ("float32",))
    yield OpCase("LogSumExp", lambda x: tf.reduce_logsumexp(x, axis=1), (real(4, 9),))
    yield OpCase("Cumsum", lambda x: [tf.cumsum(x, axis=1), tf.cumsum(x, axis=0, exclusive=True, reverse=True)], (real(4, 6),), ("float32", "float64"))
    yield OpCase("Cumprod", lambda x: tf.math.cumprod(x, axis=1), (positive(3, 5),))
    yield OpCase("Softmax", tf.nn.softmax, (real(5, 11),), FLOATS)
    yield OpCase("LogSoftmax", tf.nn.log_softmax, (real(5, 11),), FLOATS)
    yield OpCase("L2Loss", tf.nn.l2_loss, (real(5, 11),))


def _movement():
    yield OpCase("Transpose", lambda x: tf.transpose(x, [2, 0, 1]), (real(3, 4, 5),), FLOATS + ("int64", "int8"))
    yield OpCase("Transpose by numbers from the last on", lambda x: [tf.transpose(x, [-1, 0, -2]), tf.linalg.adjoint(x), tf.raw_ops.ConjugateTranspose(x=x, perm=[0, -1, 1])],
                 (real(3, 4, 5),), FLOATS + ("complex64",), gradient=False)  # fmt: skip
    yield OpCase("Reshape", lambda x: tf.reshape(x, [-1, 6]) * 2, (real(3, 4),), ("float32", "float16"))
    yield OpCase("Concat", lambda a, b: tf.concat([a, b, a], axis=1), (real(3, 4), real(3, 2)), FLOATS + ("int64", "uint8"))
    yield OpCase("Stack", lambda a, b: tf.stack([a, b], axis=1), (real(3, 4), real(3, 4)), ("float32", "float16"))
    yield OpCase("Unstack", lambda x: tf.unstack(x, axis=1), (real(3, 4),), ("float32",))
    yield OpCase("Split", lambda x: tf.split(x, 3, axis=1), (real(4, 6),), ("float32", "bfloat16"))
    yield OpCase("SplitV", lambda x: tf.split(x, [1, 2, 3], axis=1), (real(4, 6),))
    yield OpCase("Slice", lambda x: tf.slice(x, [1, 0, 2], [2, 3, -1]), (real(4, 5, 6),), FLOATS)
    yield OpCase("StridedSlice", lambda x: [x[1:, ::2], x[..., -1], x[::-1, tf.newaxis, 2]], (real(4, 5, 6),), FLOATS)
    yield OpCase("Pad", lambda x: tf.pad(x, [[1, 2], [0, 3]]), (real(3, 4),), FLOATS)
    yield OpCase("PadV2", lambda x: tf.pad(x, [[1, 2], [0, 3]], constant_values=2.5), (real(3, 4),))
    yield OpCase("MirrorPad", lambda x: [tf.pad(x, [[1, 2], [2, 1]], mode="REFLECT"), tf.pad(x, [[1, 2], [2, 1]], mode="SYMMETRIC")], (real(4, 5),))
    yield OpCase("Tile", lambda x: tf.tile(x, [2, 3]), (real(3, 4),), FLOATS)
    yield OpCase("BroadcastTo", lambda x: tf.broadcast_to(x, [5, 3, 4]), (real(3, 1),), FLOATS)
    yield OpCase("Reverse", lambda x: tf.reverse(x, [0, 2]), (real(3, 4, 5),), ("float32", "int64"))
    yield OpCase("ReverseSequence", lambda x: tf.reverse_sequence(x, [2, 3, 0], seq_axis=1), (real(3, 4),))
    yield OpCase("Roll", lambda x: tf.roll(x, [1, -2], [0, 1]), (real(4, 5),))
    yield OpCase("Fill ZerosLike OnesLike", lambda x: [tf.zeros_like(x), tf.ones_like(x), tf.fill([2, 3], x[0])], (real(4),), FLOATS, gradient=False)
    yield OpCase("Range", lambda x: tf.range(0.0, x[0], 0.5), (given(np.array([4.0], np.float32)),), gradient=False)
    yield OpCase("Linspace", lambda x: tf.linspace(x[0], x[1], 7), (given(np.array([1.0, 4.0], np.float32)),), gradient=False)
    yield OpCase("DiagPart", lambda x: [tf.linalg.diag_part(x), tf.linalg.diag(x)], (real(4, 4),))
    yield OpCase("BandPart", lambda x: tf.linalg.band_part(x, 1, 0), (real(2, 5, 5),))
    yield OpCase("SpaceToDepth", lambda x: tf.nn.space_to_depth(x, 2), (real(2, 4, 6, 3),))
    yield OpCase("DepthToSpace", lambda x: tf.nn.depth_to_space(x, 2), (real(2, 3, 2, 8),))
    yield OpCase("SpaceToBatch", lambda x: tf.space_to_batch(x, [2, 2], [[0, 0], [1, 1]]), (real(1, 4, 6, 2),))


def _indexed():
    yield OpCase("Gather", lambda x, i: tf.gather(x, i), (real(7, 3), index(2, 4, high=7)), FLOATS)
    yield OpCase("Gather axis", lambda x, i: tf.gather(x, i, axis=1), (real(3, 7, 2), index(5, high=7, dtype="int64")))
    yield OpCase("Gather batch", lambda x, i: tf.gather(x, i, batch_dims=1), (real(3, 7, 2), index(3, 4, high=7)))
    yield OpCase("GatherNd", lambda x, i: tf.gather_nd(x, i), (real(4, 5, 6), index(7, 2, high=4)), FLOATS)
    yield OpCase("ScatterNd", lambda u, i: tf.scatter_nd(i, u, [8, 3]), (real(5, 3), index(5, 1, high=8)))
    yield OpCase("TensorScatterAdd", lambda x, u, i: tf.tensor_scatter_nd_add(x, i, u), (real(8, 3), real(5, 3), index(5, 1, high=8)))
    yield OpCase("TensorScatterUpdate", lambda x, u: tf.tensor_scatter_nd_update(x, [[1], [4], [6]], u), (real(8, 3), real(3, 3)))
    yield OpCase("UnsortedSegmentSum", lambda x, i: tf.math.unsorted_segment_sum(x, i, 4), (real(9, 2), index(9, high=4)), ("float32",))
    yield OpCase("UnsortedSegmentMax", lambda x, i: tf.math.unsorted_segment_max(x, i, 4), (spread(9, 2), index(9, high=4)))
    yield OpCase("OneHot", lambda i: tf.one_hot(i, 5), (index(6, high=7),), gradient=False)
    yield OpCase("OneHot axis", lambda i: tf.one_hot(i, 5, on_value=2.0, off_value=-1.0, axis=0), (index(2, 6, high=5, dtype="int64"),), gradient=False)
    yield OpCase("TopK", lambda x: tf.math.top_k(x, 3)[0], (spread(4, 9),), ("float32", "float64"))
    yield OpCase("Sort", lambda x: [tf.sort(x, axis=-1), tf.argsort(x, axis=-1)], (spread(4, 9),), gradient=False)
    yield OpCase("SearchSorted", lambda x: tf.searchsorted(tf.sort(x), x), (spread(3, 8),), gradient=False)
    yield OpCase("InTopK", lambda x, i: tf.math.in_top_k(i, x, 3), (spread(6, 9), index(6, high=9)), gradient=False)


def _contractions():
    yield OpCase("MatMul", tf.matmul, (real(5, 7), real(7, 3)), FLOATS)
    yield OpCase("MatMul transposed", lambda a, b: tf.matmul(a, b, transpose_a=True, transpose_b=True), (real(7, 5), real(3, 7)), FLOATS)
    yield OpCase("MatMul odd", tf.matmul, (real(65, 33), real(33, 17)), ("float32", "float16"), tolerance=4)
    yield OpCase("MatMul empty", tf.matmul, (real(3, 0), real(0, 2)))
    yield OpCase("BatchMatMul", tf.matmul, (real(2, 1, 5, 7), real(3, 7, 4)), FLOATS)
    for m, k, n in ((1, 7, 5), (5, 7, 1), (1, 1, 1), (8, 8, 8), (16, 24, 40), (64, 130, 72), (3, 200, 5), (0, 3, 4)):
        for a, b in ((False, False), (False, True), (True, False), (True, True)):
            left, right = (k, m) if a else (m, k), (n, k) if b else (k, n)
            yield OpCase(
                f"MatMul {m} {k} {n} {a} {b}",
                lambda x, y, a=a, b=b: tf.matmul(x, y, transpose_a=a, transpose_b=b),
                (real(*left), real(*right)),
                ("float32", "float16"),
                tolerance=4,
            )
    for left, right in (
        ((3, 4, 5), (3, 5, 6)),
        ((2, 3, 8, 16), (2, 3, 16, 8)),
        ((2, 3, 4, 5), (5, 6)),
        ((4, 5), (2, 5, 6)),
        ((1, 4, 5), (1, 5, 6)),
        ((2, 1, 4, 5), (3, 5, 6)),
        ((0, 4, 5), (0, 5, 6)),
    ):
        yield OpCase(f"BatchMatMul {list(left)} {list(right)}", tf.matmul, (real(*left), real(*right)), ("float32", "bfloat16"), tolerance=4)
    yield OpCase(
        "BatchMatMul adjoint",
        lambda a, b: [tf.matmul(a, b, adjoint_a=True), tf.matmul(b, a, transpose_b=True)],
        (real(2, 5, 4), real(2, 5, 4)),
        ("float32", "float64"),
    )
    yield OpCase("MatMul int64", tf.matmul, (whole(3, 4), whole(4, 5)), ("int64",), gradient=False)
    yield OpCase("Einsum", lambda a, b: tf.einsum("bthd,bshd->bhts", a, b), (real(2, 3, 4, 5), real(2, 6, 4, 5)), ("float32", "float16"))
    yield OpCase("Tensordot", lambda a, b: tf.tensordot(a, b, [[1], [0]]), (real(3, 4, 2), real(4, 5)))
    yield OpCase("BiasAdd", tf.nn.bias_add, (real(3, 4, 5), real(5)), FLOATS)
    yield OpCase("Conv2D", lambda x, k: tf.nn.conv2d(x, k, 1, "SAME"), (real(2, 7, 6, 3), real(3, 3, 3, 4)), ("float32", "float16", "bfloat16"))
    yield OpCase("Conv2D strided", lambda x, k: tf.nn.conv2d(x, k, 2, "VALID"), (real(2, 9, 8, 3), real(3, 2, 3, 4)), ("float32",))
    yield OpCase("Conv2D same strided", lambda x, k: tf.nn.conv2d(x, k, 2, "SAME"), (real(2, 8, 8, 3), real(3, 3, 3, 4)), ("float32",))
    yield OpCase("Conv2D dilated", lambda x, k: tf.nn.conv2d(x, k, 1, "SAME", dilations=2), (real(1, 9, 9, 2), real(3, 3, 2, 2)), compiled_reference=True)
    yield OpCase("Conv2D grouped", lambda x, k: tf.nn.conv2d(x, k, 1, "VALID"), (real(1, 6, 6, 4), real(3, 3, 2, 6)), compiled_reference=True)
    yield OpCase("Conv1D", lambda x, k: tf.nn.conv1d(x, k, 1, "SAME"), (real(2, 9, 3), real(3, 3, 4)))
    yield OpCase("Conv3D", lambda x, k: tf.nn.conv3d(x, k, [1, 1, 1, 1, 1], "SAME"), (real(1, 4, 5, 6, 2), real(2, 3, 2, 2, 3)))
    yield OpCase(
        "DepthwiseConv2D", lambda x, k: tf.nn.depthwise_conv2d(x, k, [1, 1, 1, 1], "SAME"), (real(2, 6, 6, 3), real(3, 3, 3, 2)), ("float32", "float16")
    )
    yield OpCase("DepthwiseConv2D strided", lambda x, k: tf.nn.depthwise_conv2d(x, k, [1, 2, 2, 1], "SAME"), (real(2, 7, 7, 3), real(3, 3, 3, 1)))
    yield OpCase("Conv2DTranspose", lambda x, k: tf.nn.conv2d_transpose(x, k, [2, 8, 8, 3], 2, "SAME"), (real(2, 4, 4, 5), real(3, 3, 3, 5)))
    yield OpCase("MaxPool", lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), (spread(2, 6, 6, 3),), ("float32", "float16"))
    yield OpCase("MaxPool overlapping", lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"), (spread(2, 7, 7, 2),))
    yield OpCase("MaxPool explicit", lambda x: tf.nn.max_pool2d(x, 3, 2, [[0, 0], [1, 0], [0, 1], [0, 0]]), (spread(2, 7, 7, 2),), gradient=False)
    yield OpCase("AvgPool", lambda x: tf.nn.avg_pool2d(x, 2, 2, "SAME"), (real(2, 5, 5, 3),), ("float32", "float16"))
    yield OpCase("MaxPool3D", lambda x: tf.nn.max_pool3d(x, 2, 2, "VALID"), (spread(1, 4, 4, 4, 2),))
    yield OpCase("AvgPool3D", lambda x: tf.nn.avg_pool3d(x, 2, 2, "VALID"), (real(1, 4, 4, 4, 2),))
    yield OpCase(
        "FusedBatchNorm training",
        lambda x, s, o: list(tf.compat.v1.nn.fused_batch_norm(x, s, o, is_training=True)),
        (real(4, 5, 5, 3), positive(3), real(3)),
        tolerance=4,
    )
    yield OpCase("FusedBatchNorm inference", lambda x, s, o, m, v: tf.compat.v1.nn.fused_batch_norm(x, s, o, m, v, is_training=False)[0],
                 (real(4, 5, 5, 3), positive(3), real(3), real(3), positive(3)), gradient=False)  # fmt: skip
    yield OpCase("LRN", lambda x: tf.nn.local_response_normalization(x, 2), (real(1, 3, 3, 8),))
    yield OpCase("ResizeBilinear", lambda x: tf.image.resize(x, [7, 9]), (real(1, 4, 5, 2),))
    yield OpCase("ResizeNearest", lambda x: tf.image.resize(x, [8, 10], method="nearest"), (real(1, 4, 5, 2),))
    yield OpCase(
        "Dilation2D", lambda x, k: tf.nn.dilation2d(x, k, [1, 1, 1, 1], "SAME", "NHWC", [1, 1, 1, 1]), (real(1, 5, 5, 2), real(2, 2, 2)), gradient=False
    )


def _losses():
    labels = index(6, high=10)
    yield OpCase("SparseSoftmaxCrossEntropy", lambda x, i: tf.nn.sparse_softmax_cross_entropy_with_logits(i, x), (real(6, 10), labels), FLOATS)
    yield OpCase(
        "SoftmaxCrossEntropy", lambda x, i: tf.nn.softmax_cross_entropy_with_logits(tf.one_hot(i, 10, dtype=x.dtype), x), (real(6, 10), labels), FLOATS
    )
    yield OpCase("SigmoidCrossEntropy", lambda x, y: tf.nn.sigmoid_cross_entropy_with_logits(y, x), (real(6, 10), unit(6, 10)))


def _linear_algebra():
    yield OpCase("Cholesky", tf.linalg.cholesky, (definite(5, (2,)),), tolerance=10)
    yield OpCase("MatrixInverse", tf.linalg.inv, (definite(4),), tolerance=10)
    yield OpCase("MatrixSolve", tf.linalg.solve, (definite(4), real(4, 2)), tolerance=10)
    yield OpCase("TriangularSolve", lambda a, b: tf.linalg.triangular_solve(tf.linalg.band_part(a, -1, 0), b), (definite(4), real(4, 2)), tolerance=10)
    yield OpCase("Qr", lambda a: tf.abs(tf.linalg.qr(a)[1]), (definite(4),), gradient=False, tolerance=20)
    yield OpCase("SelfAdjointEig", lambda a: tf.linalg.eigvalsh(a), (definite(4),), gradient=False, tolerance=20)
    yield OpCase("Svd", lambda a: tf.linalg.svd(a, compute_uv=False), (real(5, 3),), gradient=False, tolerance=20)


def _complex():
    square = compound(4, 4)
    for name, function in {
        "Real": tf.math.real, "Imag": tf.math.imag, "Conj": tf.math.conj, "Angle": tf.math.angle, "ComplexAbs": tf.abs, "Neg": tf.negative, "Exp": tf.exp,
        "Expm1": tf.math.expm1, "Log": tf.math.log, "Log1p": tf.math.log1p, "Sin": tf.sin, "Cos": tf.cos, "Tan": tf.tan, "Tanh": tf.tanh, "Sinh": tf.sinh,
        "Cosh": tf.cosh, "Sigmoid": tf.sigmoid, "Square": tf.square, "Asin": tf.asin, "Acos": tf.acos, "Atan": tf.atan, "Asinh": tf.asinh, "Acosh": tf.acosh,
        "Atanh": tf.atanh,
    }.items():  # fmt: skip
        yield OpCase(
            f"{name} of complex numbers", function, (compound(3, 7),), COMPLEX if name in ("ComplexAbs", "Exp", "Log") else ("complex64",), tolerance=5
        )
    for name, function in {"Sqrt": tf.sqrt, "Rsqrt": tf.math.rsqrt, "Reciprocal": tf.math.reciprocal, "Sign": tf.sign}.items():
        yield OpCase(f"{name} of complex numbers", function, (compound(3, 7),), ("complex64",), gradient=False)
    for name, function in {"Add": tf.add, "Sub": tf.subtract, "Mul": tf.multiply, "Div": tf.divide, "Pow": tf.pow, "DivNoNan": tf.math.divide_no_nan,
                           "SquaredDifference": tf.math.squared_difference}.items():  # fmt: skip
        yield OpCase(f"{name} of complex numbers", function, (compound(4, 1, 5), compound(3, 1)), COMPLEX if name == "Mul" else ("complex64",), tolerance=5)
    yield OpCase("Equal of complex numbers", lambda x, y: [tf.equal(x, y), tf.not_equal(x, x)], (compound(9), compound(9)), ("complex64",), gradient=False)
    yield OpCase("Complex", tf.complex, (real(3, 5), real(3, 5)), ("float32", "float64"))
    yield OpCase(
        "Cast to complex numbers", lambda x: [tf.cast(x, tf.complex64), tf.cast(x, tf.complex128)], (real(6),), ("float32", "complex64"), gradient=False
    )
    yield OpCase("MatMul of complex numbers", tf.matmul, (compound(5, 7), compound(7, 3)), COMPLEX)
    yield OpCase("MatMul adjoint of complex numbers", lambda a, b: tf.matmul(a, b, adjoint_a=True), (compound(2, 5, 4), compound(2, 5, 3)), ("complex64",))
    yield OpCase("Einsum of complex numbers", lambda a, b: tf.einsum("bij,bkj->bik", a, b), (compound(2, 3, 4), compound(2, 5, 4)), ("complex64",))
    yield OpCase("reductions of complex numbers", lambda x: [tf.reduce_sum(x, 1), tf.reduce_mean(x)], (compound(4, 5),), COMPLEX)
    yield OpCase("Prod of complex numbers", lambda x: tf.reduce_prod(x, 0), (compound(4, 5),), ("complex64",), gradient=False)
    yield OpCase(
        "movement of complex numbers",
        lambda x: [tf.transpose(x, conjugate=True), x[1:3, ::2], tf.pad(x, [[1, 1], [0, 2]]), tf.tile(x, [2, 1]), tf.reverse(x, [1]), tf.concat([x, x], 1),
                   tf.stack([x, x], 1), tf.broadcast_to(x, [2, 4, 4]), tf.roll(x, 1, 0), tf.linalg.diag_part(x), tf.linalg.band_part(x, 1, 0)],
        (square,),
        ("complex64",),
    )  # fmt: skip
    yield OpCase(
        "indexing of complex numbers",
        lambda x: [
            tf.gather(x, [0, 2, 1]),
            tf.gather_nd(x, [[0, 1], [2, 3]]),
            tf.where(tf.abs(x) > 1, x, 2 * x),
            tf.scatter_nd([[0], [2], [0], [1]], x, [5, 4]),
        ],
        (square,),
        ("complex64",),
    )
    yield OpCase("UnsortedSegmentSum of complex numbers", lambda x: tf.math.unsorted_segment_sum(x, [0, 1, 0, 1], 3), (square,), ("complex64",))
    yield OpCase("Cholesky of complex numbers", lambda x: tf.linalg.cholesky(tf.matmul(x, x, adjoint_b=True) + 4 * tf.eye(4, dtype=x.dtype)), (square,),
                 ("complex64",), tolerance=10)  # fmt: skip
    yield OpCase("TriangularSolve of complex numbers", lambda a, b: tf.linalg.triangular_solve(tf.linalg.band_part(a, -1, 0) + 4 * tf.eye(4, dtype=a.dtype), b),
                 (square, compound(4, 2)), ("complex64",), tolerance=10)  # fmt: skip
    yield OpCase("Qr of complex numbers", lambda a: tf.abs(tf.linalg.qr(a)[1]), (square,), ("complex64",), gradient=False, tolerance=20)


def _fourier():
    for n in (1, 5, 16, 131, 1000):
        yield OpCase(f"FFT {n}", lambda x: [tf.signal.fft(x), tf.signal.ifft(x)], (compound(3, n),), ("complex64",))
        yield OpCase(f"RFFT {n}", tf.signal.rfft, (real(3, n),))
        yield OpCase(f"IRFFT {n}", lambda x, n=n: tf.signal.irfft(x, [n]), (compound(3, n // 2 + 1),), ("complex64",))
    yield OpCase("FFT2D", lambda x: [tf.signal.fft2d(x), tf.signal.ifft2d(x)], (compound(2, 6, 5),), ("complex64",))
    yield OpCase("FFT3D", lambda x: [tf.signal.fft3d(x), tf.signal.ifft3d(x)], (compound(3, 4, 5),), ("complex64",))
    yield OpCase("RFFT2D", tf.signal.rfft2d, (real(3, 4, 6),))
    yield OpCase("IRFFT2D", tf.signal.irfft2d, (compound(3, 4, 4),), ("complex64",))
    yield OpCase("RFFT3D", tf.signal.rfft3d, (real(3, 4, 6),), gradient=False)
    yield OpCase("IRFFT3D", tf.signal.irfft3d, (compound(3, 4, 4),), ("complex64",), gradient=False)
    yield OpCase("RFFT cut and padded", lambda x: [tf.signal.rfft(x, [6]), tf.signal.rfft(x, [16])], (real(3, 10),), gradient=False)
    yield OpCase("FFT of complex128", tf.signal.fft, (compound(3, 12),), ("complex128",))
    yield OpCase("STFT", lambda x: tf.signal.stft(x, 16, 8), (real(2, 64),))


CASES = [
    *_elementwise(),
    *_binary(),
    *_broadcasts(),
    *_special_values(),
    *_reductions(),
    *_reduction_patterns(),
    *_movement(),
    *_indexed(),
    *_contractions(),
    *_losses(),
    *_linear_algebra(),
    *_complex(),
    *_fourier(),
]
