"""All convolutions of ResNet-50 and MobileNetV2 as keras.applications build them (224x224 images), forward and both gradients, in NHWC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cases.case import BYTES, ELEMENTS, Case, torch_dtype
from cases.hlo_text import Module

DIRECTIONS = ("forward", "input", "filter")


@dataclass(frozen=True)
class Layer:
    """Square images, filters and strides; padded by half a filter on each side."""

    size: int
    inputs: int
    outputs: int
    filter: int
    stride: int
    groups: int = 1

    @property
    def pad(self) -> int:
        return (self.filter - 1) // 2

    @property
    def result(self) -> int:
        return (self.size + 2 * self.pad - self.filter) // self.stride + 1

    def __str__(self) -> str:
        return f"{self.size}x{self.size}x{self.inputs} -> {self.outputs} k{self.filter} s{self.stride}" + (f" g{self.groups}" if self.groups > 1 else "")


def resnet50() -> Counter[Layer]:
    """Each layer and how often it occurs."""
    layers = [Layer(224, 3, 64, 7, 2)]
    inputs, size = 64, 56
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            step = stride if block == 0 else 1
            if block == 0:
                layers.append(Layer(size, inputs, 4 * width, 1, step))
            layers.append(Layer(size, inputs, width, 1, step))
            size //= step
            layers += [Layer(size, width, width, 3, 1), Layer(size, width, 4 * width, 1, 1)]
            inputs = 4 * width
    return Counter(layers)


def mobilenetv2() -> Counter[Layer]:
    layers = [Layer(224, 3, 32, 3, 2)]
    inputs, size = 32, 112
    for expansion, outputs, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(blocks):
            step, width = (stride if block == 0 else 1), expansion * inputs
            if expansion > 1:
                layers.append(Layer(size, inputs, width, 1, 1))
            layers.append(Layer(size, width, width, 3, step, width))
            size //= step
            layers.append(Layer(size, width, outputs, 1, 1))
            inputs = outputs
    layers.append(Layer(size, inputs, 1280, 1, 1))
    return Counter(layers)


# One of each kind, for software drivers.
SMALL = (Layer(16, 3, 8, 7, 2), Layer(8, 16, 16, 3, 1), Layer(8, 16, 32, 1, 2), Layer(8, 16, 16, 3, 2, 16))


def _window(size: int, pads: tuple[int, int], **others: int) -> str:
    """As HLO writes it, the same in both spatial dimensions."""
    words = [f"size={size}x{size}", f"pad={pads[0]}_{pads[1]}x{pads[0]}_{pads[1]}", *(f"{name}={n}x{n}" for name, n in others.items())]
    return "window={" + " ".join(words) + "}"


def layer_hlo(layer: Layer, direction: str, batch: int, element: str, name: str = "convolution") -> str:
    """As tf2xla writes convolutions and their gradients."""
    x, y = (batch, layer.size, layer.size, layer.inputs), (batch, layer.result, layer.result, layer.outputs)
    w = (layer.filter, layer.filter, layer.inputs // layer.groups, layer.outputs)
    module = Module(name)
    grouped = f", feature_group_count={layer.groups}" if layer.groups > 1 else ""
    covered = (layer.result - 1) * layer.stride + 1
    if direction == "forward":
        operands, result = [x, w], y
        attributes = _window(layer.filter, (layer.pad, layer.pad), stride=layer.stride) + ", dim_labels=b01f_01io->b01f" + grouped
    elif direction == "input":
        operands, result = [y, w], x
        pads = (layer.filter - 1 - layer.pad, layer.size - covered + layer.pad)
        # Each filter of a depthwise convolution has one input and one output: there is nothing to swap.
        labels = "b01f_01io->b01f" if layer.groups > 1 else "b01f_01oi->b01f"
        attributes = _window(layer.filter, pads, lhs_dilate=layer.stride, rhs_reversal=1) + f", dim_labels={labels}" + grouped
    else:
        operands, result = [x, y], w
        pads = (layer.pad, layer.filter - 1 + covered - layer.size - layer.pad)
        attributes = _window(layer.result, pads, rhs_dilate=layer.stride) + ", dim_labels=f01b_i01o->01bf"
        attributes += f", batch_group_count={layer.groups}" if layer.groups > 1 else ""
    values = [module.parameter(element, shape) for shape in operands]
    return module.text(module.instruction("convolution", values, element, result, attributes))


def _peer(layer: Layer, direction: str, batch: int, dtype: str, torch, device):
    """cuDNN in its preferred layout."""
    kind, last = torch_dtype(torch, dtype), torch.channels_last

    def tensor(*shape):
        return torch.randn(*shape, device=device).to(kind).to(memory_format=last)

    x = tensor(batch, layer.inputs, layer.size, layer.size)
    w = tensor(layer.outputs, layer.inputs // layer.groups, layer.filter, layer.filter)
    if direction == "forward":
        return lambda: torch.nn.functional.conv2d(x, w, None, layer.stride, layer.pad, 1, layer.groups)
    y = tensor(batch, layer.outputs, layer.result, layer.result)
    numbers = [layer.stride] * 2, [layer.pad] * 2, [1, 1], False, [0, 0], layer.groups
    wanted = [direction == "input", direction == "filter", False]
    return lambda: torch.ops.aten.convolution_backward(y, x, w, None, *numbers, wanted)


def _case(family: str, layer: Layer, direction: str, batch: int, dtype: str) -> Case:
    x = batch * layer.size**2 * layer.inputs
    y = batch * layer.result**2 * layer.outputs
    w = layer.filter**2 * layer.inputs // layer.groups * layer.outputs
    return Case(
        "convolutions",
        family,
        f"{direction} {batch}x{layer}",
        dtype,
        lambda: layer_hlo(layer, direction, batch, ELEMENTS[dtype]),
        lambda torch, device: _peer(layer, direction, batch, dtype, torch, device),
        flops=2.0 * y * layer.filter**2 * layer.inputs / layer.groups,
        bytes=(x + y + w) * BYTES[dtype],
    )


def cases(small: bool) -> Iterator[Case]:
    batch = 2 if small else 64
    families = {"small": SMALL} if small else {"resnet50": resnet50(), "mobilenetv2": mobilenetv2()}
    for dtype in ("tf32", "bfloat16"):
        for family, layers in families.items():
            for layer in layers:
                for direction in DIRECTIONS:
                    yield _case(family, layer, direction, batch, dtype)
    # Without TF32: the layers of 3x3, where Winograd's algorithm would count.
    for layer in SMALL[1:2] if small else [layer for layer in resnet50() if layer.filter == 3]:
        for direction in DIRECTIONS:
            yield _case("strict", layer, direction, batch, "float32")
