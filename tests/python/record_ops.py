"""Which ops, and with which types, the tests give the device: `pytest --record-ops FILE` keeps them, and the op table's closing line counts them."""

import collections
import fcntl
import functools
from pathlib import Path

import tensorflow as tf
from tensorflow.python.client import session
from tensorflow.python.eager import context
from tensorflow.python.framework import op_callbacks, op_def_registry


@functools.cache
def _type_attributes(op_type):
    definition = op_def_registry.get(op_type)
    return () if definition is None else tuple(a.name for a in definition.attr if a.type in ("type", "list(type)"))


def _type_name(value):
    name = tf.as_dtype(value).base_dtype.name
    return {"float32": "float", "float16": "half", "float64": "double"}.get(name, name)


def _names(value):
    return {_type_name(v) for v in value} if isinstance(value, (list, tuple)) else {_type_name(value)}


def _ran_on_cpu(inputs, outputs):
    where = [o.device for o in outputs if hasattr(o, "device")]
    if not where:  # an op without outputs runs where its resource is, or where it was told to
        where = [i.device for i in inputs if hasattr(i, "device") and i.dtype == tf.resource] or [context.context().device_name or ""]
    return all("CPU" in name for name in where)


def _operation(graph, op_name, outputs):
    """The operation of a graph that a callback tells of; None where TensorFlow names another graph than that of an op without outputs."""
    if outputs:
        return outputs[0].op
    return next((o for o in graph.get_operations() if o.name == op_name), None)


def _is_for_cpu(operation):
    return "CPU" in (operation.device or context.context().device_name or "")


class Recorder:
    """Collects the types of the ops that run on the device, alone or in the functions that are traced for it, in the thread that starts it."""

    def __init__(self):
        self.seen = collections.defaultdict(lambda: collections.defaultdict(set))  # op -> attribute -> names of types
        self.running = False

    def start(self):
        if not self.running:
            op_callbacks.add_op_callback(self._see)
            self.run_of_sessions = session.BaseSession.run
            session.BaseSession.run = lambda running, *arguments, **named: self._run_session(running, *arguments, **named)
            self.running = True

    def stop(self):
        if self.running:
            op_callbacks.remove_op_callback(self._see)
            session.BaseSession.run = self.run_of_sessions
            self.running = False

    def pairs(self):
        """How many ops were seen with each type, whatever attribute has it."""
        types = collections.Counter()
        for attributes in self.seen.values():
            types.update(set().union(*attributes.values()))
        return types

    def _run_session(self, running, *arguments, **named):
        """A session's graph may be imported: no callback sees its ops."""
        results = self.run_of_sessions(running, *arguments, **named)
        for operation in running.graph.get_operations():
            if "CPU" not in operation.device:
                self._note_operation(operation)
        return results

    def _note_operation(self, operation):
        types = self.seen[operation.type]
        for attribute in _type_attributes(operation.type):
            types[attribute] |= _names(operation.get_attr(attribute))

    def _see(self, op_type, inputs, attrs, outputs, op_name=None, graph=None):
        op_type = op_type.decode() if isinstance(op_type, bytes) else op_type
        if graph is not None:
            operation = _operation(graph, op_name, outputs)
            if operation is not None and not _is_for_cpu(operation):
                self._note_operation(operation)
            return
        if _ran_on_cpu(inputs, outputs):
            return
        types, told = self.seen[op_type], dict(zip(attrs[::2], attrs[1::2]))
        for attribute in _type_attributes(op_type):
            if attribute in told:
                types[attribute] |= _names(told[attribute])


def read(path):
    """Of a file whose lines are `op<TAB>attribute=type,type;attribute=type`."""
    ops = collections.defaultdict(lambda: collections.defaultdict(set))
    for line in Path(path).read_text().splitlines() if Path(path).exists() else ():
        if line and not line.startswith("#"):
            op, _, attributes = line.partition("\t")
            for name, _, types in (a.partition("=") for a in attributes.split(";") if a):
                ops[op][name] |= set(types.split(","))
            ops[op]  # an op without types is seen too
    return ops


def add_to_file(path, seen, registered):
    """Adds what was seen of the registered ops to the file; test processes that run side by side may all do so."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ops = read(path)
        for op, attributes in seen.items():
            for name, types in attributes.items():
                ops[op][name] |= types
            ops[op]
        told = {op: ";".join(f"{a}={','.join(sorted(t))}" for a, t in sorted(ops[op].items()) if t) for op in sorted(ops) if op in registered}
        lines = [f"{op}\t{types}" if types else op for op, types in told.items()]
        file.truncate(0)
        file.write("# The ops that a test ran on the device, and their types: written by pytest --record-ops.\n" + "\n".join(lines) + "\n")
