"""Run a module of these tests as a user who is nobody else, where root runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

UID = 65534


def as_ordinary_user(module: str, *arguments: str) -> dict[str, object]:
    """What the module prints, as JSON."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python = next((path for folder in ("/usr/bin", "/usr/local/bin") if os.access(path := f"{folder}/{name}", os.X_OK)), None)
    setpriv = shutil.which("setpriv")
    if python is None or setpriv is None:
        pytest.skip("no interpreter of this version outside the home, or no setpriv")
    here = Path(__file__).parents[1]
    path = os.pathsep.join([str(here.parents[1]), str(here), sysconfig.get_path("purelib")])
    argv = [
        setpriv,
        f"--reuid={UID}",
        f"--regid={UID}",
        "--clear-groups",
        "--inh-caps=-all",
        python,
        "-B",
        "-m",
        module,
        *arguments,
    ]
    done = subprocess.run(argv, env={"PYTHONPATH": path, "PATH": os.defpath}, cwd="/", capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("the checkout or its packages cannot be read by other users")
    told = json.loads(done.stdout)
    assert told["uid"] == UID, done.stderr
    assert isinstance(told, dict)
    return told
