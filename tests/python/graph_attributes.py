"""Attributes of the nodes that tests write into graphs by hand."""

import numpy as np
import tensorflow as tf


def set_attributes(node, attributes):
    """A NumPy number or array is a tensor, a list or tuple a list of integers; Python's values and TensorFlow's types and shapes are what they are."""
    for name, value in attributes.items():
        attribute = node.attr[name]
        if isinstance(value, (np.generic, np.ndarray)):
            attribute.tensor.CopyFrom(tf.make_tensor_proto(value))
        elif isinstance(value, tf.DType):
            attribute.type = value.as_datatype_enum
        elif isinstance(value, tf.TensorShape):
            attribute.shape.CopyFrom(value.as_proto())
        elif isinstance(value, bool):
            attribute.b = value
        elif isinstance(value, int):
            attribute.i = value
        elif isinstance(value, float):
            attribute.f = value
        elif isinstance(value, str):
            attribute.s = value.encode()
        else:
            getattr(attribute.list, "s" if isinstance(value[0], bytes) else "i").extend(value)
