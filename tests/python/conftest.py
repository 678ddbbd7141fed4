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
import record_ops  # noqa: E402
import tensorflow as tf  # noqa: E402

# On devices with matrix units fp32 products would have TF32's error, as they have on CUDA; the tests compare with the CPU's.
tf.config.experimental.enable_tensor_float_32_execution(False)

_DEVICES = [d for kind in ("GPU", "VULKAN") for d in tf.config.list_logical_devices(kind)]


def pytest_addoption(parser):
    parser.addoption(
        "--record-ops", metavar="FILE", help="add the ops that the tests give the device, and their types, to this file (docs/op_lists/tested.tsv)"
    )


def pytest_configure(config):
    config.pluginmanager.register(_OpTable(config.getoption("--record-ops")), "op table")


class _OpTable:
    """Records the ops of all tests for `--record-ops`, and those of test_ops.py always: its closing line counts them."""

    def __init__(self, path):
        self.path, self.recorder, self.runs, self.cases, self.gradients = path, record_ops.Recorder(), 0, set(), 0

    def pytest_runtest_setup(self, item):
        if self.path or item.module.__name__ == "test_ops":
            self.recorder.start()
        else:
            self.recorder.stop()

    def pytest_runtest_call(self, item):
        if item.module.__name__ == "test_ops" and hasattr(item, "callspec"):
            case, dtype = item.callspec.params["case"], tf.as_dtype(item.callspec.params["dtype"])
            self.cases.add(case.name)
            self.runs += 1
            self.gradients += case.gradient and not dtype.is_integer

    def pytest_terminal_summary(self, terminalreporter):
        if not self.runs:
            return
        pairs = self.recorder.pairs()
        of_types = ", ".join(f"{name} {count}" for name, count in pairs.most_common())
        terminalreporter.write_line(
            f"op table: {len(self.cases)} cases, {self.runs} of them with their types, {self.gradients} with gradients; "
            f"{len(self.recorder.seen)} ops and {pairs.total()} pairs of an op and a type on the device: {of_types}"
        )

    def pytest_sessionfinish(self):
        if self.path:
            from tensorflow.python.framework import kernels

            registered = {k.op for k in kernels.get_all_registered_kernels().kernel if k.device_type in ("DEFAULT", device_name().split(":")[-2])}
            record_ops.add_to_file(self.path, self.recorder.seen, registered)


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
