"""The sandbox of one trial: requests, limits, and what ends mean.  Its starts lie in ``starts``, its walls in ``isolation``."""

__all__: list[str] = []
