"""Records of the NanoGPT speedrun: a folder of logs read, with which rules hold, or written.

Nothing here trains, searches or knows of a run of ours: it reads text and computes, and writes a folder of what it is handed.
"""

from evolve.speedrun._check import Check, Verdict
from evolve.speedrun._verify import Report, verify

__all__ = ["Check", "Report", "Verdict", "verify"]
