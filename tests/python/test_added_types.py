"""Types that this plugin adds to ops of tf2xla: in compiled functions, for variables, and their errors."""

import numpy as np
import pytest
import tensorflow as tf
from op_cases_types import TYPE_CASES

R = tf.raw_ops


def _complex(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.normal(size=shape) + 1j * rng.normal(size=shape), tf.complex64)


def _real(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


def _images(*shape):
    return tf.constant(np.random.default_rng(0).integers(-9, 9, size=shape), tf.int32)


POOL = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
COMPILED = {
    "convolution of integers": lambda: tf.nn.conv2d(_images(2, 6, 5, 3), _images(2, 3, 3, 4), 1, "SAME"),
    "its gradient": lambda: R.Conv2DBackpropInput(input_sizes=[2, 7, 5, 3], filter=_images(2, 3, 3, 4), out_backprop=_images(2, 6, 3, 4), strides=[1] * 4,
                                                  padding="VALID"),
    "solution": lambda: tf.linalg.solve(_complex(2, 4, 4), _complex(2, 4, 3)),
    "inverse": lambda: tf.linalg.inv(_complex(5, 5)),
    "eigenvalues": lambda: tf.linalg.eigvalsh(_complex(3, 5, 5) @ tf.linalg.adjoint(_complex(3, 5, 5))),
    "tridiagonal solution": lambda: tf.linalg.tridiagonal_solve(_real(2, 3, 9), _real(2, 9, 4), diagonals_format="compact"),
    "patches": lambda: tf.image.extract_patches(_complex(1, 5, 6, 2), [1, 2, 2, 1], [1, 1, 2, 1], [1, 1, 1, 1], "SAME"),
    "pool's second gradient": lambda: R.MaxPoolGradGrad(orig_input=_real(1, 4, 4, 2), orig_output=tf.nn.max_pool2d(_real(1, 4, 4, 2), 2, 2, "VALID"),
                                                        grad=_real(1, 4, 4, 2, seed=1), **POOL),
    "greatest": lambda: list(tf.math.top_k(tf.constant([[3, 65535, 3, 0], [1, 2, 3, 4]], tf.uint16), 3)),
    "scatter": lambda: R.ScatterNdNonAliasingAdd(input=_real(4, 3), indices=[[1], [1], [3]], updates=_real(3, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_functions(name, device):
    call = COMPILED[name]
    with tf.device("/CPU:0"):
        expected = call()
    with tf.device(device):
        actual = tf.function(call, jit_compile=True)()
    for a, e in zip(tf.nest.flatten(actual), tf.nest.flatten(expected)):
        assert a.dtype == e.dtype and a.shape == e.shape
        np.testing.assert_allclose(a.numpy(), e.numpy(), rtol=1e-3, atol=1e-3)


SMALL = {"int4": tf.dtypes.experimental.int4, "uint4": tf.dtypes.experimental.uint4}


def _small_numbers(x, small):
    """int64 numbers after a cast to 4 bits."""
    x = np.asarray(x) & 15
    return x - 16 * (x > 7) if small == "int4" else x


@pytest.mark.parametrize("small", SMALL)
def test_small_integers_in_compiled_functions(small, device):
    """Beside what they are: TensorFlow's CPU has them in hardly an op, and gives compiled functions' results of such types two to a byte."""
    t, x = SMALL[small], np.array([[-9, -8, -1, 0], [5, 7, 8, 15], [16, 255, -256, 3]], np.int64)
    low, high = (-8, 7) if small == "int4" else (0, 15)

    @tf.function(jit_compile=True)
    def movement(given, wide):
        made = tf.cast(wide, t)
        chosen = tf.where(tf.equal(given, made), made, tf.zeros_like(made))
        moved = tf.stack([tf.transpose(chosen[::-1]), tf.transpose(tf.concat([made[1:], given[:1]], 0))])
        filled = tf.fill([2, 3], made[0, 1])
        return given, made, [tf.cast(y, tf.int32) for y in (moved, filled, tf.gather(made, [2, 0], axis=1))]

    @tf.function(jit_compile=True)
    def casts(wide, real):
        return [[tf.cast(tf.cast(wide, t), to) for to in (tf.int8, tf.uint8, tf.uint64, tf.float32, tf.float16, tf.bool)], tf.cast(tf.cast(real, t), tf.int32)]

    real = np.array([-1e9, -8.5, -1.5, -0.0, 0.5, 7.9, 14.5, 15.5, 300, np.inf, -np.inf], np.float32)
    expected = _small_numbers(x, small)
    with tf.device(device):
        given, made, (moved, filled, gathered) = movement(tf.cast(x, t), x)
        wide, saturated = casts(x, real)
    for y in (given, made):
        assert y.dtype == t and y.device.endswith(device[-5:])
        np.testing.assert_array_equal(tf.cast(y, tf.int64), expected)
    np.testing.assert_array_equal(moved, [expected[::-1].T, np.concatenate([expected[1:], expected[:1]]).T])
    np.testing.assert_array_equal(filled, np.full([2, 3], expected[0, 1]))
    np.testing.assert_array_equal(gathered, expected[:, [2, 0]])
    for y in wide:
        np.testing.assert_array_equal(y.numpy(), expected.astype(y.dtype.as_numpy_dtype))
    np.testing.assert_array_equal(saturated, np.clip(real, low, high).astype(np.int32))


LABELS = ([[0, 0], [0, 1], [1, 0], [2, 0], [2, 1], [2, 2]], [1, 2, 3, 1, 1, 4])


def test_ctc_loss_in_a_compiled_function(device):
    """The labels are on the device there, and are not checked: what does not fit is infinitely unlikely."""

    @tf.function(jit_compile=True)
    def loss(logits, indices, values, lengths):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            result = R.CTCLossV2(inputs=logits, labels_indices=indices, labels_values=values, sequence_length=lengths)[0]
        return result, tape.gradient(result, logits)

    logits = _real(6, 3, 5)
    arguments = (logits, tf.constant(LABELS[0], tf.int64), tf.constant(LABELS[1]))
    with tf.device(device):
        actual = loss(*arguments, tf.constant([6, 3, 5]))
        short = loss(*arguments, tf.constant([6, 3, 3]))
    with tf.device("/CPU:0"), tf.GradientTape() as tape:
        tape.watch(logits)
        expected = tf.nn.ctc_loss(tf.SparseTensor(LABELS[0], LABELS[1], [3, 3]), logits, None, [6, 3, 5], blank_index=0)
    np.testing.assert_allclose(actual[0], expected, rtol=1e-5)
    np.testing.assert_allclose(actual[1], tape.gradient(expected, logits), atol=1e-5)
    assert np.isposinf(short[0][2]) and not np.any(short[1][:, 2])
    np.testing.assert_allclose(short[0][:2], expected[:2], rtol=1e-5)


def test_ctc_loss_of_a_graph(device):
    """TensorFlow chooses the implementation by where the function runs."""
    logits = _real(6, 3, 5)
    results = []
    for where in (device, "/CPU:0"):
        with tf.device(where):
            loss = tf.function(lambda x: tf.nn.ctc_loss(tf.SparseTensor(LABELS[0], LABELS[1], [3, 3]), x, None, [6, 3, 5], blank_index=0))
            results.append(loss(logits).numpy())
    np.testing.assert_allclose(*results, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_of_complex_variables(nesterov, dtype, device, no_soft_placement):
    results = []
    for where in (device, "/CPU:0"):
        with tf.device(where):
            variable, slot = tf.Variable(tf.cast(_complex(3, 4), dtype)), tf.Variable(tf.cast(_complex(3, 4, seed=1), dtype))
            for seed in range(3):
                R.ResourceApplyMomentum(var=variable.handle, accum=slot.handle, lr=tf.constant(0.1 + 0.2j, dtype), grad=tf.cast(_complex(3, 4, seed=seed), dtype),
                                        momentum=tf.constant(0.9 - 0.1j, dtype), use_nesterov=nesterov)  # fmt: skip
            results.append([variable.numpy(), slot.numpy()])
    for actual, expected in zip(*results):
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_narrow_floats_in_a_compiled_function(device):
    with tf.device(device):
        x = tf.constant([0.3, -500.0, 1e-3, 17.2])
        narrow = tf.function(lambda x: tf.cast(tf.cast(x, tf.dtypes.experimental.float8_e5m2), tf.float32), jit_compile=True)(x)
    np.testing.assert_array_equal(narrow, tf.cast(tf.cast(x.cpu(), tf.dtypes.experimental.float8_e5m2), tf.float32))


def test_sums_of_narrow_floats_are_refused(device):
    with tf.device(device):
        x = tf.cast([1.0, 2.0], tf.dtypes.experimental.float8_e5m2)
        with pytest.raises((tf.errors.OpError, TypeError)):
            tf.function(lambda x: tf.raw_ops.Neg(x=x), jit_compile=True)(x)


def _ctc(indices=LABELS[0], values=LABELS[1], lengths=(6, 3, 5), logits=(6, 3, 5), **attributes):
    return R.CTCLossV2(inputs=tf.zeros(logits), labels_indices=tf.reshape(tf.constant(indices, tf.int64), [-1, 2]), labels_values=tf.constant(values, tf.int32),
                       sequence_length=tf.constant(lengths), **attributes)  # fmt: skip


def _proposals(threshold=0.5, most=5, anchors=(2, 2, 12), images=(1, 5)):
    return R.GenerateBoundingBoxProposals(scores=tf.zeros([1, 2, 2, 3]), bbox_deltas=tf.zeros([1, 2, 2, 12]), image_info=tf.zeros(images),
                                          anchors=tf.zeros(anchors), nms_threshold=threshold, pre_nms_topn=most, min_size=1.0)  # fmt: skip


OWN_ERRORS = {  # of ops that have no kernel for the CPU
    "labels that collapse": (lambda: _ctc(preprocess_collapse_repeated=True), "requires preprocess_collapse_repeated to be false"),
    "labels that do not merge": (lambda: _ctc(ctc_merge_repeated=False), "requires ctc_merge_repeated to be true"),
    "labels that are ignored": (lambda: _ctc(ignore_longer_outputs_than_inputs=True), "requires ignore_longer_outputs_than_inputs to be false"),
    "too little time": (lambda: _ctc(lengths=(6, 3, 3)), "Not enough time for target transition sequence .required: 4, available: 3."),
    "too much time": (lambda: _ctc(lengths=(7, 3, 5)), r"sequence_length\(0\) <= 6"),
    "negative time": (lambda: _ctc(lengths=(6, -3, 5)), r"sequence_length\(1\) is -3"),
    "another batch": (lambda: _ctc(lengths=(6, 3)), "len.sequence_length. != batch_size"),
    "label of no example": (lambda: _ctc(indices=[[3, 0]], values=[1]), "labels batch index must be between 0 and 3 but saw: 3"),
    "label of no class": (lambda: _ctc(indices=[[0, 0]], values=[5]), "Saw the label 5 of example 0"),
    "label that is blank": (lambda: _ctc(indices=[[0, 0]], values=[0]), "Saw the label 0 of example 0"),
    "labels out of order": (lambda: _ctc(indices=[[1, 0], [0, 0]], values=[1, 1]), "not valid"),
    "labels without places": (lambda: _ctc(indices=[[0, 0]], values=[1, 1]), "same number of rows"),
    "threshold beyond 1": (lambda: _proposals(threshold=1.5), "nms_threshold should be between 0 and 1. Got 1.5"),
    "no boxes": (lambda: _proposals(most=0), "pre_nms_topn should be greater than 0"),
    "images of 4": (lambda: _proposals(images=(1, 4)), "must have the shape|must be"),
}


@pytest.mark.parametrize("name", OWN_ERRORS)
def test_errors_of_ops_without_a_cpu_kernel(name, device, no_soft_placement):
    call, words = OWN_ERRORS[name]
    with tf.device(device), pytest.raises(tf.errors.InvalidArgumentError, match=words):
        call()


SAME_ERRORS = {
    "equations and right sides": lambda: R.TridiagonalSolve(diagonals=tf.zeros([3, 4]), rhs=tf.zeros([5, 1])),
    "two diagonals": lambda: R.TridiagonalSolve(diagonals=tf.zeros([2, 4]), rhs=tf.zeros([4, 1])),
    "matrix that is no square": lambda: R.MatrixInverse(input=tf.zeros([3, 4], tf.complex64)),
    "solution of another size": lambda: R.MatrixSolve(matrix=tf.zeros([3, 3], tf.complex64), rhs=tf.zeros([4, 1], tf.complex64)),
    "patches of rank 3": lambda: R.ExtractImagePatches(images=tf.zeros([3, 4, 5], tf.complex64), ksizes=[1, 2, 2, 1], strides=[1] * 4, rates=[1] * 4, padding="SAME"),
    "patches of batches": lambda: R.ExtractImagePatches(images=tf.zeros([2, 3, 4, 5], tf.complex64), ksizes=[2, 2, 2, 1], strides=[1] * 4, rates=[1] * 4,
                                                        padding="SAME"),
    "pool of another size": lambda: R.MaxPoolGradGrad(orig_input=tf.zeros([1, 4, 4, 1]), orig_output=tf.zeros([1, 3, 2, 1]), grad=tf.zeros([1, 4, 4, 1]), **POOL),
    "pool over the depth": lambda: R.MaxPoolGradGrad(orig_input=tf.zeros([1, 4, 4, 2]), orig_output=tf.zeros([1, 4, 4, 1]), grad=tf.zeros([1, 4, 4, 2]),
                                                     ksize=[1, 1, 1, 2], strides=[1, 1, 1, 2], padding="VALID"),
    "greatest of too few": lambda: tf.math.top_k(tf.zeros([3], tf.uint16), 4),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME_ERRORS)
def test_errors_are_those_of_the_cpu(name, device, no_soft_placement):
    with tf.device("/CPU:0"), pytest.raises(tf.errors.OpError) as expected:
        SAME_ERRORS[name]()
    with tf.device(device), pytest.raises(tf.errors.OpError) as actual:
        SAME_ERRORS[name]()
    assert type(actual.value) is type(expected.value), str(actual.value)


def test_cases_have_names_of_their_own():
    names = [case.name for case in TYPE_CASES]
    assert len(names) == len(set(names))
