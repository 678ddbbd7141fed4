"""The command `tfvk`: which Vulkan devices there are, and what is wrong when TensorFlow does not get one."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from tensorflow_vulkan import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from tensorflow_vulkan import doctor, probe

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tfvk", description="Looks after TensorFlow's Vulkan devices.")
    parser.add_argument("--version", action="version", version=f"tfvk {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    list_devices = commands.add_parser(
        "devices", help="list the Vulkan devices", description="Lists the Vulkan devices in the order of TFVK_VISIBLE_DEVICES' indices."
    )
    list_devices.set_defaults(function=_devices)
    examine = commands.add_parser("doctor", help="examine drivers, devices and TensorFlow, and say what is wrong and what to do about it")
    examine.add_argument("--quick", action="store_true", help="do not start TensorFlow to see what it lists")
    examine.set_defaults(function=_doctor)
    for command in (list_devices, examine):
        command.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    return chosen.function(chosen)


def _console() -> Console:
    from rich.console import Console

    # Piped output is not cut to 80 columns.
    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _devices(arguments: argparse.Namespace) -> int:
    from tensorflow_vulkan import installation, probe

    found = probe.run()
    offered = any(device.tensorflow_ordinal is not None for device in found.devices)
    if arguments.json:
        print(json.dumps({"problem": found.problem or None, "devices": [device.to_json() for device in found.devices]}, indent=2))
    elif found.devices:
        tensorflow = installation.installed_tensorflow()
        _console().print(_device_table(found.devices, tensorflow.device_type if tensorflow else "GPU"))
    if not offered:
        print(
            f"tfvk: TensorFlow gets no Vulkan device: {found.problem or 'none can be used, or TFVK_VISIBLE_DEVICES hides them'}. Try: tfvk doctor",
            file=sys.stderr,
        )
    return 0 if offered else 1


def _device_table(devices: list[probe.Device], device_type: str):
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("index", "TensorFlow", "device", "kind", "driver", "Vulkan", "memory"):
        table.add_column(heading, justify="right" if heading in ("index", "memory") else "left", overflow="fold")
    for device in devices:
        index = "-" if device.index is None else str(device.index)
        name = "-" if device.tensorflow_ordinal is None else f"{device_type}:{device.tensorflow_ordinal}"
        table.add_row(index, name, device.name, device.kind, device.driver, device.vulkan, f"{device.memory_bytes / 2**30:.1f} GiB")
    return table


def _doctor(arguments: argparse.Namespace) -> int:
    from tensorflow_vulkan import doctor

    facts = doctor.collect(ask_tensorflow=not arguments.quick)
    findings = doctor.diagnose(facts)
    failed = [finding for finding in findings if finding.severity == doctor.ERROR]
    if arguments.json:
        print(json.dumps(doctor.to_json(facts, findings), indent=2))
    else:
        _print_report(_console(), facts, findings)
    if failed:
        print(f"tfvk: TensorFlow gets no Vulkan device: {failed[0].what}", file=sys.stderr)
    return 1 if failed else 0


def _print_report(console: Console, facts: doctor.Facts, findings: list[doctor.Finding]) -> None:
    from rich.markup import escape

    tensorflow = facts.tensorflow
    console.print(f"[bold]tensorflow-vulkan {__version__}[/], built for TensorFlow {facts.built_for or '(unknown)'}")
    if tensorflow:
        build = f"{tensorflow.vendor_build} build" if tensorflow.vendor_build else "no GPU kernels of its own"
        package = ", ".join(tensorflow.distributions) or "unknown package"
        console.print(f"TensorFlow {tensorflow.version} ({package}; {build}): Vulkan devices are of type {tensorflow.device_type}")
    if facts.run and facts.run.devices:
        console.print(f"TensorFlow was started and lists: {', '.join(facts.run.devices)}")
    for name, value in facts.machine.environment.items():
        console.print(f"{name}={escape(value)}")
    console.print("\n[bold]Drivers[/]")
    for driver in facts.probe.drivers:
        state = f"[yellow]{escape(driver['problem'])}[/]" if driver["problem"] else "opened" if driver["opened"] else "found"
        console.print(f"  {escape(driver['manifest'])} -> {escape(driver['library'] or '?')}: {state}")
    if not facts.probe.drivers:
        console.print("  none")
    console.print("\n[bold]Devices[/]")
    if facts.probe.devices:
        console.print(_device_table(facts.probe.devices, tensorflow.device_type if tensorflow else "GPU"))
    for device in facts.probe.devices:
        _print_device(console, device)
    if not facts.probe.devices:
        console.print("  none")
    _print_findings(console, findings)


def _print_device(console: Console, device: probe.Device) -> None:
    from rich.markup import escape

    console.print(
        f"[bold]{escape(device.name)}[/]  (UUID {device.uuid}" + (f", PCI {device.snapshot['pci_bus_id']}" if device.snapshot["pci_bus_id"] else "") + ")"
    )
    if not device.plan["usable"]:
        console.print(f"  not usable: {escape(' '.join(device.plan['reasons']))}")
        return
    console.print(f"  enabled: {', '.join(device.plan['features'])}")
    for heading, lines in (("missing", device.plan["costs"]), ("workaround", device.plan["workarounds"])):
        for line in lines:
            console.print(f"  {heading}: {escape(line)}")
    console.print()


def _print_findings(console: Console, findings: list[doctor.Finding]) -> None:
    from rich.markup import escape

    console.print("[bold]Findings[/]")
    for finding in findings:
        console.print(f"  [{STYLES[finding.severity]}]{finding.severity}[/] {escape(finding.what)}")
        if finding.todo:
            console.print(f"      -> {escape(finding.todo)}")
    if not findings:
        console.print("  [green]nothing is wrong[/]")


if __name__ == "__main__":
    sys.exit(main())
