"""What Keras exports: the classes and functions of its public namespaces, each once, with the names that they have."""

import inspect

import keras

NAMESPACES = {
    "layers": keras.layers,
    "losses": keras.losses,
    "metrics": keras.metrics,
    "optimizers": keras.optimizers,
    "schedules": keras.optimizers.schedules,
    "activations": keras.activations,
    "regularizers": keras.regularizers,
    "constraints": keras.constraints,
    "initializers": keras.initializers,
    "ops": keras.ops,
    "random": keras.random,
}
# Functions that convert between objects and configurations, and compute nothing.
CONVERSIONS = {"get", "serialize", "deserialize"}


def public(module, prefix=""):
    """The callables of a namespace and of the namespaces in it: {dotted name: object}."""
    found = {}
    for name in sorted(vars(module)):
        member = getattr(module, name)
        if name.startswith("_") or name in CONVERSIONS:
            continue
        if inspect.ismodule(member) and member.__name__.startswith(module.__name__ + "."):
            found |= public(member, f"{prefix}{name}.")
        elif callable(member):
            found[prefix + name] = member
    return found


def entries(namespace):
    """The names of each object of a namespace, the shortest first: [(name, alias, ...)]."""
    names = {}
    for name, member in public(NAMESPACES[namespace]).items():
        names.setdefault(id(member), []).append(name)
    return [tuple(sorted(group, key=lambda name: (name.count("."), name))) for group in names.values()]


def entries_without_case(namespace, *tables):
    """The entries of which no name stands in one of the tables."""
    known = {name.removeprefix(namespace + ".") for table in tables for name in table}
    return [group for group in entries(namespace) if not known.intersection(group)]
