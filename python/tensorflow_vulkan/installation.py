"""What is installed: the plugin, its probe, and the TensorFlow beside them. Nothing here imports TensorFlow."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import runpy
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


def plugin_path() -> Path:
    path = HERE.parent / "tensorflow-plugins" / "libtfvk.so"
    if not path.exists():
        raise FileNotFoundError(f"the plugin is not installed: there is no {path}")
    return path


def probe_path() -> Path:
    return HERE / "bin" / "tfvk-probe"


def built_for_tensorflow() -> str | None:
    """The TensorFlow version that the plugin was compiled against; None when only the Python files are there."""
    try:
        return json.loads((HERE / "build.json").read_text())["tensorflow"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return None


@dataclass(frozen=True)
class TensorFlow:
    version: str
    distributions: tuple[str, ...]  # which packages brought it: tensorflow, tensorflow-cpu, ...
    vendor_build: str | None  # "CUDA" or "ROCm" when it has GPU kernels of its own

    @property
    def device_type(self) -> str:
        """The type under which the plugin registers its devices: the kernels of a CUDA build occupy the name GPU."""
        return "VULKAN" if self.vendor_build else "GPU"


def installed_tensorflow() -> TensorFlow | None:
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations)))
    names = ("tensorflow-cpu", "tensorflow", "tf-nightly-cpu", "tf-nightly")
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return TensorFlow(next(iter(versions.values()), "unknown"), tuple(versions), _vendor_build(folder))


def _vendor_build(folder: Path) -> str | None:
    try:
        info = runpy.run_path(str(folder / "python" / "platform" / "build_info.py"))["build_info"]
    except (OSError, KeyError):
        return None
    if info.get("is_cuda_build"):
        return "CUDA"
    return "ROCm" if info.get("is_rocm_build") else None
