"""Evaluation that cannot be fooled: trials, the sandbox, strict readers, the grader process.  Decides nothing."""

from evolve.evaluate._check import Check
from evolve.evaluate._doctor import doctor
from evolve.evaluate._entry import parse_entry
from evolve.evaluate._readers import Unreadable, read_json, read_npy, read_safetensors
from evolve.evaluate._trial import Array, JsonValue, Outcome, ProcessUsage, Reply, Sandbox, Timing, Trial
from evolve.evaluate.isolation._mounts import VisibleFiles
from evolve.evaluate.sandbox._factory import SandboxFactory, open_sandbox_factory
from evolve.evaluate.sandbox._sandbox import TrialSandbox

__all__ = [
    "Array",
    "Check",
    "JsonValue",
    "Outcome",
    "ProcessUsage",
    "Reply",
    "Sandbox",
    "SandboxFactory",
    "Timing",
    "Trial",
    "TrialSandbox",
    "Unreadable",
    "VisibleFiles",
    "doctor",
    "open_sandbox_factory",
    "parse_entry",
    "read_json",
    "read_npy",
    "read_safetensors",
]
