"""`tfvk devices` and `tfvk doctor` on machines that the tester does not have: probe outputs, machines and TensorFlows are made up here."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from tensorflow_vulkan import cli, doctor, installation, machine, probe, statistics

LAVAPIPE = {"name": "llvmpipe (LLVM 15.0.6, 256 bits)", "driver_name": "llvmpipe", "driver_info": "Mesa 22.3.6", "type": "cpu", "vendor_id": 0x10005}
RADEON = {"name": "AMD Radeon RX 7800 XT (RADV NAVI32)", "driver_name": "radv", "driver_info": "Mesa 25.0.7", "type": "discrete", "vendor_id": 0x1002}
HASWELL = {"name": "Intel(R) HD Graphics 4400 (HSW GT2)", "driver_name": "Intel", "driver_info": "Mesa 25.0.7", "type": "integrated", "vendor_id": 0x8086}
DRIVER = {"manifest": "/usr/share/vulkan/icd.d/a.json", "library": "liba.so", "opened": True, "problem": ""}


def device(base, index, ordinal, reasons=(), costs=()):
    snapshot = {"device_uuid": "0123456789abcdef0123456789abcdef", "pci_bus_id": "", "api_version": (1 << 22) | (3 << 12) | 230} | base
    snapshot["heaps"] = [{"bytes": 16 << 30, "device_local": True}, {"bytes": 64 << 30, "device_local": False}]
    plan = {"usable": not reasons, "reasons": list(reasons), "features": ["shader_int64"], "costs": list(costs), "workarounds": []}
    return {"index": index, "ordinal": ordinal, "snapshot": snapshot, "plan": plan}


def output(*devices, problem="", drivers=(DRIVER,), messages=()):
    """What tfvk-probe prints."""

    def ranked(member):
        return sorted((p for p, d in enumerate(devices) if d[member] is not None), key=lambda p: devices[p][member])

    entries = [{"snapshot": d["snapshot"], "plan": d["plan"], "smoke": d.get("smoke", {"passed": True})} for d in devices]
    found = {"problem": problem, "driver_libraries": list(drivers), "devices": entries, "messages": list(messages)}
    return found | {"order": ranked("index"), "selected": ranked("ordinal")}


@pytest.fixture
def fake(monkeypatch):
    """Makes a machine: fake(probe output, machine's members, facts' members). Without arguments one Radeon, with nothing wrong."""

    def make(printed=None, here=None, **facts):
        tensorflow = installation.TensorFlow("2.21.0", ("tensorflow-cpu",), None)
        found = probe.parse(printed or output(device(RADEON, 0, 0)))
        whole = doctor.Facts(found, replace(machine.Machine(), **(here or {})), tensorflow, "2.21.0", "/site-packages/tensorflow-plugins/libtfvk.so")
        whole = replace(whole, **facts)
        monkeypatch.setattr(doctor, "collect", lambda ask_tensorflow=True: whole)
        monkeypatch.setattr(probe, "run", lambda smoke=False: whole.probe)
        monkeypatch.setattr(installation, "installed_tensorflow", lambda: whole.tensorflow)
        return whole

    return make


def examine(capsys, *arguments):
    status = cli.main(["doctor", *arguments])
    return status, capsys.readouterr()


def the_finding(facts, severity, containing):
    matching = [f for f in doctor.diagnose(facts) if f.severity == severity and containing in f.what]
    assert len(matching) == 1, doctor.diagnose(facts)
    return matching[0]


def test_a_healthy_machine_has_no_findings(fake, capsys):
    fake()
    status, printed = examine(capsys)
    assert status == 0
    assert printed.err == ""
    for text in ("nothing is wrong", "AMD Radeon RX 7800 XT (RADV NAVI32)", "radv Mesa 25.0.7", "GPU:0", "16.0 GiB", "1.3.230"):
        assert text in printed.out


def test_devices_lists_order_memory_and_tensorflow_name(fake, capsys):
    fake(output(device(LAVAPIPE, 1, None), device(HASWELL, None, None, ["It has no buffer device addresses."]), device(RADEON, 0, 0)))
    assert cli.main(["devices"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "Mesa" in line]
    assert [row[:2] for row in rows] == [["0", "GPU:0"], ["1", "-"], ["-", "-"]]


def test_devices_json(fake, capsys):
    fake(output(device(RADEON, 0, 0, costs=["No bfloat16."])))
    assert cli.main(["devices", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["problem"] is None
    assert listed["devices"][0]["memory_bytes"] == 16 << 30
    assert listed["devices"][0]["uuid"] == "01234567-89ab-cdef-0123-456789abcdef"
    assert listed["devices"][0]["costs"] == ["No bfloat16."]


def test_doctor_prints_what_missing_features_cost(fake, capsys):
    fake(output(device(RADEON, 0, 0, costs=["Without fp64 ops on float64 stay on the CPU."])))
    status, printed = examine(capsys)
    assert status == 0
    assert "Without fp64 ops on float64 stay on the CPU." in printed.out


def test_no_loader(fake, capsys):
    facts = fake(output(problem="libvulkan.so.1 cannot be opened", drivers=[]), {"loader": False})
    assert "libvulkan1" in the_finding(facts, doctor.ERROR, "loader").todo
    status, printed = examine(capsys)
    assert status == 1
    assert "libvulkan.so.1 is not installed" in printed.err


def test_no_driver_and_no_driver_under_wsl(fake):
    plain = fake(output(problem="No Vulkan driver works on this machine.", drivers=[]))
    assert "mesa-vulkan-drivers" in the_finding(plain, doctor.ERROR, "No Vulkan driver is installed").todo
    wsl = fake(output(problem="No Vulkan driver works on this machine.", drivers=[]), {"wsl": True})
    assert "dzn" in the_finding(wsl, doctor.ERROR, "No Vulkan driver is installed").todo


def test_wsl_with_only_a_software_driver(fake):
    facts = fake(output(device(LAVAPIPE, 0, 0)), {"wsl": True})
    assert "dzn" in the_finding(facts, doctor.WARNING, "only a software driver").todo


def test_only_a_software_driver_is_a_note_without_a_gpu_and_a_warning_with_one(fake, capsys):
    the_finding(fake(output(device(LAVAPIPE, 0, 0))), doctor.NOTE, "only a software driver")
    assert examine(capsys)[0] == 0
    nodes = [machine.Node("/dev/dri/renderD128", "render", True, "AMD")]
    the_finding(fake(output(device(LAVAPIPE, 0, 0)), {"render_nodes": nodes}), doctor.WARNING, "only a software driver")


def test_no_permission_on_the_render_node(fake, capsys):
    nodes = [machine.Node("/dev/dri/renderD128", "render", False, "Intel")]
    facts = fake(output(device(LAVAPIPE, 0, 0)), {"render_nodes": nodes})
    assert "usermod -aG render" in the_finding(facts, doctor.ERROR, "/dev/dri/renderD128").todo
    assert examine(capsys)[0] == 1


def test_nvidia_without_its_vulkan_driver(fake):
    facts = fake(output(device(LAVAPIPE, 0, 0)), {"nvidia_device": True, "container": True})
    assert "NVIDIA_DRIVER_CAPABILITIES" in the_finding(facts, doctor.WARNING, "no NVIDIA device").todo


def test_a_broken_manifest_names_its_file_and_does_not_fail(fake, capsys):
    broken = {"manifest": "/etc/vulkan/icd.d/broken.json", "library": "", "opened": False, "problem": "it is no JSON"}
    facts = fake(output(device(RADEON, 0, 0), drivers=[DRIVER, broken]))
    assert "/etc/vulkan/icd.d/broken.json" in the_finding(facts, doctor.WARNING, "cannot be opened").what
    assert examine(capsys)[0] == 0


def test_an_unusable_device_gives_its_reasons_and_no_device_is_an_error(fake, capsys):
    facts = fake(output(device(HASWELL, None, None, ["It has no buffer device addresses."])))
    assert "buffer device addresses" in the_finding(facts, doctor.WARNING, "HD Graphics 4400").what
    the_finding(facts, doctor.ERROR, "No Vulkan device of this machine can be used")
    assert examine(capsys)[0] == 1
    assert cli.main(["devices"]) == 1


def test_a_device_that_copies_wrongly(fake):
    faulty = device(RADEON, 0, 0) | {"smoke": {"passed": False, "problem": "What came back is not what was sent."}}
    assert "not what was sent" in the_finding(fake(output(faulty)), doctor.ERROR, "failed a copy").what


def test_visible_devices_that_hide_all(fake):
    facts = fake(output(device(RADEON, 0, None)), {"environment": {"TFVK_VISIBLE_DEVICES": "-1"}})
    assert "Unset it" in the_finding(facts, doctor.ERROR, "TFVK_VISIBLE_DEVICES=-1").todo


def test_messages_about_visible_devices_are_shown(fake):
    the_finding(fake(output(device(RADEON, 0, 0), messages=['"Geforce" matches no device'])), doctor.WARNING, "Geforce")


def test_another_tensorflow(fake, capsys):
    facts = fake(tensorflow=installation.TensorFlow("2.20.0", ("tensorflow-cpu",), None))
    assert "tensorflow-cpu==2.21.*" in the_finding(facts, doctor.ERROR, "2.20.0").todo
    assert examine(capsys)[0] == 1


def test_a_patch_release_of_tensorflow_is_the_same_tensorflow(fake):
    assert doctor.diagnose(fake(tensorflow=installation.TensorFlow("2.21.1", ("tensorflow-cpu",), None))) == []


def test_no_tensorflow(fake):
    the_finding(fake(tensorflow=None), doctor.ERROR, "TensorFlow is not installed")


def test_cuda_build_means_type_vulkan_and_says_why(fake, capsys):
    facts = fake(tensorflow=installation.TensorFlow("2.21.0", ("tensorflow",), "CUDA"))
    assert "kernels for the device type GPU are CUDA's" in the_finding(facts, doctor.NOTE, "CUDA build").what
    status, printed = examine(capsys)
    assert status == 0
    assert "VULKAN:0" in printed.out
    assert "GPU:0" in printed.out  # in the advice


def test_two_tensorflows(fake):
    facts = fake(tensorflow=installation.TensorFlow("2.21.0", ("tensorflow-cpu", "tensorflow"), None))
    assert "pip uninstall" in the_finding(facts, doctor.WARNING, "both installed").todo


def test_cache_that_cannot_be_written(fake):
    the_finding(fake(None, {"cache_writable": False, "cache_folder": "/nowhere"}), doctor.WARNING, "/nowhere")


def test_tensorflow_that_fails_or_sees_nothing(fake):
    the_finding(fake(run=doctor.TensorFlowRun(failure="ImportError: numpy")), doctor.ERROR, "ImportError: numpy")
    the_finding(fake(run=doctor.TensorFlowRun(devices=[])), doctor.ERROR, "lists no Vulkan device")
    assert doctor.diagnose(fake(run=doctor.TensorFlowRun(devices=["/physical_device:GPU:0"]))) == []


def test_doctor_json_holds_all(fake, capsys):
    fake(output(device(LAVAPIPE, 0, 0)), {"wsl": True})
    status, printed = examine(capsys, "--json")
    report = json.loads(printed.out)
    assert status == 0
    assert report["ok"] is True
    assert report["machine"]["wsl"] is True
    assert report["tensorflow"]["device_type"] == "GPU"
    assert report["devices"][0]["kind"] == "cpu"
    assert [finding["severity"] for finding in report["findings"]] == ["warning"]


def test_a_probe_that_crashes_is_reported(monkeypatch, tmp_path):
    crashing = tmp_path / "tfvk-probe"
    crashing.write_text("#!/bin/sh\necho 'driver: bad thing' >&2\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(installation, "probe_path", lambda: crashing)
    found = probe.run()
    assert not found.ran
    assert "signal 11" in found.problem
    assert "bad thing" in found.problem


def counters(**given):
    zero = dict.fromkeys(("programs_compiled", "functions_compiled", "cache_hits", "runs", "function_runs", "launches"), 0)
    return zero | {"ops_placed_on_cpu": {}, "ops_run_on_cpu": {}} | given


def test_stats_in_words():
    assert "no Vulkan plugin" in statistics.describe(None)
    assert "nothing was given" in statistics.describe(counters())
    early = counters(programs_compiled=1, functions_compiled=1, runs=1, function_runs=1, launches=5, ops_run_on_cpu={"StatelessRandomUniformV2": 4})
    late = counters(
        programs_compiled=6, functions_compiled=3, runs=17, function_runs=11, launches=95, ops_run_on_cpu={"StatelessRandomUniformV2": 4}, ops_placed_on_cpu={}
    )
    assert "StatelessRandomUniformV2 x4" in statistics.describe(late)
    words = "2 functions compiled, run 10 times; 3 programs of single ops compiled, run 6 times; 90 launches"
    assert f"all of them ({words}; 0 ops on the CPU)" in statistics.describe(late, early)
    assert "Where x2" in statistics.describe(late | {"ops_placed_on_cpu": {"Where": 2}}, early)


def run_tfvk(*arguments, **environment):
    command = [sys.executable, "-m", "tensorflow_vulkan.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=300, check=False)


def test_the_real_probe_without_any_driver():
    process = run_tfvk("doctor", "--quick", VK_DRIVER_FILES="/nonexistent.json", VK_ICD_FILENAMES="/nonexistent.json")
    assert process.returncode == 1
    assert "gets no Vulkan device" in process.stderr


def test_the_real_probe_lists_the_devices_of_this_machine():
    process = run_tfvk("devices", "--json")
    listed = json.loads(process.stdout)
    assert process.returncode == 0, process.stderr
    assert [d["index"] for d in listed["devices"] if d["usable"]] == list(range(sum(d["usable"] for d in listed["devices"])))
    assert any(d["tensorflow_ordinal"] == 0 for d in listed["devices"])
