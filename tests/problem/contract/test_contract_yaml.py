"""problem.yaml: what a good one means, and the sentence for each way to get it wrong."""

from __future__ import annotations

import contextlib
import json
import string
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problem_folders import MINIMAL

from archive import StartMode
from evolve._errors import MissingPackage, ProblemError
from evolve.problem.contract._contract import Contract, Data, Gate
from evolve.problem.contract._contract_yaml import ParamRule, read_contract
from evolve.problem.contract._keys import TOP
from evolve.problem.contract._placement import Placement

FULL = """\
name: full-one
metric: loss
goal: minimize
unit: nats
family: losses
secondary: [tokens, params]
noise: noisy
compute_rule: cpu_budget
params: {depth: 2, rate: 1.0, name: {default: adam, choices: [adam, sgd]}, flag: true}
initial_by: name
editable: [main.py]
may_add_files: true
max_bytes: 1000
meaningful_comments: ["# tile", plan]
candidate_imports: [numpy]
toolbox: [cc, make]
environment: [JUDGE_KEY]
requires: [scipy]
assets: {candidate: [tokenizer], grader: [a/b.bin]}
data:
  - {name: corpus, path: /shared/corpus.bin, sha256: "00"}
  - {name: shards, path: /shared/shards, sha256: "1f", reader: candidate}
stages:
  - {name: tiny, time_s: 1e1, pass_score: 3}
  - {name: full, time_s: 60, cpu_s: 30, memory_mib: 64, cpus: 0.5, gpus: 1, exclusive: true, calibrated: true,
     start: spare, batch_size: 4}
descriptors:
  - {name: loops, source: ast, low: 0, high: 10, bins: 5}
  - {name: memory, low: -1.5, high: 1.5}
elites_per_cell: 2
artifacts: {weights: .npz}
max_artifact_bytes: 10
budget: {wall_s: 60, evaluations: 10}
gates:
  - {metric: loss, floor: 0.5, why: entropy of the text}
  - {metric: tokens, floor: 0, ceiling: 1000, why: so many were served}
scored_inside: inside
learning_curve: training loss
placement: {labels: {card: "in(a, b)"}, fallback: [{card: c}, {}], resources: {licence: 1}}
"""
FULL = FULL.replace('"00"', f'"{"00" * 32}"').replace('"1f"', f'"{"1f" * 32}"')


def contract_of(text: str, folder: Path) -> Contract:
    (folder / "problem.yaml").write_text(text)
    return read_contract(folder / "problem.yaml").contract


def test_name_metric_and_goal_are_enough(tmp_path: Path) -> None:
    contract = contract_of(MINIMAL, tmp_path)
    assert (contract.name, contract.metric, contract.maximize, contract.noisy) == ("tiny", "score", True, False)
    assert [stage.name for stage in contract.stages] == ["full"]


def test_who_computes_the_score_is_said_where_it_is_not_trusted_code(tmp_path: Path) -> None:
    assert contract_of(FULL, tmp_path).caveat == "printed by code that shares a process with the candidate"
    assert contract_of(MINIMAL, tmp_path).caveat == ""
    for wrong in ("seed", "../x", "[a]", "redteam"):
        with pytest.raises(ProblemError, match="scored_inside: expected a folder of the problem"):
            contract_of(f"{MINIMAL}scored_inside: {wrong}\n", tmp_path)


def test_further_numbers_may_have_any_names(tmp_path: Path) -> None:
    some, any_ = contract_of(FULL, tmp_path), contract_of(f"{MINIMAL}secondary: any\n", tmp_path)
    found = {"size": 1.0, "params": 2.0, "tokens": 3.0}
    assert some.metrics_of(found) == ("tokens", "params")
    assert any_.metrics_of(found) == ("params", "size", "tokens")
    with pytest.raises(ProblemError, match="gates"):
        contract_of(f"{MINIMAL}secondary: any\ngates: [{{metric: size, floor: 0, why: x}}]\n", tmp_path)


def test_every_key_is_read(tmp_path: Path) -> None:
    contract = contract_of(FULL, tmp_path)
    assert all(f"\n{key}:" in f"\n{FULL}" for key in TOP)
    assert (contract.maximize, contract.noisy, contract.unit, contract.compute_rule) == (False, True, "nats", "cpu_budget")
    assert contract.family == "losses"
    assert contract.initial_by == "name"
    assert contract.params == {"depth": 2, "rate": 1.0, "name": "adam", "flag": True}
    tiny, full = contract.stages
    assert (tiny.time_s, tiny.pass_score, tiny.start) == (10.0, 3.0, StartMode.COLD)
    assert (full.cpu_s, full.memory_mib, full.cpus, full.gpus, full.exclusive, full.calibrated) == (30.0, 64, 0.5, 1.0, True, True)
    assert (full.start, full.batch_size, full.pass_score) == (StartMode.SPARE, 4, None)
    assert [(axis.name, axis.source, axis.low, axis.high, axis.bins) for axis in contract.axes] == [
        ("loops", "ast", 0.0, 10.0, 5),
        ("memory", "outcome", -1.5, 1.5, 10),
    ]
    assert (contract.elites_per_cell, contract.max_artifact_bytes, contract.max_bytes) == (2, 10, 1000)
    assert (contract.artifacts, contract.candidate_assets, contract.grader_assets) == (
        {"weights": ".npz"},
        ("tokenizer",),
        ("a/b.bin",),
    )
    assert contract.data == (
        Data(name="corpus", path="/shared/corpus.bin", sha256="0" * 64),
        Data(name="shards", path="/shared/shards", sha256="1f" * 32, reader="candidate"),
    )
    assert (contract.budget.wall_s, contract.budget.evaluations, contract.budget.cpu_s) == (60.0, 10, None)
    assert (contract.editable, contract.may_add_files, contract.requires) == (("main.py",), True, ("scipy",))
    assert contract.secondary == ("tokens", "params")
    assert contract.gates == (
        Gate(metric="loss", floor=0.5, why="entropy of the text"),
        Gate(metric="tokens", floor=0.0, ceiling=1000.0, why="so many were served"),
    )
    assert contract.candidate_imports == ("numpy",)
    assert (contract.toolbox, contract.environment) == (("cc", "make"), ("JUDGE_KEY",))
    assert contract.meaningful_comments == ("tile", "plan")
    assert contract.placement == Placement(labels={"card": "in(a, b)"}, fallback=({"card": "c"}, {}), resources={"licence": 1.0})


def test_all_comments_may_count(tmp_path: Path) -> None:
    assert contract_of(MINIMAL + "meaningful_comments: all\n", tmp_path).meaningful_comments == ("",)
    with pytest.raises(ProblemError, match="meaningful_comments: expected all, or a list"):
        contract_of(MINIMAL + "meaningful_comments: ['#']\n", tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("metrics: x", r"metrics: no such key; did you mean metric\?"),
        ("zzz: 1", r"zzz: no such key; the keys known here are name, metric"),
        ("goal: minimize", r"line 4: the key goal stands here a second time"),
        ("noise: nois", r"noise: expected one of deterministic, noisy, found 'nois'; did you mean noisy"),
        ("unit: 3", r"unit: expected text, found 3"),
        ("max_bytes: lots", r"max_bytes: expected a whole number from 1 to"),
        ("max_bytes: true", r"max_bytes: expected a whole number"),
        ("may_add_files: 1", r"may_add_files: expected true or false, found 1"),
        ("editable: main.py", r"editable: expected a list of relative paths"),
        ("initial_by: start", r"initial_by: expected a param whose values are names of folders, found 'start'; write for example"),
        (
            "stages: [{name: a, gpus: 1.5}]",
            r"stages\[0\]\.gpus: expected a whole number, or a part of one GPU, found 1.5; write gpus: 2",
        ),
        ("editable: [../main.py]", r"editable: expected a list of relative paths inside the folder"),
        ("editable: [/etc/passwd]", r"editable: expected a list of relative paths inside the folder"),
        ("editable: [a.py, a.py]", r"editable: expected a list without repetitions"),
        ("toolbox: [bash]", r"toolbox: expected a list of names"),
        ("candidate_imports: ['numpy>=1']", r"candidate_imports: expected a list of names"),
        ("stages: {name: full}", r"stages: expected a list of mappings"),
        ("stages: [full]", r"stages\[0\]: expected a mapping with keys such as name"),
        ("stages: [{name: full, time: 3}]", r"stages\[0\].time: no such key; did you mean time_s\?"),
        ("stages: [{name: full, time_s: 0}]", r"stages\[0\].time_s: expected a number above 0, found 0"),
        ("stages: [{name: full, time_s: ten}]", r"stages\[0\].time_s: expected a number above 0, found 'ten'"),
        ("stages: [{name: full, time_s: .inf}]", r"stages\[0\].time_s: expected text, a finite number"),
        ("stages: [{name: full, time_s: .nan}]", r"stages\[0\].time_s: expected text, a finite number"),
        ("stages: [{name: full, time_s: 1e9}]", r"stages\[0\].time_s: expected a number up to 604800"),
        ("stages: [{name: full, memory_mib: 1}]", r"memory_mib: expected a whole number from 32"),
        ("stages: [{name: full, batch_size: 65}]", r"batch_size: expected a whole number from 1 to 64"),
        ("stages: [{name: full, start: hot}]", r"start: expected one of cold, spare, warm, found 'hot'"),
        ("stages: [{name: full, pass_score: 1}]", r"stages\[0\].pass_score: expected none on the last stage"),
        ("stages: [{name: a}, {name: a}]", r"stages: two of them are called a"),
        ("descriptors: [{name: d, low: 1, high: 1}]", r"descriptors\[0\].high: expected a number above 1, found 1"),
        (
            "descriptors: [{name: d, high: 1}]",
            r"descriptors\[0\].low: expected the lowest value .* found nothing; write for example low: 0",
        ),
        (
            "descriptors: [{name: d, low: -1}]",
            r"descriptors\[0\].high: expected the highest value .* found nothing; write .*, high: 1",
        ),
        ("descriptors: [{name: d}]", r"descriptors\[0\].low: expected the lowest value"),
        ("descriptors: [{name: score, low: 0, high: 1}]", r"score is the score itself"),
        ("descriptors: [{name: d, low: 0, high: 1, source: code}]", r"source: expected one of ast, outcome"),
        ("assets: {cand: [x]}", r"assets.cand: no such key; did you mean candidate\?"),
        ("assets: {candidate: [x], grader: [x]}", r"assets: x stands under candidate and grader"),
        ("data: {corpus: /a}", r"data: expected a list of mappings"),
        ("data: [{name: a, path: a.bin}]", r"data\[0\].path: expected an absolute path, without . and .., found 'a.bin'"),
        ("data: [{name: a, path: /b/../a.bin}]", r"data\[0\].path: expected an absolute path"),
        (
            "data: [{name: a, path: /a.bin}]",
            r"data\[0\].sha256: expected 64 hexadecimal digits in quotes, found nothing; write .*: sha256sum /a.bin",
        ),
        ("data: [{name: a, path: /a, sha256: 12}]", r"data\[0\].sha256: expected 64 hexadecimal digits in quotes, found 12"),
        ("data: [{path: /a, sha256: " + "a" * 64 + "}]", r"data\[0\].name: expected the data's name"),
        ("data: [{name: a, path: /a, sha256: " + "a" * 64 + ", reader: all}]", r"reader: expected one of grader, candidate"),
        (
            "data: [{name: a, path: /a, sha256: " + "a" * 64 + "}, {name: a, path: /b, sha256: " + "a" * 64 + "}]",
            r"two of them are",
        ),
        ("artifacts: {a: npy}", r"artifacts: expected a mapping from names to file endings"),
        ("secondary: [score]", r"secondary: score is already the metric"),
        ("placement: {label: x}", r"placement.label: no such key"),
        ("placement: {labels: {card: [a, b]}}", r"placement.labels: expected a mapping from labels of nodes to values"),
        ("placement: {labels: {card: 'in()'}}", r"placement.labels: .* write for example"),
        ("placement: {fallback: {card: a}}", r"placement.fallback: expected a list of mappings like labels"),
        ("placement: {fallback: [card]}", r"placement.fallback\[0\]: expected a mapping from labels"),
        ("placement: {resources: {GPU: 1}}", r"placement.resources: expected a mapping from names of a cluster's own resources"),
        ("placement: {resources: {licence: 0}}", r"placement.resources: expected a mapping"),
        ("gates: {metric: score}", r"gates: expected a list of mappings"),
        ("gates: [{metric: score, low: 1, why: x}]", r"gates\[0\].low: no such key"),
        ("gates: [{metric: score, why: x}]", r"gates\[0\].floor: expected a floor, a ceiling or both, found nothing"),
        ("gates: [{metric: score, floor: n, why: x}]", r"gates\[0\].floor: expected a number, found 'n'"),
        ("gates: [{metric: score, floor: " + "9" * 400 + ", why: x}]", r"gates\[0\].floor: expected a number that fits a float"),
        ("gates: [{metric: score, floor: .nan, why: x}]", r"gates\[0\].floor: expected text, a finite number"),
        (
            "gates: [{metric: score, floor: 2, ceiling: 1, why: x}]",
            r"gates\[0\].ceiling: expected a number of at least the floor, 2",
        ),
        ("gates: [{metric: score, floor: 1}]", r"gates\[0\].why: expected text, found nothing"),
        ("gates: [{metric: score, floor: 1, why: ' '}]", r"gates\[0\].why: expected one line of 1 to 200 characters"),
        ("gates: [{metric: score, floor: 1, why: " + "x" * 201 + "}]", r"gates\[0\].why: expected one line of 1 to 200 characters"),
        ("gates: [{metric: scor, floor: 1, why: x}]", r"gates\[0\].metric: expected the metric .*\(score\), .*did you mean score"),
        ("gates: [{metric: other, floor: 1, why: x}]", r"gates\[0\].metric: .*; declare it under secondary"),
        ("gates: [{floor: 1, why: x}]", r"gates\[0\].metric: expected the metric or one of secondary \(score\), found nothing"),
        ("budget: {wall_s: -1}", r"budget.wall_s: expected a number above 0"),
        ("params: [1]", r"params: expected a mapping from names to defaults"),
        ("params: {n: [1]}", r"params.n.default: expected a number, text, true or false"),
        ("params: {n: {default: 3, high: 2}}", r"problem.params.n: expected a number at most 2, found 3"),
        ("params: {n: {default: 3, choices: [1.0]}}", r"params.n.choices: expected a list of values of the type of 3"),
        ("params: {n: 2020-01-01}", r"params.n: expected text, a finite number, true or false"),
        ("3: x", r"line 4: expected a name as key, found 3"),
        ("unit: &a [*a]", r"line 4: expected YAML, found a mistake \(found unconstructable recursive node\)"),
        ("unit: " + "[" * 5000, r"expected plain values, found one that cannot be read"),
        ("unit: 2020-13-45", r"expected plain values, found one that cannot be read"),
        ("unit: !!set {a}", r"unit: expected text, a finite number"),
        ("? [a, b]\n: c", r"expected a name as key, found|unhashable"),
        ("a: [", r"line \d+: expected YAML"),
        ("a: !!python/object/apply:os.getcwd []", r"expected YAML, found a mistake"),
    ],
)
def test_a_mistake_gets_one_sentence(tmp_path: Path, change: str, said: str) -> None:
    with pytest.raises(ProblemError, match=said) as caught:
        contract_of(f"{MINIMAL}{change}\n", tmp_path)
    assert str(caught.value).startswith(("problem.yaml: ", "problem.params."))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["name", "metric", "goal"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    text = "".join(line for line in MINIMAL.splitlines(True) if not line.startswith(key))
    with pytest.raises(ProblemError, match=f"problem.yaml: {key}: expected .*, found nothing"):
        contract_of(text, tmp_path)


@pytest.mark.parametrize("data", [b"", b"- a\n", b"just text", b"\xff\xfe", b"a: \x01"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "problem.yaml").write_bytes(data)
    with pytest.raises(ProblemError, match=r"problem\.yaml: .*expected") as caught:
        read_contract(tmp_path / "problem.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"expected a file problem\.yaml in .*evolve new"):
        read_contract(tmp_path / "problem.yaml")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float_params_take_every_finite_number(value: float) -> None:
    assert ParamRule("p", 0.5).check(value) == value


@given(st.one_of(st.floats(), st.booleans(), st.text(string.printable), st.none(), st.lists(st.integers())))
def test_int_params_take_integers_only(value: object) -> None:
    with pytest.raises(ProblemError, match=r"problem\.params\.p: expected a whole number, found"):
        ParamRule("p", 26).check(value)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "-1e-3", "1_0e-4", ".1e-2"])
def test_exponents_without_a_point_are_numbers(tmp_path: Path, text: str) -> None:
    contract = contract_of(f"{MINIMAL}params: {{p: {text}}}\n", tmp_path)
    assert contract.params["p"] == pytest.approx(0.001 * (-1 if text.startswith("-") else 1))


def test_merge_keys_work_and_leave_no_trace_in_pyyaml(tmp_path: Path) -> None:
    stages = "stages:\n  - &tiny {name: tiny, time_s: 1e0}\n  - {<<: *tiny, name: full}\n"
    contract = contract_of(MINIMAL + stages, tmp_path)
    assert [(stage.name, stage.time_s) for stage in contract.stages] == [("tiny", 1.0), ("full", 1.0)]
    assert yaml.safe_load("{a: 1e0, a: 2}") == {"a": 2}
    assert yaml.safe_load("1e0") == "1e0"


def test_comments_keep_the_document_and_values_change_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MINIMAL)
    (tmp_path / "b.yaml").write_text(f"# a comment\n{MINIMAL}")
    (tmp_path / "c.yaml").write_text(f"{MINIMAL}unit: s\n")
    a, b, c = (read_contract(tmp_path / f"{name}.yaml").document for name in "abc")
    assert a == b != c


def test_without_pyyaml_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "problem.yaml").write_text(MINIMAL)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingPackage, match="pip install pyyaml"):
        read_contract(tmp_path / "problem.yaml")


def test_json_is_read_without_pyyaml_and_means_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text(FULL)
    expected = read_contract(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text(json.dumps(yaml.safe_load(FULL.replace("1e1", "10.0"))))
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert read_contract(tmp_path / "b.yaml") == expected


def test_a_key_that_json_gives_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "problem.yaml").write_text('{"name": "a", "metric": "m", "metric": "n"}')
    with pytest.raises(ProblemError, match=r"the key metric stands .* a second time"):
        read_contract(tmp_path / "problem.yaml")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_gives_anything_but_a_contract_or_a_sentence(tmp_path: Path, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(FULL)))
    cut = data.draw(st.integers(0, 20))
    new = data.draw(st.text("abc:[]{},-#&*!|>'\"%@?\n\t 019.e", max_size=8))
    (tmp_path / "problem.yaml").write_text(FULL[:at] + new + FULL[at + cut :])
    with contextlib.suppress(ProblemError):
        read = read_contract(tmp_path / "problem.yaml")
        assert read.contract.stages
        json.dumps(read.document, allow_nan=False)
