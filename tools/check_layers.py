#!/usr/bin/env python3
"""Checks that dependencies go downwards only: which room of src/ may include which, where TensorFlow's, XLA's and Vulkan's headers may appear, file lengths.

The table of rooms is the one of CMakeLists.txt (tfvk_room); this check also reads it there and tells when the two differ.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Room -> the rooms below it that it may include beside itself.
ROOMS: dict[str, set[str]] = {
    "types": set(),
    "vulkan": {"types"},
    "spirv": {"types"},
    "kernels": {"spirv", "types"},
    "program": {"kernels", "vulkan", "types"},
    "ir": {"types"},
    "compiler": {"ir", "kernels", "program", "types"},
    "hlo": {"compiler", "ir", "program", "vulkan", "types"},
    "plugin": {"hlo", "compiler", "program", "ir", "vulkan", "types"},
}
# Prefix of an include -> the rooms that may have it.
OUTSIDE: dict[str, set[str]] = {
    "tensorflow/": {"hlo", "plugin"},
    "xla/": {"hlo", "plugin"},
    "tsl/": {"hlo", "plugin"},
    "vulkan/vulkan": {"vulkan"},
    "spirv/unified1/": {"spirv"},
}
MAX_LINES = 600
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def includes(path: Path) -> list[tuple[int, str]]:
    found = ((number, INCLUDE.match(line)) for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1))
    return [(number, match[1]) for number, match in found if match]


def check_include(room: str, header: str) -> str:
    """What is wrong with a file of `room` including `header`; empty when nothing is."""
    for prefix, allowed in OUTSIDE.items():
        if header.startswith(prefix):
            return "" if room in allowed else f"includes {header}, which only {' and '.join(sorted(allowed))} may"
    other = header.split("/")[0] if "/" in header else room
    if other in ROOMS and other != room and other not in ROOMS[room]:
        return f"includes {header}, but {room} may include only itself and {', '.join(sorted(ROOMS[room])) or 'nothing'}"
    return ""


def check_source(path: Path, room: str | None) -> list[str]:
    problems = []
    name = path.relative_to(ROOT)
    lines = path.read_text(encoding="utf-8").count("\n")
    if lines > MAX_LINES:
        problems.append(f"{name}: {lines} lines; a file is one family and has at most {MAX_LINES}")
    if room is not None and path.suffix in (".cc", ".h"):
        problems += [f"{name}:{number}: {wrong}" for number, header in includes(path) if (wrong := check_include(room, header))]
    return problems


def check_table() -> list[str]:
    """Differences between ROOMS and the calls of tfvk_room in CMakeLists.txt."""
    built = {words[0]: set(words[1:]) for call in re.findall(r"tfvk_room\(([a-z ]+)\)", (ROOT / "CMakeLists.txt").read_text()) if (words := call.split())}
    built.pop("name", None)
    return [
        f"CMakeLists.txt: room {room} is built on {sorted(built.get(room, ()))}, tools/check_layers.py says {sorted(below)}"
        for room, below in ROOMS.items()
        if built.get(room) != below
    ]


def main() -> int:
    problems = check_table()
    for room in sorted(path.name for path in (ROOT / "src").iterdir() if path.is_dir()):
        if room not in ROOMS:
            problems.append(f"src/{room}: not a room of tools/check_layers.py")
            continue
        for path in sorted((ROOT / "src" / room).rglob("*")):
            if path.suffix in (".cc", ".h"):
                problems += check_source(path, room)
    for folder in ("tests", "python", "tools", "benchmarks", "examples"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".cc", ".h", ".py", ".sh"):
                problems += check_source(path, None)
    print("\n".join(problems) if problems else "layers: every include goes downwards")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
