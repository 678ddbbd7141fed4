"""The project's own tools: the check of the rooms, and the reading of test reports."""

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import check_layers
    import run_tests

    yield check_layers, run_tests
    for name in ("check_layers", "run_tests"):
        sys.modules.pop(name)


@pytest.mark.parametrize(
    ("room", "header", "allowed"),
    [
        ("compiler", "ir/graph.h", True),
        ("compiler", "compiler/fusion.h", True),
        ("compiler", "vector", True),
        ("compiler", "hlo/import.h", False),
        ("kernels", "vulkan/device.h", False),
        ("ir", "kernels/kernel.h", False),
        ("vulkan", "vulkan/vulkan.h", True),
        ("kernels", "vulkan/vulkan.h", False),
        ("compiler", "xla/hlo/ir/hlo_module.h", False),
        ("program", "tensorflow/c/c_api.h", False),
        ("hlo", "xla/hlo/ir/hlo_module.h", True),
        ("plugin", "tensorflow/c/c_api.h", True),
    ],
)
def test_includes_go_downwards(tools, room, header, allowed):
    assert (tools[0].check_include(room, header) == "") == allowed


def test_reports_of_googletest_and_pytest_are_counted(tools, tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(
        """<testsuites><testsuite name="s">
        <testcase name="A" classname="Map" status="run" result="completed"/>
        <testcase name="B" classname="Map" status="run" result="completed"><failure message="1 is not 2"/></testcase>
        <testcase name="C" classname="Map" status="run" result="skipped"><skipped message="no fp64"/></testcase>
        <testcase name="D" classname="Map" status="notrun" result="suppressed"/>
        <testcase name="e" classname="test_ops"><error message="fixture">trace</error></testcase>
        </testsuite></testsuites>"""
    )
    results = tools[1].read_junit(report)
    assert [(r.name, r.outcome, r.reason) for r in results] == [
        ("Map.A", "passed", ""),
        ("Map.B", "failed", "1 is not 2"),
        ("Map.C", "skipped", "no fp64"),
        ("Map.D", "skipped", "disabled"),
        ("test_ops.e", "failed", "fixture"),
    ]


def test_the_closing_line_counts_all_and_failures_fail(tools, capsys):
    _, run_tests = tools
    good, bad, skipped = (run_tests.Result(outcome, outcome, "why") for outcome in ("passed", "failed", "skipped"))
    assert run_tests.report([("cpp", [good, good], 1.0), ("python", [good, skipped], 1.0)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 0 failed, 1 skipped"
    assert run_tests.report([("cpp", [good, bad], 1.0)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"
    assert run_tests.report([("cpp", [], 1.0)]) == 1  # nothing ran


def test_a_crash_of_a_test_program_is_a_failure(tools, tmp_path):
    _, run_tests = tools
    crashing = tmp_path / "tfvk_crash_tests"
    crashing.write_text("#!/bin/sh\necho before\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    results = run_tests.google_test(run_tests.Run(tmp_path, tmp_path, "all"), "cpp", [crashing], [], {})
    assert [result.outcome for result in results] == ["failed"]
    assert "signal 11" in results[0].reason
    assert "before" in results[0].reason


def test_the_page_of_ops_names_what_is_registered(monkeypatch, not_on_reference):
    not_on_reference("it registers fewer kernels")
    monkeypatch.syspath_prepend(str(TOOLS))
    monkeypatch.setattr(sys, "argv", ["list_ops.py", "--check"])
    import list_ops

    try:
        list_ops.main()  # exits with the ops that differ
    finally:
        sys.modules.pop("list_ops")


STEP = """HloModule a_step_12, entry_computation_layout={()->f32[4]}

ENTRY %main {
  %x = f32[8,4]{1,0} parameter(0)
  %labels = s32[8]{0} parameter(1)
  %m = f32[4]{0} parameter(2)
  %v = f32[4]{0} parameter(3), metadata={op_name="adam (second moment)"}
  %step = s64[] parameter(4)
  %seed = u32[2]{0} parameter(5)
  %square = f32[4]{0} multiply(f32[4]{0} %m, f32[4]{0} %m)
  %next = f32[4]{0} add(f32[4]{0} %v, f32[4]{0} %square)
  %root = f32[4]{0} sqrt(f32[4]{0} %next)
  ROOT %r = f32[4]{0} divide(%m, %root)
}
"""


# As with the scale of a mixed_float16 loss: the optimizer's update is a branch, taken where the gradients are finite.
SCALED_STEP = """HloModule a_scaled_step

%update.1 (arg_tuple.1: (f32[4], f32[], /*index=2*/f32[4])) -> (f32[4]) {
  %arg_tuple.1 = (f32[4]{0}, f32[], /*index=2*/f32[4]{0}) parameter(0)
  %g = f32[4]{0} get-tuple-element((f32[4]{0}, f32[], /*index=2*/f32[4]{0}) %arg_tuple.1), index=0
  %v.1 = f32[4]{0} get-tuple-element((f32[4]{0}, f32[], /*index=2*/f32[4]{0}) %arg_tuple.1), index=2
  %square = f32[4]{0} multiply(%g, %g)
  %next = f32[4]{0} add(%v.1, %square)
  %root = f32[4]{0} sqrt(%next)
  ROOT %t.1 = (f32[4]{0}) tuple(%root)
}

%keep.1 (arg_tuple.2: (f32[4], f32[], f32[4])) -> (f32[4]) {
  %arg_tuple.2 = (f32[4]{0}, f32[], f32[4]{0}) parameter(0)
  %g.2 = f32[4]{0} get-tuple-element(%arg_tuple.2), index=0
  ROOT %t.2 = (f32[4]{0}) tuple(%g.2)
}

ENTRY %main {
  %gradient = f32[4]{0} parameter(0)
  %scale = f32[] parameter(1)
  %v = f32[4]{0} parameter(2)
  %bias = f32[4]{0} parameter(3)
  %finite = pred[] parameter(4)
  %handed = (f32[4]{0}, f32[], /*index=2*/f32[4]{0}) tuple(%gradient, %scale, /*index=2*/%v)
  ROOT %r = (f32[4]{0}) conditional(%finite, %handed, %handed), HOW
}
"""


@pytest.mark.parametrize("how", ("true_computation=%update.1, false_computation=%keep.1", "branch_computations={%keep.1, %update.1}"))
def test_inputs_of_a_step_suit_its_branches(monkeypatch, how):
    monkeypatch.syspath_prepend(str(TOOLS))
    import check_step_modules as tool

    assert tool.directives(SCALED_STEP.replace("HOW", how)) == ["// input 1: positive", "// input 2: positive"]


def test_inputs_of_a_step_suit_it(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(TOOLS))
    import check_step_modules as tool

    assert tool.directives(STEP) == ["// input 1: range 0 9", "// input 3: positive", "// input 4: range 1 9", "// input 5: bits"]
    for name, text in (("00.a", STEP), ("01.a", STEP.replace("a_step_12", "a_step_13")), ("02.b", STEP.replace("f32[4]", "f32[5]"))):
        (tmp_path / f"{name}.hlo.txt").write_text(text)
    assert len(tool.different_modules([tmp_path])) == 2
