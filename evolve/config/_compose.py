"""From ``key=value`` words to a typed configuration.

Our own parser stands in front: it knows every key and its type from the dataclasses of ``evolve.config._schema``, so that a mistake
is one sentence with a suggestion.  Hydra then composes the chosen options of the groups under ``configs/``, and the values that
were typed go on top.  Nothing of Hydra's or OmegaConf's leaves this module, and neither touches the working folder, the logs or any
file.
"""

from __future__ import annotations

import math
import shlex
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from evolve._errors import ConfigError, meant, suggest
from evolve._plugins import offered
from evolve._renamed import KEYS, VALUES
from evolve.adapters._choose import load_problem
from evolve.adapters._suite import names_of
from evolve.config._json import built
from evolve.config._llm import GIVEN
from evolve.config._require import an_example, require_known
from evolve.config._schema import BudgetConfig, ProblemConfig, RunConfig
from evolve.problem._find import builtin_problems
from evolve.problem._packaged import resource_folder
from evolve.problem.contract._contract import Param

PROBLEM = "problem"
PARAMS = "problem.params."
_OPEN = {"executor": "executor.kind"}  # groups in which a package's name may stand, and the key that takes it
_ALIKE = 0.78  # least resemblance of a key to one that is meant: selector and executor have 0.75
_ALIKE_BESIDE = 0.7  # and of two names in one section
_SEVERAL = "for several quote and bracket them"
_NOTHING = ("null", "none", "")


@dataclass(frozen=True, slots=True)
class Setting:
    """One word, taken apart."""

    key: str
    text: str


def compose(words: Sequence[str]) -> RunConfig:
    """The configuration that these ``key=value`` words ask for.  The problem is only read if it has params to be typed.

    Raises:
        ConfigError: a word that is no ``key=value``, an unknown key, a key given twice, or a value of another type or range.
        ProblemError: params are given and there is no such problem, or it has no such param.
        MissingPackage: Hydra is not installed.
    """
    settings = [_take_apart(word) for word in words]
    twice = next((one.key for i, one in enumerate(settings) if one.key in {other.key for other in settings[:i]}), None)
    if twice is not None:
        raise ConfigError(f"{twice} is given twice; keep one of the two.")
    options = groups()
    settings = [_named(one, options, settings) for one in settings]
    chosen = {one.key: _option(one, options_of(one.key)) for one in settings if one.key in options}
    for one in settings:
        if one.key == "llm.provider" and one.text != GIVEN:  # before what only a known one needs
            require_known(one.key, one.text, options["llm"])
    typed = {one.key: _typed(one) for one in settings if one.key not in options and not one.key.startswith(PROBLEM)}
    sections: dict[str, Any] = _compose_groups(chosen)
    for key, value in typed.items():
        *path, name = key.split(".")
        place = sections
        for section in path:
            place = place.setdefault(section, {})
        place[name] = value
    config = built(RunConfig, {**sections, PROBLEM: _problem(settings)})
    about_models = next((one.key for one in settings if one.key.startswith("llm.") and one.key != "llm.provider"), "")
    if about_models and config.llm.provider == "none":
        raise ConfigError(f"{about_models} is about models, and llm=none asks none; type llm=openai or llm=anthropic beside it.")
    if config.seed < 0:  # not a rule of RunConfig: runs that were made with one still open
        raise ConfigError(f"seed must be a whole number from 0, found {config.seed}; type for example seed=8")
    return config


def executor_changes(words: Sequence[str]) -> dict[str, object]:
    """Where a run goes on, as fields of ``ExecutorConfig``: what ``executor=NAME`` and ``executor.key=value`` words say.

    Raises:
        ConfigError: an executor that there is not, or a value of another type.
    """
    changes: dict[str, object] = {}
    for word in words:
        key, _, text = word.partition("=")
        if key in ("executor", "executor.kind"):
            require_known("executor", text, options_of("executor"))
            changes["kind"] = text
        elif key.startswith("executor."):
            setting = _take_apart(word)
            changes[setting.key.removeprefix("executor.")] = _typed(setting)
    return changes


def budget_changes(words: Sequence[str]) -> dict[str, object]:
    """The limits that ``budget.key=value`` words change; words about the executor are ``executor_changes``'s.

    Raises:
        ConfigError: any other word, or a value of another type.
    """
    changes: dict[str, object] = {}
    for word in words:
        key = word.partition("=")[0]
        if "=" in word and (key == "executor" or key.startswith("executor.")):
            continue
        if "=" in word and not key.startswith("budget.") and key not in KEYS:
            if (close := close_key(key)).startswith("budget."):
                raise ConfigError(f"expected a known key, found {key!r}; did you mean {close}?")
            known = ", ".join(
                [*(f"budget.{field.name}" for field in fields(BudgetConfig)), "executor", "executor.slots", "executor.address"]
            )
            raise ConfigError(f"a run keeps its configuration; expected one of {known}, found {key}.")
        setting = _take_apart(word)
        changes[setting.key.removeprefix("budget.")] = _typed(setting)
    BudgetConfig(**changes)  # type: ignore[arg-type]
    return changes


def known_keys() -> tuple[str, ...]:
    """Every key with a value, in order.  ``problem.params.NAME`` stands for the params of the problem."""
    return (PROBLEM, f"{PARAMS}NAME", *_keys_of({key: kind for key, kind in _kinds().items() if key not in (PROBLEM, "plugins")}))


def _keys_of(kinds: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, kind in kinds.items():
        if is_dataclass(kind):
            yield from _keys_of(get_type_hints(kind), f"{before}{name}.")
        else:
            yield before + name


def groups() -> dict[str, tuple[str, ...]]:
    """The options of each group, by its name."""
    folders = sorted(path for path in resource_folder("configs").iterdir() if path.is_dir())
    return {folder.name: tuple(sorted(path.stem for path in folder.glob("*.yaml"))) for folder in folders}


def options_of(group: str) -> tuple[str, ...]:
    """The options of a group, and what installed packages offer by a name that may stand there."""
    return (*groups()[group], *(name for name in (offered(group) if group in _OPEN else ()) if name not in groups()[group]))


# ------------------------------------------------------------------------------------------------ words


def _named(setting: Setting, options: Mapping[str, tuple[str, ...]], settings: Sequence[Setting]) -> Setting:
    """``executor=NAME`` as ``executor.kind=NAME``, where a package offers that name and none of ours has it."""
    key = _OPEN.get(setting.key, "")
    if not key or setting.text in options[setting.key] or setting.text not in options_of(setting.key):
        return setting
    if any(one.key == key for one in settings):
        raise ConfigError(f"{setting.key} and {key} say the same; keep one of the two.")
    return Setting(key, setting.text)


def _take_apart(word: str) -> Setting:
    """A word with a known key."""
    key, equals, text = word.partition("=")
    if not equals:
        raise ConfigError(f"expected key=value, found {word!r}; {_bare(word)}")
    if key.startswith(PARAMS) and len(key) > len(PARAMS):
        return Setting(key, _unquoted(text))
    known = (*groups(), *known_keys())
    if key in KEYS:
        raise ConfigError(
            f"expected a known key, found {key!r}, which is called {KEYS[key]} now; type {KEYS[key]}={shlex.quote(text)}"
        )
    if (key, text) in VALUES:
        raise ConfigError(f"{key}={text} is called {VALUES[key, text]} now; type {key}={VALUES[key, text]}")
    if key not in known or key.startswith(PARAMS):
        close = close_key(key)
        more = f"did you mean {close}?" if close else "the keys are listed by: evolve config"
        raise ConfigError(f"expected a known key, found {key!r}; {more}")
    return Setting(key, _unquoted(text))


def close_key(key: str) -> str:
    """The known key that ``key`` resembles most: one of its own section, else one that ends in the same name, else one of a section
    that resembles its own; "" where none does."""
    known = (*groups(), *known_keys())
    section, _, name = key.rpartition(".")
    last = {one.rpartition(".")[2]: one for one in reversed(known)}
    inside = [one for one in known if one.startswith(f"{key}.")]
    if inside and key not in known:  # a section
        return meant(key, inside, 0.0)
    siblings = {one.rpartition(".")[2]: one for one in reversed(known) if one.startswith(f"{section}.")} if section else last
    if close := siblings.get(meant(name, siblings, _ALIKE_BESIDE if section else _ALIKE), "") or last.get(name, ""):
        return close
    return "" if siblings else meant(key, known, _ALIKE)


def _bare(word: str) -> str:
    """What somebody who typed a word without ``=`` may have meant."""
    if word in builtin_problems() or Path(word).is_dir():
        return f"did you mean problem={shlex.quote(word)}?"
    for group, options in groups().items():
        if word in options:
            return f"did you mean {group}={word}?"
    if word.endswith(("]", ",")):
        return f'{_SEVERAL}, as "problem=[./alpha,./beta]"'
    return "type for example problem=circle_packing"


def _unquoted(text: str) -> str:
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _option(setting: Setting, options: tuple[str, ...]) -> str:
    if setting.text in options:
        return setting.text
    more = suggest(setting.text, options, f"type for example {setting.key}={an_example(options)}", f"{setting.key}={{}}")
    raise ConfigError(f"{setting.key} must be one of {', '.join(options)}, found {setting.text!r}; {more}")


# ------------------------------------------------------------------------------------------------ values


def _kinds() -> dict[str, Any]:
    return get_type_hints(RunConfig)


def _typed(setting: Setting) -> object:
    """The value of a known key, of the type its dataclass declares."""
    hint: Any = RunConfig
    for name in setting.key.split("."):
        hint = get_type_hints(hint)[name]
    if isinstance(hint, types.UnionType):
        wanted = next(one for one in get_args(hint) if one is not type(None))
        if not setting.text and wanted in (int, float):  # as an unset variable of a shell gives it
            raise ConfigError(f"{setting.key} must be a number, found nothing; to have none, type {setting.key}=null")
        if setting.text.lower() in _NOTHING:
            return None
        hint = wanted
    if hint is int:
        return _whole(setting)
    if hint is float:
        return _number(setting)
    if hint is str:
        return setting.text
    return tuple(part.strip() for part in setting.text.strip("[]").split(",") if part.strip())


def _whole(setting: Setting) -> int:
    try:
        return int(setting.text)
    except ValueError:
        raise ConfigError(
            f"{setting.key} must be a whole number, found {setting.text!r}; type for example {setting.key}=8"
        ) from None


def _number(setting: Setting) -> float:
    try:
        value = float(setting.text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{setting.key} must be a number, found {setting.text!r}; type for example {setting.key}=0.5")
    return value


def _problem(settings: Sequence[Setting]) -> ProblemConfig:
    name = next((one.text for one in settings if one.key == PROBLEM), ProblemConfig().name)
    texts = {one.key.removeprefix(PARAMS): one.text for one in settings if one.key.startswith(PARAMS)}
    _need_brackets(name)
    names = names_of(name)
    if len(names) > 1 or (names and not texts):
        if texts:
            key = next(iter(texts))
            raise ConfigError(
                f"problem.params.{key} is about one problem, and problem={name} is {len(names)}; leave it out, or put the value "
                "into problem.yaml in a copy of the problem that takes it."
            )
        return ProblemConfig(name=names[0]) if len(names) == 1 else ProblemConfig(name=name, names=names)
    if not texts:
        return ProblemConfig(name=name)
    declared = load_problem(name, prepare=False).params
    params = {key: _param(text, declared.get(key)) for key, text in texts.items()}
    checked = load_problem(name, params, prepare=False).params
    return ProblemConfig(name=name, params={key: checked[key] for key in params})


def _need_brackets(name: str) -> None:
    """Refuse problems that stand beside each other without brackets; a path may have a comma in it."""
    parts = name.split(",")
    known = any(part in builtin_problems() or (part and Path(part).expanduser().is_dir()) for part in parts)
    if len(parts) < 2 or name.startswith("[") or not known or Path(name.rpartition(":")[2]).expanduser().exists():
        return
    raise ConfigError(f'expected one problem, found {name!r}; {_SEVERAL}, as "problem=[{name}]"')


def _param(text: str, default: Param | None) -> Param:
    """``text`` as the type of the param's default; left as text where it is not of that type, for the contract to refuse."""
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return type(default)(text) if isinstance(default, int | float) else text
    except ValueError:
        return text


# ------------------------------------------------------------------------------------------------ Hydra


def _compose_groups(chosen: Mapping[str, str]) -> dict[str, Any]:
    """``configs/config.yaml`` with these options, as plain values."""
    from evolve._errors import need

    need("hydra", "hydra-core")
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(config_dir=str(resource_folder("configs")), version_base="1.3"):
        composed = hydra_compose(config_name="config", overrides=[f"{group}={option}" for group, option in chosen.items()])
    plain = OmegaConf.to_container(composed, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
