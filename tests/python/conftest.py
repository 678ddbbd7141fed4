"""The Python tests run in one process with one plugin: the shared library that TFVK_TEST_PLUGIN names, else the plugin that is installed."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
if os.environ.get("TFVK_TEST_PLUGIN"):
    if "tensorflow" in sys.modules:
        raise RuntimeError("tensorflow was imported before conftest.py could name the plugin to it")
    os.environ["TF_PLUGGABLE_DEVICE_LIBRARY_PATH"] = os.path.abspath(os.environ["TFVK_TEST_PLUGIN"])

import ctypes  # noqa: E402
import json  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402

# On devices with matrix units fp32 products would have TF32's error, as they have on CUDA; the tests compare with the CPU's.
tf.config.experimental.enable_tensor_float_32_execution(False)

_DEVICES = [d for kind in ("GPU", "VULKAN") for d in tf.config.list_logical_devices(kind)]


def pytest_addoption(parser):
    parser.addoption("--record-ops", metavar="FILE", help="add the names of the ops that the tests give the device to this file (docs/op_lists/tested.txt)")


def pytest_configure(config):
    if path := config.getoption("--record-ops"):
        config.pluginmanager.register(_OpRecorder(path))


class _OpRecorder:
    """Collects the types of all ops that run on the device, alone or in functions."""

    def __init__(self, path):
        from tensorflow.python.framework import op_callbacks

        self.path, self.seen = path, set()
        op_callbacks.add_op_callback(self._see)

    def _see(self, op_type, inputs, attrs, outputs, op_name=None, graph=None):
        if graph is not None or any("CPU" not in o.device for o in outputs if hasattr(o, "device")) or not outputs:
            self.seen.add(op_type)

    def pytest_sessionfinish(self):
        try:
            with open(self.path) as file:
                self.seen |= set(file.read().split())
        except FileNotFoundError:
            pass
        with open(self.path, "w") as file:
            file.write("\n".join(sorted(self.seen)) + "\n")


def pytest_sessionstart(session):
    if not _DEVICES:
        raise pytest.UsageError(
            "TensorFlow lists no device of the plugin. Set TFVK_TEST_PLUGIN to the shared library to test, or install the package; "
            "`tfvk doctor` tells what is missing."
        )


def pytest_report_header(config):
    return f"plugin: {os.environ.get('TFVK_TEST_PLUGIN', 'installed')}, TensorFlow {tf.__version__}, device {device_name()}"


def device_name():
    return _DEVICES[0].name


@pytest.fixture
def device():
    """The name of the plugin's first device, e.g. /device:GPU:0."""
    return device_name()


@pytest.fixture
def no_soft_placement():
    """Ops without a kernel on the device fail instead of running on the CPU."""
    before = tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(False)
    yield
    tf.config.set_soft_device_placement(before)


@pytest.fixture(autouse=True)
def seeds():
    import keras

    keras.backend.clear_session()
    keras.utils.set_random_seed(1234)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def _statistics_function():
    path = os.environ.get("TF_PLUGGABLE_DEVICE_LIBRARY_PATH")
    if not path:
        with open("/proc/self/maps") as maps:
            path = next(line.split()[-1] for line in maps if "libtfvk" in line)
    function = ctypes.CDLL(path).tfvk_statistics_json
    function.restype = ctypes.c_char_p
    return function


@pytest.fixture
def not_on_reference():
    """A function that skips the test, with a reason, when the plugin has the reference back end instead of Vulkan."""
    with open("/proc/self/maps") as maps:
        reference = "libtfvk_reference" in maps.read()

    def skip(reason):
        if reference:
            pytest.skip(f"not on the reference back end: {reason}")

    return skip


@pytest.fixture
def statistics():
    """A function that gives the plugin's statistics as a dictionary."""
    function = _statistics_function()
    return lambda: json.loads(function())
