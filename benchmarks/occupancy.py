"""What drivers of several vendors say of a compiled kernel, in one set of words, and how many of its workgroups a compute unit holds at a time.

A compute unit is what DeviceLimits::compute_units counts: AMD's CU, Intel's subslice (Xe core), NVIDIA's SM.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass
class Statistics:
    lanes: int  # of a subgroup
    instructions: int
    registers: int
    spills: int  # registers kept in memory; AMD: scalar ones kept in vector registers too
    cheap_spills: int  # NVIDIA: uniform registers and predicates kept in ordinary registers
    resident: int  # workgroups of a compute unit
    limit: str  # what keeps it from holding more


@dataclass
class ComputeUnit:
    """One of Intel's or NVIDIA's; threads are EU threads and warps."""

    threads: int
    shared_kib: int
    workgroups: int
    allocations_kib: tuple[int, ...] = ()  # sizes in which a workgroup gets shared memory; empty: any
    reserved_bytes: int = 0  # of shared memory, a workgroup


POWERS = (0, 1, 2, 4, 8, 16, 32, 64)

# Intel's GPU Occupancy Calculator (github.com/oneapi-src/oneAPI-samples, Tools/GPU-Occupancy-Calculator) has EUs, threads and shared memory of a subslice up to dg2:
# 8 x 7 and 64 KiB; 16 x 7 and 128; 16 x 8 and 128. For bmg its Xe-HPC row (8 x 8 and 128), the older core of that make, as Mesa asks Xe2 for no less; the sizes
# are those of Mesa's src/intel/common/intel_compute_slm.c. NVIDIA: CUDA C++ Programming Guide, table of technical specifications, compute capability 8.6.
COMPUTE_UNITS = {
    "skl": ComputeUnit(56, 64, 56, POWERS),
    "tgl": ComputeUnit(112, 128, 112, POWERS),
    "dg2": ComputeUnit(128, 128, 128, POWERS),
    "bmg": ComputeUnit(64, 128, 64, (0, 1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128)),
    "172": ComputeUnit(48, 100, 16, reserved_bytes=1024),
}

AMD_SIMDS = {"polaris10": 4, "vega10": 4}  # of a CU; RDNA: 2


def limited(limits: dict[str, float]) -> tuple[int, str]:
    """The least of the limits and its name."""
    name = min(limits, key=lambda key: limits[key])
    return int(limits[name]), name


def residence(unit: ComputeUnit, threads: int, shared_bytes: int, threads_by_registers: float = math.inf) -> tuple[int, str]:
    taken = shared_bytes + unit.reserved_bytes
    if unit.allocations_kib:
        taken = 1024 * next((kib for kib in unit.allocations_kib if kib * 1024 >= taken), unit.shared_kib)
    limits = {"threads": min(unit.threads // threads, unit.workgroups)}
    if threads_by_registers < unit.threads:
        limits["registers"] = threads_by_registers // threads
    if shared_bytes:
        limits["shared memory"] = unit.shared_kib * 1024 // taken
    return limited(limits)


def of_intel(model: str, numbers: dict[str, Any], invocations: int, shared_bytes: int) -> Statistics:
    """A thread has 128 registers of 32 bytes (bmg: 64) whatever it needs, so they limit nothing but the subgroup's size; "Max live registers" counts 32 bytes."""
    lanes = numbers["Subgroup size"]
    threads = math.ceil(invocations / lanes)
    resident, limit = residence(COMPUTE_UNITS[model], threads, max(shared_bytes, numbers["Workgroup Memory Size"]))
    return Statistics(lanes, numbers["Instructions"], numbers["Max live registers"], numbers["Spills"], 0, resident, limit)


def of_amd(model: str, numbers: dict[str, Any], invocations: int, shared_bytes: int) -> Statistics:
    """RADV says how many subgroups a SIMD holds, registers and shared memory (LDS) considered; from RDNA on (radv_get_max_waves) counted as if they had 32 lanes."""
    simds = AMD_SIMDS.get(model, 2)
    lanes = numbers["Subgroup size"]
    waves = math.ceil(invocations / lanes)
    on_simd = numbers["Subgroups per SIMD"] * (32 / lanes if simds == 2 else 1)
    shared = max(shared_bytes, numbers["LDS size"])
    limits = {"shared memory": 65536 // shared} if shared else {}  # of a CU; first, as the driver's number has it too
    limits["registers"] = on_simd * simds // waves
    resident, limit = limited(limits)
    spills = numbers["Spilled VGPRs"] + numbers["Spilled SGPRs"]
    return Statistics(lanes, numbers["Instructions"], numbers["VGPRs"], spills, 0, resident, limit)


def of_nvidia(model: str, numbers: dict[str, Any], invocations: int, shared_bytes: int) -> Statistics:
    """NVK says how many warps an SM holds by the number of registers alone."""
    resident, limit = residence(COMPUTE_UNITS[model], math.ceil(invocations / 32), shared_bytes, numbers["Max warps/SM"])
    return Statistics(32, numbers["Instruction count"], numbers["Number of GPRs"], numbers["Spills to memory"], numbers["Spills to reg"], resident, limit)


READERS = {"intel": of_intel, "amd": of_amd, "nvidia": of_nvidia}


def read(vendor: str, model: str, variants: list[dict[str, Any]], invocations: int, shared_bytes: int) -> Statistics:
    """Of a pipeline's variants (Intel's drivers may make one for each subgroup size) the one that spills most."""
    return max((READERS[vendor](model, numbers, invocations, shared_bytes) for numbers in variants), key=lambda s: s.spills)
