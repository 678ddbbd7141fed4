#!/usr/bin/env python3
"""Runs the parts of the test suite on what is built, prints what failed or was skipped and why, and closes with one line that counts all.

Logs and JUnit files go to BUILD/test-results. The exit status is 0 only if something ran and nothing failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
DRM_SHIM = ROOT / ".tools/drm-shim"
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
LONGEST = ("test_ops.py", "test_keras_ops.py", "test_keras_layers.py", "test_gradients.py", "test_sized_errors.py", "test_bad_calls.py")  # begin first


@dataclass
class Result:
    name: str
    outcome: str
    reason: str = ""


@dataclass
class Run:
    """Where one run of the suite reads and writes."""

    build: Path
    results: Path
    driver_suite: str

    def log(self, part: str) -> Path:
        return self.results / f"{part}.log"


def execute(command: list[str], log: Path, environment: dict[str, str] | None = None, limit: int = 1500) -> int:
    """The command's exit status, its output appended to `log`; 124 when it ran longer than `limit` seconds and was ended with its children."""
    with log.open("a") as output:
        output.write(f"$ {' '.join(command)}\n")
        output.flush()
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | (environment or {}), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            output.write(f"\nended after {limit} s\n")
            return 124


def how_it_ended(status: int) -> str:
    if status == 124:
        return "ran too long"
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"


def tail(log: Path, lines: int) -> str:
    return "".join(log.open(errors="replace").readlines()[-lines:])


def skip_reason(text: str) -> str:
    """Without the place in the source that GoogleTest puts before it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[1:] if len(lines) > 1 and re.fullmatch(r"\S+:\d+", lines[0]) else lines)


def read_junit(path: Path) -> list[Result]:
    """Results of a JUnit file as GoogleTest and pytest write it."""
    results = []
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        problem = next((child for child in case if child.tag in ("failure", "error")), None)
        skip = case.find("skipped")
        if problem is not None:
            results.append(Result(name, FAILED, problem.get("message") or (problem.text or "").strip()))
        elif skip is not None or case.get("status") == "notrun" or case.get("result") == "skipped":
            results.append(Result(name, SKIPPED, skip_reason(skip.get("message") or skip.text or "") if skip is not None else "disabled"))
        else:
            results.append(Result(name, PASSED))
    return results


def one_check(name: str, command: list[str], log: Path, environment: dict[str, str] | None = None) -> Result:
    start = log.stat().st_size if log.exists() else 0
    status = execute(command, log, environment)
    if status == 0:
        return Result(name, PASSED)
    with log.open() as text:
        text.seek(start)
        return Result(name, FAILED, f"exit status {status}\n" + "".join(text.readlines()[-30:]))


def layers(run: Run) -> list[Result]:
    return [one_check("layers", [sys.executable, "tools/check_layers.py"], run.log("layers"))]


def formatting(run: Run) -> list[Result]:
    return [one_check(tool, [sys.executable, "tools/format.py", "--check", tool], run.log("format")) for tool in ("ruff", "clang-format")]


def test_programs(run: Run, rooms: list[str] | None = None) -> list[Path]:
    programs = sorted((run.build / "tests").glob("tfvk_*_tests"))
    return [p for p in programs if rooms is None or p.name.removeprefix("tfvk_").removesuffix("_tests") in rooms]


Item = TypeVar("Item")


def side_by_side(check: Callable[[Item], list[Result]], items: list[Item]) -> list[Result]:
    """The results of a check on every item, two at a time: compiling kernels for a software driver keeps one core busy, running them all."""
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return [result for results in pool.map(check, items) for result in results]


def google_test(run: Run, part: str, programs: list[Path], launcher: list[str], environment: dict[str, str]) -> list[Result]:
    """Runs GoogleTest programs one after the other, as some watch the queue's progress; a crash costs the results of its program only, and counts as one failure."""

    def check(program: Path) -> list[Result]:
        report = run.results / f"{part}-{program.name}.xml"
        log = run.results / f"{part}-{program.name}.log"
        status = execute([*launcher, str(program), f"--gtest_output=xml:{report}"], log, environment)
        found = read_junit(report) if report.exists() else []
        if status != 0 and not any(result.outcome == FAILED for result in found):
            found.append(Result(program.name, FAILED, f"the program {how_it_ended(status)}; the end of {log}:\n{tail(log, 30)}"))
        return found

    return [result for program in programs for result in check(program)]


def cpp(run: Run) -> list[Result]:
    programs = test_programs(run)
    if not programs:
        return [Result("cpp", FAILED, f"there are no test programs in {run.build}/tests")]
    modules = run.results / "modules"
    modules.mkdir()
    return google_test(run, "cpp", programs, [], {"TFVK_DUMP_MODULES": str(modules)})


def validation(run: Run) -> list[Result]:
    """The rooms that call Vulkan once more under the Khronos validation layer, with synchronisation validation: one result a program, silent or not."""
    layer = "VK_LAYER_KHRONOS_validation"
    folders = ("/usr/share", "/usr/local/share", "/etc")
    if not any(path for folder in folders for path in Path(folder).glob("vulkan/explicit_layer.d/*khronos_validation*.json")):
        return [Result("validation", SKIPPED, f"{layer} is not installed (apt-get install vulkan-validationlayers)")]
    environment = {
        "VK_INSTANCE_LAYERS": layer,
        "VK_LAYER_ENABLES": "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT",
        "VK_KHRONOS_VALIDATION_VALIDATE_SYNC": "true",
    }

    def check(program: Path) -> list[Result]:
        problems = [r for r in google_test(run, "validation", [program], [], environment) if r.outcome == FAILED]
        log = run.results / f"validation-{program.name}.log"
        said = [line.rstrip() for line in log.open(errors="replace") if "Validation Error" in line or "SYNC-HAZARD" in line or "Validation Warning" in line]
        if said:
            return [Result(program.name, FAILED, f"{len(said)} validation messages in {log}:\n" + "\n".join(said[:10]))]
        return [problems[0] if problems else Result(program.name, PASSED)]

    return [result for program in test_programs(run, ["vulkan", "program", "compiler"]) for result in check(program)]


def new_driver(run: Run) -> list[Result]:
    """The rooms that emit kernels on a newer software driver, which has cooperative matrices."""
    runner = ROOT / ".tools/lavapipe/vkrun"
    if not runner.exists() and (reason := fetch_tool("get_lavapipe.sh", runner.parent, run.log("new-driver"))):
        return [Result("new-driver", SKIPPED, reason)]
    return google_test(run, "new-driver", test_programs(run, ["spirv", "kernels", "compiler"]), [str(runner)], {})


def without_drm_shim(run: Run, part: str) -> str:
    """Why the drivers of GPUs that are not here cannot be had; empty when they are there."""
    return "" if (DRM_SHIM / "gpurun").exists() else fetch_tool("get_drm_shim.sh", DRM_SHIM, run.log(part))


def drivers(run: Run) -> list[Result]:
    """Every module that the C++ tests emitted, compiled by the real drivers of each vendor without their hardware."""
    folder = DRM_SHIM
    if reason := without_drm_shim(run, "drivers"):
        return [Result("drivers", SKIPPED, reason)]
    modules, program = run.results / "modules", run.build / "tests/compile_modules"
    if not modules.exists() or not any(modules.iterdir()):
        return [Result("drivers", FAILED, f"no modules in {modules}: run the part `cpp` before")]
    targets = [("intel", m) for m in ("skl", "tgl", "dg2", "bmg")]
    targets += [("amd", m) for m in ("polaris10", "vega10", "navi10", "navi31", "gfx1201")]
    targets += [("nvidia", m) for m in ("118", "172")]
    if run.driver_suite == "few":
        targets = [("intel", "dg2"), ("amd", "navi31"), ("nvidia", "172")]

    def check(target: tuple[str, str]) -> list[Result]:
        vendor, model = target
        log = run.log(f"drivers-{vendor}-{model}")
        command = [str(folder / "gpurun"), vendor, model, str(program), "--statistics", str(log.with_suffix(".json")), str(modules)]
        result = one_check(f"{vendor} {model}", command, log)
        print(f"  {result.name}: " + "; ".join(line for line in log.read_text().splitlines() if line.startswith(("left out", "compiled"))), flush=True)
        return [result]

    return side_by_side(check, targets)


def hot_kernels(run: Run) -> list[Result]:
    """The kernels in which training spends its time, compiled by the same drivers: none may spill registers that does not by tests/drivers/known_spills.json."""
    if reason := without_drm_shim(run, "hot-kernels"):
        return [Result("hot-kernels", SKIPPED, reason)]
    targets = ["intel-skl", "intel-tgl", "intel-dg2", "intel-bmg", "amd-polaris10", "amd-vega10", "amd-navi10", "amd-navi31", "amd-gfx1201", "nvidia-172"]
    if run.driver_suite == "few":
        targets = ["intel-dg2", "amd-navi31", "nvidia-172"]

    def check(target: str) -> list[Result]:
        log = run.log(f"hot-kernels-{target}")
        command = [sys.executable, "benchmarks/driver_statistics.py", "--build", str(run.build), "--drm-shim", str(DRM_SHIM), "--targets", target, "--check"]
        result = one_check(target, command, log)
        print("".join(f"  {line}\n" for line in log.read_text().splitlines() if line.startswith((f"{target}: ", "better: "))), end="", flush=True)
        return [result]

    return side_by_side(check, targets)


def pytest(run: Run, part: str, interpreter: Path, files: list[Path], limit: int, variables: dict[str, str] | None = None) -> list[Result]:
    """Each file in a process of its own, so that a crash costs the results of one file only; together they may take `limit` seconds. The long ones begin
    first, lest one be left at the end with the other cores idle."""
    files = sorted(files, key=lambda file: (LONGEST.index(file.name) if file.name in LONGEST else len(LONGEST), file.name))
    environment = {"TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1"), "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    environment["TFVK_HLO"] = str(run.build.resolve() / "tfvk-hlo")  # for the tests of the benchmark
    environment |= variables or {}
    end = time.monotonic() + limit

    def check(file: Path) -> list[Result]:
        report, log = run.results / f"{part}-{file.stem}.xml", run.results / f"{part}-{file.stem}.log"
        command = [str(interpreter), "-m", "pytest", "-v", f"--junitxml={report}", str(file.relative_to(ROOT))]
        status = execute(command, log, environment, max(1, int(end - time.monotonic())))
        found = read_junit(report) if report.exists() else []
        if status != 0 and not any(result.outcome == FAILED for result in found):
            found.append(Result(file.name, FAILED, f"pytest {how_it_ended(status)}; the end of {log}:\n{tail(log, 40)}"))
        for line in log.open(errors="replace"):
            if line.startswith("op table:"):
                print(f"  {line.rstrip()}", flush=True)
        return found

    return side_by_side(check, files)


def python(run: Run) -> list[Result]:
    """The Python tests on the installed plugin."""
    return pytest(run, "python", Path(sys.executable), sorted((ROOT / "tests/python").glob("test_*.py")), limit=2400)


def reference(run: Run) -> list[Result]:
    """The Python tests on the reference back end: XLA's evaluator in the place of the compiler and of Vulkan. What tests the device alone is left to it: the walks
    of Keras' registries, finite differences, bad calls, large tensors, and ops in other types than their first; and what concerns no plugin."""
    of_no_plugin = ("test_benchmarks.py", "test_cli.py", "test_driver_statistics.py", "test_memory_traffic.py", "test_tools.py")
    left_out = (*of_no_plugin, "test_bad_calls.py", "test_gradients.py", "test_large_tensors.py")
    files = [file for file in sorted((ROOT / "tests/python").glob("test_*.py")) if file.name not in left_out and not file.name.startswith("test_keras_")]
    interpreter = environment_with_plugin(run.build / "reference-env", run.build / "libtfvk_reference.so")
    return pytest(run, "reference", interpreter, files, limit=2400, variables={"TFVK_TEST_ONE_TYPE": "1"})


def environment_with_plugin(folder: Path, plugin: Path) -> Path:
    """The interpreter of a virtual environment that has everything this one has, but another plugin: TensorFlow loads every plugin that it finds."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    here = Path(sysconfig.get_path("purelib"))
    there = folder / here.relative_to(sys.prefix)
    for entry in here.iterdir():
        if entry.name != "tensorflow-plugins":
            (there / entry.name).symlink_to(entry)
    (there / "tensorflow-plugins").mkdir()
    (there / "tensorflow-plugins" / "libtfvk.so").symlink_to(plugin)
    return folder / "bin" / "python"


def fetch_tool(script: str, folder: Path, log: Path) -> str:
    """Runs tools/`script`; why it did not work, or an empty text."""
    status = execute(["sh", f"tools/{script}", str(folder)], log, limit=600)
    if status == 0:
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    last = [line.strip() for line in log.open(errors="replace") if line.strip()][-1]
    return f"tools/{script} could not fetch its packages here: {last}"


PARTS: dict[str, Callable[[Run], list[Result]]] = {
    "layers": layers,
    "format": formatting,
    "cpp": cpp,
    "validation": validation,
    "new-driver": new_driver,
    "drivers": drivers,
    "hot-kernels": hot_kernels,
    "reference": reference,
    "python": python,
}
DEFAULT_PARTS = "layers,format,cpp,drivers,hot-kernels,validation,new-driver,reference,python"


def report(rows: list[tuple[str, list[Result], float]]) -> int:
    """Prints failures, skips, the table and the closing line; the exit status."""
    for part, results, _ in rows:
        for result in results:
            if result.outcome == FAILED:
                print(f"\nFAILED {part}: {result.name}\n    " + "\n    ".join(result.reason[:6000].splitlines()))
    reasons: dict[tuple[str, str], list[str]] = {}
    for part, results, _ in rows:
        for result in results:
            if result.outcome == SKIPPED:
                reasons.setdefault((part, result.reason.splitlines()[0] if result.reason else "no reason given"), []).append(result.name)
    for (part, reason), names in reasons.items():
        print(f"\nskipped in {part}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "") + f": {reason}")
    print(f"\n{'part':<12}{'passed':>8}{'failed':>8}{'skipped':>8}{'seconds':>9}")
    total = dict.fromkeys((PASSED, FAILED, SKIPPED), 0)
    for part, results, seconds in rows:
        counts = {outcome: sum(result.outcome == outcome for result in results) for outcome in total}
        total = {outcome: total[outcome] + counts[outcome] for outcome in total}
        print(f"{part:<12}{counts[PASSED]:>8}{counts[FAILED]:>8}{counts[SKIPPED]:>8}{seconds:>9.0f}")
    print(f"\n{total[PASSED]} passed, {total[FAILED]} failed, {total[SKIPPED]} skipped")
    return 0 if total[PASSED] and not total[FAILED] else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build/release"), help="the build folder")
    parser.add_argument("--parts", default=DEFAULT_PARTS, help=f"comma-separated, of {', '.join(PARTS)}; default: {DEFAULT_PARTS}")
    parser.add_argument("--targets", choices=("all", "few"), default="all", help="of the parts `drivers` and `hot-kernels`: every GPU, or one of each vendor")
    arguments = parser.parse_args()
    chosen = arguments.parts.split(",")
    if unknown := [part for part in chosen if part not in PARTS]:
        parser.error(f"no such part: {', '.join(unknown)}")
    build = (ROOT / arguments.build).resolve()
    run = Run(build, build / "test-results", arguments.targets)
    shutil.rmtree(run.results, ignore_errors=True)
    run.results.mkdir(parents=True)
    os.environ.setdefault("TFVK_CACHE_DIR", str(run.results / "cache"))
    rows = []
    for part in chosen:
        print(f"running {part} ...", flush=True)
        start = time.monotonic()
        results = PARTS[part](run)
        rows.append((part, results, time.monotonic() - start))
    return report(rows)


if __name__ == "__main__":
    sys.exit(main())
