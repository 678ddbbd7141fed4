"""benchmarks/driver_statistics.py: that its check fails when a hot kernel begins to spill, and how it counts resident workgroups. No driver runs here."""

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def statistics(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import driver_statistics

    yield driver_statistics
    for name in ("driver_statistics", "driver_table", "hot_kernels", "occupancy"):
        sys.modules.pop(name, None)


@pytest.fixture
def check(statistics, monkeypatch, tmp_path, capsys):
    """Runs `--check` where dg2's driver says that one kernel spills `spills` registers and the baseline lists `known`: the exit status and what was printed."""

    def run(spills, known, version="Mesa 26.1.6", failures=()):
        numbers = statistics.occupancy.Statistics(8, 700, 140, spills, 0, 4, "threads")
        kernel = statistics.Kernel("product_square_f16:product", "matrix_64x64x32_8x8x16", 256, 17920, 4, numbers)

        def measure(target, *_):
            return statistics.Outcome(target, version, [kernel], {}, list(failures))

        monkeypatch.setattr(statistics, "measure", measure)
        baseline = tmp_path / "known_spills.json"
        baseline.write_text(json.dumps({"intel-dg2": {"driver": "Mesa 26.1.6", "spills": known}}))
        monkeypatch.setattr(sys, "argv", ["driver_statistics.py", "--targets", "intel-dg2", "--check", "--baseline", str(baseline)])
        return statistics.main(), capsys.readouterr().out

    return run


def test_a_kernel_that_does_not_spill_passes(check):
    assert check(0, {})[0] == 0


def test_a_kernel_that_begins_to_spill_fails(check):
    status, said = check(12, {})
    assert status == 1
    assert "WORSE: product_square_f16:product spills 12 registers on intel-dg2 (Mesa 26.1.6), and 0 by known_spills.json" in said


def test_spills_that_grow_fail(check):
    assert check(12, {"product_square_f16:product": 12})[0] == 0
    assert check(13, {"product_square_f16:product": 12})[0] == 1


def test_spills_that_shrink_pass_and_are_told(check):
    status, said = check(3, {"product_square_f16:product": 12})
    assert status == 0
    assert "better: product_square_f16:product spills 3 registers on intel-dg2, no longer 12" in said


def test_another_version_of_the_driver_may_count_otherwise(check):
    assert check(13, {"product_square_f16:product": 12}, "Mesa 27.0.0")[0] == 0
    status, said = check(13, {}, "Mesa 27.0.0")
    assert status == 1
    assert "(Mesa 27.0.0; the baseline is of Mesa 26.1.6)" in said


def test_a_kernel_that_a_driver_refuses_fails(check):
    status, said = check(0, {}, failures=["product_square_f16:product: the driver refused it: VK_ERROR_UNKNOWN"])
    assert status == 1
    assert "WORSE: intel-dg2: product_square_f16:product: the driver refused it" in said


def test_the_baseline_names_known_targets(statistics):
    assert set(json.loads(statistics.BASELINE.read_text())) == {target.name for target in statistics.TARGETS}


def test_resident_workgroups(statistics):
    read = statistics.occupancy.read
    intel = {"Subgroup size": 8, "Instructions": 1, "Max live registers": 1, "Spills": 0, "Workgroup Memory Size": 0}
    # 128 threads in a subslice; 17 KiB of shared memory take 32 of its 128.
    assert read("intel", "dg2", [intel], 256, 0).resident == 4
    assert read("intel", "dg2", [intel], 128, 17408).resident == 4
    assert read("intel", "skl", [intel], 256, 0).resident == 1
    amd = {"Subgroup size": 64, "Subgroups per SIMD": 8, "Instructions": 1, "VGPRs": 1, "Spilled VGPRs": 2, "Spilled SGPRs": 1, "LDS size": 0}
    # RDNA counts 32 lanes: four subgroups of 64 on each of two SIMDs.
    assert read("amd", "navi31", [amd], 128, 0).resident == 4
    assert read("amd", "vega10", [amd], 128, 0).resident == 16
    assert read("amd", "vega10", [amd], 128, 0).spills == 3
    assert read("amd", "vega10", [amd], 128, 33792).resident == 1
    nvidia = {"Instruction count": 1, "Number of GPRs": 248, "Max warps/SM": 8, "Spills to memory": 0, "Spills to reg": 4}
    assert read("nvidia", "172", [nvidia], 128, 0).resident == 2
    assert read("nvidia", "172", [nvidia], 32, 47 * 1024).resident == 2
    assert read("nvidia", "172", [nvidia | {"Max warps/SM": 48}], 32, 0).resident == 16


def test_modules_are_distinct_and_parse_as_text(statistics):
    modules = list(statistics.hot_kernels.modules())
    assert len({module.name for module in modules}) == len(modules) > 100
    assert all(f"HloModule {module.name}\n" in module.text and "ROOT" in module.text for module in modules)
