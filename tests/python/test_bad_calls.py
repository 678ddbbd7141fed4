"""Bad shapes, sizes, indices and attributes for every op of the table: the error has the class and the words of TensorFlow's CPU, and the process goes on."""

import collections
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from bad_call_reasons import ENDS_THE_PROCESS, GIVES_RESULTS, OTHER_CLASS, OTHER_WORDS
from bad_calls import bad_calls, collect, outcome
from tensorflow.python.framework import kernels
from test_ops import ALL_CASES, _inputs, _run

CALLS = collect(ALL_CASES, _inputs, _run)


@pytest.fixture(scope="session")
def on_cpu(tmp_path_factory):
    """What came of every bad call on the CPU, from a process of its own, as some of TensorFlow's kernels end theirs; oneDNN's would at many more."""
    file = tmp_path_factory.mktemp("bad calls") / "cpu.jsonl"
    program = Path(__file__).with_name("bad_calls.py")
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0", "TFVK_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, program, file], env=environment, capture_output=True, text=True, timeout=900)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert done.returncode == 0, f"TensorFlow's CPU ended the process at {lines[-1]}:\n{done.stderr[-2000:]}"
    outcomes = collections.defaultdict(dict)
    for op, i, what, *came in lines:
        if came:
            outcomes[op][i, what] = came[0]
    return outcomes


def _reason(table, op, what):
    return next((reason for pattern, reason in table.items() if re.fullmatch(pattern, f"{op}: {what}")), None)


def _fault(op, what, expected, actual):
    """What is wrong with the device's outcome, or an empty text."""
    if actual is None:
        return "" if _reason(GIVES_RESULTS, op, what) else f"results instead of {expected}"
    if actual[0] != expected[0]:
        return "" if _reason(OTHER_CLASS, op, what) else f"{actual} instead of {expected}"
    of_shape_function = f" for '= {op}[" in actual[1]
    known = actual[1] == expected[1] or of_shape_function or _reason(OTHER_WORDS, op, what)
    return "" if known else f"the words {actual[1]!r} instead of {expected[1]!r}"


def _has_kernel(op, device):
    return any(k.device_type in (device.split(":")[-2], "DEFAULT") for k in kernels.get_registered_kernels_for_op(op).kernel)


@pytest.mark.parametrize("op", sorted(CALLS))
def test_bad_calls_fail_as_on_the_cpu(op, device, no_soft_placement, not_on_reference, on_cpu):
    not_on_reference("what refuses a call stands before both back ends")
    if not _has_kernel(op, device):
        pytest.skip("no kernel on this device")
    faults = []
    for i, call in enumerate(CALLS[op]):
        for what, bad in bad_calls(call):
            if any(re.fullmatch(pattern, f"{op}: {what}") for pattern in ENDS_THE_PROCESS):
                outcome(bad, device)  # no process may end
                continue
            expected = on_cpu[op].get((i, what))
            if expected is not None and (fault := _fault(op, what, expected, outcome(bad, device))):
                faults.append(f"{what}: {fault}")
    assert not faults, f"{len(faults)} faults:\n" + "\n".join(faults)
    with tf.device(device):
        assert float(tf.reduce_sum(tf.ones([3]) + 1.0)) == 6
