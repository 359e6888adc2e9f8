"""The page of all keys: made of the code, complete, and each word of it is what the engine does."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evolve._errors import ConfigError, ProblemError
from evolve.config import _compose
from evolve.config._compose import compose, groups, known_keys
from evolve.config._reference import page
from evolve.config._schema import _DECIDED, RunConfig
from evolve.engine.registry._registry import ARCHIVES
from evolve.problem.contract._contract import Contract
from evolve.problem.contract._contract_yaml import read_contract
from evolve.problem.contract._keys import NEEDED, SECTIONS
from evolve.propose._registry import OPERATORS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
RUN, _, FILE = PAGE.read_text().partition("## problem.yaml")
ROWS = {
    key: (default.strip("`"), values, meaning)
    for key, _, default, values, meaning in re.findall(r"^\| `([\w.]+)` \| (.*?) \| (.*?) \| (.*?) \| (.*) \|$", RUN, re.M)
}
# A problem with something at every place that has keys.
WHOLE: dict[str, Any] = {
    "name": "tiny", "metric": "score", "goal": "maximize", "params": {"NAME": {"default": 3}}, "assets": {},
    "stages": [{"name": "full"}], "descriptors": [{"name": "size", "low": 0, "high": 1}], "budget": {},
    "data": [{"name": "corpus", "path": "/shared/corpus.bin", "sha256": "0" * 64}],
    "gates": [{"metric": "score", "floor": 0, "ceiling": 1, "why": "so it is"}], "placement": {},
}  # fmt: skip
_COMPOSE_GROUPS = _compose._compose_groups
PLACES = [(place, name) for place, keys in SECTIONS.items() for name in keys]


@pytest.fixture(autouse=True)
def _options_are_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hydra takes a fifth of a second, and these tests ask it for two things."""
    monkeypatch.setattr(_compose, "_compose_groups", lambda chosen: deepcopy(_composed(tuple(chosen.items()))))


@cache
def _composed(chosen: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return _COMPOSE_GROUPS(dict(chosen))


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m evolve.config._reference > docs/reference/configuration.md"


def test_every_key_and_every_option_stands_there_with_a_sentence() -> None:
    assert sorted(ROWS) == sorted(known_keys())
    assert all(meaning.endswith(".") for _, _, meaning in ROWS.values())
    for group, options in groups().items():
        assert all(f"| `{group}={option}` |" in RUN for option in options)


def _with_models(key: str) -> list[str]:
    return ["llm=anthropic"] if key.startswith("llm.") and key != "llm.provider" else []


@pytest.mark.parametrize("key", [key for key in known_keys() if key != "problem.params.NAME"])
def test_the_default_on_the_page_is_what_a_run_gets_and_may_be_typed(key: str) -> None:
    default, plain = ROWS[key][0], RunConfig()
    if key == "llm.models":  # nobody is asked by default, so where models are asked they must be named
        with pytest.raises(ConfigError, match=r"llm\.models must be the names"):
            compose(["llm=anthropic", f"{key}={default}"])
        assert plain.llm.models == ()
        return
    typed = _at(compose([*_with_models(key), f"{key}={default}"]), key)
    assert typed == _at(plain, key)  # which is what nothing typed gives: test_compose.py
    assert type(typed) is type(_at(plain, key))


def _at(config: RunConfig, key: str) -> object:
    found: Any = config
    for name in ("problem.name" if key == "problem" else key).split("."):
        found = getattr(found, name)
    return found


def _probes(values: str) -> tuple[list[object], list[object]]:
    """Values that the page allows and values that it does not."""
    if found := re.fullmatch(r"from (\d+) to (\d+)", values):
        low, high = int(found[1]), int(found[2])
        return [low, high], [low - 1, high + 1]
    if found := re.fullmatch(r"(above|from) 0, up to (\d+)", values):
        high = int(found[2])
        return [1, high, *([0] if found[1] == "from" else [])], [-1, high + 1, *([0] if found[1] == "above" else [])]
    if found := re.fullmatch(r"at least (\d+)", values):
        return [int(found[1]), int(found[1]) + 1], [int(found[1]) - 1]
    known = {
        "above 0": ([1], [0, -1]),
        "between 0 and 1": ([0, 1], [-1, 2]),
        "at least 0 and below 1": ([0], [-1, 1]),
        "above 0 and at most 1": ([1], [0, 2]),
        "at least 0.05 and below 1": ([0.05, 0.5], [0.04, 1]),
        "adaptive, disabled or a number of tokens": (["adaptive", "disabled", "100"], ["much", "0"]),
    }
    if values in known:
        return known[values]
    if values.startswith("one of "):
        return list(values.removeprefix("one of ").split(", ")), ["nonsense"]
    if values.startswith("a list out of "):
        names = values.removeprefix("a list out of ")
        return [f"[{names}]"], ["[nonsense]"]
    return [], []


@pytest.mark.parametrize("key", [key for key, (_, values, _) in ROWS.items() if _probes(values)[0]])
def test_the_values_on_the_page_are_those_that_are_taken(key: str) -> None:
    good, bad = _probes(ROWS[key][1])
    beside = (
        ["llm=openai", "llm.models=m", "llm.base_url=http://localhost:1/v1"]
        if key.endswith("thinking_field")
        else _with_models(key)
    )
    if key.removeprefix("search.") in _DECIDED:
        beside = ["search=map_elites"]
    if key in ("budget.usd", "budget.tokens", "budget.calls"):
        beside = ["llm=anthropic"]
    if key == "llm.batch":
        good = [0, 8]  # no more than calls at a time
    for value in good:
        compose([*beside, f"{key}={value}"])
    for value in bad:
        with pytest.raises(ConfigError, match=f"{key} must be"):
            compose([*beside, f"{key}={value}"])


def test_few_values_are_words_that_no_probe_knows() -> None:
    unknown = {key for key, (_, values, _) in ROWS.items() if values and not _probes(values)[0]}
    assert unknown == {"problem.params.NAME", "search.policy", "llm.provider", "llm.operators", "executor.kind"}


def test_what_is_shipped_by_name_is_named() -> None:
    assert set(ARCHIVES) <= set(re.findall(r"`(\w+)`", ROWS["search.archive"][2]))
    named = re.findall(r"\w+", ROWS["search.operators"][0] + ROWS["llm.operators"][0])
    by_name = set(OPERATORS) - set(named)
    assert by_name == {"ablate", "adopt", "setting"}
    assert by_name <= set(re.findall(r"`(\w+)`", PAGE.read_text().partition("`search.operators`")[2].partition("\n")[0]))
    assert sorted(named) == sorted(set(OPERATORS) - by_name)


# ------------------------------------------------------------------------------------------------ problem.yaml


def _changed(place: str, name: str, *value: object) -> dict[str, Any]:
    """``WHOLE`` with this value at a place, or with none."""
    document = json.loads(json.dumps(WHOLE))
    at = {
        "": document, "params.NAME": document["params"]["NAME"], "assets": document["assets"], "stages[]": document["stages"][0],
        "descriptors[]": document["descriptors"][0], "budget": document["budget"], "gates[]": document["gates"][0],
        "data[]": document["data"][0],
        "placement": document["placement"],
    }[place]  # fmt: skip
    at.pop(name, None)
    if value:
        at[name] = value[0]
    return document


def _read(document: dict[str, Any], folder: Path) -> Contract:
    (folder / "problem.yaml").write_text(json.dumps(document))
    return read_contract(folder / "problem.yaml").contract


def _plain(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize(("place", "name"), PLACES)
def test_a_key_that_is_absent_has_the_default_of_the_page(place: str, name: str, tmp_path: Path) -> None:
    default = SECTIONS[place][name].default
    if default == NEEDED:
        with pytest.raises(ProblemError, match=name):
            _read(_changed(place, name), tmp_path)
    else:
        assert _read(_changed(place, name, _plain(default)), tmp_path) == _read(_changed(place, name), tmp_path)


@pytest.mark.parametrize(("place", "name"), [one for one in PLACES if _probes(SECTIONS[one[0]][one[1]].allowed)[0]])
def test_the_values_of_a_problem_on_the_page_are_those_that_are_taken(place: str, name: str, tmp_path: Path) -> None:
    good, bad = _probes(SECTIONS[place][name].allowed)
    for value in good:
        _read(_changed(place, name, value), tmp_path)
    for value in bad:
        with pytest.raises(ProblemError, match=f"{name}: expected"):
            _read(_changed(place, name, value), tmp_path)
