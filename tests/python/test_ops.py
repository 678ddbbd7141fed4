"""Every case of op_cases*.py on the device and on the CPU: results and gradients agree."""

import os
import zlib

import numpy as np
import pytest
import tensorflow as tf
from op_cases import CASES, TOLERANCE
from op_cases_control_flow import CONTROL_FLOW_CASES
from op_cases_csr import CSR_CASES
from op_cases_gradients import GRADIENT_CASES
from op_cases_image import IMAGE_CASES
from op_cases_linalg import LINALG_CASES
from op_cases_plain import PLAIN_CASES
from op_cases_random import RANDOM_CASES
from op_cases_raw import RAW_CASES
from op_cases_single import SINGLE_CASES
from op_cases_sparse import SPARSE_CASES
from op_cases_sparse_tensors import SPARSE_TENSOR_CASES
from op_cases_special import SPECIAL_CASES
from op_cases_state import STATE_CASES
from op_cases_types import TYPE_CASES
from op_cases_xla import XLA_CASES

ALL_CASES = [
    *CASES,
    *CONTROL_FLOW_CASES,
    *CSR_CASES,
    *GRADIENT_CASES,
    *IMAGE_CASES,
    *LINALG_CASES,
    *PLAIN_CASES,
    *RANDOM_CASES,
    *RAW_CASES,
    *SINGLE_CASES,
    *SPARSE_CASES,
    *SPARSE_TENSOR_CASES,
    *SPECIAL_CASES,
    *STATE_CASES,
    *TYPE_CASES,
    *XLA_CASES,
]


# For a back end whose types are tested elsewhere: each case with its first type only.
MOST_TYPES = 1 if os.environ.get("TFVK_TEST_ONE_TYPE") else None


def _inputs(case, dtype):
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    arrays, data = [], []
    for make in case.inputs:
        array = make(rng)
        is_data = getattr(make, "data", False)
        arrays.append(np.asarray(array).astype(tf.as_dtype(dtype).as_numpy_dtype) if is_data else array)
        data.append(is_data)
    return arrays, data


def _as_list(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def _run(function, arrays, data, where, gradient):
    """Results and gradients of the sum of the results' squared magnitudes, computed on the device `where`."""
    with tf.device(where):
        tensors = [tf.constant(a) for a in arrays]
        watched = [t for t, d in zip(tensors, data) if gradient and d and (t.dtype.is_floating or t.dtype.is_complex)]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            results = _as_list(function(*tensors))
            if not gradient:
                return results, []
            parts = [p for r in results for p in ([tf.math.real(r), tf.math.imag(r)] if r.dtype.is_complex else [r])]
            loss = tf.add_n([tf.reduce_sum(tf.square(tf.cast(p, tf.float32))) for p in parts if p.dtype.is_floating])
        gradients = [g for g in tape.gradient(loss, watched) if g is not None]
        return results, [tf.convert_to_tensor(g) for g in gradients]


def _assert_close(actual, expected, tolerance, what):
    actual, expected = np.asarray(actual.numpy()), np.asarray(expected.numpy())
    assert actual.dtype == expected.dtype and actual.shape == expected.shape, what
    if not np.issubdtype(expected.dtype, np.inexact) and expected.dtype != tf.bfloat16.as_numpy_dtype:
        np.testing.assert_array_equal(actual, expected, err_msg=what)
        return
    widest = np.complex128 if np.iscomplexobj(expected) else np.float64
    actual, expected = actual.astype(widest), expected.astype(widest)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1e-3, finite.max()) if finite.size else 1.0
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale, err_msg=what)


@pytest.mark.parametrize("case,dtype", [pytest.param(c, d, id=f"{c.name}-{d}") for c in ALL_CASES for d in c.dtypes[:MOST_TYPES]])
def test_op_agrees_with_cpu(case, dtype, device, no_soft_placement, not_on_reference):
    if case.not_on_reference:
        not_on_reference(case.not_on_reference)
    arrays, data = _inputs(case, dtype)
    gradient = case.gradient and not tf.as_dtype(dtype).is_integer
    reference = tf.function(case.function, jit_compile=True) if case.compiled_reference else case.function
    expected, expected_gradients = _run(reference, arrays, data, "/CPU:0", gradient)
    try:
        actual, actual_gradients = _run(case.function, arrays, data, device, gradient)
    except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        if "Could not satisfy device specification" in str(error) or "No OpKernel" in str(error) or "Could not find device for node" in str(error):
            pytest.skip(f"no kernel on this device: {str(error)[:300]}")
        raise
    tolerance = case.tolerance * max(TOLERANCE.get(dtype, 2e-5), 2e-5 if case.single_precision else 0)
    assert len(actual) == len(expected) and len(actual_gradients) == len(expected_gradients)
    for i, (a, e) in enumerate(zip(actual, expected)):
        _assert_close(a, e, tolerance, f"result {i}")
    for i, (a, e) in enumerate(zip(actual_gradients, expected_gradients)):
        _assert_close(a, e, 4 * tolerance, f"gradient {i}")
    assert any("CPU" not in a.device for a in actual) or all(a.dtype == tf.int32 for a in actual)
