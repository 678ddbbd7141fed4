"""The table of single operations: one family a module."""

from __future__ import annotations

from collections.abc import Iterator

from cases import blocks, convolutions, launches, memory, products
from cases.case import Case

LAYERS = {"memory": memory, "products": products, "convolutions": convolutions, "blocks": blocks, "launches": launches}


def table(small: bool, layers: list[str]) -> Iterator[Case]:
    """Every layer names its cases by what is in them: a key occurs once."""
    for layer in layers:
        yield from LAYERS[layer].cases(small)
