"""What is read of the hardware: the CPU's model as kernels tell it, cards with driver and clocks."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from gpu_stand_in import Card, StandIn, needs_compiler

from archive import Hardware
from evolve.evaluate.isolation._hardware import cpu_model, hardware_of

X86 = """processor : {0}
vendor_id : GenuineIntel
cpu family : 6
model : {1}
model name : Intel(R)  Xeon(R) Processor
"""
ARM = """processor : {0}
CPU implementer : 0x41
CPU part : {1}
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (X86.format(0, 207) + "\n" + X86.format(1, 207), "Intel(R) Xeon(R) Processor (family 6, model 207)"),
        (X86.format(0, 207) + "\n" + X86.format(1, 143), "Intel(R) Xeon(R) Processor (family 6, model 143 + 207)"),
        ("model name : Some CPU\n", "Some CPU"),
        (ARM.format(0, "0xd40") + "\n" + ARM.format(1, "0xd40"), "ARM implementer 0x41, part 0xd40"),
        (ARM.format(0, "0xd41") + "\n" + ARM.format(1, "0xd05"), "ARM implementer 0x41, part 0xd05 + 0xd41"),
        ("cpu : POWER10, altivec supported\n", "POWER10, altivec supported"),
        ("uarch : sifive,u74-mc\n", "sifive,u74-mc"),
        ("nothing of that kind\n", platform.machine()),
        (None, platform.machine()),
    ],
)
def test_the_cpu_is_told_by_its_model(text: str | None, told: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cpuinfo").write_text(text)
    assert cpu_model(str(tmp_path)) == told


@needs_compiler
def test_cards_are_told_with_driver_and_clocks(tmp_path: Path) -> None:
    """The clocks that are set, or the highest where a card does not tell these."""
    machine = StandIn(tmp_path, [Card(0), Card(1, fault="shy")])
    set_, shy = machine.driver.survey().gpus
    assert hardware_of() == Hardware(cpu_model())
    assert hardware_of([set_]) == Hardware(cpu_model(), "Stand-in 0", "570.00", "1500/2619")
    assert hardware_of([shy]) == Hardware(cpu_model(), "Stand-in 1", "570.00", "1980/2619")
    assert hardware_of([shy, set_]).card == "Stand-in 0 + Stand-in 1"
    assert hardware_of([shy, set_]) == hardware_of([set_, shy])
