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
    "keras_residual_train": (52, 141),
    "keras_residual_train_bfloat16": (59, 111),
    "keras_inverted_residual_train": (56, 395),
    "keras_inverted_residual_train_float16": (89, 221),
    "keras_transformer_train": (72, 114),
    "keras_transformer_train_bfloat16": (74, 88),
}

# Two layers so large that their operands are narrowed to fp16.
LARGE_LAYERS = """HloModule layers
ENTRY main {
  x = f32[8192,512] parameter(0)
  w = f32[512,2048] parameter(1)
  v = f32[2048,512] parameter(2)
  h = f32[8192,2048] dot(x, w), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  t = f32[8192,2048] tanh(h)
  ROOT y = f32[8192,512] dot(t, v), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}
"""


def compiled(module):
    if not tfvk_hlo().exists():
        pytest.skip(f"there is no {tfvk_hlo()}")
    return memory_traffic.compiled(module, tfvk_hlo(), ROOT / "tests/vulkan/snapshots/nvidia_h200.json")


@pytest.mark.parametrize("module", LAUNCHES_AND_KB)
def test_a_step_does_not_become_more_expensive(module):
    fusions, launches = compiled(ROOT / f"tests/hlo/modules/{module}.hlo")
    most_launches, most_kb = LAUNCHES_AND_KB[module]
    assert 0 < launches <= most_launches
    assert 0 < sum(fusion.bytes for fusion in fusions) / 1e3 <= most_kb


def test_only_variables_are_read_for_their_largest_exponent(tmp_path):
    module = tmp_path / "layers.hlo"
    module.write_text(LARGE_LAYERS)
    fusions, launches = compiled(module)
    exponents = [fusion for fusion in fusions if "write s32[]" in fusion.tensors]
    assert sorted(fusion.kind for fusion in exponents) == ["dot_general", "map", "map", "map"]
    assert launches == 3 + 4 + 2  # exponents of the parameters, conversions, products


def test_what_a_fusion_moves():
    fusions, launches = memory_traffic.parse(
        "FILE.hlo\n"
        "fusion of 3 nodes: reduce (Mean (i784))\n"
        "  read  i764 f32[8192,512]\n"
        "  read  Select (i7) pred[]\n"
        "  write multiply.79 f32[8192]\n"
        "fusion of 1 nodes:\n"
        "  write largest_exponent s32[]\n"
        "  compile 10.3 ms, 3 kernels, 3 launches, 64 bytes of temporaries\n"
    )
    assert [(fusion.kind, fusion.bytes) for fusion in fusions] == [("reduce", 8192 * 512 * 4 + 1 + 8192 * 4), ("map", 4)]
    assert fusions[0].shape() == "reduce read f32[8192,512]"
    assert launches == 3
