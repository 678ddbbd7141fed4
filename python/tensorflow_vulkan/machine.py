"""What this machine has to run Vulkan with: the loader, device nodes, WSL, vendors of the GPUs. Only looks; never fails."""

from __future__ import annotations

import ctypes
import grp
import os
from dataclasses import dataclass, field
from pathlib import Path

VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel", "0x5143": "Qualcomm", "0x13b5": "Arm"}


@dataclass(frozen=True)
class Node:
    path: str
    group: str
    accessible: bool
    vendor: str = ""


@dataclass(frozen=True)
class Machine:
    loader: bool = True  # libvulkan.so.1 can be opened
    wsl: bool = False
    container: bool = False
    render_nodes: list[Node] = field(default_factory=list)  # /dev/dri/renderD*
    nvidia_device: bool = False  # NVIDIA's kernel driver is loaded and its device reachable
    cache_folder: str = ""
    cache_writable: bool = True
    environment: dict[str, str] = field(default_factory=dict)  # the variables that matter here and are set


VARIABLES = (
    "TFVK_VISIBLE_DEVICES",
    "TFVK_DISABLE_FEATURES",
    "TFVK_DEEPBIND",
    "TFVK_CACHE_DIR",
    "VK_DRIVER_FILES",
    "VK_ICD_FILENAMES",
    "VK_ADD_DRIVER_FILES",
    "VK_INSTANCE_LAYERS",
    "VK_LOADER_DRIVERS_DISABLE",
    "VK_LOADER_DRIVERS_SELECT",
)


def look() -> Machine:
    folder = cache_folder()
    return Machine(
        loader=_opens("libvulkan.so.1") or _opens("libvulkan.so"),
        wsl="microsoft" in _read("/proc/version").lower(),
        container=Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
        render_nodes=[_node(path) for path in sorted(Path("/dev/dri").glob("renderD*"))],
        nvidia_device=Path("/dev/nvidiactl").exists(),
        cache_folder=str(folder),
        cache_writable=_writable(folder),
        environment={name: os.environ[name] for name in VARIABLES if name in os.environ},
    )


def cache_folder() -> Path:
    """Where the plugin keeps compiled pipelines."""
    if chosen := os.environ.get("TFVK_CACHE_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tensorflow-vulkan"


def _node(path: Path) -> Node:
    try:
        gid = path.stat().st_gid
        group = grp.getgrgid(gid).gr_name
    except KeyError:
        group = str(gid)
    except OSError:
        group = "render"
    vendor = _read(f"/sys/class/drm/{path.name}/device/vendor").strip()
    return Node(str(path), group, os.access(path, os.R_OK | os.W_OK), VENDORS.get(vendor, vendor))


def _opens(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _writable(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
