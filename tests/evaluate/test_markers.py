"""Environment markers, held against the ``packaging`` library where it is installed."""

from __future__ import annotations

import pytest

from evolve.evaluate.isolation._requirements import normalised, required_name

packaging_markers = pytest.importorskip("packaging.markers")

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
    wanted = packaging_markers.Marker(marker).evaluate({"extra": ""})
    assert (required_name(f"some.Package[x]>=1,<2 ; {marker}") == "some-package") == wanted


def test_every_requirement_installed_here_can_be_read() -> None:
    from importlib import metadata

    from packaging.requirements import Requirement

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
