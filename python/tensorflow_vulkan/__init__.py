"""TensorFlow on any Vulkan 1.2 GPU.

`import tensorflow` finds the plugin by itself; nothing of this package needs to be imported to use it. What is here tells what it did and where it runs.
"""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"
__all__ = ["__version__", "describe_device", "describe_stats", "devices", "get_plugin_path", "stats"]


def get_plugin_path() -> Path:
    """The plugin's shared library, in the folder that TensorFlow searches for plugins. FileNotFoundError when it is not installed."""
    from tensorflow_vulkan import installation

    return installation.plugin_path()


def stats() -> dict | None:
    """What the plugin did in this process since `import tensorflow`: programs compiled and run, launches, bytes moved, ops that ran on the CPU.

    `functions_compiled` and `function_runs` are the part of `programs_compiled` and `runs` that is not of single ops.

    None when no Vulkan plugin is loaded in this process.
    """
    from tensorflow_vulkan import statistics

    return statistics.read()


def describe_stats(since: dict | None = None) -> str:
    """One line for a person: where the operations of this process ran, those after `since` (an earlier stats()) only if it is given."""
    from tensorflow_vulkan import statistics

    return statistics.describe(statistics.read(), since)


def devices() -> list[dict]:
    """The Vulkan devices of this machine in the order of TFVK_VISIBLE_DEVICES' indices, as `tfvk devices --json` prints them."""
    from tensorflow_vulkan import probe

    return [device.to_json() for device in probe.run().devices]


def describe_device(ordinal: int = 0) -> str:
    """Name and driver of the device that TensorFlow calls GPU:<ordinal>, for a person."""
    from tensorflow_vulkan import probe

    for device in probe.run().devices:
        if device.tensorflow_ordinal == ordinal:
            return f"{device.name}, driver {device.driver}"
    return "a device that the Vulkan drivers no longer list"
