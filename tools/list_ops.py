#!/usr/bin/env python3
"""Writes docs/ops.md: TensorFlow's ops with their types on the device, beside those of TensorFlow-DirectML and of TensorFlow built with CUDA.

  .venv/bin/python tools/list_ops.py            writes the page
  .venv/bin/python tools/list_ops.py --check    says whether it names the ops that the plugin registers, and writes nothing
  .venv/bin/python tools/list_ops.py --missing  prints the ops of the two lists that the device lacks, and the types that ours lack
  .venv/bin/python tools/list_ops.py --matrix   prints which op has kernels of which type, and which of them a test ran

The plugin that is installed is asked, on whichever device it finds; an op counts as tested with a type when `pytest --record-ops docs/op_lists/tested.tsv` saw a
test run it. docs/op_lists/untested.tsv has the reasons of those that no test runs.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "docs" / "op_lists"
PAGE = ROOT / "docs" / "ops.md"
ORDER = "float half bfloat16 double float8_e4m3fn float8_e5m2 complex64 complex128 bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 int4 uint4".split()


@dataclasses.dataclass
class Op:
    """What the device has of an op: the types of each attribute, and whether any of its kernels keeps a tensor in device memory."""

    types: dict[str, set[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(set))
    any_type: bool = False
    on_device: bool = False


def type_name(number: int) -> str:
    import tensorflow as tf

    name = tf.dtypes.as_dtype(number).name
    return {"float32": "float", "float16": "half", "float64": "double"}.get(name, name)


def registered(device_type: str) -> dict[str, Op]:
    """What kernels TensorFlow knows for a device of this type, those for every device among them."""
    from tensorflow.python.framework import kernels, op_def_registry

    ops: dict[str, Op] = collections.defaultdict(Op)
    for kernel in kernels.get_all_registered_kernels().kernel:
        if kernel.device_type not in (device_type, "DEFAULT"):
            continue
        definition = op_def_registry.get(kernel.op)
        if definition is None:
            continue
        op = ops[kernel.op]
        arguments = {a.name for a in (*definition.input_arg, *definition.output_arg)}
        op.on_device |= bool(arguments - set(kernel.host_memory_arg)) or not arguments
        op.any_type |= not kernel.constraint
        for constraint in kernel.constraint:
            op.types[constraint.name] |= {type_name(t) for t in constraint.allowed_values.list.type}
    return ops


def read_list(name: str) -> dict[str, dict[str, set[str]]]:
    ops = {}
    for line in (LISTS / name).read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        op, _, constraints = line.partition("\t")
        ops[op] = {a: set(t.split(",")) for a, _, t in (c.partition("=") for c in constraints.split(";") if c)}
    return ops


def read_reasons(name: str) -> dict[str, str]:
    """Why an op, or some types of it, is not on the device or not tested: `op<TAB>reason`."""
    lines = (LISTS / name).read_text().splitlines()
    return dict(line.split("\t", 1) for line in lines if line and not line.startswith("#"))


def untested(op: Op, seen: dict[str, set[str]]) -> dict[str, set[str]]:
    """The types of the op's kernels that no test ran, quantized ones aside."""
    left = {a: (types & set(ORDER)) - seen.get(a, set()) for a, types in op.types.items()}
    return {a: types for a, types in left.items() if types}


def lacking(op: Op, theirs: dict[str, set[str]]) -> dict[str, set[str]]:
    """Types that the other build has for the op and ours has not."""
    if op.any_type:
        return {}
    return {a: missing for a, types in theirs.items() if a in op.types and (missing := types - op.types[a])}


def in_order(types: set[str]) -> str:
    return " ".join(sorted(types, key=lambda t: (ORDER.index(t) if t in ORDER else len(ORDER), t)))


def describe_types(op: Op) -> str:
    if not op.types:
        return "any"
    return "; ".join(f"{a}: {in_order(t)}" for a, t in sorted(op.types.items()))


def describe_tests(name: str, op: Op, tested, not_tested) -> str:
    if name not in tested:
        return "no: " + not_tested.get(name, "not yet")
    left = untested(op, tested[name])
    return "all but " + "; ".join(f"{a}: {in_order(t)}" for a, t in sorted(left.items())) if left else "all"


def primary_attribute(op: Op) -> str:
    """The attribute that has the type of the numbers."""
    return next((a for a in ("T", "dtype", "Tparams", "SrcT", "element_dtype") if a in op.types), min(op.types, default=""))


def matrix(ours: dict[str, Op], tested) -> str:
    """An op a row, a type a column: t for kernels that a test ran, + for others."""
    width = max(map(len, ours))
    lines, pairs, ran = [f"{'':{width}} {' '.join(ORDER)}"], 0, 0
    for name in sorted(ours):
        op = ours[name]
        attribute = primary_attribute(op)
        have, seen = op.types.get(attribute, set()) & set(ORDER), tested.get(name, {}).get(attribute, set())
        lines.append(f"{name:{width}} " + " ".join(f"{('t' if t in seen else '+') if t in have else '.':{len(t)}}" for t in ORDER).rstrip())
        pairs, ran = pairs + len(have), ran + len(have & seen)
    lines.append(f"{len(ours)} ops, {sum(op in tested for op in ours)} of them tested; {pairs} pairs of an op and a type, {ran} of them tested")
    return "\n".join(lines)


def page(ours: dict[str, Op], directml, cuda, reasons, tested, not_tested) -> str:
    def counted(theirs):
        return sum(op in ours for op in theirs), len(theirs)

    directml_have, directml_all = counted(directml)
    cuda_have, cuda_all = counted(cuda)
    lines = [
        "# Ops",
        "",
        "Written by `tools/list_ops.py` from the kernels that the installed plugin registers. A model's ops that are not here run on the CPU (soft placement).",
        "",
        "| list | with kernels | of |",
        "|---|---|---|",
        f"| TensorFlow-DirectML | {directml_have} | {directml_all} |",
        f"| TensorFlow 2.21 with CUDA | {cuda_have} | {cuda_all} |",
        f"| this plugin, all | {len(ours)} | |",
        f"| of these tested | {sum(op in tested for op in ours)} | |",
        "",
        "## Left out",
        "",
        "| op | in the list of | reason |",
        "|---|---|---|",
    ]
    for op in sorted(set(directml) | set(cuda)):
        if op not in ours:
            of = " and ".join(name for name, theirs in (("DirectML", directml), ("CUDA", cuda)) if op in theirs)
            lines.append(f"| {op} | {of} | {reasons.get(op, 'not written yet')} |")
    lines += [
        "",
        "## Types left out",
        "",
        "Types that one of the two lists has for an op and this plugin has not.",
        "",
        "| op | types | reason |",
        "|---|---|---|",
    ]
    for op in sorted(ours):
        missing = collections.defaultdict(set)
        for theirs in (directml, cuda):
            for attribute, types in lacking(ours[op], theirs.get(op, {})).items():
                missing[attribute] |= types
        if missing:
            types = "; ".join(f"{a}: {in_order(t)}" for a, t in sorted(missing.items()))
            lines.append(f"| {op} | {types} | {reasons.get(op, 'not written yet')} |")
    lines += [
        "",
        "## With kernels",
        "",
        "*Memory*: `device`, or `host` for the kernels whose tensors are all in host memory, as shapes, strings and resources are with CUDA.",
        "",
        "*Tested*: with all types that a test can have on the device, with all but some, or not at all, and why. Quantized types are not counted.",
        "",
        "| op | memory | types | tested | lists |",
        "|---|---|---|---|---|",
    ]
    for op in sorted(ours):
        of = " ".join(name for name, theirs in (("DirectML", directml), ("CUDA", cuda)) if op in theirs)
        memory = "device" if ours[op].on_device else "host"
        lines.append(f"| {op} | {memory} | {describe_types(ours[op])} | {describe_tests(op, ours[op], tested, not_tested)} | {of} |")
    return "\n".join(lines) + "\n"


def names(text: str) -> set[str]:
    """The ops of the page's last table."""
    rows = text.split("## With kernels")[-1].splitlines()
    return {row.split("|")[1].strip() for row in rows if row.startswith("| ")} - {"op"}


def print_missing(ours, directml, cuda):
    for name, theirs in (("directml", directml), ("cuda", cuda)):
        absent = sorted(op for op in theirs if op not in ours)
        print(f"{name}: {len(theirs) - len(absent)} of {len(theirs)}; missing: {' '.join(absent)}")
        for op in sorted(theirs):
            if op in ours and (types := lacking(ours[op], theirs[op])):
                print(f"  {op}: " + "; ".join(f"{a}: {in_order(t)}" for a, t in sorted(types.items())))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--matrix", action="store_true")
    arguments = parser.parse_args()
    import tensorflow as tf

    devices = [d.device_type for d in tf.config.list_physical_devices() if d.device_type != "CPU"]
    if not devices:
        sys.exit("list_ops: no device; `tfvk doctor` tells why.")
    ours, directml, cuda = registered(devices[0]), read_list("directml.tsv"), read_list("cuda.tsv")
    if arguments.missing:
        return print_missing(ours, directml, cuda)
    tested = read_list("tested.tsv")
    if arguments.matrix:
        return print(matrix(ours, tested))
    text = page(ours, directml, cuda, read_reasons("left_out.tsv"), tested, read_reasons("untested.tsv"))
    if arguments.check:
        # Types differ from device to device; the ops do not.
        told, true = names(PAGE.read_text()), names(text)
        if told != true:
            sys.exit(f"list_ops: docs/ops.md and the plugin differ in {' '.join(sorted(told ^ true))}; run tools/list_ops.py.")
        return None
    PAGE.write_text(text)
    print(f"wrote {PAGE.relative_to(ROOT)}: {len(ours)} ops")
    return None


if __name__ == "__main__":
    main()
