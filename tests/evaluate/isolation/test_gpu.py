"""Which GPUs there are and how they are, against a stand-in for the driver's library."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from gpu_stand_in import Card, StandIn, needs_compiler

from evolve.evaluate.isolation import _gpu
from evolve.evaluate.isolation._gpu import Gpu, GpuDriver, GpuState, Survey, chosen, driver_folder, environment, nodes
from evolve.evaluate.isolation._sysfs import copy_sys


def test_without_a_node_nobody_is_asked(tmp_path: Path) -> None:
    assert GpuDriver(root=str(tmp_path), library="/no/such/library").survey() == Survey()


def test_nodes_without_the_library_are_told(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    found = GpuDriver(root=str(tmp_path), library="libnvidia-none.so.1").survey()
    assert found.gpus == ()
    assert "libnvidia-none.so.1 cannot be loaded" in found.error


def test_a_driver_that_hangs_is_left_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    (tmp_path / "hang.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(_gpu, "_ANSWER_S", 0.5)
    monkeypatch.setattr(_gpu, "__file__", str(tmp_path / "hang.py"))
    monkeypatch.setattr(_gpu.Path, "with_name", lambda path, name: path)
    began = time.monotonic()
    assert "did not answer within 0.5 s" in GpuDriver(root=str(tmp_path)).survey().error
    assert time.monotonic() - began < 20


@needs_compiler
def test_cards_are_found_by_what_the_driver_calls_them(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0, minor=3), Card(1, ecc=2, pid=77)])
    found = machine.driver.survey()
    first, second = found.gpus
    assert (first.index, first.minor, first.uuid, first.name) == (0, 3, "GPU-0000-stand-in", "Stand-in 0")
    assert (first.driver, first.memory_mib, first.pci) == ("570.00", 80 << 10, "00000000:01:00.0")
    assert found.states[second.uuid] == GpuState(ecc=2, used_mib=1, processes=((77, 30 << 10),))
    assert found.error == ""
    assert found.faults(found.gpus, {second.uuid: 2}) == {}


@needs_compiler
def test_what_is_wrong_with_a_card_is_told(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0), Card(1), Card(2)])
    gpus = machine.driver.survey().gpus
    machine.say(Card(0, fault="lost"), Card(1, ecc=1), Card(2, fault="pending"))
    found = machine.driver.survey()
    assert [gpu.index for gpu in found.gpus] == [1, 2]
    faults = found.faults(gpus, {gpu.uuid: 0 for gpu in gpus})
    assert list(faults) == [gpu.uuid for gpu in gpus]
    assert "GPU is lost (NVML 15)" in faults[gpus[0].uuid]
    assert "not corrected" in faults[gpus[1].uuid]
    assert "wait for a reset" in faults[gpus[2].uuid]
    machine.fail(18)
    assert "version mismatch (NVML 18)" in machine.driver.survey().error
    os.unlink(machine.root / "dev/nvidia1")
    machine.say(Card(0), Card(1), Card(2))
    found = machine.driver.survey()
    assert "there is no" in found.faults(gpus, {})[gpus[1].uuid]


@needs_compiler
def test_what_a_driver_does_not_tell_is_no_fault(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0, fault="shy", ecc=5)])
    found = machine.driver.survey()
    assert [(gpu.uuid, gpu.memory_mib) for gpu in found.gpus] == [("GPU-0000-stand-in", 0)]
    assert found.states["GPU-0000-stand-in"] == GpuState()
    assert found.faults(found.gpus, {}) == {}


@needs_compiler
def test_of_a_card_that_is_cut_the_instances_are_lent(tmp_path: Path) -> None:
    cut = [Card(0, uuid="MIG-a", gi=3, ci=0), Card(0, uuid="MIG-b", gi=4, ci=0), Card(1)]
    machine = StandIn(tmp_path, cut)
    for name, minor in (("gi3/access", 30), ("gi3/ci0/access", 31), ("gi4/access", 39), ("gi4/ci0/access", 40)):
        machine.file(f"proc/driver/nvidia/capabilities/gpu0/mig/{name}", f"DeviceFileMinor: {minor}\nDeviceFileMode: 292\n")
        machine.node(f"nvidia-caps/nvidia-cap{minor}")
    a, b, whole = machine.driver.survey().gpus
    assert (a.uuid, a.minor, a.caps) == ("MIG-a", 0, ("nvidia-cap30", "nvidia-cap31"))
    assert (b.uuid, b.caps, whole.caps) == ("MIG-b", ("nvidia-cap39", "nvidia-cap40"), ())
    inside = [place for _, place in nodes([a])]
    assert inside[-3:] == ["/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap30", "/dev/nvidia-caps/nvidia-cap31"]
    assert "/dev/nvidia1" not in inside


def test_a_variable_that_hides_cards_is_kept_to() -> None:
    gpus = [Gpu(uuid=f"GPU-{name}", index=i, minor=i, name="x") for i, name in enumerate(["aa1", "ab2", "b3"])]
    for value, expected in (
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("2,0", [2, 0]),
        ("GPU-b, 1", [2, 1]),
        ("GPU-a", []),  # it could be either
        ("0,7,1", [0]),
        ("1,1", [1]),
    ):
        assert [gpu.index for gpu in chosen(gpus, value)] == expected, value


@needs_compiler
def test_the_driver_is_asked_for_what_this_process_may_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = StandIn(tmp_path, [Card(0), Card(1)])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    found = machine.driver.visible()
    assert ([gpu.index for gpu in found.gpus], len(found.states)) == ([1], 2)


def test_the_environment_names_them_by_uuid() -> None:
    gpus = [Gpu(uuid=f"GPU-{i}", index=i, minor=i, name="x") for i in range(2)]
    assert environment([]) == {"CUDA_VISIBLE_DEVICES": ""}
    assert environment(gpus) == {"CUDA_VISIBLE_DEVICES": "GPU-0,GPU-1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def test_libraries_that_lie_elsewhere_have_their_folder_shown(tmp_path: Path) -> None:
    system, other = tmp_path / "usr/lib", tmp_path / "opt/driver"
    for folder in (system, other, tmp_path / "etc"):
        folder.mkdir(parents=True)
    for folder in (system, other):
        (folder / "libcuda.so.570").touch()
        (folder / "libcuda.so.1").symlink_to("libcuda.so.570")
    (tmp_path / "etc/cuda").symlink_to(system / "libcuda.so.570")
    (system / "through.so.1").symlink_to(tmp_path / "etc/cuda")

    def needed(library: Path | str) -> str:
        return driver_folder([Gpu(uuid="GPU", index=0, minor=0, name="x", library=str(library))], [str(system)])

    assert needed("") == ""
    assert needed(system / "libcuda.so.1") == ""
    assert needed(other / "libcuda.so.1") == str(other)
    assert needed(system / "through.so.1") == str(system), "a link through a place that is not shown breaks inside"


@needs_compiler
def test_of_sys_a_copy_is_shown_without_counters(tmp_path: Path) -> None:
    machine = StandIn(tmp_path, [Card(0), Card(1)])
    copy_sys(machine.driver.survey().gpus[1:], tmp_path / "sys")
    files = {str(path.relative_to(tmp_path / "sys")) for path in (tmp_path / "sys").rglob("*") if path.is_file()}
    assert "devices/pci0000:00/0000:02:00.0/numa_node" in files
    assert "devices/system/node/node0/cpumap" in files
    assert not [name for name in files if "vmstat" in name or "config" in name or "01:00" in name]
    assert (tmp_path / "sys/bus/pci/devices/0000:02:00.0/numa_node").read_text() == "0\n"
