"""More of op_cases.py: the ops of tf2xla that models compiled from other front ends hold. XLA for the CPU is their reference."""

import numpy as np
import tensorflow as tf
from op_cases import FLOATS, INTEGERS, OpCase, given, index, real, spread, whole
from tensorflow.compiler.mlir.stablehlo import stablehlo
from tensorflow.compiler.tf2xla.ops import gen_xla_ops as X
from tensorflow.compiler.xla import xla_data_pb2

R = tf.raw_ops


def _case(name, function, inputs, dtypes=("float32",), tolerance=1.0):
    return OpCase(name, function, inputs, dtypes, gradient=False, tolerance=tolerance, compiled_reference=True)


def _computation(function, *types, shape=()):
    return tf.function(function).get_concrete_function(*(tf.TensorSpec(shape, t) for t in types))


def _dot_numbers():
    numbers = xla_data_pb2.DotDimensionNumbers()
    numbers.lhs_batch_dimensions.append(0)
    numbers.rhs_batch_dimensions.append(0)
    numbers.lhs_contracting_dimensions.append(2)
    numbers.rhs_contracting_dimensions.append(1)
    return numbers.SerializeToString()


def _gather_numbers():
    numbers = xla_data_pb2.GatherDimensionNumbers()
    numbers.offset_dims.append(1)
    numbers.collapsed_slice_dims.append(0)
    numbers.start_index_map.append(0)
    numbers.index_vector_dim = 1
    return numbers.SerializeToString()


def _scatter_numbers():
    numbers = xla_data_pb2.ScatterDimensionNumbers()
    numbers.update_window_dims.append(1)
    numbers.inserted_window_dims.append(0)
    numbers.scatter_dims_to_operand_dims.append(0)
    numbers.index_vector_dim = 1
    return numbers.SerializeToString()


def _contractions():
    options = {"dimension_numbers": _dot_numbers(), "precision_config": ""}
    inputs = (real(2, 5, 4), real(2, 4, 3))
    yield _case("XlaDot", lambda x, y: X.xla_dot(x, y, **options), inputs, FLOATS)
    yield _case("XlaDotV2", lambda x, y: X.xla_dot_v2(x, y, **options, preferred_element_type=tf.float32), inputs, ("float32", "float16", "bfloat16"))
    yield _case("XlaDotV2 of bytes", lambda x, y: X.xla_dot_v2(x, y, **options, preferred_element_type=tf.int32), (whole(2, 5, 4), whole(2, 4, 3)), ("int8",))


def _movement():
    types = FLOATS + INTEGERS
    yield _case("XlaBroadcastHelper", lambda x, y: list(X.xla_broadcast_helper(x, y, tf.constant([1], tf.int64))), (whole(3, 4), whole(4)), types)
    yield _case("XlaSplitND", lambda x: R.XlaSplitND(input=x, N=6, num_splits=[2, 3], paddings=[1, 0]), (whole(5, 6),), types)
    yield _case("XlaConcatND", lambda x: R.XlaConcatND(inputs=[x, 2 * x, 3 * x, 4 * x], num_concats=[2, 2], paddings=[1, 0]), (whole(3, 2),), types)
    yield _case("XlaGather", lambda x, i: X.xla_gather(x, i, tf.constant([1, 3]), dimension_numbers=_gather_numbers(), indices_are_sorted=False),
                (whole(5, 3), index(4, 1, high=5)), types)  # fmt: skip
    yield _case("XlaScatter", lambda x, i, u: X.xla_scatter(x, i, u, update_computation=_computation(lambda a, b: a + b, x.dtype, x.dtype),
                                                            dimension_numbers=_scatter_numbers(), indices_are_sorted=False),
                (whole(5, 3), index(4, 1, high=5), whole(4, 3)), ("float32", "float16", "int64"))  # fmt: skip
    yield _case("XlaSelectAndScatter", lambda x, s: X.xla_select_and_scatter(
        x, tf.constant([2, 2]), tf.constant([2, 2]), tf.constant([[0, 0], [0, 0]]), s, tf.constant(0, x.dtype),
        select=_computation(lambda a, b: a >= b, x.dtype, x.dtype), scatter=_computation(lambda a, b: a + b, x.dtype, x.dtype)),
        (spread(4, 6), real(2, 3)))  # fmt: skip
    yield _case("XlaVariadicSort", lambda x, y: list(X.xla_variadic_sort(
        [x, y], tf.constant(0), comparator=_computation(lambda a, b, c, d: a < b, x.dtype, x.dtype, y.dtype, y.dtype), is_stable=True)),
        (spread(9), given(np.arange(9, dtype=np.int64))), ("float32", "float16"))  # fmt: skip
    yield _case("XlaOptimizationBarrier", lambda x, y: list(X.xla_optimization_barrier([x, y])), (real(3), real(2, 2)), FLOATS)
    yield _case("XlaSharding and its relatives", lambda x: [
        X.xla_sharding(x), X.xla_spmd_full_to_shard_shape(x, manual_sharding=""), X.xla_spmd_shard_to_full_shape(x, manual_sharding="", full_shape=[3, 4])],
        (real(3, 4),))  # fmt: skip
    # On the CPU the op ends the process.
    yield OpCase("XlaReplicaId", lambda x: x if "CPU" in x.device else tf.cast(X.xla_replica_id(), x.dtype) + x, (real(3),), gradient=False)


def _dynamic():
    """Sizes that vary under a bound: compiled functions alone have them."""

    def shortened(x):
        def inside(x):
            short = X.xla_set_dynamic_dimension_size(x, tf.constant(0), tf.constant(2))
            return [tf.reduce_sum(short, 0), X.xla_remove_dynamic_dimension_size(x * 2, tf.constant(0)), X.xla_set_bound(tf.constant(3), tf.constant(5))]

        return tf.function(inside, jit_compile=True)(x)

    yield OpCase("XlaSetDynamicDimensionSize", shortened, (real(4, 3),), gradient=False)


def _computations():
    def loop(x):
        return X.xla_while(
            [x], cond=_computation(lambda a: tf.reduce_sum(a) < 100, x.dtype, shape=(3, 4)), body=_computation(lambda a: a * a + 1, x.dtype, shape=(3, 4))
        )

    yield _case("XlaWhile", lambda x: list(loop(x)), (real(3, 4),))
    yield _case("XlaVariadicReduceV2", lambda x, y: list(X.xla_variadic_reduce_v2(
        [x, y], [tf.constant(-9, x.dtype), tf.constant(0, tf.int64)], dimensions_to_reduce=[1],
        reducer=_computation(lambda a, i, b, j: [tf.maximum(a, b), tf.where(a >= b, i, j)], x.dtype, tf.int64, x.dtype, tf.int64))),
        (spread(3, 4), given(np.tile(np.arange(4, dtype=np.int64), (3, 1)))))  # fmt: skip
    yield _case("XlaVariadicReduce", lambda x, y: list(X.xla_variadic_reduce(
        [x, y], [tf.constant(-9, x.dtype), tf.constant(0, x.dtype)], dimensions_to_reduce=[0],
        reducer=_computation(lambda a, i, b, j: [tf.maximum(a, b), i + j], *[x.dtype] * 4))), (real(3, 4), real(3, 4)))  # fmt: skip


MODULE = """
module @exported {
  func.func public @main(%a: tensor<2x3xf32>, %b: tensor<3x2xf32>) -> (tensor<2x2xf32>, tensor<2x3xf32>) {
    %0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<3x2xf32>) -> tensor<2x2xf32>
    %1 = stablehlo.tanh %a : tensor<2x3xf32>
    return %0, %1 : tensor<2x2xf32>, tensor<2x3xf32>
  }
}
"""


def _modules():
    """What JAX exports to a SavedModel."""
    portable = stablehlo.serialize_portable_artifact_str(MODULE, stablehlo.get_minimum_version())
    yield OpCase("XlaCallModule", lambda x, y: list(X.xla_call_module(
        [x, y], version=9, module=portable, Sout=[[2, 2], [2, 3]], Tout=[tf.float32] * 2, platforms=["CPU"], disabled_checks=["platform"])),
        (real(2, 3), real(3, 2)), gradient=False)  # fmt: skip
    yield _case("XlaDequantize", lambda x: X.xla_dequantize(tf.cast(x, tf.uint32) * 1234567, min_range=-1.0, max_range=3.0, mode="MIN_COMBINED", transpose_output=False),
                (whole(4, 8),), tolerance=400)  # of the bf16 result, whose arithmetic is not rounded between # fmt: skip


XLA_CASES = [*_modules(), *_contractions(), *_movement(), *_dynamic(), *_computations()]
