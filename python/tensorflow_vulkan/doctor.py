"""`tfvk doctor`: from what the drivers, TensorFlow and the machine say to a list of findings, each with what to do about it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field

from tensorflow_vulkan import __version__, installation, machine, probe

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True)
class Finding:
    severity: str  # error: TensorFlow gets no Vulkan device; warning: it works, but not as it could; note: good to know
    what: str
    todo: str = ""


@dataclass(frozen=True)
class TensorFlowRun:
    """What a process of its own saw after `import tensorflow`."""

    devices: list[str] = field(default_factory=list)
    failure: str = ""


@dataclass(frozen=True)
class Facts:
    probe: probe.Probe
    machine: machine.Machine
    tensorflow: installation.TensorFlow | None
    built_for: str | None
    plugin: str | None
    run: TensorFlowRun | None = None  # None: not asked


def collect(ask_tensorflow: bool = True) -> Facts:
    try:
        plugin = str(installation.plugin_path())
    except FileNotFoundError:
        plugin = None
    found = installation.installed_tensorflow()
    run = _run_tensorflow(found.device_type) if ask_tensorflow and found and plugin else None
    return Facts(probe.run(smoke=True), machine.look(), found, installation.built_for_tensorflow(), plugin, run)


def _run_tensorflow(device_type: str) -> TensorFlowRun:
    program = f"import tensorflow as tf; print('devices:', *[d.name for d in tf.config.list_physical_devices({device_type!r})])"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "1"}
    try:
        process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return TensorFlowRun(failure="import tensorflow did not end within 180 s")
    for line in process.stdout.splitlines():
        if line.startswith("devices:"):
            return TensorFlowRun(devices=line.split()[1:])
    said = process.stderr.strip().splitlines()
    return TensorFlowRun(failure=said[-1] if said else f"import tensorflow ended with status {process.returncode}")


def diagnose(facts: Facts) -> list[Finding]:
    """All findings, errors first."""
    found = [*_about_tensorflow(facts), *_about_vulkan(facts), *_about_devices(facts), *_about_environment(facts), *_about_run(facts)]
    return sorted(found, key=lambda finding: (ERROR, WARNING, NOTE).index(finding.severity))


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _about_tensorflow(facts: Facts) -> list[Finding]:
    found = []
    if facts.plugin is None:
        found.append(
            Finding(ERROR, "The plugin's library libtfvk.so is not installed.", "Install the package again: pip install --force-reinstall tensorflow-vulkan")
        )
    tensorflow, built_for = facts.tensorflow, facts.built_for
    wanted = _minor(built_for) if built_for else "2.21"
    if tensorflow is None:
        return [*found, Finding(ERROR, "TensorFlow is not installed in this environment.", f'Run: pip install "tensorflow-cpu=={wanted}.*"')]
    if built_for and _minor(tensorflow.version) != _minor(built_for):
        what = f"The plugin was built for TensorFlow {wanted}, and {tensorflow.version} is installed, whose C++ interface differs: no device is offered."
        found.append(Finding(ERROR, what, f'Run: pip install "tensorflow-cpu=={wanted}.*", or build tensorflow-vulkan in this environment.'))
    if tensorflow.vendor_build:
        what = (
            f"This is TensorFlow's {tensorflow.vendor_build} build. Its kernels for the device type GPU are {tensorflow.vendor_build}'s, "
            "so Vulkan devices are of type VULKAN: VULKAN:0, VULKAN:1, ..."
        )
        todo = 'Use `with tf.device("VULKAN:0"):`, or install tensorflow-cpu in its place: then the Vulkan device is GPU:0 and chosen by itself.'
        found.append(Finding(NOTE, what, todo))
    if len(tensorflow.distributions) > 1:
        names = " and ".join(tensorflow.distributions)
        todo = f"Run: pip uninstall -y {' '.join(tensorflow.distributions)}, then install one of them."
        found.append(Finding(WARNING, f"{names} are both installed and overwrite each other's files.", todo))
    return found


def _about_vulkan(facts: Facts) -> list[Finding]:
    """Why there is no driver, or one driver less than there could be."""
    found = []
    here = facts.machine
    if not here.loader:
        found.append(Finding(ERROR, "The Vulkan loader libvulkan.so.1 is not installed.", "Run: sudo apt-get install libvulkan1 (Fedora: vulkan-loader)"))
    elif not facts.probe.ran:
        return [
            Finding(ERROR, f"The drivers could not be asked: {_sentence(facts.probe.problem)}", "To find the faulty one: VK_DRIVER_FILES=MANIFEST tfvk doctor")
        ]
    elif facts.probe.problem and facts.probe.drivers:
        found.append(Finding(ERROR, f"Vulkan does not work here: {_sentence(facts.probe.problem)}", _driver_advice(here)))
    for driver in facts.probe.drivers:
        if driver["problem"]:
            todo = "Remove the file, or install its driver again. The other drivers are not affected."
            found.append(Finding(WARNING, f"The driver of {driver['manifest']} cannot be opened: {_sentence(driver['problem'])}", todo))
    if here.loader and not facts.probe.drivers:
        where = "what VK_DRIVER_FILES or VK_ICD_FILENAMES names" if {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"} & here.environment.keys() else "the usual folders"
        found.append(Finding(ERROR, f"No Vulkan driver is installed: there is no manifest in {where}.", _driver_advice(here)))
    for node in here.render_nodes:
        if not node.accessible:
            what = f"This user may not open {node.path}, so the drivers cannot use the {node.vendor + ' ' if node.vendor else ''}GPU behind it."
            todo = f"Run: sudo usermod -aG {node.group} $USER and log in again" + (
                " (in a container: pass the device and its group on)." if here.container else "."
            )
            found.append(Finding(WARNING if _gpus(facts) else ERROR, what, todo))
    if here.nvidia_device and not any(device.snapshot["vendor_id"] == 0x10DE for device in facts.probe.devices):
        todo = "Install the driver's Vulkan part (libnvidia-gl-..., nvidia_icd.json)"
        todo += "; in a container NVIDIA_DRIVER_CAPABILITIES must contain `graphics` or be `all`." if here.container else "."
        found.append(Finding(WARNING, "NVIDIA's kernel driver is loaded, but no NVIDIA device shows up in Vulkan.", todo))
    return found


def _driver_advice(here: machine.Machine) -> str:
    if here.wsl:
        return (
            "WSL: the distribution's Mesa lacks the driver for the host's GPU (dzn, Vulkan over D3D12). Install a Mesa built with it "
            "(26.1 or newer, -Dvulkan-drivers=microsoft-experimental); for software rendering: sudo apt-get install mesa-vulkan-drivers"
        )
    if any(node.vendor == "NVIDIA" for node in here.render_nodes) or here.nvidia_device:
        return "Install NVIDIA's driver with its Vulkan part; without a GPU a software driver helps: sudo apt-get install mesa-vulkan-drivers"
    return "Run: sudo apt-get install mesa-vulkan-drivers (AMD, Intel, and a software driver)"


def _about_devices(facts: Facts) -> list[Finding]:
    devices = facts.probe.devices
    found = [
        Finding(WARNING, f"{device.name} ({device.driver}) cannot be used: {' '.join(device.plan['reasons'])}")
        for device in devices
        if not device.plan["usable"]
    ]
    offered = [device for device in devices if device.tensorflow_ordinal is not None]
    for device in devices:
        if device.fault:
            severity = ERROR if device in offered else WARNING
            found.append(Finding(severity, f"{device.name} ({device.driver}) failed a copy of memory: {_sentence(device.fault)}", "A newer driver may help."))
    if offered and all(device.is_software for device in offered):
        found.append(_only_software(facts))
    elif not offered and any(device.plan["usable"] for device in devices):
        chosen = facts.machine.environment.get("TFVK_VISIBLE_DEVICES")
        found.append(
            Finding(
                ERROR, f"TFVK_VISIBLE_DEVICES={chosen} selects none of the usable devices.", "Unset it, or name an index, a name or a UUID of `tfvk devices`."
            )
        )
    elif not offered and not facts.probe.problem and facts.probe.drivers:
        found.append(Finding(ERROR, "No Vulkan device of this machine can be used.", _driver_advice(facts.machine)))
    return found


def _gpus(facts: Facts) -> list[probe.Device]:
    return [device for device in facts.probe.devices if device.plan["usable"] and not device.is_software]


def _only_software(facts: Facts) -> Finding:
    if _gpus(facts):
        return Finding(WARNING, "TFVK_VISIBLE_DEVICES selects only a software driver.", "Unset it to use the GPU.")
    what = "There is only a software driver, which computes on the CPU: good for trying and testing, slower than TensorFlow's own CPU kernels."
    if facts.machine.wsl:
        return Finding(WARNING, what, _driver_advice(facts.machine))
    if facts.machine.render_nodes or facts.machine.nvidia_device:
        return Finding(WARNING, what, "This machine does have a GPU: install its Vulkan driver, or mend what is said of it above.")
    return Finding(NOTE, what)


def _about_environment(facts: Facts) -> list[Finding]:
    here = facts.machine
    found = [Finding(WARNING, _sentence(message)) for message in facts.probe.messages]
    if here.environment.get("TFVK_DEEPBIND") == "0":
        found.append(Finding(WARNING, "TFVK_DEEPBIND=0: drivers that use LLVM (lavapipe, AMD's) will crash beside TensorFlow's own LLVM.", "Unset it."))
    if here.environment.get("VK_INSTANCE_LAYERS"):
        found.append(Finding(NOTE, f"VK_INSTANCE_LAYERS={here.environment['VK_INSTANCE_LAYERS']} puts layers between the plugin and the drivers.", ""))
    if not here.cache_writable:
        what = f"Compiled kernels cannot be kept in {here.cache_folder}, so every process compiles them anew."
        found.append(Finding(WARNING, what, "Make it writable, or set TFVK_CACHE_DIR to a folder that is."))
    return found


def _about_run(facts: Facts) -> list[Finding]:
    """What a real `import tensorflow` showed, beside what is known already to be wrong."""
    if facts.run is None:
        return []
    expected = sum(device.tensorflow_ordinal is not None for device in facts.probe.devices)
    if facts.run.failure:
        return [Finding(ERROR, f"`import tensorflow` fails: {_sentence(facts.run.failure)}", "Run it by hand to see all of its output.")]
    if expected and not facts.run.devices:
        todo = "Run `python -c 'import tensorflow'` and look for a warning of tensorflow-vulkan."
        return [Finding(ERROR, "TensorFlow was asked and lists no Vulkan device, although the drivers have one.", todo)]
    return []


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else text + "."


def to_json(facts: Facts, findings: list[Finding]) -> dict:
    return {
        "version": __version__,
        "ok": all(finding.severity != ERROR for finding in findings),
        "plugin": facts.plugin,
        "built_for_tensorflow": facts.built_for,
        "tensorflow": (asdict(facts.tensorflow) | {"device_type": facts.tensorflow.device_type}) if facts.tensorflow else None,
        "tensorflow_devices": facts.run.devices if facts.run else None,
        "vulkan_problem": facts.probe.problem or None,
        "drivers": facts.probe.drivers,
        "devices": [device.to_json() for device in facts.probe.devices],
        "machine": asdict(facts.machine),
        "findings": [asdict(finding) for finding in findings],
    }
