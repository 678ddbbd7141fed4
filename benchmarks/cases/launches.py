"""What a launch costs inside of one Program: many small kernels, each depending on the one before, or none on another."""

from __future__ import annotations

from collections.abc import Iterator

from cases.case import Case
from cases.hlo_text import Module

ELEMENTS = 1024


def _dependent(count: int) -> str:
    module = Module("dependent_launches")
    value = module.parameter("f32", (ELEMENTS,))
    for _ in range(count):
        value = module.unary("cosine", value)
    return module.text(value)


def _independent(count: int) -> str:
    module = Module("independent_launches")
    return module.text(*[module.unary("cosine", module.parameter("f32", (ELEMENTS,))) for _ in range(count)])


def _dependent_peer(count: int, torch, device):
    x = torch.randn(ELEMENTS, device=device)

    def run():
        value = x
        for _ in range(count):
            value = value.cos()
        return value

    return run


def _independent_peer(count: int, torch, device):
    tensors = [torch.randn(ELEMENTS, device=device) for _ in range(count)]
    return lambda: [tensor.cos() for tensor in tensors]


def cases(small: bool) -> Iterator[Case]:
    for count in (16,) if small else (64, 512):
        for name, hlo, peer in (("dependent", _dependent, _dependent_peer), ("independent", _independent, _independent_peer)):
            yield Case(
                "launches",
                name,
                f"{count} of {ELEMENTS} elements",
                "float32",
                lambda hlo=hlo, count=count: hlo(count),
                lambda torch, device, peer=peer, count=count: peer(count, torch, device),
                repeats=count,
                options=("--no-fuse",),
            )
