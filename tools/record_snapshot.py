#!/usr/bin/env python3
"""Records what a Vulkan driver says of a device, as tests/vulkan/device_plan_test.cc reads it.

usage: record_snapshot.py [--device N] FILE.json COMMAND ...
COMMAND runs tfvk-probe on the driver to record; environment variables choose it as usual. N counts the devices that tfvk-probe lists, from 0. Examples:
  python3 tools/record_snapshot.py tests/vulkan/snapshots/lavapipe_26.1.json .tools/lavapipe/vkrun build/release/tfvk-probe
  python3 tools/record_snapshot.py tests/vulkan/snapshots/intel_bmg.json .tools/drm-shim/gpurun intel bmg build/release/tfvk-probe
  VK_ICD_FILENAMES=vk_swiftshader_icd.json python3 tools/record_snapshot.py tests/vulkan/snapshots/swiftshader.json build/release/tfvk-probe
With - for COMMAND it reads what tfvk-probe printed elsewhere from standard input.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 160


def known_extensions() -> set[str]:
    """The extensions that the sources ask for: the others, often two hundred, decide nothing."""
    sources = (ROOT / "src/vulkan").glob("*.cc")
    return {name for source in sources for name in re.findall(r'"(VK_[A-Z]+_\w+)"', source.read_text(encoding="utf-8"))}


def filled(pieces: list[str], indent: str) -> str:
    """Pieces separated by commas, as many on a line as fit."""
    lines, line = [], ""
    for i, piece in enumerate(pieces):
        piece += "," if i + 1 < len(pieces) else ""
        if line and len(indent) + len(line) + 1 + len(piece) > WIDTH:
            lines.append(line)
            line = ""
        line += (" " if line else "") + piece
    return "\n".join(indent + text for text in [*lines, line])


def layout(value) -> str:
    """A member's JSON: on one line where it fits; one structure of a list a line; else as many members on a line as fit."""
    short = json.dumps(value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join("    " + json.dumps(item) for item in value) + "\n  ]"
    if len(short) < WIDTH - 30 or not isinstance(value, (list, dict)):
        return short
    if isinstance(value, dict):
        return "{\n" + filled([f"{json.dumps(name)}: {json.dumps(member)}" for name, member in value.items()], "    ") + "\n  }"
    return "[\n" + filled([json.dumps(item) for item in value], "    ") + "\n  ]"


def text_of(snapshot: dict) -> str:
    names = ["name", "type", *(name for name in snapshot if name not in ("name", "type"))]
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {layout(snapshot[name])}" for name in names) + "\n}\n"


def probe(command: list[str]) -> dict:
    if command == ["-"]:
        return json.load(sys.stdin)
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=int, default=0, help="which of the devices; default: 0")
    parser.add_argument("file", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if not arguments.command:
        parser.error("no command that runs tfvk-probe")
    found = probe(arguments.command)
    devices = found["devices"]
    if not 0 <= arguments.device < len(devices):
        sys.exit(f"tfvk-probe lists {len(devices)} devices, so there is no device {arguments.device}. {found['problem']}")
    snapshot = devices[arguments.device]["snapshot"]
    known = known_extensions()
    snapshot["extensions"] = [name for name in snapshot["extensions"] if name in known]
    arguments.file.write_text(text_of(snapshot), encoding="utf-8")
    print(f"{arguments.file}: {snapshot['name']}, {snapshot['driver_name']} {snapshot['driver_info']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
