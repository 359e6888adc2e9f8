"""Configuration from ``key=value`` words: the keys, the groups, and one sentence for every mistake."""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import asdict, fields, replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve._errors import ConfigError, EvolveError, ProblemError
from evolve._renamed import KEYS as OLD_KEYS
from evolve.config._compose import budget_changes, close_key, compose, executor_changes, groups, known_keys
from evolve.config._json import config_from_json, config_to_json
from evolve.config._llm import JudgeConfig, NoveltyConfig, RecordingConfig, SamplingConfig
from evolve.config._rules import rule_of
from evolve.config._schema import TIERS, ExecutorConfig, RunConfig, SearchConfig
from evolve.engine.models._stack import PROVIDERS
from evolve.engine.registry._archives import ARCHIVES
from evolve.engine.registry._registry import EXECUTORS, check_names
from evolve.propose._registry import OPERATORS
from evolve.search.policy._policies import POLICIES

WRITTEN = """
problem problem.params.NAME
search.policy search.archive search.operators search.tournament search.inspirations search.uniform_parent_share search.tuner_share
search.bandit_discount
search.family_floor search.archive_size search.archive_cells search.novelty_distance search.novelty_neighbors search.rebin_share
search.islands search.migration_interval search.migrants search.reset_after search.descriptors
search.best_of_n search.initial_runs search.final_runs search.replication_share
search.control_share search.reference search.cold_check_share search.pruning search.audit_share search.second_machine
llm.provider llm.models llm.strong_model llm.base_url llm.key_variable llm.operators llm.max_concurrency
llm.max_attempts llm.read_timeout_s llm.grace_s llm.stagnation llm.hour_usd llm.prices llm.prompts llm.instructions
llm.batch llm.batch_wait_s
llm.sampling.max_tokens llm.sampling.effort llm.sampling.thinking llm.sampling.thinking_field llm.sampling.limit_field
llm.sampling.dialect llm.sampling.prompt_tokens llm.sampling.max_repairs llm.sampling.edit_formats
llm.judge.model
llm.novelty.method llm.novelty.share
llm.recording.file
budget.wall_s budget.cpu_s budget.evaluations budget.candidates budget.usd budget.tokens budget.calls budget.confirm_share
stop.target stop.patience
suite.allocation suite.share_ideas
executor.kind executor.slots executor.address
sandbox.tier
seed out
"""
KEYS = WRITTEN.split()
# What a run kept of its models before they had sections.
FLAT = """
{"provider":"openai","models":["m"],"strong_model":"","base_url":"http://localhost:1/v1","key_variable":null,
"operators":["llm_mutate"],"formats":["block"],"max_concurrency":3,"max_attempts":6,"read_timeout_s":120.0,"max_tokens":900,
"effort":"high","thinking":"300","limit_field":"max_tokens","thinking_field":"reasoning","dialect":["no_stream"],
"prompt_tokens":1234,"repairs":7,"batch":0,"batch_wait_s":30.0,"grace_s":30.0,"stagnation":100,"hour_usd":null,"prices":[],
"prompts":null,"instructions":null,"tape":"t.jsonl","judge":"j","novelty":"tokens","novelty_share":0.25}
"""

GROUPS = {
    "budget": ("hour", "minute", "night", "problem"),
    "executor": ("local", "ray"),
    "llm": ("anthropic", "none", "openai", "replay"),
    "sandbox": ("none", "strict"),
    "search": ("auto", "best_of_n", "fixed_candidates", "hill_climb", "independent", "map_elites", "one_plus_one"),
}


def test_a_new_key_is_a_decision() -> None:
    assert list(known_keys()) == KEYS
    assert groups() == GROUPS


def test_nothing_typed_gives_the_documented_defaults() -> None:
    assert compose([]) == RunConfig()


@pytest.mark.parametrize(("group", "option"), [(group, option) for group, options in GROUPS.items() for option in options])
def test_every_option_composes_in_an_empty_folder_and_leaves_nothing(
    group: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    handlers = list(logging.getLogger().handlers)
    needs = {"openai": ["llm.base_url=http://localhost:1/v1"], "replay": ["llm.recording.file=recording.jsonl"]}
    compose([f"{group}={option}", *needs.get(option, ()), *(["llm.models=m"] if option in needs else [])])
    assert os.listdir(tmp_path) == []
    assert Path.cwd() == tmp_path
    assert logging.getLogger().handlers == handlers


def test_options_set_what_they_are_called() -> None:
    assert set(GROUPS["search"]) == set(POLICIES)
    assert set(GROUPS["sandbox"]) == set(TIERS)
    assert set(GROUPS["llm"]) == set(PROVIDERS)
    assert set(GROUPS["executor"]) == set(EXECUTORS)
    for policy in POLICIES:
        assert compose([f"search={policy}"]).search.policy == policy
    for tier in TIERS:
        assert compose([f"sandbox={tier}"]).sandbox.tier == tier
    assert compose(["budget=minute"]).budget.wall_s == 60


def test_words_are_typed_and_go_on_top_of_options() -> None:
    words = (
        "problem=circle_packing problem.params.n=32 budget.evaluations=500 out=runs/x=y search=hill_climb search.tournament=8 "
        "executor.slots=1 sandbox.tier=none seed=3 stop.target=-2.5e0 search.operators=[tune,ast_edit] budget=hour "
        "budget.wall_s=null"
    )
    config = compose(words.split())
    assert config.problem.params == {"n": 32}
    assert config.budget.evaluations == 500
    assert config.budget.wall_s is None
    assert config.out == "runs/x=y"
    assert (config.search.policy, config.search.tournament) == ("hill_climb", 8)
    assert config.search.operators == ("tune", "ast_edit")
    assert (config.executor.slots, config.sandbox.tier, config.seed, config.stop.target) == (1, "none", 3, -2.5)


def test_params_have_the_types_of_the_contract() -> None:
    params = compose(
        ["problem=planted", "problem.params.gain=3", "problem.params.dimension=4", "problem.params.tails=t4"]
    ).problem.params
    assert params == {"gain": 3.0, "dimension": 4, "tails": "t4"}
    assert [type(value) for value in params.values()] == [float, int, str]


def test_plain_values_only_leave_the_loader() -> None:
    def walk(value: object) -> None:
        assert type(value) in (dict, list, tuple, str, int, float, bool, type(None)), type(value)
        if isinstance(value, dict):
            for item in (*value, *value.values()):
                walk(item)
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)

    config = compose(["search=one_plus_one", "budget=night", "sandbox=none", "problem.params.n=5"])
    walk(asdict(config))
    assert json.dumps(asdict(config_from_json(config_to_json(config)))) == json.dumps(asdict(config))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("circle_packing", "expected key=value, found 'circle_packing'; did you mean problem=circle_packing?"),
        ("hill_climb", "did you mean search=hill_climb?"),
        ("fast", "expected key=value, found 'fast'; type for example problem=circle_packing"),
        ("budget.evaluation=5", "expected a known key, found 'budget.evaluation'; did you mean budget.evaluations?"),
        ("evaluations=5", "did you mean budget.evaluations?"),
        ("tier=none", "did you mean sandbox.tier?"),
        ("sandbox.teir=none", "did you mean sandbox.tier?"),
        ("llm.efort=low", "did you mean llm.sampling.effort?"),
        ("serch.policy=auto", "did you mean search.policy?"),
        ("search.selector=foo", "the keys are listed by: evolve config"),
        ("selector=foo", "the keys are listed by: evolve config"),
        ("budget.selector=foo", "the keys are listed by: evolve config"),
        ("problem.name=x", "expected a known key, found 'problem.name'"),
        ("problem.params.=1", "expected a known key"),
        ("xyzzy=1", "the keys are listed by: evolve config"),
        ("+seed=1", "did you mean seed?"),
        ("~search=hill_climb", "did you mean search?"),
        ("hydra.run.dir=x", "expected a known key"),
        ("seed=x", "seed must be a whole number, found 'x'"),
        ("seed=1.5", "seed must be a whole number, found '1.5'"),
        ("seed=-1", "seed must be a whole number from 0, found -1"),
        ("budget.wall_s=soon", "budget.wall_s must be a number, found 'soon'"),
        ("budget.wall_s=inf", "budget.wall_s must be a number, found 'inf'"),
        ("budget.wall_s=-3", "budget.wall_s must be above 0, found -3.0"),
        ("search=hillclimb", "did you mean search=hill_climb?"),
        ("search.tournament=0", "search.tournament must be at least 1, found 0"),
        ("executor.slots=0", "executor.slots must be from 1 to 1024, found 0"),
        ("sandbox.tier=weak", "sandbox.tier must be one of strict, none, found 'weak'"),
    ],
)
def test_a_mistake_is_one_sentence(word: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose([word])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


_MODELS = ("llm=openai", "llm.base_url=http://localhost:1/v1", "llm.models=m")
_NAMED = {  # every key that takes one of some names, or a list of them: what is typed beside it, one of its names and all of them
    "search": ((), "map_elites", GROUPS["search"]),
    "llm": ((), "anthropic", GROUPS["llm"]),
    "executor": ((), "local", GROUPS["executor"]),
    "sandbox": ((), "strict", GROUPS["sandbox"]),
    "budget": ((), "minute", GROUPS["budget"]),
    "llm.provider": ((), "anthropic", tuple(PROVIDERS)),
    "search.policy": ((), "map_elites", tuple(POLICIES)),
    "search.archive": ((), "novelty", tuple(ARCHIVES)),
    "search.operators": ((), "crossover", tuple(name for name, one in OPERATORS.items() if not one.model)),
    "llm.operators": (_MODELS, "llm_repair", tuple(name for name, one in OPERATORS.items() if one.model)),
    "executor.kind": ((), "local", tuple(EXECUTORS)),
    "sandbox.tier": ((), "strict", TIERS),
    **{
        f"{place}.{one.name}": (_MODELS if place.startswith("llm") else (), next(filter(None, rule.names)), rule.names)
        for place, section in (("search", SearchConfig), ("llm.sampling", SamplingConfig))
        for one in fields(section)
        if (rule := rule_of(one)) is not None and rule.names
    },
}


@pytest.mark.parametrize("key", _NAMED)
def test_a_wrong_name_is_told_all_right_ones_and_one_of_them_to_type(key: str) -> None:
    beside, right, names = _NAMED[key]

    def said(name: str) -> str:
        with pytest.raises(ConfigError) as caught:
            check_names(compose([*beside, f"{key}={name}"]))
        return str(caught.value)

    told = said("qqqq")
    assert re.match(
        rf"{re.escape(key)} must be (one|a list out) of [\w, ]+, found 'qqqq'; type for example {re.escape(key)}=", told
    )
    listed = set(told.partition(" of ")[2].partition(", found")[0].split(", "))
    assert listed == set(filter(None, names))
    example = told.rpartition("=")[2].strip("[]")
    assert example in listed - {"none"}
    assert re.search(rf"found '{right}x'; did you mean ({re.escape(key)}=)?{right}\?$", said(f"{right}x"))


def test_whatever_is_typed_the_key_that_is_meant_is_of_its_section_or_has_its_name() -> None:
    """As a key of another kind is no help: ``executor`` for ``search.selector``."""
    known = (*groups(), *known_keys())
    sections = {one.rpartition(".")[0] for one in known} - {""}
    for section, name in product(sections, {one.rpartition(".")[2] for one in known} | {"selector", "temperature", "parents"}):
        close = close_key(f"{section}.{name}")
        assert not close or close.startswith(f"{section}.") or close.rpartition(".")[2] == name


@pytest.mark.parametrize("key", ["budget.evaluations", "budget.wall_s", "stop.target"])
def test_an_empty_number_lifts_no_limit_and_null_does(key: str) -> None:
    """As the variable of a shell gives it that nobody set."""
    with pytest.raises(ConfigError, match=rf"{key} must be a number, found nothing; to have none, type {key}=null"):
        compose([f"{key}="])
    if key.startswith("budget."):
        with pytest.raises(ConfigError, match="found nothing"):
            budget_changes([f"{key}="])
        assert budget_changes([f"{key}=null"]) == {key.removeprefix("budget."): None}


@pytest.mark.parametrize("word", ["llm.models=[m]", "llm.base_url=http://localhost:1/v1", "llm.sampling.max_tokens=100"])
def test_settings_of_models_where_none_is_asked_are_told(word: str) -> None:
    with pytest.raises(ConfigError, match="is about models, and llm=none asks none; type llm=openai or llm=anthropic beside it"):
        compose([word])


@pytest.mark.parametrize(("old", "new"), OLD_KEYS.items())
def test_an_old_key_is_told_the_new_one(old: str, new: str) -> None:
    assert new in KEYS
    with pytest.raises(ConfigError) as caught:
        compose([f"{old}=some thing"])
    assert str(caught.value) == f"expected a known key, found '{old}', which is called {new} now; type {new}='some thing'"


def test_keys_of_a_section_within_a_section_are_typed_and_leave_the_others_alone() -> None:
    words = (
        "llm=anthropic llm.sampling.effort=high llm.sampling.max_repairs=0 llm.sampling.edit_formats=[file] llm.judge.model=j "
        "llm.novelty.method=tokens llm.novelty.share=0.25 llm.recording.file=null"
    )
    llm = compose(words.split()).llm
    assert llm.sampling == SamplingConfig(effort="high", max_repairs=0, edit_formats=("file",))
    assert (llm.judge, llm.novelty) == (JudgeConfig(model="j"), NoveltyConfig(method="tokens", share=0.25))
    assert llm.recording == RecordingConfig()
    assert llm.strong_model == "claude-opus-5-5"  # of the option


def test_a_section_is_no_key() -> None:
    for word in ("llm.sampling=high", "llm.recording=FILE"):
        with pytest.raises(ConfigError, match=r"did you mean llm\.(sampling\.effort|recording\.file)\?$"):
            compose([word])


def test_a_configuration_of_an_older_version_is_read_in_the_sections_of_today() -> None:
    flat = json.loads(config_to_json(compose([])))
    flat["llm"] = json.loads(FLAT)
    llm = config_from_json(json.dumps(flat)).llm
    assert (llm.provider, llm.models, llm.max_concurrency) == ("openai", ["m"], 3)
    assert llm.sampling == SamplingConfig(
        max_tokens=900, effort="high", thinking="300", thinking_field="reasoning", limit_field="max_tokens", dialect=["no_stream"],
        prompt_tokens=1234, max_repairs=7, edit_formats=["block"],
    )  # fmt: skip
    assert (llm.judge, llm.novelty) == (JudgeConfig(model="j"), NoveltyConfig(method="tokens", share=0.25))
    assert llm.recording == RecordingConfig(file="t.jsonl")
    again = config_from_json(config_to_json(RunConfig(llm=llm)))
    assert again.llm == llm


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("search.policy=nope", "search.policy must be one of auto, map_elites"),
        ("search.policy=hillclimb", "found 'hillclimb'; did you mean hill_climb?"),
        ("executor.kind=cloud", "executor.kind must be one of local, ray, found 'cloud'; type for example executor.kind=local"),
        ("llm.provider=antropic llm.models=[m]", "found 'antropic'; did you mean anthropic?"),
        (
            "search.operators=[]",
            "merge, revert, adopt, setting, ablate for the policy auto",
        ),
        (
            "search.operators=[tune,ast_edt]",
            "crossover, extrapolate, mirror, merge, revert, adopt, setting, ablate, found 'ast_edt'; did you mean ast_edit?",
        ),
        (
            "search.operators=[llm_mutate]",
            "list out of tune, ast_edit, redraw, grow, reorder, crossover, extrapolate, mirror, merge, revert, adopt, setting, "
            "ablate, "
            "found 'llm_mutate'",
        ),
        (
            "search=hill_climb search.operators=[tune]",
            "a list out of ast_edit, redraw, grow, reorder, setting, ablate for the policy hill_climb, found ['tune']",
        ),
        ("search.archive=gird", "search.archive must be one of auto, grid, topk, cvt, novelty, found 'gird'; did you mean grid?"),
        ("search.archive=tree", "search.archive must be one of auto, grid, topk, cvt, novelty, found 'tree'; type for example"),
        ("llm=anthropic llm.operators=[llm_mutat]", "llm.operators must be a list out of llm_mutate"),
        ("llm=anthropic search=hill_climb search.operators=[tune] llm.operators=[llm_repair]", "for the policy hill_climb"),
        (
            "search=map_elites search.family_floor=0.4",
            "each of 3 families of operators (edit, merge, tune), and must be at most 0.333, found 0.4; type for example",
        ),
        (
            "search=map_elites search.operators=[ast_edit,tune] search.family_floor=0.51",
            "each of 2 families of operators (edit, tune)",
        ),
    ],
)
def test_a_name_of_nothing_is_one_sentence(words: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_names(compose(words.split()))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words", ["search.family_floor=0.33", "search.operators=[ast_edit] search.family_floor=1"])
def test_floors_that_leave_room_for_all_are_taken(words: str) -> None:
    check_names(compose(["search=map_elites", *words.split()]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("search.operators=[tune,tune]", "search.operators must name each once, found 'tune' twice; type search.operators=[tune]"),
        ("llm=anthropic llm.models=[a,b,a]", "llm.models must name each once, found 'a' twice; type llm.models=[a,b]"),
        ("llm=anthropic llm.operators=[llm_repair,llm_mutate,llm_repair]", "type llm.operators=[llm_repair,llm_mutate]"),
        ("llm=anthropic llm.sampling.edit_formats=[file,file]", "llm.sampling.edit_formats must name each once"),
        ("llm=anthropic llm.sampling.dialect=[no_stream,no_stream]", "llm.sampling.dialect must name each once"),
    ],
)
def test_a_list_that_names_one_thing_twice_is_a_mistake(words: str, said: str) -> None:
    config = compose(words.split())
    with pytest.raises(ConfigError) as caught:
        check_names(config)
    assert said in str(caught.value)
    assert config_from_json(config_to_json(config)).search == replace(
        config.search, operators=list(config.search.operators)
    )  # opens


def test_a_baseline_needs_an_operator_that_edits_of_whichever_kind() -> None:
    for words in (
        "search=fixed_candidates search.operators=[]",
        "search=hill_climb search.operators=[tune,ast_edit]",
        "llm=anthropic search=hill_climb search.operators=[]",
        "llm=anthropic search.operators=[]",
    ):
        check_names(compose(words.split()))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["problem.params.m=3"], "problem.params.m: circle_packing has no such param"),
        (["problem.params.n=abc"], "problem.params.n: expected a whole number, found 'abc'"),
        (["problem.params.n=999"], "at most 200, found 999"),
        (["problem=planted", "problem.params.tails=t5"], "expected one of normal, t4"),
        (["problem=cirle_packing", "problem.params.n=5"], "did you mean circle_packing?"),
    ],
)
def test_a_param_is_checked_by_the_contract(words: list[str], said: str) -> None:
    with pytest.raises(ProblemError) as caught:
        compose(words)
    assert said in str(caught.value)


def test_a_key_stands_once() -> None:
    with pytest.raises(ConfigError, match="seed is given twice"):
        compose(["seed=1", "seed=2"])


def test_only_the_budget_of_a_run_can_change() -> None:
    assert budget_changes(["budget.wall_s=60", "budget.evaluations=null"]) == {"wall_s": 60.0, "evaluations": None}
    for word in ("seed=1", "budget=hour", "search.best_of_n=3"):
        with pytest.raises(ConfigError, match="a run keeps its configuration"):
            budget_changes([word])
    with pytest.raises(ConfigError, match=r"did you mean budget\.evaluations"):
        budget_changes(["budget.evaluation=1"])
    for word in ("bugdet.wall_s=1", "wall_s=1", "budgets.wall_s=1"):
        with pytest.raises(ConfigError, match=r"did you mean budget\.wall_s\?$"):
            budget_changes([word])
    for word in ("seeed=1", "xyzzy=1", "stop.patience=1", "problem.params.n=1"):
        with pytest.raises(ConfigError, match="a run keeps its configuration"):
            budget_changes([word])
    with pytest.raises(ConfigError, match="above 0"):
        budget_changes(["budget.wall_s=0"])


@settings(max_examples=25, deadline=None)
@given(st.one_of(st.sampled_from([*KEYS, *GROUPS]), st.text(max_size=12)), st.text(max_size=12))
def test_whatever_is_typed_is_a_configuration_or_a_sentence(key: str, value: str) -> None:
    try:
        found: object = compose([f"{key}={value}"])
    except EvolveError as error:
        found = str(error)
    assert isinstance(found, RunConfig) or (isinstance(found, str) and "\n" not in found)


def test_a_run_that_was_made_with_a_seed_below_0_still_opens() -> None:
    assert config_from_json(config_to_json(RunConfig(seed=-1))).seed == -1


def test_a_run_of_a_version_with_other_keys_still_opens() -> None:
    written = json.loads(config_to_json(RunConfig(seed=5)))
    written["search"]["remeasure_top"] = 5
    del written["search"]["reference"]
    assert config_from_json(json.dumps(written)) == config_from_json(config_to_json(RunConfig(seed=5)))


def test_a_run_may_go_on_elsewhere() -> None:
    words = ["executor=ray", "executor.address=auto", "budget.evaluations=5"]
    changes = executor_changes(words)
    assert changes == {"kind": "ray", "address": "auto"}
    assert budget_changes(words) == {"evaluations": 5}
    local = ExecutorConfig(slots=3)
    assert local.moved(changes) == ExecutorConfig(kind="ray", address="auto")
    assert ExecutorConfig(kind="ray", address="1.2.3.4:5", slots=2).moved({"address": "auto"}) == ExecutorConfig(
        kind="ray", address="auto", slots=2
    )
    assert ExecutorConfig(kind="ray", address="1.2.3.4:5").moved({"kind": "local"}) == ExecutorConfig()
    with pytest.raises(ConfigError, match=r"executor.address is for executor=ray"):
        local.moved({"address": "auto"})
    with pytest.raises(ConfigError, match="executor"):
        executor_changes(["executor=nowhere"])
    with pytest.raises(ConfigError, match=r"executor.slots must be"):
        local.moved(executor_changes(["executor.slots=0"]))
