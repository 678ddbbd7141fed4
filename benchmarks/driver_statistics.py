#!/usr/bin/env python3
"""What the drivers of GPUs that are not here make of the hot kernels (hot_kernels.py): instructions, registers, spills, shared memory, occupancy.

usage: driver_statistics.py [--targets intel-dg2,...] [--names SUBSTRING,...] [--build FOLDER]     prints a line a target
       ... --results benchmarks/results     also writes drivers_VERSION.md and .jsonl, the table for each version of a driver
       ... --check                          fails when a kernel spills that does not by tests/drivers/known_spills.json, or spills more than there
       ... --write-baseline                 writes that file: after a change that is meant, or with another version of a driver

Each target's modules are compiled by tfvk-hlo for the snapshot of that device, and then by its own driver, which runs without the GPU (tools/get_drm_shim.sh).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import driver_table
import hot_kernels
import occupancy

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "tests/drivers/known_spills.json"
SNAPSHOTS = {"intel": "intel", "amd": "amd", "nvidia": "nvk"}  # how their names begin


@dataclass(frozen=True)
class Target:
    vendor: str
    model: str

    @property
    def name(self) -> str:
        return f"{self.vendor}-{self.model}"

    @property
    def snapshot(self) -> Path:
        return ROOT / f"tests/vulkan/snapshots/{SNAPSHOTS[self.vendor]}_{self.model}.json"


TARGETS = [Target("intel", model) for model in ("skl", "tgl", "dg2", "bmg")]
TARGETS += [Target("amd", model) for model in ("polaris10", "vega10", "navi10", "navi31", "gfx1201")]
TARGETS += [Target("nvidia", "172")]


@dataclass
class Kernel:
    """A kernel as the project emits it for a target, with what its driver says."""

    name: str  # MODULE:NAME
    plan: str
    workgroup: int
    shared_bytes: int
    predicted: int  # workgroups of a compute unit that the tile model counts on; 0: no model
    statistics: occupancy.Statistics


@dataclass
class Outcome:
    target: Target
    driver: str = ""
    kernels: list[Kernel] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # kernel: why the driver was not asked
    failures: list[str] = field(default_factory=list)

    @property
    def spills(self) -> dict[str, int]:
        return {kernel.name: kernel.statistics.spills for kernel in self.kernels if kernel.statistics.spills}


def run(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, "\n".join(line for line in (done.stdout + done.stderr).splitlines() if not re.search(r"absl::|oneDNN|^[IWE]\d{4} ", line))


def emit(target: Target, modules: list[hot_kernels.Module], build: Path, folder: Path) -> list[str]:
    """Writes the SPIR-V of the modules' kernels for the target; what could not be compiled, with its reason."""
    problems = []
    for tf32 in (False, True):
        files = [f"{folder.parent}/{m.name}.hlo" for m in modules if m.tf32 == tf32]
        if not files:
            continue
        flags = ["--tf32"] if tf32 else []
        _, said = run([str(build / "tfvk-hlo"), *flags, "--device", str(target.snapshot), "--modules", str(folder), *files])
        current = ""
        for line in said.splitlines():
            current = line if line.endswith(".hlo") else current
            if "FAILED" in line:
                problems.append(f"{Path(current).stem}: {line.strip()}")
    return problems


def name_kernels(folder: Path) -> dict[str, str]:
    """Each kernel's name by its file's, in the order of the modules; kernels that are another one's twin are removed, so that no code counts twice."""
    names: dict[str, str] = {}
    seen: set[str] = set()
    for path in sorted(folder.glob("*.spv"), key=lambda p: (p.stem.split(".")[0], int(p.stem.rsplit("kernel", 1)[1]))):
        facts = json.loads(path.with_suffix(".json").read_text())
        code = hashlib.sha256(path.read_bytes() + str(facts["required_subgroup_size"]).encode()).hexdigest()
        if code in seen:
            path.unlink()
            continue
        seen.add(code)
        name = f"{path.stem.split('.')[0]}:{facts['name']}"
        count = sum(other == name or other.startswith(f"{name}#") for other in names.values())
        names[path.stem] = name if count == 0 else f"{name}#{count + 1}"
    return names


def measure(target: Target, modules: list[hot_kernels.Module], build: Path, shim: Path, work: Path) -> Outcome:
    outcome = Outcome(target)
    folder = work / target.name
    folder.mkdir()
    outcome.failures = emit(target, modules, build, folder)
    names = name_kernels(folder)
    report = work / f"{target.name}.json"
    command = [str(shim / "gpurun"), target.vendor, target.model, str(build / "tests/compile_modules"), "--statistics", str(report), str(folder)]
    status, said = run(command)
    if not report.exists():
        outcome.failures.append(f"compile_modules ended with status {status}: {said[-500:]}")
        return outcome
    found: dict[str, Any] = json.loads(report.read_text())
    outcome.driver = found["driver"]
    outcome.left_out = {names[stem]: why for stem, why in found.get("left out", {}).items()}
    outcome.failures += [f"{names[stem]}: the driver refused it: {why}" for stem, why in found.get("refused", {}).items()]
    for stem, name in names.items():
        if not (variants := found["modules"].get(stem)):
            continue
        facts = json.loads((folder / f"{stem}.json").read_text())
        invocations, shared = facts["workgroup"][0] * facts["workgroup"][1] * facts["workgroup"][2], facts["shared_bytes"]
        statistics = occupancy.read(target.vendor, target.model, variants, invocations, shared)
        outcome.kernels.append(Kernel(name, facts["plan"], invocations, shared, int(facts["resident_workgroups"]), statistics))
    return outcome


def compare(outcome: Outcome, baseline: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What is worse than the baseline says, and what is better. Counts move between a driver's versions: with another one than the baseline's, only a kernel that
    is not in it is worse."""
    known = baseline.get(outcome.target.name, {"driver": "", "spills": {}})
    same_driver = known["driver"] == outcome.driver
    worse = [f"{outcome.target.name}: {failure}" for failure in outcome.failures]
    for name, spills in outcome.spills.items():
        before = known["spills"].get(name, 0)
        if spills > before and (same_driver or before == 0):
            version = outcome.driver if same_driver else f"{outcome.driver}; the baseline is of {known['driver'] or 'no driver'}"
            worse.append(f"{name} spills {spills} registers on {outcome.target.name} ({version}), and {before} by {BASELINE.name}")
    compiled = {kernel.name for kernel in outcome.kernels}
    better = [
        f"{name} spills {outcome.spills.get(name, 0)} registers on {outcome.target.name}, no longer {before}: write the baseline anew"
        for name, before in known["spills"].items()
        if name in compiled and outcome.spills.get(name, 0) < before
    ]
    return worse, better


def write_baseline(outcomes: list[Outcome], path: Path) -> None:
    baseline = json.loads(path.read_text()) if path.exists() else {}
    for outcome in outcomes:
        baseline[outcome.target.name] = {"driver": outcome.driver, "spills": outcome.spills}
    path.write_text(json.dumps(baseline, indent=1) + "\n")


def write_results(outcomes: list[Outcome], folder: Path) -> None:
    versions: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if version := re.search(r"Mesa \d[\w.]*", outcome.driver):
            versions.setdefault(version[0].lower().replace(" ", "-"), []).append(outcome)
    for version, of_version in versions.items():
        (folder / f"drivers_{version}.md").write_text(driver_table.markdown(version, of_version))
        with (folder / f"drivers_{version}.jsonl").open("w") as lines:
            for outcome in of_version:
                for kernel in outcome.kernels:
                    fields = {key: value for key, value in asdict(kernel).items() if key != "statistics"} | asdict(kernel.statistics)
                    lines.write(json.dumps({"target": outcome.target.name} | fields, separators=(",", ":")) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--drm-shim", type=Path, default=ROOT / ".tools/drm-shim")
    parser.add_argument("--targets", default=",".join(t.name for t in TARGETS))
    parser.add_argument("--names", help="only the modules with one of these in their name")
    parser.add_argument("--results", type=Path, help="the folder for the tables")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write-baseline", action="store_true")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    arguments = parser.parse_args()
    arguments.targets = arguments.targets.split(",")
    if unknown := set(arguments.targets) - {t.name for t in TARGETS}:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    return arguments


def main() -> int:
    arguments = parse()
    build = arguments.build.resolve()
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(2) as pool:
        modules = hot_kernels.write(Path(work), arguments.names.split(",") if arguments.names else None)
        targets = [target for target in TARGETS if target.name in arguments.targets]
        outcomes = list(pool.map(lambda target: measure(target, modules, build, arguments.drm_shim.resolve(), Path(work)), targets))
    for outcome in outcomes:
        print(driver_table.line(outcome))
    if arguments.results:
        write_results(outcomes, arguments.results)
    if arguments.write_baseline:
        write_baseline(outcomes, arguments.baseline)
    if not arguments.check:
        return 0
    baseline = json.loads(arguments.baseline.read_text())
    compared = [compare(outcome, baseline) for outcome in outcomes]
    for _, better in compared:
        print("".join(f"better: {line}\n" for line in better), end="")
    for worse, _ in compared:
        print("".join(f"WORSE: {line}\n" for line in worse), end="")
    return 1 if any(worse for worse, _ in compared) else 0


if __name__ == "__main__":
    sys.exit(main())
