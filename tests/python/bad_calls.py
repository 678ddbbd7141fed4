"""Bad calls for test_bad_calls.py: calls that the op table makes, each with one input or attribute changed into what the op may not like.

Run as a program, it makes them on the CPU and writes what came of each to a file: TensorFlow's own kernels end the process at some.
"""

import dataclasses
import json
import re
import sys

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context, execute
from tensorflow.python.framework import op_callbacks, op_def_registry


@dataclasses.dataclass(frozen=True)
class Call:
    op: str
    inputs: tuple  # of arrays, in the order in which TensorFlow flattens them
    attributes: tuple  # names and values in turn
    outputs: int

    def run(self, where):
        """The results on the device `where`, computed to the end."""
        with tf.device(where):
            tensors = [tf.constant(a) for a in self.inputs]
            results = execute.quick_execute(self.op, self.outputs, tensors, self.attributes, context.context())
            return [r.numpy() for r in results or ()]


def _is_simple(op, inputs, outputs):
    """Numbers in, numbers out, the same at every call."""
    plain = all(t.dtype.is_floating or t.dtype.is_complex or t.dtype.is_integer or t.dtype.is_bool for t in (*inputs, *outputs))
    definition = op_def_registry.get(op)
    return plain and outputs and not definition.is_stateful and not any(a.type == "func" for a in definition.attr)


class _Collector:
    """The first calls of every op that run while it is in use."""

    def __init__(self, calls_per_op):
        self.calls, self.calls_per_op = {}, calls_per_op

    def __call__(self, op_type, inputs, attrs, outputs, op_name=None, graph=None):
        op_type = op_type.decode() if isinstance(op_type, bytes) else op_type
        if graph is not None or op_def_registry.get(op_type) is None or not _is_simple(op_type, inputs, outputs):
            return
        if any("float8" in t.dtype.name for t in inputs):  # TensorFlow makes no such constants but on the CPU
            return
        calls = self.calls.setdefault(op_type, [])
        if len(calls) < self.calls_per_op and sum(t.shape.num_elements() for t in inputs) < 5000:
            arrays = tuple(t.numpy() for t in inputs)
            form = [(a.dtype, a.ndim) for a in arrays], [v for v in attrs if not isinstance(v, str)]
            if all(form != ([(a.dtype, a.ndim) for a in c.inputs], [v for v in c.attributes if not isinstance(v, str)]) for c in calls):
                calls.append(Call(op_type, arrays, tuple(attrs), len(outputs)))


def collect(cases, inputs_of, run, calls_per_op=2):
    """Calls of each op that the cases make on the CPU, in their first type."""
    collector = _Collector(calls_per_op)
    op_callbacks.add_op_callback(collector)
    try:
        for case in cases:
            # Sparse matrices are variants, which no call here can change; TensorFlow's CPU divides by zero at the product of an empty one without oneDNN.
            if not case.compiled_reference and not case.name.startswith("CSR"):
                dtype = case.dtypes[0]
                run(case.function, *inputs_of(case, dtype), "/CPU:0", case.gradient and not tf.as_dtype(dtype).is_integer)
    finally:
        op_callbacks.remove_op_callback(collector)
    return collector.calls


def _changed_shapes(a):
    yield "a dimension more", a[None]
    if a.ndim:
        yield "a dimension less", a[0] if a.shape[0] else np.zeros(a.shape[1:], a.dtype)
        if a.ndim > 1:
            yield "a scalar", a.reshape(-1)[0] if a.size else np.zeros([], a.dtype)
        yield "no rows", a[:0]
        yield "a row more", np.concatenate([a, a[:1]]) if a.shape[0] else np.zeros([1, *a.shape[1:]], a.dtype)
        yield "a column less", a[..., :-1]
    else:
        yield "two rows", np.stack([a, a])


def _changed_numbers(a):
    if np.issubdtype(a.dtype, np.integer) and a.size:
        yield "too large numbers", a + a.dtype.type(9)
        yield "zeros", np.zeros_like(a)
        if np.issubdtype(a.dtype, np.signedinteger):
            yield "negative numbers", -1 - a


def _changed_attribute(value):
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield "-1", -1
        yield "99", 99
    elif isinstance(value, (list, tuple)) and value and all(isinstance(v, int) and not isinstance(v, bool) for v in value):
        yield "zeros", [0] * len(value)
        yield "negative", [-1] * len(value)
        yield "larger", [v + 9 for v in value]
        yield "longer", [*value, 1]
        yield "shorter", list(value)[:-1]


def bad_calls(call):
    """Pairs of what is changed and the changed call."""
    for i, a in enumerate(call.inputs):
        for what, changed in (*_changed_shapes(a), *_changed_numbers(a)):
            yield f"input {i}: {what}", dataclasses.replace(call, inputs=(*call.inputs[:i], np.asarray(changed), *call.inputs[i + 1 :]))
    definition = op_def_registry.get(call.op)
    kinds = {a.name: a.type for a in definition.attr}
    counts = {arg.number_attr for arg in (*definition.input_arg, *definition.output_arg)}
    for k in range(0, len(call.attributes), 2):
        name, value = call.attributes[k : k + 2]
        if kinds.get(name) in ("int", "list(int)") and name not in counts:
            for what, changed in _changed_attribute(value):
                yield f"{name} {what}", dataclasses.replace(call, attributes=(*call.attributes[: k + 1], changed, *call.attributes[k + 2 :]))


def outcome(call, where):
    """What came of a call: the class and the words of its error, without the names of nodes and places; None for results."""
    try:
        call.run(where)
    except tf.errors.OpError as error:
        words = re.sub(r"\{\{.*?\}\} ?", "", error.message.split(" [Op:")[0].split("\n")[0])
        return [type(error).__name__, words.strip()]
    except Exception as error:  # noqa: BLE001 an error that is not TensorFlow's is an outcome too, and a wrong one
        return [type(error).__name__, str(error)]
    return None


def main():
    from bad_call_reasons import ENDS_THE_PROCESS
    from test_ops import ALL_CASES, _inputs, _run

    with open(sys.argv[1], "w") as file:
        for op, calls in collect(ALL_CASES, _inputs, _run).items():
            for i, call in enumerate(calls):
                for what, bad in bad_calls(call):
                    file.write(json.dumps([op, i, what]) + "\n")  # the last line of a process that ends here names the call
                    file.flush()
                    if not any(re.fullmatch(pattern, f"{op}: {what}") for pattern in ENDS_THE_PROCESS):
                        file.write(json.dumps([op, i, what, outcome(bad, "/CPU:0")]) + "\n")


if __name__ == "__main__":
    main()
