"""The sandbox of one trial: starts, requests, and what ends mean.  Its walls lie in ``isolation``."""
