"""Recurrent networks: the ops of the CudnnRNN family beside the same networks written in plain TensorFlow, and Keras' layers beside themselves on the CPU."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

R = tf.raw_ops
GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
TOLERANCE = {"float64": 1e-10, "float32": 2e-5, "float16": 2e-2, "bfloat16": 1e-1}


@dataclasses.dataclass
class Network:
    mode: str = "lstm"
    layers: int = 2
    directions: int = 1
    inputs: int = 3
    units: int = 4
    proj: int = 0
    input_mode: str = "linear_input"
    dtype: str = "float32"

    @property
    def state(self):
        return self.proj or self.units

    @property
    def attributes(self):
        return {"rnn_mode": self.mode, "input_mode": self.input_mode, "direction": "bidirectional" if self.directions == 2 else "unidirectional"}

    @property
    def sizes(self):
        return {"num_layers": self.layers, "num_units": self.units, "input_size": self.inputs}

    @property
    def skips(self):
        return self.input_mode != "linear_input" and self.inputs == self.units

    def shapes(self):
        """Of the list of matrices: for each layer and direction those of the input, the recurrent ones and the projecting one."""
        shapes = []
        for layer in range(self.layers):
            width = self.inputs if layer == 0 else self.state * self.directions
            for _ in range(self.directions):
                shapes += [(self.units, 0 if layer == 0 and self.skips else width)] * GATES[self.mode] + [(self.units, self.state)] * GATES[self.mode]
                shapes += [(self.proj, self.units)] if self.proj else []
        return shapes

    def draw(self, rng):
        weights = [rng.normal(size=s) * 0.5 for s in self.shapes()]
        biases = [rng.normal(size=self.units) * 0.5 for _ in range(2 * GATES[self.mode] * self.layers * self.directions)]
        return weights, biases

    def params(self, weights, biases):
        return R.CudnnRNNCanonicalToParamsV2(
            **self.sizes,
            weights=[tf.cast(w, self.dtype) for w in weights],
            biases=[tf.cast(b, self.dtype) for b in biases],
            num_proj=self.proj,
            **self.attributes,
        )

    def lists(self, params):
        counts = {"num_params_weights": len(self.shapes()), "num_params_biases": 2 * GATES[self.mode] * self.layers * self.directions}
        return R.CudnnRNNParamsToCanonicalV2(**self.sizes, params=params, num_proj=self.proj, **counts, **self.attributes)

    def inputs_of(self, rng, steps=5, batch=3):
        x = rng.normal(size=(steps, batch, self.inputs))
        h = rng.normal(size=(self.layers * self.directions, batch, self.state))
        c = rng.normal(size=(self.layers * self.directions, batch, self.units))
        return x, h, c


def _cell(mode, inputs, recurrents, h, c):
    """One step from what each gate gets of the input and of the state."""
    if mode == "rnn_relu":
        return tf.nn.relu(inputs[0] + recurrents[0]), c
    if mode == "rnn_tanh":
        return tf.tanh(inputs[0] + recurrents[0]), c
    if mode == "gru":
        r, u = (tf.sigmoid(inputs[i] + recurrents[i]) for i in range(2))
        return (1 - u) * tf.tanh(inputs[2] + r * recurrents[2]) + u * h, c
    i, f, g, o = (a + b for a, b in zip(inputs, recurrents))
    c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
    return tf.sigmoid(o) * tf.tanh(c), c


def reference(network, x, h0, c0, weights, biases, lengths):
    """Outputs and last states, step by step, in float64."""
    gates, per_layer = GATES[network.mode], len(weights) // (network.layers * network.directions)
    last_h, last_c = [], []
    for layer in range(network.layers):
        sides = []
        for direction in range(network.directions):
            k = layer * network.directions + direction
            w, b = weights[k * per_layer :], biases[k * 2 * gates :]
            h, c, outputs = h0[k], c0[k], [None] * x.shape[0]
            for t in reversed(range(x.shape[0])) if direction else range(x.shape[0]):
                skips = layer == 0 and network.skips
                from_input = [(x[t] if skips else x[t] @ tf.transpose(w[g])) + b[g] for g in range(gates)]
                from_state = [h @ tf.transpose(w[gates + g]) + b[gates + g] for g in range(gates)]
                new_h, new_c = _cell(network.mode, from_input, from_state, h, c)
                if network.proj:
                    new_h = new_h @ tf.transpose(w[2 * gates])
                valid = tf.constant(lengths > t)[:, None]
                h, c, outputs[t] = tf.where(valid, new_h, h), tf.where(valid, new_c, c), tf.where(valid, new_h, 0)
            sides.append(tf.stack(outputs))
            last_h.append(h)
            last_c.append(c)
        x = tf.concat(sides, 2)
    return x, tf.stack(last_h), tf.stack(last_c)


def call(network, x, h, c, params, lengths=None, time_major=True, version=3, **attributes):
    arguments = {"input": x, "input_h": h, "input_c": c, "params": params} | network.attributes | attributes
    if version < 3:
        return (R.CudnnRNN if version == 1 else R.CudnnRNNV2)(**arguments)
    return R.CudnnRNNV3(**arguments, sequence_lengths=lengths, time_major=time_major, num_proj=network.proj)


def close(actual, expected, tolerance, what=""):
    actual, expected = np.asarray(actual).astype("float64"), np.asarray(expected).astype("float64")
    assert actual.shape == expected.shape, what
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max(initial=0)), err_msg=what)


def compare(network, rng, device, lengths, time_major=True, version=3, steps=5, jit=False):
    """The op and its gradients beside the reference's."""
    batch = len(lengths)
    arrays = [a.astype(network.dtype).astype("float64") for a in network.inputs_of(rng, steps, batch)]
    weights, biases = network.draw(rng)
    weights, biases = ([np.asarray(tf.cast(tf.cast(a, network.dtype), tf.float64)) for a in part] for part in (weights, biases))
    has_c = network.mode == "lstm"

    def loss(results):
        return tf.add_n([tf.reduce_sum(tf.square(tf.cast(r, tf.float64))) for r in (results if has_c else results[:2])])

    with tf.device("/CPU:0"):
        tensors = [tf.constant(a) for a in [*arrays, *weights, *biases]]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            expected = reference(network, *tensors[:3], tensors[3 : 3 + len(weights)], tensors[3 + len(weights) :], np.array(lengths))
            value = loss(expected)
        expected_gradients = tape.gradient(value, tensors, unconnected_gradients="zero")
    turn = (lambda a: a) if time_major else (lambda a: tf.transpose(a, [1, 0, 2]))
    with tf.device(device):
        x, h, c = (turn(tf.cast(a, network.dtype)) for a in arrays)
        params = network.params(weights, biases)

        def run(x, h, c, params):
            with tf.GradientTape() as tape:
                tape.watch([x, h, c, params])
                results = call(network, x, h, c, params, tf.constant(lengths), time_major, version)
                value = loss(results)
            return results, tape.gradient(value, [x, h, c, params], unconnected_gradients="zero")

        results, gradients = tf.function(run, jit_compile=True)(x, h, c, params) if jit else run(x, h, c, params)
        lists = network.lists(gradients[3])
    tolerance = TOLERANCE[network.dtype]
    for name, a, e in zip(["output", "output_h", "output_c"][: 2 + has_c], results, expected):
        close(turn(tf.cast(a, tf.float64)), e, tolerance, name)
    for name, a, e in zip(["input", "input_h", "input_c"][: 2 + has_c], gradients, expected_gradients):
        close(turn(tf.cast(a, tf.float64)), e, 4 * tolerance, "gradient of " + name)
    for i, (a, e) in enumerate(zip([*lists.weights, *lists.biases], expected_gradients[3:])):
        close(tf.cast(a, tf.float64), e, 8 * tolerance, f"gradient of weights {i}")
    assert "CPU" not in results[0].device


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("mode", GATES)
def test_networks_of_every_mode(mode, directions, rng, device, no_soft_placement):
    compare(Network(mode, directions=directions), rng, device, [5, 2, 4])


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize("mode", ["lstm", "gru"])
def test_other_types(mode, dtype, rng, device, no_soft_placement):
    compare(Network(mode, dtype=dtype), rng, device, [4, 4, 3])


@pytest.mark.parametrize("mode,lengths", [("lstm", [5, 5, 5]), ("lstm", [5, 0, 1]), ("gru", [5, 2, 4])])
def test_compiled_functions(mode, lengths, rng, device):
    compare(Network(mode), rng, device, lengths, jit=True)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("mode", ["lstm", "gru"])
def test_older_versions(mode, version, rng, device, no_soft_placement):
    compare(Network(mode, layers=1), rng, device, [5, 5, 5], version=version)


def test_batch_first(rng, device, no_soft_placement):
    compare(Network("lstm", directions=2), rng, device, [2, 5, 3], time_major=False)


@pytest.mark.parametrize("directions", [1, 2])
def test_projection(directions, rng, device, no_soft_placement):
    compare(Network("lstm", units=5, proj=2, directions=directions), rng, device, [5, 2, 4])


@pytest.mark.parametrize("input_mode,inputs", [("skip_input", 4), ("auto_select", 4), ("auto_select", 3)])
@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_tanh"])
def test_input_modes(mode, input_mode, inputs, rng, device, no_soft_placement):
    compare(Network(mode, inputs=inputs, input_mode=input_mode, layers=2 if mode == "gru" else 1), rng, device, [5, 2, 4])


@pytest.mark.parametrize("network", [Network("lstm", units=5, proj=2, directions=2), Network("gru", directions=2)], ids=str)
def test_what_is_beyond_the_lengths_does_not_matter(network, rng, device, no_soft_placement):
    lengths = np.array([5, 2, 4])
    with tf.device(device):
        params = network.params(*network.draw(rng))
        x, h, c = (tf.constant(a, tf.float32) for a in network.inputs_of(rng))
        results = []
        for filling in (0.0, np.nan):
            padded = tf.where((np.arange(5)[:, None] < lengths)[..., None], x, filling)
            with tf.GradientTape() as tape:
                tape.watch([padded, h, params])
                outputs = call(network, padded, h, c, params, tf.constant(lengths, tf.int32))[:2]
                loss = tf.add_n([tf.reduce_sum(tf.square(o)) for o in outputs])
            results.append([*outputs, *tape.gradient(loss, [padded, h, params])])
    assert np.all(results[0][0].numpy()[np.arange(5)[:, None] >= lengths] == 0)
    for zeros, nans in zip(*results, strict=True):
        np.testing.assert_array_equal(zeros, nans)


@pytest.mark.parametrize("steps,batch,units", [(1, 1, 1), (9, 1, 33), (2, 17, 3)])
def test_odd_sizes(steps, batch, units, rng, device, no_soft_placement):
    compare(Network("gru", layers=1, inputs=1, units=units), rng, device, [steps] * batch, steps=steps)


@pytest.mark.parametrize("mode", ["lstm", "gru"])
def test_no_steps_and_no_sequences(mode, rng, device, no_soft_placement):
    network = Network(mode)
    with tf.device(device):
        params = network.params(*network.draw(rng))
        for steps, batch in [(0, 2), (3, 0)]:
            x, h, c = (tf.constant(a, tf.float32) for a in network.inputs_of(rng, steps, batch))
            with tf.GradientTape() as tape:
                tape.watch([x, h, params])
                output, last, _, _, _ = call(network, x, h, c, params, tf.fill([batch], steps))
                loss = tf.reduce_sum(output) + tf.reduce_sum(last)
            assert output.shape == (steps, batch, 4)
            dx, dh, dp = tape.gradient(loss, [x, h, params])
            close(last, h, 0)
            close(dh, tf.ones_like(h), 0)
            close(dp, tf.zeros_like(params), 0)
            assert dx.shape == x.shape


# ---- Weights ----


@pytest.mark.parametrize(
    "network",
    [
        Network("lstm", directions=2),
        Network("gru"),
        Network("rnn_relu", layers=3),
        Network("lstm", units=5, proj=2),
        Network("gru", inputs=4, input_mode="skip_input"),
    ],
    ids=str,
)
def test_canonical_weights_and_back(network, rng, device, no_soft_placement):
    weights, biases = network.draw(rng)
    with tf.device(device):
        params = network.params(weights, biases)
        size = R.CudnnRNNParamsSize(**network.sizes, T=tf.float32, S=tf.int64, num_proj=network.proj, **network.attributes)
        lists = network.lists(params)
    assert size.numpy().tolist() == [sum(w.size for w in weights) + sum(b.size for b in biases)] == [params.shape[0]]
    for actual, expected in zip([*lists.weights, *lists.biases], [*weights, *biases], strict=True):
        np.testing.assert_array_equal(actual, expected.astype("float32"))


def test_place_of_every_weight(device):
    """Matrices of all layers before all biases. The update gate of a GRU comes first, as Keras writes it for a TensorFlow without CUDA."""
    network = Network("gru", layers=2, directions=2, inputs=3, units=2)
    numbers = iter(range(10**6))

    def take(shape):
        return np.array([next(numbers) for _ in range(int(np.prod(shape)))], "float32").reshape(shape)

    order = [0, 1, 2] if tf.sysconfig.get_build_info()["is_cuda_build"] else [1, 0, 2]
    matrices, biases = [], []
    for place, shapes in ((matrices, network.shapes()), (biases, [(2,)] * 24)):
        for begin in range(0, len(shapes), 3):
            laid = {gate: take(shapes[begin]) for gate in order}
            place += [laid[gate] for gate in range(3)]
    with tf.device(device):
        params = network.params(matrices, biases)
    np.testing.assert_array_equal(params, np.arange(params.shape[0]))


def test_older_conversions(rng, device, no_soft_placement):
    network = Network("lstm")
    weights, biases = network.draw(rng)
    with tf.device(device):
        params = R.CudnnRNNCanonicalToParams(**network.sizes, weights=[tf.cast(w, tf.float32) for w in weights],
                                             biases=[tf.cast(b, tf.float32) for b in biases], **network.attributes)  # fmt: skip
        lists = R.CudnnRNNParamsToCanonical(**network.sizes, params=params, num_params=16, **network.attributes)
        np.testing.assert_array_equal(params, network.params(weights, biases))
    np.testing.assert_array_equal(lists.weights[5], weights[5].astype("float32"))


def test_size_in_a_compiled_function(device):
    with tf.device(device):
        zeros = tf.function(lambda: tf.zeros(R.CudnnRNNParamsSize(num_layers=1, num_units=4, input_size=3, T=tf.float32, S=tf.int32)), jit_compile=True)()
    assert zeros.shape == (4 * 4 * (3 + 4) + 2 * 16,)


# ---- Dropout and inference ----


def _dropout_network():
    """Outputs of ones pass from the first layer to the second as dropout left them."""
    network = Network("rnn_relu", layers=2, inputs=16, units=16)
    eye, zero = np.eye(16), np.zeros((16, 16))
    return network, [eye, zero, eye, zero], [np.zeros(16)] * 4


def _dropped(network, params, device, dropout=0.25, seed=0, is_training=True):
    with tf.device(device):
        x = tf.ones([30, 8, 16])
        with tf.GradientTape() as tape:
            tape.watch(x)
            h = tf.zeros([2, 8, 16])
            output = call(network, x, h, 0.0, params, version=2, dropout=dropout, seed=seed, is_training=is_training)[0]
        return output.numpy(), tape.gradient(output, x).numpy() if is_training else None


def test_dropout(device, no_soft_placement):
    network, weights, biases = _dropout_network()
    with tf.device(device):
        params = network.params(weights, biases)
    output, gradient = _dropped(network, params, device)
    np.testing.assert_array_equal(np.unique(output), np.float32([0, 1 / 0.75]))
    assert abs(np.mean(output == 0) - 0.25) < 0.03
    np.testing.assert_array_equal(gradient, output)  # backwards the same were dropped
    for seed in (0, 5):
        once, again = (_dropped(network, params, device, seed=seed)[0] for _ in range(2))
        assert np.any(again != once)
    assert np.all(_dropped(network, params, device, dropout=1.0)[0] == 0)
    assert np.all(_dropped(network, params, device, is_training=False)[0] == 1)


def test_seeds_of_dropout(device):
    network, weights, biases = _dropout_network()
    with tf.device(device):
        params = network.params(weights, biases)
    made = {seed: [] for seed in (3, 4)}
    for seed in (3, 3, 4):
        with tf.device(device):
            function = tf.function(
                lambda p, seed=seed: call(network, tf.ones([9, 8, 16]), tf.zeros([2, 8, 16]), 0.0, p, version=2, dropout=0.5, seed=seed)[0], jit_compile=True
            )
            made[seed].append(function(params).numpy())
    np.testing.assert_array_equal(*made[3])
    assert np.any(made[3][0] != made[4][0])


@pytest.mark.parametrize("version", [1, 2, 3])
def test_inference(version, rng, device, no_soft_placement):
    network = Network("gru", directions=2)
    with tf.device(device):
        params = network.params(*network.draw(rng))
        x, h, _ = (tf.constant(a, tf.float32) for a in network.inputs_of(rng))
        trained, inferred = (call(network, x, h, 0.0, params, tf.fill([3], 5), version=version, is_training=training) for training in (True, False))
    np.testing.assert_array_equal(trained[0], inferred[0])
    np.testing.assert_array_equal(trained[1], inferred[1])
    assert inferred[2].shape == inferred[3].shape == ()
    assert trained[3].shape.rank == 1 and (version == 1 or trained[4].dtype == tf.int8)


# ---- Errors ----


@pytest.mark.parametrize(
    "change,message",
    [
        ({"input": tf.ones([3, 4])}, "must be a 3-D vector|must be rank 3"),
        ({"input_h": tf.ones([2, 4])}, "must be a 3-D vector|must be rank 3"),
        ({"input_h": tf.ones([1, 3, 4])}, r"must have the same shape w/o projection: \[1,3,4\] \[1,2,4\]"),
        ({"input_h": tf.ones([1, 3, 4]), "input_c": tf.ones([1, 3, 4])}, r"Invalid input_h shape: \[1,3,4\] \[1,2,4\]"),
        ({"params": tf.ones([7])}, r"Invalid params shape: \[7\] \[144\]"),
        ({"sequence_lengths": tf.constant([1, 2, 3])}, r"sequence_lengths must have the shape \[2\]"),
        ({"num_proj": 2}, "projection size: 2"),
        ({"input_mode": "skip_input"}, "skip_input needs an input_size equal to num_units, but they are 3 and 4"),
        ({"dropout": 1.5}, "dropout must be from 0 to 1"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_errors(change, message, device):
    arguments = {"input": tf.ones([5, 2, 3]), "input_h": tf.ones([1, 2, 4]), "input_c": tf.ones([1, 2, 4]), "params": tf.ones([144])}
    with tf.device(device), pytest.raises(tf.errors.InvalidArgumentError, match=message):
        R.CudnnRNNV3(**(arguments | {"sequence_lengths": tf.constant([5, 5])} | change))


def test_errors_of_the_gradient(device):
    with tf.device(device):
        x, h, params = tf.ones([5, 2, 3]), tf.ones([1, 2, 4]), tf.ones([144])
        output, last_h, last_c, reserve = R.CudnnRNN(input=x, input_h=h, input_c=h, params=params)

        def gradient(**change):
            arguments = {"input": x, "input_h": h, "input_c": h, "params": params, "output": output, "output_h": last_h, "output_c": last_c,
                         "output_backprop": output, "output_h_backprop": h, "output_c_backprop": h, "reserve_space": reserve}  # fmt: skip
            return R.CudnnRNNBackprop(**(arguments | change))

        assert gradient()[0].shape == x.shape
        for name in ("output", "output_c", "output_backprop", "output_h_backprop", "reserve_space"):
            with pytest.raises(tf.errors.InvalidArgumentError, match=f"Invalid {name} shape: "):
                gradient(**{name: tf.ones([3])})


def test_errors_of_sizes(device):
    with tf.device(device):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be positive, but are 0, 4 and 3"):
            R.CudnnRNNParamsSize(num_layers=0, num_units=4, input_size=3, T=tf.float32, S=tf.int32)
        with pytest.raises(tf.errors.InvalidArgumentError, match="S = int32 cannot hold"):
            R.CudnnRNNParamsSize(num_layers=1, num_units=100000, input_size=3, T=tf.float32, S=tf.int32)
        with pytest.raises(tf.errors.InvalidArgumentError, match="Number of params mismatch. Expected 8 weights and 8 biases, got 2 and 2"):
            R.CudnnRNNParamsToCanonical(num_layers=1, num_units=4, input_size=3, params=tf.ones([144]), num_params=2)
        with pytest.raises(tf.errors.UnimplementedError, match="num_proj is defined for rnn_mode lstm only"):
            R.CudnnRNNCanonicalToParamsV2(num_layers=1, num_units=4, input_size=3, weights=[tf.ones([4])], biases=[tf.ones([4])], rnn_mode="gru", num_proj=2)


# ---- Keras ----


def _with_weights(make, shape, weights=None, **arguments):
    """The layer and its weights, none of them zero."""
    layer = make(**arguments)
    layer.build(shape)
    rng = np.random.default_rng(5)
    layer.set_weights(weights or [w.numpy() + 0.3 * rng.normal(size=w.shape).astype("float32") for w in layer.weights])
    return layer, layer.get_weights()


def _both(make, x, device, calls=1, mask=None, jit=False):
    """Results and gradients of input and weights of the same layer: on the CPU with use_cudnn=False, and as it is on the device."""
    measured, weights = [], None
    for where, arguments in (("/CPU:0", {"use_cudnn": False}), (device, {})):
        with tf.device(where):
            layer, weights = _with_weights(make, x.shape, weights, **arguments)
            variables = [w.value for w in layer.trainable_weights]

            def run(x, layer=layer, variables=variables):
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    results = [r for _ in range(calls) for r in tf.nest.flatten(layer(x, mask=None if mask is None else tf.constant(mask)))]
                    loss = tf.add_n([tf.reduce_sum(tf.square(tf.cast(r, tf.float32))) for r in results])
                return results, tape.gradient(loss, [x, *variables])

            graph = tf.function(run).get_concrete_function(tf.constant(x)).graph
            inner = [op.type for f in [graph, *(graph._get_function(n).graph for n in graph._functions)] for op in f.get_operations()]
            assert ("CudnnRNNV3" in inner) == (where == device)
            if calls > 1:
                layer.reset_state()
            measured.append(tf.function(run, jit_compile=True)(tf.constant(x)) if jit and where == device else run(tf.constant(x)))
    (expected, expected_gradients), (actual, actual_gradients) = measured
    assert all("CPU" not in r.device for r in actual)
    return zip([*actual, *actual_gradients], [*expected, *expected_gradients], strict=True)


LAYERS = {"LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU}


def _layer(name, **fixed):
    return lambda **arguments: LAYERS[name](7, **(fixed | arguments))


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("arguments", [{}, {"return_sequences": True, "return_state": True}, {"go_backwards": True, "return_sequences": True}], ids=str)
def test_layers(name, arguments, jit, rng, device, no_soft_placement):
    x = rng.normal(size=(3, 6, 5)).astype("float32")
    for actual, expected in _both(_layer(name, **arguments), x, device, jit=jit):
        close(actual, expected, 5e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_masked_layers(name, rng, device):
    x = rng.normal(size=(4, 6, 5)).astype("float32")
    mask = np.arange(6) < np.array([6, 1, 4, 3])[:, None]
    for actual, expected in _both(_layer(name, return_state=True), x, device, mask=mask):
        close(actual, expected, 5e-5)
    # Beyond a sequence's end cuDNN's layers give zeros, the others what was there before.
    layer, _ = _with_weights(_layer(name, return_sequences=True), x.shape)
    with tf.device(device):
        assert np.all(layer(x, mask=tf.constant(mask)).numpy()[~mask] == 0)


@pytest.mark.parametrize("name", LAYERS)
def test_masked_and_backwards(name, rng, device):
    x = rng.normal(size=(3, 5, 4)).astype("float32")
    mask = np.arange(5) < np.array([5, 2, 3])[:, None]
    for actual, expected in _both(_layer(name, go_backwards=True, return_sequences=True, return_state=True), x, device, mask=mask):
        close(actual, expected, 5e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_stateful_layers(name, rng, device):
    x = rng.normal(size=(2, 3, 4)).astype("float32")
    for actual, expected in _both(_layer(name, stateful=True), x, device, calls=3):
        close(actual, expected, 5e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_mixed_float16(name, rng, device):
    x = rng.normal(size=(3, 6, 5)).astype("float16")
    for actual, expected in _both(_layer(name, dtype="mixed_float16", return_sequences=True), x, device, jit=True):
        close(actual, expected, 2e-2)


def _sentences(count):
    """Sentences of words padded on the right, whose first word tells their class."""
    rng = np.random.default_rng(11)
    words = rng.integers(1, 20, size=(count, 8))
    words[np.arange(8) >= rng.integers(2, 9, size=count)[:, None]] = 0
    return words, (words[:, 0] % 3).astype("int32")


def _classifier(name, **arguments):
    layer = LAYERS[name]
    return keras.Sequential(
        [
            keras.Input((8,), dtype="int32"),
            keras.layers.Embedding(20, 8, mask_zero=True),
            keras.layers.Bidirectional(layer(8, **arguments)),
            keras.layers.Dense(3),
        ]
    )


@pytest.mark.parametrize("name", LAYERS)
def test_training_equals_the_cpus(name, device):
    losses = []
    for where, arguments in (("/CPU:0", {"use_cudnn": False}), (device, {})):
        keras.utils.set_random_seed(3)
        with tf.device(where):
            model = _classifier(name, **arguments)
            model.compile(keras.optimizers.Adam(0.03), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            losses.append(model.fit(*_sentences(96), batch_size=16, epochs=6, verbose=0, shuffle=False).history["loss"])
            assert np.isfinite(model.predict(_sentences(8)[0], verbose=0)).all()
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-3)
    assert losses[1][-1] < 0.8 * losses[1][0]
