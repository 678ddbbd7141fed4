"""Runs tfvk-probe, which asks the Vulkan drivers about their devices in a process of its own: a driver that crashes takes only the probe with it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field

from tensorflow_vulkan import installation

LIMIT_SECONDS = 60
KINDS = {"discrete": "discrete GPU", "integrated": "integrated GPU", "virtual": "virtual GPU", "cpu": "software (CPU)", "other": "other"}


@dataclass(frozen=True)
class Device:
    index: int | None  # what TFVK_VISIBLE_DEVICES calls it; None for one that cannot be used
    tensorflow_ordinal: int | None  # N of GPU:N; None when TensorFlow is not offered it
    snapshot: dict
    plan: dict
    fault: str = ""  # what went wrong when memory was copied to, on and from it

    @property
    def name(self) -> str:
        return self.snapshot["name"]

    @property
    def driver(self) -> str:
        return " ".join(part for part in (self.snapshot["driver_name"], self.snapshot["driver_info"]) if part) or "unnamed driver"

    @property
    def kind(self) -> str:
        return KINDS.get(self.snapshot["type"], self.snapshot["type"])

    @property
    def is_software(self) -> bool:
        return self.snapshot["type"] == "cpu"

    @property
    def memory_bytes(self) -> int:
        """What tensors can use: the largest heap of the device's own memory."""
        return max((heap["bytes"] for heap in self.snapshot["heaps"] if heap["device_local"]), default=0)

    @property
    def vulkan(self) -> str:
        version = self.snapshot["api_version"]
        return f"{version >> 22 & 0x7F}.{version >> 12 & 0x3FF}.{version & 0xFFF}"

    @property
    def uuid(self) -> str:
        digits = self.snapshot["device_uuid"]
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def to_json(self) -> dict:
        return {
            "index": self.index,
            "tensorflow_ordinal": self.tensorflow_ordinal,
            "name": self.name,
            "driver": self.driver,
            "kind": self.snapshot["type"],
            "vulkan": self.vulkan,
            "uuid": self.uuid,
            "pci_bus_id": self.snapshot["pci_bus_id"],
            "memory_bytes": self.memory_bytes,
            "usable": self.plan["usable"],
            "reasons": self.plan["reasons"],
            "fault": self.fault or None,
            "enabled": self.plan["features"],
            "costs": self.plan["costs"],
            "workarounds": self.plan["workarounds"],
        }


@dataclass(frozen=True)
class Probe:
    problem: str = ""  # why there is no Vulkan at all; empty when there is
    ran: bool = True  # False: the probe itself could not say anything, and problem tells why
    drivers: list[dict] = field(default_factory=list)  # manifest, library, opened, problem
    devices: list[Device] = field(default_factory=list)  # the usable ones in the order of their indices, then the others
    messages: list[str] = field(default_factory=list)  # what is odd about TFVK_VISIBLE_DEVICES or TFVK_DISABLE_FEATURES


def parse(output: dict) -> Probe:
    """From the JSON of tfvk-probe, whose `order` and `selected` are positions in its list of devices."""
    index = {position: index for index, position in enumerate(output["order"])}
    ordinal = {position: ordinal for ordinal, position in enumerate(output["selected"])}
    devices = [
        Device(index.get(position), ordinal.get(position), entry["snapshot"], entry["plan"], (entry.get("smoke") or {}).get("problem", ""))
        for position, entry in enumerate(output["devices"])
    ]
    devices.sort(key=lambda device: (device.index is None, device.index or 0))
    return Probe(output["problem"], True, output["driver_libraries"], devices, output["messages"])


def run(smoke: bool = False) -> Probe:
    """`smoke`: also copies memory to, on and from each usable device."""
    path = installation.probe_path()
    if not path.exists():
        return Probe(f"the package is incomplete: there is no {path}", ran=False)
    try:
        process = subprocess.run([path, *(["--smoke"] if smoke else [])], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Probe(f"a Vulkan driver did not answer within {LIMIT_SECONDS} s", ran=False)
    except OSError as error:
        return Probe(f"{path} does not start: {error}", ran=False)
    try:
        return parse(json.loads(process.stdout))
    except (json.JSONDecodeError, KeyError, TypeError):
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
        said = process.stderr.strip().splitlines()
        return Probe(f"a Vulkan driver ended the probe ({how})" + (f": {said[-1]}" if said else ""), ran=False)
