"""Launches and memory traffic of training steps, which a change of the compiler's may make fewer but not more: a step that began to cost more must be seen."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import memory_traffic  # noqa: E402
from our_engine import tfvk_hlo  # noqa: E402

# Of small steps as they are compiled for an H200. After a change that makes them fewer, write down what it gives.
LAUNCHES_AND_KB = {
    "keras_mlp_train": (20, 34),
    "keras_cnn_train": (29, 163),
    "keras_residual_train": (51, 141),
    "keras_residual_train_bfloat16": (58, 111),
    "keras_inverted_residual_train": (51, 395),
    "keras_inverted_residual_train_float16": (84, 221),
    "keras_transformer_train": (72, 114),
    "keras_transformer_train_bfloat16": (74, 88),
}


@pytest.mark.parametrize("module", LAUNCHES_AND_KB)
def test_a_step_does_not_become_more_expensive(module):
    if not tfvk_hlo().exists():
        pytest.skip(f"there is no {tfvk_hlo()}")
    launches = memory_traffic.launches_of(ROOT / f"tests/hlo/modules/{module}.hlo", tfvk_hlo(), ROOT / "tests/vulkan/snapshots/nvidia_h200.json")
    most_launches, most_kb = LAUNCHES_AND_KB[module]
    assert 0 < len(launches) <= most_launches
    assert 0 < sum(launch.bytes for launch in launches) / 1e3 <= most_kb


def test_what_a_launch_moves():
    launches = memory_traffic.parse(
        "FILE.hlo\n"
        "fusion of 3 nodes: reduce (Mean (i784))\n"
        "  read  i764 f32[8192,512]\n"
        "  read  Select (i7) pred[]\n"
        "  write multiply.79 f32[8192]\n"
        "fusion of 1 nodes:\n"
        "  write largest_exponent s32[]\n"
    )
    assert [(launch.kind, launch.bytes) for launch in launches] == [("reduce", 8192 * 512 * 4 + 1 + 8192 * 4), ("map", 4)]
    assert launches[0].shape() == "reduce read f32[8192,512]"
