"""The benchmark's own parts: its table of cases, its reference for errors, and its report. Nothing is measured here."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import cases  # noqa: E402
import error_cases  # noqa: E402
import goals  # noqa: E402
import keras_runs  # noqa: E402
import results_file  # noqa: E402
from cases import convolutions  # noqa: E402
from line_process import LineProcess  # noqa: E402
from models import transformer  # noqa: E402
from our_engine import tfvk_hlo  # noqa: E402
from sequence_lengths import Epochs  # noqa: E402

# ---- Cases ----


@pytest.mark.parametrize(("small", "snapshot"), [(True, "lavapipe_22.3"), (False, "nvidia_h200")])
def test_every_case_compiles(small, snapshot, tmp_path):
    if not tfvk_hlo().exists():
        pytest.skip(f"there is no {tfvk_hlo()}")
    files = []
    for number, case in enumerate(cases.table(small, list(cases.LAYERS))):
        files.append(tmp_path / f"{number}.hlo")
        files[-1].write_text(case.hlo())
    command = [str(tfvk_hlo()), "--tf32", "--device", str(ROOT / f"tests/vulkan/snapshots/{snapshot}.json"), *map(str, files)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert "FAILED" not in ran.stdout and ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-500:]
    assert f"{len(files)} of {len(files)} modules agree" in ran.stdout


@pytest.mark.parametrize("small", [True, False])
def test_every_case_has_a_key_of_its_own(small):
    keys = [case.key for case in cases.table(small, list(cases.LAYERS))]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("layers", "count", "multiply_adds"), [(convolutions.resnet50, 53, 3.86e9), (convolutions.mobilenetv2, 52, 0.30e9)])
def test_the_networks_convolutions_are_all_there(layers, count, multiply_adds):
    found = layers()
    of = {layer: layer.result**2 * layer.outputs * layer.filter**2 * layer.inputs / layer.groups for layer in found}
    assert sum(found.values()) == count
    assert sum(of[layer] * number for layer, number in found.items()) == pytest.approx(multiply_adds, rel=0.02)


def test_operations_are_measured_once(tmp_path):
    if not tfvk_hlo().exists():
        pytest.skip(f"there is no {tfvk_hlo()}")
    output = tmp_path / "results.jsonl"
    options = ["--scale", "small", "--layers", "launches", "--filter", "independent", "--no-peer", "--output", str(output)]
    for _ in range(2):
        subprocess.run([sys.executable, str(ROOT / "benchmarks/operations.py"), *options], check=True, capture_output=True)
    (line,) = results_file.read(output)
    assert line["launches"] == 16 and line["ms"] > 0 and line["us_a_launch"] == pytest.approx(line["ms"] * 1e3 / 16, rel=1e-3)


def test_another_build_is_a_peer_that_is_not_judged(tmp_path):
    if not tfvk_hlo().exists():
        pytest.skip(f"there is no {tfvk_hlo()}")
    output = tmp_path / "pairs.jsonl"
    options = ["--scale", "small", "--layers", "launches", "--filter", "independent", "--against", str(tfvk_hlo()), "--output", str(output)]
    subprocess.run([sys.executable, str(ROOT / "benchmarks/operations.py"), *options], capture_output=True)  # a busy machine may make one seem slower
    (line,) = results_file.read(output)
    assert line["peer"] == str(tfvk_hlo()) and line["speed"] == pytest.approx(line["peer_ms"] / line["ms"], rel=1e-3)
    (kept,) = goals.Results([line], "small").lines
    assert "ms" in kept and "speed" not in kept and "peer_ms" not in kept


def test_a_process_that_ended_is_started_again():
    process = LineProcess([sys.executable, "-c", "print(input())"], {}, 30)
    for word in ("one", "two"):
        assert process.ask(word, lambda line: True) == word
        process.process.wait()
    process.close()


def test_a_process_that_does_not_answer_is_started_again():
    process = LineProcess([sys.executable, "-c", "import time; print(input(), flush=True); time.sleep(60)"], {}, 1)
    for _ in range(2):
        assert process.ask("hello", lambda line: True) == "hello"
        with pytest.raises(RuntimeError, match="did not answer within 1 s"):
            process.ask("again", lambda line: True)
    process.close()


# ---- Errors ----


@pytest.mark.parametrize(
    "case", [case for case in error_cases.cases(True) if case.distribution in ("normal", "wide")], ids=lambda c: f"{c.name} {c.distribution}"
)
def test_exact_results_are_tensorflows(case):
    from error_table import _tensorflow_operation

    a, b = case.inputs()
    with tf.device("CPU:0"):
        result = _tensorflow_operation(tf, case, tf.constant(a), tf.constant(b)).numpy()
    exact = case.exact(a, b)
    errors = exact.errors(result)
    assert 0 < errors["rms"] <= errors["max"] < 1e-6 and errors["max"] <= errors["max_of_terms"]
    assert exact.errors(result * np.float32(1.01))["rms"] > 1e-4


# ---- Sequence lengths ----


def test_sequence_lengths_compile_nothing_after_the_second_epoch(not_on_reference):
    not_on_reference("it compiles nothing of its own")
    model, *_ = transformer(True, any_length=True)
    model.compile(keras.optimizers.SGD(), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    epochs = Epochs(model, 2, [6, 9], 100)
    for _ in range(3):
        epochs.run()
    assert epochs.compiled[0] > 0 and epochs.compiled[2:] == [0] and epochs.settled() > 0


# ---- Reports ----


def operation(layer, case, dtype, **numbers):
    return {"layer": layer, "family": case.split()[0], "case": case, "dtype": dtype, "scale": "full", "device": "a GPU", **numbers}


def training(backend, cache, **numbers):
    return {"layer": "training", "case": "mlp", "dtype": "float32", "scale": "full", "backend": backend, "cache": cache, "device": "a GPU", **numbers}


LINES = [
    operation("memory", "copy [134217728]", "float32", ms=0.25, gb_s=4290.0, peer_ms=0.25, peer_gb_s=4300.0, speed=1.0, peer="torch"),
    operation("memory", "transpose [8192, 8192] [1, 0]", "float32", ms=0.25, gb_s=2150.0, peer_ms=0.25, peer_gb_s=2200.0, speed=1.0),
    operation("products", "square nn 4096x4096x4096", "tf32", ms=0.9, tflops=152.7, peer_ms=0.35, speed=0.39),
    operation("products", "square nn 4096x4096x4096", "float32", ms=3.0, tflops=45.8, peer_ms=2.7, speed=0.9),
    operation("products", "square nn 4096x4096x4096", "bfloat16", ms=0.45, tflops=305.0, peer_ms=0.18, speed=0.4),
    operation("convolutions", "resnet50 forward 64x56", "tf32", ms=1.0, tflops=10.0, peer_ms=0.9, speed=0.9),
    operation("launches", "dependent 512 of 1024 elements", "float32", ms=1.0, launches=512, us_a_launch=1.95),
    {"layer": "eager", "case": "a + b [4, 4]", "dtype": "float32", "scale": "full", "us": 12.0, "cpu_us": 8.0, "over_cpu_us": 4.0},
    training("tensorflow-vulkan", "cold", ms=2.0, first_s=4.0, peak_mb=400, loss=1.0),
    training("tensorflow-vulkan", "warm", ms=1.8, first_s=1.0, peak_mb=400, loss=1.0),
    training("jax", None, ms=1.5, first_s=8.0, peak_mb=380, loss=1.0),
]


def judged(lines, scale="full"):
    return {row.goal: row for row in goals.rows(goals.Results(lines, scale))}


def test_goals_are_judged():
    rows = judged(LINES)
    wanted = {
        "training step, float32 (TF32 allowed), time / JAX's": False,
        "training step, mixed_bfloat16, time / JAX's": None,
        "first epoch's end, cold cache, time / JAX's cold": False,
        "first epoch's end, warm cache, time / JAX's cold": None,  # met by the one model that was measured
        "copy: bandwidth / PyTorch's copy": True,
        "transpose: bandwidth / PyTorch's copy": False,
        "product 4096^3, TF32 allowed: speed / cuBLAS strict": True,
        "product 4096^3, TF32 forbidden: speed / cuBLAS strict": False,
        "product 4096^3, bfloat16, TFLOP/s": True,
        "product 4096^3, float16, TFLOP/s": None,
        "dependent launches inside a Program, us each": True,
        "eager a + b, us an op over TensorFlow's CPU": True,
    }
    assert {goal: rows[goal].met for goal in wanted} == wanted
    assert "mlp 1.20" in rows["training step, float32 (TF32 allowed), time / JAX's"].measured
    assert rows["product 4096^3, TF32 allowed: speed / cuBLAS strict"].measured == "3.00"


def test_a_goal_of_every_model_is_met_when_every_one_is_measured():
    lines = [line | {"case": model} for line in LINES if line["layer"] == "training" for model in goals.MODELS]
    rows = judged(lines)
    assert rows["peak device memory of a step / JAX's"].met is True
    assert rows["first epoch's end, warm cache, time / JAX's cold"].met is True
    mean = rows["training step, float32 (TF32 allowed), time / JAX's, geometric mean"]
    assert mean.met is False and mean.measured == "1.20 of 6 models"


def test_a_software_drivers_sizes_are_not_judged():
    small = [line | {"scale": "small"} for line in LINES]
    lengths = {"layer": "lengths", "case": "transformer, 12 lengths", "dtype": "float32", "scale": "small", "compiled_after_second": 0, "ratio": 1.1}
    rows = judged([*small, lengths], "small")
    assert {row.met for goal, row in rows.items() if not goal.startswith("50 sequence lengths")} == {None}
    assert rows["50 sequence lengths, jit off: Programs compiled after the second epoch"].met is True


def test_peers_on_the_cpu_are_no_peers():
    rows = judged([line | {"peer_device": "CPU", "device": "cpu"} for line in LINES])
    assert {row.met for goal, row in rows.items() if "PyTorch's" in goal or "JAX's" in goal or "cuBLAS" in goal or "cuDNN" in goal} == {None}


def test_the_last_line_counts_and_lines_cut_off_do_not(tmp_path):
    file = tmp_path / "results.jsonl"
    lines = [*LINES, training("jax", None, ms=3.0, first_s=8.0, peak_mb=380, loss=1.0), operation("products", "square nn 64x64x64", "tf32", error="it failed")]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"layer": "training", "ca')
    assert "mlp 0.60" in judged(results_file.read(file))["training step, float32 (TF32 allowed), time / JAX's"].measured
    subprocess.run([sys.executable, str(ROOT / "benchmarks/report.py"), str(file), "--output", str(tmp_path / "report")], check=True, capture_output=True)
    text = (tmp_path / "report/report.md").read_text()
    assert "| products | square nn 64x64x64 | tf32 | it failed |" in text and "Errors" not in text
    assert {"goals.json", "report.md", "speeds.png", "products.png", "bandwidths.png", "training.png"} == {
        path.name for path in (tmp_path / "report").iterdir()
    }


def test_runs_that_failed_are_measured_again(tmp_path):
    file = tmp_path / "results.jsonl"
    results = results_file.ResultsFile(file)
    results.add(training("jax", None, error="no memory"))
    results.add(training("tensorflow-vulkan", "cold", ms=1.0))
    again = results_file.ResultsFile(file)
    assert not again.holds(training("jax", None)) and again.holds(training("tensorflow-vulkan", "cold"))


def test_a_peer_that_is_not_there_is_named():
    assert "cannot import Keras on torch" in keras_runs.find_peer("torch", sys.executable, "cuda").reason
    assert "does not start" in keras_runs.find_peer("jax", "/nowhere/python", "cuda").reason
