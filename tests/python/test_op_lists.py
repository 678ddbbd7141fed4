"""The lists of docs/op_lists that the tests write: every op with a kernel is run by a test or has a reason, and none of the lists is out of date."""

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def list_ops(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import list_ops

    yield list_ops
    sys.modules.pop("list_ops")


@pytest.fixture
def registered(list_ops, device, not_on_reference):
    not_on_reference("it registers fewer kernels")
    return list_ops.registered(device.split(":")[-2])


def test_every_op_is_tested_or_has_a_reason(list_ops, registered):
    """After a new op: pytest --record-ops docs/op_lists/tested.tsv on the file of tests that runs it."""
    tested, reasons = list_ops.read_list("tested.tsv"), list_ops.read_reasons("untested.tsv")
    assert not set(registered) - set(tested) - set(reasons), "ops that no test runs"
    assert not set(tested) & set(reasons), "reasons of ops that tests run"
    assert not (set(tested) | set(reasons)) - set(registered), "ops that are not registered"


def test_the_matrix_counts_what_it_shows(list_ops):
    ours = {"Abs": list_ops.Op({"T": {"float", "half"}}), "NoOp": list_ops.Op()}
    lines = list_ops.matrix(ours, {"Abs": {"T": {"float"}}}).splitlines()
    assert lines[1].split()[:3] == ["Abs", "t", "+"]
    assert lines[2].split() == ["NoOp", *["."] * len(list_ops.ORDER)]
    assert lines[3] == "2 ops, 1 of them tested; 2 pairs of an op and a type, 1 of them tested"


def test_types_that_no_test_ran_are_named(list_ops):
    op = list_ops.Op({"T": {"float", "half", "qint8"}, "Tidx": {"int32", "int64"}})
    assert list_ops.describe_tests("Abs", op, {"Abs": {"T": {"float"}, "Tidx": {"int32", "int64"}}}, {}) == "all but T: half"
    assert list_ops.describe_tests("Abs", op, {"Abs": {"T": {"float", "half"}, "Tidx": {"int32", "int64"}}}, {}) == "all"
    assert list_ops.describe_tests("Abs", op, {}, {"Abs": "a reason"}) == "no: a reason"
