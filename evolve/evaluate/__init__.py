"""Evaluation that cannot be fooled: trials, the sandbox, strict readers, the grader process."""

from evolve.evaluate._doctor import Check, doctor
from evolve.evaluate._entry import parse_entry
from evolve.evaluate._readers import Unreadable, read_json, read_npy, read_safetensors
from evolve.evaluate._trial import Array, JsonValue, Outcome, Reply, Sandbox, Timing, Trial, Usage
from evolve.evaluate.isolation._mounts import View
from evolve.evaluate.sandbox._factory import Launcher, open_launcher
from evolve.evaluate.sandbox._sandbox import TrialSandbox

__all__ = [
    "Array",
    "Check",
    "JsonValue",
    "Launcher",
    "Outcome",
    "Reply",
    "Sandbox",
    "Timing",
    "Trial",
    "TrialSandbox",
    "Unreadable",
    "Usage",
    "View",
    "doctor",
    "open_launcher",
    "parse_entry",
    "read_json",
    "read_npy",
    "read_safetensors",
]
