"""Which distribution a line of requirements asks for here."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from evolve.evaluate.isolation._requirements import normalised, required_name

MARKERS = [
    "python_version >= '3.8'",
    "python_version < '3.10'",
    "python_version == '3.*'",
    "python_version != '3.9.*'",
    "python_version ~= '3.9'",
    "python_full_version >= '3.11.0a1'",
    "sys_platform == 'linux'",
    "sys_platform != 'win32' and platform_machine in 'x86_64 aarch64'",
    "platform_machine not in 'x86_64 aarch64'",
    "os_name == 'nt' or (sys_platform == 'linux' and python_version > '3')",
    "os_name == 'nt' or sys_platform == 'linux' and python_version < '3'",
    "(os_name == 'nt' or sys_platform == 'linux') and python_version < '3'",
    "implementation_name == 'cpython'",
    'platform_python_implementation == "PyPy"',
    "'linux' == sys_platform",
    "extra == 'test'",
    "extra != 'test'",
    "python_version >= '3.8' and extra == 'test'",
    "platform_system == 'Linux' and platform_machine == 'x86_64'",
]


@pytest.mark.parametrize("marker", MARKERS)
def test_markers_mean_what_packaging_says(marker: str) -> None:
    wanted = Marker(marker).evaluate({"extra": ""})
    assert (required_name(f"some.Package[x]>=1,<2 ; {marker}") == "some-package") == wanted


def test_every_requirement_installed_here_can_be_read() -> None:
    lines = {line for distribution in metadata.distributions() for line in distribution.requires or ()}
    for line in lines:
        requirement = Requirement(line)
        holds = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        assert required_name(line) == (normalised(requirement.name) if holds else None), line


@pytest.mark.parametrize(
    "line", ["", "???", "a; nonsense == '1'", "a; python_version", "a; (os_name == 'x'", "a; os_name == 'x' x"]
)
def test_what_cannot_be_read_is_said(line: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        required_name(line)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("pytz (>dev)", "pytz"),
        ("A.b_c (>=2.0.*)", "a-b-c"),
        ("one @ https://example.org/one.whl ; os_name == 'nt'", None),
        ("one; python_version >= '3.8'", "one"),
        ("one; extra == 'test'", None),
    ],
)
def test_a_name_is_read_whatever_version_stands_beside_it(line: str, name: str | None) -> None:
    assert required_name(line) == name


def test_a_room_that_every_evaluator_imports_does_not_load_the_parser() -> None:
    code = "import sys, evolve.evaluate; sys.exit('packaging.markers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
