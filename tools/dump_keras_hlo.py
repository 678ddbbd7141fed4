#!/usr/bin/env python3
"""Writes the HLO of whole Keras training and inference steps, as tf2xla makes it, one file a step: the real modules of tests/hlo/modules.

usage: dump_keras_hlo.py [--only name,...] [--policy float32|mixed_float16|mixed_bfloat16] DIRECTORY
Needs the stock tensorflow-cpu wheel only. Source locations and the names of ops are left out; TensorFlow's op types stay.
"""

import argparse
import os
import re

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["TFVK_VISIBLE_DEVICES"] = "-1"  # the HLO comes from XLA for the CPU, and must not meet a device

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

rng = np.random.default_rng(0)


def images(batch, size, channels, classes):
    return rng.standard_normal((batch, size, size, channels), np.float32), rng.integers(0, classes, batch).astype("int32")


def sequence(*layers):
    return keras.Sequential(list(layers))


def mlp():
    x = rng.standard_normal((8, 12), np.float32), rng.integers(0, 5, 8).astype("int32")
    return sequence(keras.Input((12,)), L.Dense(16, "relu"), L.Dropout(0.3), L.Dense(16, "tanh"), L.Dense(5)), x, keras.optimizers.Adam(1e-3)


def mlp_sgd():
    x = rng.standard_normal((8, 12), np.float32), rng.integers(0, 5, 8).astype("int32")
    return sequence(keras.Input((12,)), L.Dense(16, "gelu"), L.Dense(5)), x, keras.optimizers.SGD(1e-2, momentum=0.9, nesterov=True, clipnorm=1.0)


def cnn():
    model = sequence(
        keras.Input((12, 12, 3)),
        L.Conv2D(8, 3, activation="relu"),
        L.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
        L.MaxPooling2D(),
        L.BatchNormalization(),
        L.AveragePooling2D(2, padding="same"),
        L.Flatten(),
        L.Dropout(0.3),
        L.Dense(10),
    )
    return model, images(4, 12, 3, 10), keras.optimizers.Adam(1e-3)


def residual():
    inp = keras.Input((12, 12, 3))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 7, strides=2, padding="same", use_bias=False)(inp)))
    x = L.MaxPooling2D(3, strides=2, padding="same")(x)
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 1)(x)))
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(4, 3, padding="same")(y)))
    y = L.BatchNormalization()(L.Conv2D(16, 1)(y))
    x = L.ReLU()(L.Add()([y, L.BatchNormalization()(L.Conv2D(16, 1)(x))]))
    return keras.Model(inp, L.Dense(10)(L.GlobalAveragePooling2D()(x))), images(2, 12, 3, 10), keras.optimizers.Adam(1e-3)


def inverted_residual():
    inp = keras.Input((10, 10, 4))
    x = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(12, 1, use_bias=False)(inp)))
    x = L.ReLU(6.0)(L.BatchNormalization()(L.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)))
    x = L.BatchNormalization()(L.Conv2D(4, 1, use_bias=False)(x))
    x = L.SeparableConv2D(6, 3, padding="same", activation="swish")(x)
    x = L.Conv2D(8, 3, groups=2, padding="same")(L.ZeroPadding2D(1)(x))
    return keras.Model(inp, L.Dense(5)(L.GlobalMaxPooling2D()(x))), images(3, 10, 4, 5), keras.optimizers.AdamW(1e-3)


def transformer():
    inp = keras.Input((6,), dtype="int32")
    x = L.Embedding(20, 8)(inp)
    y = L.LayerNormalization()(x)
    x = x + L.MultiHeadAttention(2, 4, dropout=0.1)(y, y, use_causal_mask=True)
    y = L.LayerNormalization()(x)
    x = x + L.Dense(8)(L.Dense(16, "gelu")(y))
    data = rng.integers(0, 20, (2, 6)).astype("int32"), rng.integers(0, 20, (2, 6)).astype("int32")
    return keras.Model(inp, L.Dense(20)(L.LayerNormalization()(x))), data, keras.optimizers.Adam(1e-3)


def lstm():
    model = sequence(keras.Input((5, 4)), L.LSTM(6, return_sequences=True, use_cudnn=False), L.GRU(6, use_cudnn=False), L.Dense(3))
    return model, (rng.standard_normal((2, 5, 4), np.float32), rng.integers(0, 3, 2).astype("int32")), keras.optimizers.RMSprop(1e-3)


def conv1d3d():
    inp = keras.Input((6, 8, 8, 2))
    x = L.MaxPooling3D()(L.Conv3D(4, 3, padding="same", activation="elu")(inp))
    x = L.Reshape((12, 16))(x)
    x = L.Conv1D(6, 3, dilation_rate=2, padding="causal", activation="softplus")(x)
    x = L.Conv1DTranspose(5, 4, strides=2)(x)
    data = rng.standard_normal((2, 6, 8, 8, 2), np.float32), rng.integers(0, 5, 2).astype("int32")
    return keras.Model(inp, L.GlobalAveragePooling1D()(x)), data, keras.optimizers.Adagrad(1e-2)


def upsampling():
    inp = keras.Input((6, 6, 3))
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="leaky_relu")(inp)
    x = L.GroupNormalization(2)(L.UpSampling2D(2)(x))
    x = L.Conv2D(3, 3, padding="same")(L.Cropping2D(2)(x))
    return keras.Model(inp, L.Dense(4)(L.GlobalAveragePooling2D()(L.UnitNormalization()(x)))), images(2, 6, 3, 4), keras.optimizers.Lion(1e-4)


MODELS = [mlp, mlp_sgd, cnn, residual, inverted_residual, transformer, lstm, conv1d3d, upsampling]


def train_step(model):
    return tf.function(lambda x, y: model.train_step((x, y)), jit_compile=True)


def predict_step(model):
    return tf.function(lambda x: model(x, training=False), jit_compile=True)


def clean(hlo):
    """Without the places in the source that the instructions came from, their names in the graph, and what the parser infers; with short names."""
    hlo = re.sub(r" (source_file|source_line|source_end_line|source_column|source_end_column|stack_frame_id|deduplicated_name)=(\"[^\"]*\"|\d+)", "", hlo)
    hlo = re.sub(r"^(FileNames|FunctionNames|FileLocations|StackFrames)\n(\d+ .*\n)*\n?", "", hlo, flags=re.M)
    hlo = re.sub(r",? ?op_name=\"[^\"]*\"", "", hlo)
    hlo = hlo.replace(", metadata={}", "").replace("metadata={ ", "metadata={")
    hlo = re.sub(r"^((ENTRY )?%\S+) \(.*\) -> .* \{$", r"\1 {", hlo, flags=re.M)
    hlo = re.sub(r"(get-tuple-element|conditional|while)\(\([^%]*\) %", r"\1(%", hlo)
    names = {}
    hlo = re.sub(r"%[\w.\-]+", lambda name: names.setdefault(name[0], f"%i{len(names)}"), hlo)
    hlo = re.sub(r"\b([a-z]+\d*\[[\d,]*\])\{[\d,]*\}", r"\1", hlo)
    return re.sub(r"\b[a-z]+\d*\[[\d,]*\] %", "%", hlo).replace("%", "")


def directive(value, path):
    """The inputs that suit a tensor, in the words of tfvk-hlo; None: its default."""
    if "seed" in path:
        return "bits"
    if "learning_rate" in path:
        return "range 0.001 0.01"
    if "scale" in path.split("/")[-1]:
        return "range 1 16" if "loss_scale" in path or "dynamic" in path else None
    if any(word in path for word in ("velocity", "variance", "accumulator", "iteration", "count", "total", "step")):
        return "positive"
    if not path and value.dtype.is_integer:
        return f"range 0 {int(tf.reduce_max(value))}"
    return None


def directives(function, args, hlo):
    """A comment line for each parameter of the module that random numbers do not suit."""
    layout = re.search(r"entry_computation_layout=\{\((.*?)\)->", hlo.splitlines()[0]).group(1)
    ranks = [len([d for d in dims.split(",") if d]) for dims in re.findall(r"[a-z]+\d*\[([\d,]*)\]", layout)]
    by_handle = {id(v.handle): v for v in function.get_concrete_function(*args).variables}
    captured = [by_handle[id(h)] for h in function.get_concrete_function(*args).captured_inputs if id(h) in by_handle]
    values = [(a, "") for a in args] + [(v, v.name) for v in captured]
    if [len(v.shape) for v, _ in values] != ranks:
        return ["// input *: positive"]  # some variables are not parameters
    found = [directive(v, getattr(v, "path", path)) for v, path in values]
    return [f"// input {i}: {kind}" for i, kind in enumerate(found) if kind]


def write(directory, name, function, *args):
    text = clean(function.experimental_get_compiler_ir(*args)(stage="hlo"))
    text = "\n".join([*directives(function, args, text), text])
    path = os.path.join(directory, name + ".hlo")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    print(f"{path}: {len(text)} bytes, {text.count(' = ')} instructions")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--only", help="names of models, comma separated")
    parser.add_argument("--policy", default="float32")
    args = parser.parse_args()
    os.makedirs(args.directory, exist_ok=True)
    keras.mixed_precision.set_global_policy(args.policy)
    suffix = "" if args.policy == "float32" else "_" + args.policy.split("_")[1]
    for build in MODELS:
        if args.only and build.__name__ not in args.only.split(","):
            continue
        keras.utils.set_random_seed(0)
        model, (x, y), optimizer = build()
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        model.fit(x, y, verbose=0)  # makes the optimizer's and the metrics' variables
        x, y = tf.constant(x), tf.constant(y)
        write(args.directory, f"keras_{build.__name__}_train{suffix}", train_step(model), x, y)
        write(args.directory, f"keras_{build.__name__}_predict{suffix}", predict_step(model), x)


if __name__ == "__main__":
    main()
