"""What is known of descriptors that are computed because a problem declares none."""

from __future__ import annotations


class StructureTest:
    """When it was last tested whether they tell what children gain, and what came of it."""

    def __init__(self) -> None:
        self.looked_at = 0  # children whose worth was known then
        self.verdict = ""  # in words; "" before the first look
