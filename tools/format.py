#!/usr/bin/env python3
"""Formats the C++ (clang-format) and Python (ruff) sources in place, or with --check only tells what is not formatted.

usage: format.py [--check] [ruff|clang-format ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ["python", "tests", "tools", "benchmarks", "examples"]


def tool(name: str) -> str:
    """The tool beside this interpreter, whose version requirements/test.txt fixes: other versions format differently."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        sys.exit(f"{name} is not installed in this environment: run `make setup-test` and use .venv/bin/python")
    return str(path)


def ruff(check: bool) -> int:
    folders = [folder for folder in PYTHON if (ROOT / folder).exists()]
    lint = subprocess.run([tool("ruff"), "check", *([] if check else ["--fix"]), *folders], cwd=ROOT)
    layout = subprocess.run([tool("ruff"), "format", *(["--diff"] if check else []), *folders], cwd=ROOT)
    return lint.returncode or layout.returncode


def clang_format(check: bool) -> int:
    sources = sorted(str(path.relative_to(ROOT)) for folder in ("src", "tests") for suffix in ("cc", "h") for path in (ROOT / folder).rglob(f"*.{suffix}"))
    if not sources:
        return 0
    mode = ["--dry-run", "-Werror"] if check else ["-i"]
    return subprocess.run([tool("clang-format"), *mode, *sources], cwd=ROOT).returncode


def main() -> int:
    tools = {"ruff": ruff, "clang-format": clang_format}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 when something is not formatted")
    parser.add_argument("tools", nargs="*", choices=[[], *tools], default=[])
    arguments = parser.parse_args()
    statuses = [tools[name](arguments.check) for name in arguments.tools or tools]
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
