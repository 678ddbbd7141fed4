#!/usr/bin/env python3
"""Runs `tfvk-hlo` on every different module that TFVK_DUMP wrote: does the device agree with XLA's evaluator on what training really compiles?

usage: check_step_modules.py [--tfvk-hlo PROGRAM] [--jobs N] [--limit SECONDS] [--rounding N] FOLDER...
The folders are those of TFVK_DUMP=FOLDER. Inputs are random; where training has only numbers of one kind, so have the inputs: counters and labels are not
negative, nor are single numbers (rates, the scale of the loss) and what an optimizer or a normalisation takes the root of. Prints a line a module and exits
with 1 if one disagrees or does not end in time.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) (?:\(.*\) -> .* )?\{$")
TYPE = r"(?:\w+\[[\d,]*\]\S*|\((?:[^()]|\([^()]*\))*\))"
INSTRUCTION = re.compile(rf"^\s*(?:ROOT )?%?([\w.\-]+) = ({TYPE}) ([\w\-]+)\(((?:[^()]|\([^()]*\))*)\)(.*)")
CALLED = re.compile(r"(?:true_computation|false_computation|to_apply|body|branch_computations)=(\{[^}]*\}|[^,\s]+)")
PASSED_ON = {"add", "convert", "reshape", "broadcast", "bitcast", "copy", "maximum"}  # each of whose operands is positive where the result has to be


class Instruction:
    """One line of a module's text."""

    def __init__(self, type_, opcode, operands, attributes):
        self.opcode, self.operands, self.attributes = opcode, operands, attributes
        self.dtype, _, self.dims = type_.partition("[")
        self.dims = self.dims.partition("]")[0]

    def number(self):
        return int(self.operands)


def names(operands):
    return re.findall(r"%?([A-Za-z_][\w.\-]*)(?:,|$)", operands.replace(" ", ""))


def computations(text):
    """(computation -> name -> instruction, the entry's name)"""
    found, entry, current = {}, None, None
    for line in text.splitlines():
        if head := COMPUTATION.match(line):
            current = found[head[2]] = {}
            entry = head[2] if head[1] else entry
        elif current is not None and (m := INSTRUCTION.match(line)):
            current[m[1]] = Instruction(*m.groups()[1:])
    return found, entry


def callers(found):
    """called computation -> [(the caller's computation, what it hands over as each parameter)]"""
    result = {}
    for name, instructions in found.items():
        for instruction in instructions.values():
            if instruction.opcode not in ("conditional", "call", "while"):
                continue
            called = [c.strip("%") for m in CALLED.finditer(instruction.attributes) for c in re.split(r"[{},\s]+", m[1]) if c]
            operands = names(instruction.operands)
            for i, computation in enumerate(called):
                handed = [operands[1 + i]] if instruction.opcode == "conditional" else operands
                result.setdefault(computation, []).append((name, handed))
    return result


def under_roots(text):
    """Numbers of the parameters that a root is taken of, themselves or as a term of a sum, in the entry or in what it calls."""
    found, entry = computations(text)
    called = callers(found)
    # (computation, value, which element of a tuple)
    todo = [(c, n, None) for c, body in found.items() for i in body.values() if i.opcode in ("sqrt", "rsqrt") for n in names(i.operands)]
    seen, numbers = set(), set()
    while todo:
        at = todo.pop()
        computation, name, element = at
        if at in seen or name not in found[computation]:
            continue
        seen.add(at)
        instruction = found[computation][name]
        operands = names(instruction.operands)
        if instruction.opcode == "parameter" and computation == entry:
            numbers.add(instruction.number())
        elif instruction.opcode == "parameter":
            todo += [(caller, handed[instruction.number()], element) for caller, handed in called.get(computation, [])]
        elif instruction.opcode == "get-tuple-element":
            todo.append((computation, operands[0], int(re.search(r"index=(\d+)", instruction.attributes)[1])))
        elif instruction.opcode == "tuple" and element is not None:
            todo.append((computation, operands[element], None))
        elif instruction.opcode in PASSED_ON:
            todo += [(computation, operand, element) for operand in operands]
    return numbers


def directives(text):
    """The comment lines by which tfvk-hlo draws the inputs."""
    found, entry = computations(text)
    roots = under_roots(text)
    lines = []
    for instruction in found[entry].values():
        if instruction.opcode != "parameter":
            continue
        number, dtype, dims = instruction.number(), instruction.dtype, instruction.dims
        if number in roots or (dtype in ("f32", "f64") and not dims):  # scalars are rates, scales and sums of losses
            lines.append(f"// input {number}: positive")
        elif dtype in ("u32", "u64"):
            lines.append(f"// input {number}: bits")  # seeds and random states
        elif dtype in ("s32", "s64"):
            lines.append(f"// input {number}: range {0 if dims else 1} 9")
    return lines


def check(path, arguments):
    """(verdict, the lines that say it)"""
    text = path.read_text()
    with tempfile.NamedTemporaryFile("w", suffix=".hlo", delete=False) as file:
        file.write("\n".join([*directives(text), text]))
    command = [arguments.tfvk_hlo, "--rounding", str(arguments.rounding), "-q", "--repeat", "1", file.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=arguments.limit)
    except subprocess.TimeoutExpired:
        return "no end", f"not finished after {arguments.limit} s"
    finally:
        os.unlink(file.name)
    said = [line for line in (done.stdout + done.stderr).splitlines() if not re.search(r"absl::|oneDNN|^[IWE]\d{4} ", line)]
    return ("agrees" if done.returncode == 0 else "DISAGREES"), "\n".join(said)


def different_modules(folders):
    """One path for each different text. The module's own name has a counter in it, which does not count."""
    found = {}
    for folder in folders:
        for path in sorted(Path(folder).glob("*.hlo.txt")):
            text = re.sub(r"^HloModule [\w.\-]+", "", path.read_text())
            found.setdefault(hashlib.sha256(text.encode()).hexdigest(), path)
    return sorted(found.values(), key=lambda path: -path.stat().st_size)  # the longest first


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--tfvk-hlo", default="build/release/tfvk-hlo")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--limit", type=int, default=600, help="seconds a module")
    parser.add_argument("--rounding", type=int, default=3, help="perturbations of the inputs that show what rounding can do")
    arguments = parser.parse_args()
    paths = different_modules(arguments.folders)
    verdicts = []

    def one(path):
        verdict, said = check(path, arguments)
        verdicts.append(verdict)
        print(f"{verdict:9} {path}\n{said}", flush=True)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(one, paths))
    print(f"{len(paths)} different modules: " + ", ".join(f"{verdicts.count(v)} {v}" for v in ("agrees", "DISAGREES", "no end")))
    return verdicts.count("agrees") != len(paths)


if __name__ == "__main__":
    sys.exit(main())
