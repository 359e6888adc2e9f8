"""What is known of descriptors that are computed because a problem declares none."""

from __future__ import annotations

from archive import Measurement, StartMode, Status

Taken = tuple[float, float, float]  # seconds of CPU and on the clock, MiB


class ComputedDescriptors:
    """When it was last tested whether they tell what children gain, and what came of it; and what the first program took."""

    def __init__(self) -> None:
        self.looked_at = 0  # children whose worth was known then
        self.verdict = ""  # in words; "" before the first look
        self.first: dict[tuple[str, StartMode], Taken] = {}  # by stage, and by how a program was started: what the first one took

    def on_measured(self, result: Measurement) -> None:
        """A measurement counts."""
        if result.status is Status.OK:
            self.first.setdefault((result.stage, result.start), (result.cpu_s, result.wall_s, result.memory_mib))
