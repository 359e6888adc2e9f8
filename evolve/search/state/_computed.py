"""What is known of descriptors that are computed because a problem declares none."""

from __future__ import annotations

from archive import Measurement, Status


class ComputedDescriptors:
    """When it was last tested whether they tell what children gain, and what came of it; and what the initial program took."""

    def __init__(self) -> None:
        self.looked_at = 0  # children whose worth was known then
        self.verdict = ""  # in words; "" before the first look
        self.initial: dict[str, tuple[float, float, float]] = {}  # by stage: seconds of CPU and on the clock, MiB of its first run

    def on_initial(self, result: Measurement) -> None:
        """The initial program was measured."""
        if result.status is Status.OK:
            self.initial.setdefault(result.stage, (result.cpu_s, result.wall_s, result.memory_mib))
