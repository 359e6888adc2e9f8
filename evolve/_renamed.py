"""Words of older versions: what somebody types gets a sentence that names the new one, what a run keeps is read as before.

``docs/reference/renamed.md`` lists them all (``tests/docs/test_house.py`` holds the two together).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Keys of the command line and of a run's configuration.
KEYS: Mapping[str, str] = {
    "search.keep": "search.archive_size",
    "search.batch": "search.best_of_n",
    "search.discount": "search.bandit_discount",
    "search.uniform_share": "search.uniform_parent_share",
    "search.tune_share": "search.tuner_share",
    "search.seed_runs": "search.initial_runs",
    "search.remeasure_share": "search.replication_share",
    "search.reference_share": "search.control_share",
    "search.recheck_share": "search.cold_check_share",
    "budget.confirm": "budget.confirm_share",
    "llm.large": "llm.strong_model",
    "llm.in_flight": "llm.max_concurrency",
    "llm.tries": "llm.max_attempts",
    "llm.silence_s": "llm.read_timeout_s",
    **{
        f"llm.{key}": f"llm.sampling.{key}"
        for key in ("max_tokens", "effort", "thinking", "thinking_field", "limit_field", "dialect", "prompt_tokens")
    },
    "llm.repairs": "llm.sampling.max_repairs",
    "llm.formats": "llm.sampling.edit_formats",
    "llm.judge": "llm.judge.model",
    "llm.novelty": "llm.novelty.method",
    "llm.novelty_share": "llm.novelty.share",
    "llm.tape": "llm.recording.file",
}
# Values of such keys, and options of groups.
VALUES: Mapping[tuple[str, str], str] = {
    ("search", "given"): "fixed_candidates",
    ("search.policy", "given"): "fixed_candidates",
    ("search.reference", "seed"): "initial",
}
# Keys of problem.yaml, wherever in it they stand.
PROBLEM_KEYS: Mapping[str, str] = {"frame": "compute_rule", "cells_keep": "elites_per_cell", "block": "batch_size"}
# Fields of a problem, as a run records it, beside those.
RECORDED: Mapping[str, str] = {"seed": "initial", "confirm": "confirm_share"}
_OWN_NAMES = ("params", "artifacts", "seed", "initial")
# The folder of a problem with the program that a search starts from.
OLD_INITIAL_FOLDER, INITIAL_FOLDER = "seed", "initial"


def new_section(name: str, section: Mapping[str, object]) -> dict[str, object]:
    """A section of an older run's configuration in the words of today.

    A key that is a section today (``llm.judge``) was renamed where it has a plain value, and is today's where it holds keys.
    """
    made: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            made[key] = made.get(key, {}) | new_section(f"{name}.{key}", value)
            continue
        inner, _, last = KEYS.get(f"{name}.{key}", f"{name}.{key}").removeprefix(f"{name}.").rpartition(".")
        place = made.setdefault(inner, {}) if inner else made
        place[last] = VALUES.get((f"{name}.{last}", str(value)), value)
    return made


def in_new_words(document: Mapping[str, object]) -> dict[str, object]:
    """A ``problem.yaml``, or a problem that a run recorded, in the words of today.  Names that somebody chose stay as they are."""
    return {
        RECORDED.get(key, PROBLEM_KEYS.get(key, key)): value if key in _OWN_NAMES else _in_new_words(value)
        for key, value in document.items()
    }


def _in_new_words(value: object) -> object:
    if isinstance(value, Mapping):
        return in_new_words(value)
    return [_in_new_words(one) for one in value] if isinstance(value, list) else value
