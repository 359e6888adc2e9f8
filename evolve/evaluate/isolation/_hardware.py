"""The class of hardware that this machine is of, as far as speed hangs on it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from archive import Hardware
from evolve.evaluate.isolation._gpu import Gpu

_FORMS = (  # of /proc/cpuinfo: x86, ARM, Power, RISC-V
    "{model name} (family {cpu family}, model {model})",
    "{model name}",
    "ARM implementer {CPU implementer}, part {CPU part}",
    "{cpu}",
    "{uarch}",
)


def hardware_of(gpus: Sequence[Gpu] = ()) -> Hardware:
    """This machine's class with these GPUs; where they are of several kinds, each is named."""

    def told(name: str) -> str:
        return " + ".join(sorted({str(getattr(gpu, name)) for gpu in gpus} - {""}))

    return Hardware(cpu_model(), told("name"), told("driver"), told("clocks"))


@cache
def cpu_model(root: str = "") -> str:
    """The model of the CPU, as the kernel tells it: with its numbers, since virtual machines give many one name; cores of several
    models are all named."""
    try:
        text = Path(f"{root}/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), set()).add(" ".join(value.split()))
    told = {name: " + ".join(sorted(values)) for name, values in found.items()}
    for form in _FORMS:
        with suppress(KeyError):
            return form.format_map(told)
    return platform.machine()
