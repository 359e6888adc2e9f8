"""``problem.yaml`` read strictly: every mistake is one sentence that names the file, the key, what was expected and found.

``read_contract`` gives the typed contract, the rules for its params, and the document as plain values (what identity hashes).
It looks at this one file only; whether the folder around it fits is ``evolve.problem._load``'s question.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from archive import StartMode
from evolve._errors import ProblemError
from evolve._renamed import INITIAL_FOLDER, OLD_INITIAL_FOLDER, in_new_words
from evolve.problem.contract import _keys as keys
from evolve.problem.contract._contract import MAX_BYTES, Budget, Contract, Data, DescriptorSpec, Gate, Param, Stage
from evolve.problem.contract._environment import OWN
from evolve.problem.contract._placement import LABEL, RESOURCE, SELECTOR, Placement
from evolve.problem.contract._strict_yaml import Section, hint, read_yaml, show

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*\Z")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
TOOL = re.compile(r"(cc|make)\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
ANY = "any"  # secondary: any
MAX_CELLS = 10_000_000


@dataclass(frozen=True, slots=True)
class ParamRule:
    """What a param may be: of the type of its default, within inclusive bounds, one of ``choices`` where there are any."""

    name: str
    default: Param
    low: float | None = None
    high: float | None = None
    choices: tuple[Param, ...] = ()

    def check(self, value: object) -> Param:
        """``value`` as a param; an integer becomes a float where the default is one.

        Raises:
            ProblemError: another type than the default's, out of bounds, or not one of the choices.
        """
        kind = type(self.default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
            raise ProblemError(
                f"problem.params.{self.name}: expected {_article(kind.__name__)}, found {show(value)}; "
                f"write for example problem.params.{self.name}={_plain(self.default)}."
            )
        assert isinstance(value, bool | int | float | str)
        if self.choices and value not in self.choices:
            some = ", ".join(_plain(choice) for choice in self.choices)
            raise ProblemError(
                f"problem.params.{self.name}: expected one of {some}, found {show(value)}{hint(value, self.choices) or '.'}"
            )
        if not isinstance(value, bool | str):
            self._check_bounds(value)
        return value

    def _check_bounds(self, value: float) -> None:
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            bounds = " and ".join(text for text in (_bound("at least", self.low), _bound("at most", self.high)) if text)
            raise ProblemError(f"problem.params.{self.name}: expected a number {bounds}, found {value}; choose another value.")


@dataclass(frozen=True, slots=True)
class ContractFile:
    """``problem.yaml``: the contract, the rules of its params in order, and the document itself as plain values."""

    contract: Contract
    rules: Mapping[str, ParamRule]
    document: Mapping[str, object]


def read_contract(path: Path, *, old_words: bool = False) -> ContractFile:
    """Read a ``problem.yaml``; with ``old_words`` one that a run of an older version keeps.

    Raises:
        ProblemError: the file is missing, not UTF-8, not YAML, has duplicate or unknown keys, or a value of the wrong form.
        MissingPackage: PyYAML is not installed.
    """
    document = read_yaml(path)
    top = Section.of(path.name, "", in_new_words(document) if old_words else document, tuple(keys.TOP))
    rules = _rules(top)
    contract = Contract(
        name=top.word("name", NAME, "a name of letters, digits, _ and -", "name: my_problem"),
        metric=top.word("metric", WORD, "the score's name (letters, digits and _)", "metric: score"),
        family=top.word("family", NAME, "a name of letters, digits, _ and -", "family: packing")
        if top.values.get("family") not in (None, "")
        else "",
        goal=top.choice("goal", keys.GOALS),
        unit=top.text("unit", ""),
        secondary=_secondary(top),
        any_metrics=top.values.get("secondary") == ANY,
        noisy=top.choice("noise", keys.NOISE, "deterministic") == "noisy",
        compute_rule=top.choice("compute_rule", keys.COMPUTE_RULES, "none"),
        params={name: rule.default for name, rule in rules.items()},
        initial_by=_initial_by(top, rules),
        editable=top.paths("editable"),
        may_add_files=top.flag("may_add_files", False),
        max_bytes=top.integer("max_bytes", 65536, 1, MAX_BYTES),
        meaningful_comments=_meaningful_comments(top),
        candidate_imports=top.words("candidate_imports", DISTRIBUTION),
        toolbox=top.words("toolbox", TOOL),
        requires=top.words("requires", DISTRIBUTION),
        environment=_environment(top),
        candidate_assets=_assets(top, "candidate"),
        grader_assets=_assets(top, "grader"),
        data=_data(top),
        stages=_stages(top),
        axes=_axes(top),
        elites_per_cell=top.integer("elites_per_cell", 1, 1, keys.MAX_ELITES),
        artifacts=_artifacts(top),
        max_artifact_bytes=top.integer("max_artifact_bytes", 65536, 1, 1 << 24),
        budget=_budget(top),
        gates=_gates(top),
        scored_inside=_scored_inside(top),
        learning_curve=top.text("learning_curve", ""),
        placement=_placement(top),
    )
    _cross_check(top, contract)
    return ContractFile(contract, rules, document)


def _rules(top: Section) -> dict[str, ParamRule]:
    value = top.values.get("params")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise top.error("params", "a mapping from names to defaults", "write for example params: {n: 26}")
    rules = {}
    for name, entry in value.items():
        if not WORD.match(name):
            raise ProblemError(f"{top.file}: params.{name}: expected a name of letters, digits and _; rename it.")
        rules[name] = _rule(top.file, name, entry)
    return rules


def _rule(file: str, name: str, entry: object) -> ParamRule:
    section = Section.of(file, f"params.{name}", entry if isinstance(entry, dict) else {"default": entry}, tuple(keys.PARAM))
    default = section.values.get("default")
    if not isinstance(default, bool | int | float | str):
        raise section.error("default", "a number, text, true or false", f"write for example params: {{{name}: 26}}")
    limit = {
        key: None if section.values.get(key) is None else section.number(key, None, -math.inf, math.inf) for key in ("low", "high")
    }
    choices = section.values.get("choices") or []
    if not isinstance(choices, list) or any(type(one) is not type(default) for one in choices):
        raise section.error("choices", f"a list of values of the type of {_plain(default)}")
    rule = ParamRule(name, default, limit["low"], limit["high"], tuple(choices))
    rule.check(default)
    return rule


def _stages(top: Section) -> tuple[Stage, ...]:
    sections = top.sections("stages", tuple(keys.STAGE))
    stages = tuple(
        Stage(
            name=one.word("name", NAME, "the stage's name", "name: full"),
            time_s=one.number("time_s", 60.0, 0, keys.WEEK_S, above=True),
            cpu_s=one.optional("cpu_s", 0, 64 * keys.WEEK_S),
            memory_mib=one.integer("memory_mib", 1024, 32, 1 << 24),
            cpus=one.number("cpus", 1.0, 0, 4096, above=True),
            gpus=_gpus(one),
            exclusive=one.flag("exclusive", False),
            calibrated=one.flag("calibrated", False),
            start=StartMode(one.choice("start", tuple(StartMode), StartMode.COLD)),
            batch_size=one.integer("batch_size", 1, 1, keys.MAX_BLOCK),
            pass_score=None if one.values.get("pass_score") is None else one.number("pass_score", None, -math.inf, math.inf),
        )
        for one in sections
    )
    _unique(top, "stages", [stage.name for stage in stages])
    if stages and stages[-1].pass_score is not None:
        raise sections[-1].error("pass_score", "none on the last stage (it opens the way to a next one)", "remove it")
    return stages or (Stage(name="full"),)


def _gpus(stage: Section) -> float:
    gpus = stage.number("gpus", 0.0, 0, 64)
    if gpus > 1 and not gpus.is_integer():
        raise stage.error("gpus", "a whole number, or a part of one GPU", f"write gpus: {math.ceil(gpus)}")
    return gpus


def _axes(top: Section) -> tuple[DescriptorSpec, ...]:
    axes = []
    for one in top.sections("descriptors", tuple(keys.AXIS)):
        for key, end in (("low", "lowest"), ("high", "highest")):
            if one.values.get(key) is None:
                raise one.error(key, f"the {end} value that its cells tell apart, a number", "write for example low: 0, high: 1")
        low = one.number("low", None, -math.inf, math.inf)
        axes.append(
            DescriptorSpec(
                name=one.word("name", WORD, "the descriptor's name", "name: spread"),
                source=one.choice("source", keys.SOURCES, "outcome"),
                low=low,
                high=one.number("high", None, low, math.inf, above=True),
                bins=one.integer("bins", 10, 1, keys.MAX_BINS),
            )
        )
    _unique(top, "descriptors", [axis.name for axis in axes])
    cells = math.prod(axis.bins for axis in axes)
    if cells > MAX_CELLS:
        raise ProblemError(f"{top.file}: descriptors: expected at most {MAX_CELLS} cells in all, found {cells}; use fewer bins.")
    return tuple(axes)


def _secondary(top: Section) -> tuple[str, ...]:
    return () if top.values.get("secondary") == ANY else top.words("secondary", WORD)


def _scored_inside(top: Section) -> str:
    value = top.values.get("scored_inside", "")
    if value and (not isinstance(value, str) or not NAME.match(value) or value in (INITIAL_FOLDER, OLD_INITIAL_FOLDER, "redteam")):
        raise top.error("scored_inside", "a folder of the problem whose code scores inside the sandbox", "write for example inside")
    return str(value or "")


def _environment(top: Section) -> tuple[str, ...]:
    names = top.words("environment", VARIABLE)
    if own := [name for name in names if name in OWN]:
        raise ProblemError(f"{top.file}: environment: {own[0]} is set for each grader and cannot be passed; remove it.")
    return names


def _placement(top: Section) -> Placement:
    one = top.section("placement", tuple(keys.PLACEMENT))
    others = one.values.get("fallback") or []
    if not isinstance(others, list):
        raise one.error("fallback", "a list of mappings like labels", "write for example fallback: [{zone: west}]")
    resources = one.values.get("resources") or {}
    good = isinstance(resources, dict) and all(
        RESOURCE.match(name) and type(amount) in (int, float) and 0 < amount <= 1 << 20 for name, amount in resources.items()
    )
    if not good or not isinstance(resources, dict) or {"CPU", "GPU", "memory"} & set(resources):
        raise one.error("resources", "a mapping from names of a cluster's own resources to amounts", "write {licence: 1}")
    return Placement(
        labels=_labels(one, "labels", one.values.get("labels") or {}),
        fallback=tuple(_labels(one, f"fallback[{i}]", other) for i, other in enumerate(others)),
        resources={name: float(amount) for name, amount in resources.items()},
    )


def _labels(section: Section, key: str, value: object) -> dict[str, str]:
    if isinstance(value, dict) and all(
        LABEL.match(name) and isinstance(wanted, str) and SELECTOR.match(wanted) for name, wanted in value.items()
    ):
        return value
    raise ProblemError(
        f"{section.file}: placement.{key}: expected a mapping from labels of nodes to values, !value, in(a, b) or !in(a, b), found "
        f"{show(value)}; write for example {{ray.io/accelerator-type: in(H100, H200)}}."
    )


def _assets(top: Section, role: str) -> tuple[str, ...]:
    return top.section("assets", tuple(keys.ASSETS)).paths(role)


def _data(top: Section) -> tuple[Data, ...]:
    data = []
    for one in top.sections("data", tuple(keys.DATA)):
        path = one.text("path")
        if not path.startswith("/") or os.path.normpath(path) != path or not path.isprintable():
            raise one.error("path", "an absolute path, without . and ..", "write for example path: /shared/corpus.bin")
        data.append(
            Data(
                name=one.word("name", WORD, "the data's name (letters, digits and _)", "name: corpus"),
                path=path,
                sha256=one.word("sha256", SHA256, "64 hexadecimal digits in quotes", f"what this prints: sha256sum {path}"),
                reader=one.choice("reader", keys.READERS, "grader"),
            )
        )
    _unique(top, "data", [one.name for one in data])
    return tuple(data)


def _initial_by(top: Section, rules: Mapping[str, ParamRule]) -> str:
    """The param that chooses the initial program: a text, which names a folder."""
    name = top.text("initial_by", "")
    if name and (name not in rules or not isinstance(rules[name].default, str)):
        raise top.error(
            "initial_by",
            "a param whose values are names of folders",
            f"write for example initial_by: start, params: {{start: {name}}}",
        )
    return name


def _meaningful_comments(top: Section) -> tuple[str, ...]:
    value = top.values.get("meaningful_comments", [])
    if value == "all":
        return ("",)
    if not isinstance(value, list) or not all(isinstance(one, str) and one.strip("# \t") for one in value):
        example = "write for example meaningful_comments: [tile]"
        raise top.error("meaningful_comments", "all, or a list of what such comments begin with", example)
    return tuple(one.strip("# \t") for one in value)


def _artifacts(top: Section) -> dict[str, str]:
    value = top.values.get("artifacts")
    if value is None:
        return {}
    good = isinstance(value, dict) and all(
        WORD.match(name) and isinstance(end, str) and re.match(r"\.\w+\Z", end) for name, end in value.items()
    )
    if not good or not isinstance(value, dict):
        raise top.error("artifacts", "a mapping from names to file endings", "write for example artifacts: {packing: .npy}")
    return value


def _budget(top: Section) -> Budget:
    one = top.section("budget", tuple(keys.BUDGET))
    return Budget(
        wall_s=one.optional("wall_s", 0, 1e9),
        cpu_s=one.optional("cpu_s", 0, 1e12),
        evaluations=None if one.values.get("evaluations") is None else one.integer("evaluations", None, 1, 10**12),
        candidates=None if one.values.get("candidates") is None else one.integer("candidates", None, 1, 10**12),
    )


def _gates(top: Section) -> tuple[Gate, ...]:
    """Bounds on measured numbers.  Several may name one metric, each with its own reason."""
    metrics = (top.values.get("metric"), *_secondary(top))
    gates = []
    for one in top.sections("gates", tuple(keys.GATE)):
        floor, ceiling = (
            None if one.values.get(key) is None else one.number(key, None, -math.inf, math.inf) for key in ("floor", "ceiling")
        )
        if floor is None and ceiling is None:
            raise one.error("floor", "a floor, a ceiling or both", "write for example floor: 0")
        if floor is not None and ceiling is not None and floor > ceiling:
            raise one.error("ceiling", f"a number of at least the floor, {floor:g}", "exchange the two")
        why = one.text("why").strip()
        if not why or len(why) > keys.MAX_WHY_CHARS or not why.isprintable():
            raise one.error("why", f"one line of 1 to {keys.MAX_WHY_CHARS} characters that says how the bound is known")
        metric = one.values.get("metric")
        if not isinstance(metric, str) or metric not in metrics:
            raise one.error("metric", f"the metric or one of secondary ({', '.join(map(str, metrics))})", _known(metric, metrics))
        gates.append(Gate(metric=metric, floor=floor, ceiling=ceiling, why=why))
    return tuple(gates)


def _known(found: object, names: tuple[object, ...]) -> str:
    return hint(found, names)[2:].rstrip("?") or "declare it under secondary"


def _cross_check(top: Section, contract: Contract) -> None:
    if any(axis.name == contract.metric for axis in contract.axes):
        raise ProblemError(
            f"{top.file}: descriptors: {contract.metric} is the score itself and cannot say where a candidate stands; remove it."
        )
    both = set(contract.candidate_assets) & set(contract.grader_assets)
    if both:
        raise ProblemError(
            f"{top.file}: assets: {sorted(both)[0]} stands under candidate and grader; the grader sees all, so keep the first."
        )
    if contract.metric in contract.secondary:
        raise ProblemError(f"{top.file}: secondary: {contract.metric} is already the metric; remove it from the list.")


def _unique(top: Section, key: str, names: list[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise ProblemError(f"{top.file}: {key}: two of them are called {name}; rename one.")


def _bound(words: str, value: float | None) -> str:
    return "" if value is None else f"{words} {value:g}"


def _plain(value: Param) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _article(kind: str) -> str:
    return {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}[kind]
