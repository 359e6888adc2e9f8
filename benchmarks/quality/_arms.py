"""Who takes part, by name: the engine with settings, a (1+1) that asks the mutator itself, OpenEvolve's program database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial

from evolve.config._compose import compose
from evolve.config._llm import LlmConfig
from evolve.config._schema import SearchConfig
from quality._mutator import HABITS, mutate
from quality._openevolve import CHANGES, openevolve
from quality._peers import missing
from quality._programs import tree_of
from quality._shinka import shinka
from quality._task import Judged
from quality._world import Played, Setting, Tries, World

_MODEL_OPERATORS = tuple(LlmConfig().operators)


@dataclass(frozen=True, slots=True)
class EngineArm:
    """The engine.  ``search`` are settings that differ from the default; ``operators`` are what the model is asked for."""

    search: Mapping[str, object] = field(default_factory=dict)
    operators: tuple[str, ...] = _MODEL_OPERATORS
    in_flight: int = LlmConfig().max_concurrency
    start: str = ""

    def play(self, setting: Setting) -> Played:
        """One run."""
        here = replace(setting, start=self.start) if self.start else setting
        return World(here, SearchConfig(**self.search), self.operators, self.in_flight).play()  # type: ignore[arg-type]


def direct(setting: Setting) -> Played:
    """A (1+1) of a few lines: whoever measures no worse is the next parent.  A program that is known is not measured again."""
    task, tries, parent = setting.task, Tries(setting), setting.task.files
    score = tries.seen(_judged(tries, parent), "initial")
    tries.on_evaluation(_judged(tries, parent))
    known, calls = {tuple(sorted(parent.items()))}, 0
    while len(tries.played.by_evaluation) < setting.evaluations and calls < 4 * setting.evaluations:
        rng, calls = tries.draw("mutator", calls), calls + 1
        child = mutate(parent, (), rng, HABITS[setting.habits])
        tries.on_call()
        key = tuple(sorted(child.items()))
        if key in known or any(tree_of(text) is None for text in child.values()):
            continue
        known.add(key)
        judged = tries.of(child)
        tries.on_evaluation(judged)
        if judged is not None and (seen := tries.seen(judged, key)) >= score:
            parent, score = child, seen
    return replace(tries.played, final=_judged(tries, parent).score, claimed=score if task.noise else _judged(tries, parent).score)


def _judged(tries: Tries, files: Mapping[str, str]) -> Judged:
    judged = tries.of(files)
    assert judged is not None
    return judged


def _settings(policy: str) -> dict[str, object]:
    """What ``search=POLICY`` sets."""
    return {"policy": policy, "operators": tuple(compose([f"search={policy}"]).search.operators)}


Arm = Callable[[Setting], Played]
BASELINES = ("one_plus_one", "best_of_n", "hill_climb", "independent")
POLICIES = ("auto", "map_elites", *BASELINES)
ARMS: Mapping[str, Arm] = {
    **{name: EngineArm(_settings(name)).play for name in POLICIES},
    "model_only": EngineArm({"operators": ()}).play,
    "no_model": EngineArm(operators=()).play,
    "direct": direct,
    "openevolve": openevolve,
    "shinka": shinka,
}
PEERS = {"openevolve": ("openevolve", "0.4.1"), "shinka": ("shinka-evolve", "0.0.7")}


def _taken(base: str) -> tuple[str, ...]:
    """What may stand behind an arm's name."""
    if base in ("direct", *PEERS):
        return CHANGES if base == "openevolve" else ()
    return ("in_flight", "start", "asked", *(one.name for one in fields(SearchConfig)))


def refused(name: str) -> str | None:
    """Why there is no arm of this name, or not here: a sentence; None where there is."""
    base, *changes = name.split("+")
    if base not in ARMS:
        return f"no arm {base!r}: expected one of {', '.join(ARMS)}"
    taken, valued = _taken(base), base != "openevolve"
    odd = [change for change in changes if change.partition("=")[0] not in taken or ("=" in change) != valued]
    if odd:
        form = "+NAME=VALUE with one of " if valued else "+"
        return f"the arm {base} takes {form + ', '.join(taken) if taken else 'no settings'}, and not {odd[0]!r}"
    return missing(*PEERS[base]) if base in PEERS else None


def arm_of(name: str) -> Arm:
    """The arm of this name, which is not ``refused``; an engine's may carry settings, as in
    ``map_elites+archive_size=8+in_flight=2+start=cold``, OpenEvolve's are ``openevolve+tuned`` and ``openevolve+described``."""
    base, *changes = name.split("+")
    if not changes:
        return ARMS[base]
    if base == "openevolve":
        return partial(openevolve, tuned="tuned" in changes, described="described" in changes)
    search = _settings(base) if base in POLICIES else {}
    arm = EngineArm(operators=() if base == "no_model" else _MODEL_OPERATORS)
    if base == "model_only":
        search["operators"] = ()
    for change in changes:
        key, _, value = change.partition("=")
        if key == "in_flight":
            arm = replace(arm, in_flight=int(value))
        elif key == "start":
            arm = replace(arm, start=value)
        elif key == "asked":
            arm = replace(arm, operators=tuple(filter(None, value.split("/"))))
        elif key == "operators":
            search[key] = tuple(value.split("/")) if value else ()
        else:
            search[key] = _typed(getattr(SearchConfig(), key), value)
    return replace(arm, search=search).play


def _typed(default: object, value: str) -> object:
    """A setting's value in the type of its default."""
    return value if isinstance(default, str) else int(value) if isinstance(default, int) else float(value)
