#!/usr/bin/env python3
"""Runs `tfvk-hlo` on every different module that TFVK_DUMP wrote: does the device agree with XLA's evaluator on what training really compiles?

usage: check_step_modules.py [--tfvk-hlo PROGRAM] [--jobs N] [--limit SECONDS] [--rounding N] FOLDER...
The folders are those of TFVK_DUMP=FOLDER. Inputs are random; where training has only numbers of one kind, so have the inputs: counters and labels are not
negative, nor is what an optimizer or a normalisation takes the root of. Prints a line a module and exits with 1 if one disagrees or does not end in time.
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

INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = (\w+)\[([\d,]*)\]\S* ([\w\-]+)\(([^)]*)\)")
PASSED_ON = {"add", "convert", "reshape", "broadcast", "bitcast", "copy", "maximum"}  # each of whose operands is positive where the result has to be


def entry(text):
    """The entry computation's instructions: name -> (dtype, dims, opcode, operands as text)."""
    body = text[text.index("\nENTRY ") :]
    return {m[1]: m.groups()[1:] for m in map(INSTRUCTION.match, body.splitlines()) if m}


def names(operands):
    return re.findall(r"%?([A-Za-z_][\w.\-]*)(?:,|$)", operands.replace(" ", ""))


def under_roots(instructions):
    """Numbers of the parameters that a root is taken of, themselves or as a term of a sum."""
    todo = [n for _, _, opcode, operands in instructions.values() if opcode in ("sqrt", "rsqrt") for n in names(operands)]
    seen, numbers = set(), set()
    while todo:
        name = todo.pop()
        if name in seen or name not in instructions:
            continue
        seen.add(name)
        _, _, opcode, operands = instructions[name]
        if opcode == "parameter":
            numbers.add(int(operands))
        elif opcode in PASSED_ON:
            todo += names(operands)
    return numbers


def directives(text):
    """The comment lines by which tfvk-hlo draws the inputs."""
    instructions = entry(text)
    roots = under_roots(instructions)
    lines = []
    for dtype, dims, opcode, operands in instructions.values():
        if opcode != "parameter":
            continue
        number = int(operands)
        if number in roots:
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
