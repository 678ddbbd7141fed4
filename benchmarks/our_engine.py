"""Times cases on the Vulkan device: tfvk-hlo reads the names of HLO files and answers each with a line of JSON."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from cases import Case
from line_process import LineProcess
from results_file import ROOT

LIMIT_S = 150  # for one case; compiling one for a driver may take half a minute


def tfvk_hlo() -> Path:
    """TFVK_HLO where it is not in the build folder."""
    return Path(os.environ.get("TFVK_HLO", ROOT / "build/release/tfvk-hlo"))


class OurEngine:
    """One process for each set of options."""

    def __init__(self, busy_s: float, program: Path | None = None):
        self.program = program or tfvk_hlo()
        if not self.program.exists():
            raise FileNotFoundError(f"there is no {self.program}: `make bench` builds it, TFVK_HLO names another")
        self.busy_s = busy_s
        self.folder = tempfile.TemporaryDirectory(prefix="tfvk-bench-")
        self.processes: dict[tuple[str, ...], LineProcess] = {}

    def measure(self, case: Case) -> dict:
        """Times in milliseconds: `device_ms` by the device's timestamps, `wall_ms` by the host's clock in a row of runs. RuntimeError with the reason."""
        path = Path(self.folder.name) / "case.hlo"
        path.write_text(case.hlo())
        options = (*case.options, *(["--tf32"] if case.dtype == "tf32" else []))
        if options not in self.processes:
            command = [str(self.program), "--benchmark", str(self.busy_s), *options]
            self.processes[options] = LineProcess(command, os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}, LIMIT_S)
        answer = self.processes[options].ask(str(path), lambda line: line.startswith("{") or "FAILED: " in line)
        if not answer.startswith("{"):
            self.processes[options].close()  # its device may be lost
            raise RuntimeError(answer.removeprefix("FAILED: "))
        told = json.loads(answer)
        told["wall_ms"] = told.pop("ms")
        return told

    def close(self) -> None:
        for process in self.processes.values():
            process.close()
        self.folder.cleanup()


class OtherBuild:
    """Another build of our engine as the peer, as of the commit before."""

    reason = ""

    def __init__(self, busy_s: float, program: Path):
        self.engine = OurEngine(busy_s, program)

    def measure(self, case: Case, number: int) -> dict:
        told = self.engine.measure(case)
        return {"peer": str(self.engine.program), "peer_device": told["device"], "peer_ms": milliseconds(told)}

    def close(self) -> None:
        self.engine.close()


def milliseconds(told: dict) -> float:
    """Of a run: both measure it from above, as timestamps have a cost of their own, and so has a submission."""
    return min(time for time in (told["device_ms"], told["wall_ms"]) if time > 0)
