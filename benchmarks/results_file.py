"""A file of measurements, one line of JSON each, that runs add to: what it holds already is not measured again, so that a layer that was cut short goes on."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def commit() -> str:
    """Of this checkout; TFVK_COMMIT where it came without git."""
    if named := os.environ.get("TFVK_COMMIT"):
        return named
    try:
        found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"


class ResultsFile:
    """`again`: whether what the file holds is measured once more; the last line of a key counts."""

    def __init__(self, path: Path | None, again: bool = False):
        self.path = path
        self.stamp = {"date": datetime.date.today().isoformat(), "commit": commit()}
        known = [] if again or path is None or not path.exists() else read(path)
        self.known = {key(line): line for line in known if "error" not in line}

    def holds(self, line: dict, *one_of: str) -> bool:
        """Whether the file holds a measurement of the same, and with one of these numbers if any are named."""
        found = self.known.get(key(line))
        return found is not None and (not one_of or any(name in found for name in one_of))

    def add(self, line: dict) -> None:
        """Prints it, too."""
        print(json.dumps(line), flush=True)
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as lines:
            lines.write(json.dumps(line | self.stamp) + "\n")


def key(line: dict) -> tuple:
    """What a line measures."""
    return tuple(line.get(name) for name in ("layer", "case", "dtype", "scale", "backend", "cache"))


def read(path: Path) -> list[dict]:
    """Lines that were cut off, as when a run was ended while it wrote, are left out."""
    found = []
    for text in path.read_text().splitlines():
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found
