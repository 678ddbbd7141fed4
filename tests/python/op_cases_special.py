"""More of op_cases.py: special functions."""

import numpy as np
import tensorflow as tf
from op_cases import OpCase, _data, given

R = tf.raw_ops
NAMES = "BesselI0 BesselI1 BesselJ0 BesselJ1 BesselK0 BesselK0e BesselK1 BesselK1e BesselY0 BesselY1 Dawsn Expint FresnelCos FresnelSin Spence".split()
SPECIAL_FUNCTIONS = {name: (lambda x, name=name: getattr(R, name)(x=x)) for name in NAMES}
ODD_OR_EVEN = ("BesselI0", "BesselI1", "BesselJ0", "BesselJ1", "Dawsn", "FresnelCos", "FresnelSin")


def across(low, high, count, negative):
    """Evenly in magnitude, of both signs where the function has both."""

    def make(rng):
        x = rng.permutation(np.geomspace(low, high, count))
        return x * rng.choice([-1, 1], size=count) if negative else x

    return _data(make)


def through_single(function):
    """On the CPU, where not every function has kernels of the narrow types, in single precision."""

    def call(x):
        return tf.cast(function(tf.cast(x, tf.float32)), x.dtype) if "CPU" in x.device else function(x)

    return call


def _special():
    for name, function in SPECIAL_FUNCTIONS.items():
        negative = name in ODD_OR_EVEN
        yield OpCase(name, function, (across(0.05, 7, 60, negative),), ("float32", "float64"), tolerance=2)
        yield OpCase(f"{name} narrow", through_single(function), (across(0.2, 3, 20, negative),), ("float16", "bfloat16"), gradient=False, tolerance=4)
        # At infinity the CPU gives NaN instead of the limit, and of BesselY1 also at zero.
        values = [np.nan, 1.0] if name == "BesselY1" else [np.nan, 0.0, 1.0]
        yield OpCase(f"{name} of special values", function, (given(np.array(values, np.float32)),), gradient=False)
        yield OpCase(f"{name} of nothing", function, (given(np.zeros([0, 3], np.float32)),), gradient=False)
        if not negative:
            yield OpCase(f"{name} of negative numbers", function, (given(np.array([-1.0, -0.25, -1e-30, -70.0], np.float32)),), gradient=False)


SPECIAL_CASES = [*_special()]
