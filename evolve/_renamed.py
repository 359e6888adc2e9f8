"""Words of older versions: what somebody types gets a sentence that names the new one, what a run keeps is read as before.

``docs/reference/renamed.md`` lists them all (``tests/docs/test_house.py`` holds the two together).
"""

from __future__ import annotations

from collections.abc import Mapping

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
    """A section of an older run's configuration in the words of today."""
    renamed = {KEYS.get(f"{name}.{key}", f"{name}.{key}").partition(".")[2]: value for key, value in section.items()}
    return {key: VALUES.get((f"{name}.{key}", str(value)), value) for key, value in renamed.items()}


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
