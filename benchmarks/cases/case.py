"""One measurement of the table: what our engine runs, as HLO text, and what PyTorch runs beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# What a case computes in -> the element type of HLO. "tf32": float32 whose products may lose bits as TF32 does; "float32": they may not.
ELEMENTS = {"float32": "f32", "tf32": "f32", "float16": "f16", "bfloat16": "bf16", "int8": "s8"}
BYTES = {"float32": 4, "tf32": 4, "float16": 2, "bfloat16": 2, "int8": 1}


def torch_dtype(torch, dtype: str):
    return {"tf32": torch.float32}.get(dtype) or getattr(torch, dtype)


@dataclass(frozen=True)
class Case:
    layer: str  # what --layers names
    family: str  # within the layer: what the report takes a mean over
    name: str
    dtype: str  # a key of ELEMENTS
    hlo: Callable[[], str]
    # Of torch and a device: makes the tensors, gives what is timed. None: there is no peer.
    peer: Callable | None
    flops: float = 0  # of one run
    bytes: float = 0  # that have to be read and written once
    repeats: int = 1  # of the operation within one run
    graph: bool = True  # whether PyTorch can record the peer as a CUDA graph; autograd works on the stream of the forward pass, which is not the recorded one
    options: tuple[str, ...] = ()  # of tfvk-hlo, beside --tf32

    @property
    def key(self) -> str:
        return f"{self.family} {self.name} {self.dtype}"
