"""Records of the NanoGPT speedrun: reading a folder of logs and saying which rules hold.

Nothing here trains, searches or knows of a run of ours: it reads text and computes.
"""

from evolve.speedrun._check import Check, Verdict
from evolve.speedrun._verify import Report, verify

__all__ = ["Check", "Report", "Verdict", "verify"]
