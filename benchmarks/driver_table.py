"""The table of driver_statistics.py in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from driver_statistics import Kernel, Outcome

REGISTERS = {"intel": "live registers of 32 bytes", "amd": "VGPRs", "nvidia": "GPRs"}

HEAD = """# The hot kernels on other vendors' drivers, {version}

Written by `make bench-drivers` (`benchmarks/driver_statistics.py`); do not edit. No GPU was there: instructions, registers and spills are the drivers' own,
from their own compilers. `benchmarks/hot_kernels.py` has the modules.

- *resident*: workgroups that a compute unit (CU, subslice, SM) holds at a time, by the driver's numbers and the vendor's limits (`benchmarks/occupancy.py`), and
  what limits it; *model*: what `kernels/gemm_occupancy.cc` counts on where it chooses a tile. Where the driver's is the smaller, the model hopes for too much.
- *spills*: registers that are kept in memory (AMD: also scalar ones in lanes of vector registers); `+n`: in other registers (NVIDIA).
- Launches that several modules share stand with the first of them. Only launches with a tile, of modules without products, or with spills have a row; the
  `.jsonl` beside this file has all.
"""


def occupancy(outcome: Outcome) -> str:
    """How what is resident compares with what the model counts on, of the kernels with a tile."""
    tiles = [(kernel.statistics.resident, kernel.predicted) for kernel in outcome.kernels if kernel.predicted]
    fewer, more = sum(resident < predicted for resident, predicted in tiles), sum(resident > predicted for resident, predicted in tiles)
    return f"workgroups resident of {len(tiles)} with a tile: {len(tiles) - fewer - more} as the model counts on, {more} more, {fewer} fewer"


def line(outcome: Outcome) -> str:
    worst = max(outcome.kernels, key=lambda kernel: kernel.statistics.spills, default=None)
    parts = [f"{len(outcome.kernels)} kernels", f"{len(outcome.spills)} spill"]
    if worst and worst.statistics.spills:
        parts[-1] += f" (most {worst.statistics.spills}: {worst.name} {worst.plan})"
    parts.append(occupancy(outcome))
    if outcome.left_out:
        parts.append(f"{len(outcome.left_out)} left out")
    if outcome.failures:
        parts.append(f"{len(outcome.failures)} FAILED: {outcome.failures[0]}")
    return f"{outcome.target.name}: " + "; ".join(parts)


def row(kernel: Kernel) -> str:
    s = kernel.statistics
    spills = f"{s.spills}" + (f" +{s.cheap_spills}" if s.cheap_spills else "")
    cells = [kernel.name, kernel.plan, kernel.workgroup, s.lanes, s.instructions, s.registers, spills, kernel.shared_bytes, f"{s.resident} ({s.limit})"]
    return "| " + " | ".join(map(str, [*cells, kernel.predicted or ""])) + " |\n"


def has_row(kernel: Kernel) -> bool:
    return bool(kernel.plan or kernel.statistics.spills or not kernel.name.startswith(("product_", "convolution_")))


def section(outcome: Outcome) -> str:
    text = f"\n## {outcome.target.name}\n\n{outcome.driver}. {line(outcome).split(': ', 1)[1]}.\n\n"
    text += (
        f"| kernel | tile | invocations | subgroup | instructions | {REGISTERS[outcome.target.vendor]} | spills | shared bytes | resident | model |\n"
        + "|---" * 10
        + "|\n"
    )
    text += "".join(row(kernel) for kernel in outcome.kernels if has_row(kernel))
    if outcome.left_out:
        text += "\nLeft out: " + "; ".join(f"{name} ({why})" for name, why in outcome.left_out.items()) + ".\n"
    return text


def markdown(version: str, outcomes: list[Outcome]) -> str:
    return HEAD.format(version=version.replace("mesa-", "Mesa ")) + "".join(section(outcome) for outcome in outcomes)
