"""Writes HLO text instruction by instruction, as tfvk-hlo reads it: enough of it for the benchmark's cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

IDENTITY = {"add": "0", "maximum": "-inf"}  # of the combiners that `reduce` takes


@dataclass(frozen=True)
class Value:
    name: str
    dtype: str  # as HLO writes it: f32, bf16, s8, pred, ...
    shape: tuple[int, ...]

    @property
    def type(self) -> str:
        return type_text(self.dtype, self.shape)


def type_text(dtype: str, shape: Sequence[int]) -> str:
    return f"{dtype}[{','.join(map(str, shape))}]"


def numbers(values: Sequence[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


@dataclass
class Module:
    """Methods add an instruction and give its value; `text` closes the module."""

    name: str
    directives: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    combiners: dict[str, str] = field(default_factory=dict)
    parameters: int = 0

    def instruction(self, operation: str, operands: Sequence[Value], dtype: str, shape: Sequence[int], attributes: str = "") -> Value:
        value = Value(f"v{len(self.lines)}", dtype, tuple(shape))
        arguments = ", ".join(operand.name for operand in operands)
        self._add(value, f"{operation}({arguments})", attributes)
        return value

    def _add(self, value: Value, call: str, attributes: str = "") -> None:
        self.lines.append(f"{value.name} = {value.type} {call}" + (f", {attributes}" if attributes else ""))

    def parameter(self, dtype: str, shape: Sequence[int], inputs: str = "") -> Value:
        """`inputs`: the kind of numbers that suits it, in the words of tfvk-hlo; normal ones by default."""
        value = Value(f"v{len(self.lines)}", dtype, tuple(shape))
        self._add(value, f"parameter({self.parameters})")
        if inputs:
            self.directives.append(f"// input {self.parameters}: {inputs}")
        self.parameters += 1
        return value

    def constant(self, dtype: str, number: float | str) -> Value:
        value = Value(f"v{len(self.lines)}", dtype, ())
        self._add(value, f"constant({number})")
        return value

    def unary(self, operation: str, x: Value) -> Value:
        return self.instruction(operation, [x], x.dtype, x.shape)

    def binary(self, operation: str, x: Value, y: Value | float) -> Value:
        """A number is broadcast."""
        if not isinstance(y, Value):
            y = self.broadcast(self.constant(x.dtype, y), x.shape, ())
        return self.instruction(operation, [x, y], x.dtype, x.shape)

    def convert(self, x: Value, dtype: str) -> Value:
        return x if x.dtype == dtype else self.instruction("convert", [x], dtype, x.shape)

    def broadcast(self, x: Value, shape: Sequence[int], dimensions: Sequence[int]) -> Value:
        """`dimensions`: where in `shape` those of x go."""
        return self.instruction("broadcast", [x], x.dtype, shape, f"dimensions={numbers(dimensions)}")

    def transpose(self, x: Value, order: Sequence[int]) -> Value:
        return self.instruction("transpose", [x], x.dtype, [x.shape[d] for d in order], f"dimensions={numbers(order)}")

    def reduce(self, x: Value, dimensions: Sequence[int], combiner: str = "add") -> Value:
        initial = self.constant(x.dtype, IDENTITY[combiner])
        name = f"{combiner}_{x.dtype}"
        scalar = type_text(x.dtype, ())
        self.combiners[name] = f"{name} {{\n  x = {scalar} parameter(0)\n  y = {scalar} parameter(1)\n  ROOT r = {scalar} {combiner}(x, y)\n}}\n"
        kept = [size for d, size in enumerate(x.shape) if d not in dimensions]
        return self.instruction("reduce", [x, initial], x.dtype, kept, f"dimensions={numbers(dimensions)}, to_apply={name}")

    def dot(self, lhs: Value, rhs: Value, contracted: tuple[int, int], batch: int = 0, dtype: str | None = None) -> Value:
        """The product over one dimension of each; the first `batch` dimensions of both are batches."""
        kept = [size for d, size in enumerate(lhs.shape) if d != contracted[0]] + [s for d, s in enumerate(rhs.shape) if d != contracted[1] and d >= batch]
        attributes = f"lhs_contracting_dims={{{contracted[0]}}}, rhs_contracting_dims={{{contracted[1]}}}"
        if batch:
            attributes = f"lhs_batch_dims={numbers(range(batch))}, rhs_batch_dims={numbers(range(batch))}, " + attributes
        return self.instruction("dot", [lhs, rhs], dtype or lhs.dtype, kept, attributes)

    def text(self, *results: Value) -> str:
        """The module whose result is this value, or a tuple of these values."""
        result = results[0]
        if len(results) > 1:
            types = ", ".join(value.type for value in results)
            self.lines.append(f"result = ({types}) tuple({', '.join(value.name for value in results)})")
            result = Value("result", "", ())
        body = [f"  {'ROOT ' if line.startswith(f'{result.name} = ') else ''}{line}" for line in self.lines]
        return "\n".join([*self.directives, f"HloModule {self.name.replace(' ', '_')}\n", *self.combiners.values(), "ENTRY main {", *body, "}", ""])
