#!/usr/bin/env python3
"""Tells how many launches a module becomes and how many bytes its fusions read and write, without running it: what a device's memory alone would take.

usage: memory_traffic.py [--tfvk-hlo PROGRAM] [--device SNAPSHOT] [--top N] FILE.hlo...
A fusion counts each tensor that it reads or writes once, however often it does; what passes between the launches of one (the halves of a large sum, partial sums of
a product) does not count. `--top` lists the kinds of fusions that move most.
"""

import argparse
import math
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from our_engine import tfvk_hlo

BYTES = {"pred": 1, "s8": 1, "u8": 1, "f16": 2, "bf16": 2, "s16": 2, "u16": 2, "f32": 4, "s32": 4, "u32": 4, "f64": 8, "s64": 8, "u64": 8}
TENSOR = re.compile(r"\b(\w+)\[([\d,]*)\]$")


@dataclass
class Fusion:
    kind: str  # "map", "reduce", "dot_general", ...
    tensors: list[str]  # "read f32[8,2]", "write f16[8,2]"

    @property
    def bytes(self) -> int:
        return sum(map(tensor_bytes, self.tensors))

    def shape(self) -> str:
        """What fusions of one kind and size have in common: the tensors that are worth naming, the largest first."""
        large = sorted((t for t in self.tensors if tensor_bytes(t) >= 1 << 16), key=lambda t: (t.split()[0], -tensor_bytes(t)))
        return " ".join([self.kind, *large])


def tensor_bytes(tensor: str) -> int:
    dtype, sizes = TENSOR.search(tensor).groups()
    return BYTES[dtype] * math.prod(int(size) for size in sizes.split(",") if size)


def parse(text: str) -> tuple[list[Fusion], int]:
    """The fusions in what `tfvk-hlo --fusions` prints, and the number of launches."""
    fusions: list[Fusion] = []
    launches = 0
    for line in text.splitlines():
        if found := re.match(r"fusion of \d+ nodes:(?: (\w+))?", line):
            fusions.append(Fusion(found[1] or "map", []))
        elif (found := re.match(r"  (read|write) .*?(\w+\[[\d,]*\])$", line)) and fusions:
            fusions[-1].tensors.append(f"{found[1]} {found[2]}")
        elif found := re.search(r"compile .* (\d+) launches", line):
            launches = int(found[1])
    return fusions, launches


def compiled(module: Path, program: Path, device: Path) -> tuple[list[Fusion], int]:
    command = [program, "--device", device, "--fusions", "--tf32", module]
    return parse(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tfvk-hlo", type=Path, default=tfvk_hlo(), help="the program")
    parser.add_argument(
        "--device",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "tests/vulkan/snapshots/nvidia_h200.json",
        help="a snapshot of the device to compile for",
    )
    parser.add_argument("--top", type=int, default=0, help="kinds of fusions to list")
    parser.add_argument("files", nargs="+", type=Path, help="HLO text files, as benchmarks/step_modules.py writes them")
    arguments = parser.parse_args()
    for file in arguments.files:
        fusions, launches = compiled(file, arguments.tfvk_hlo, arguments.device)
        print(f"{file.stem}: {len(fusions)} fusions, {launches} launches, {sum(fusion.bytes for fusion in fusions) / 1e6:.2f} MB")
        for title, name in (("  ", lambda fusion: fusion.kind), ("    ", Fusion.shape)):
            moved, count = Counter(), Counter()
            for fusion in fusions:
                moved[name(fusion)] += fusion.bytes
                count[name(fusion)] += 1
            for key, total in moved.most_common(None if title == "  " else arguments.top):
                print(f"{title}{total / 1e6:10.3f} MB {count[key]:5} x {key}")


if __name__ == "__main__":
    main()
