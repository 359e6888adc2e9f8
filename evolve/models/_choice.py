"""Which models a run asks, as values for ``evolve.create_run``: nothing is opened or asked here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from evolve._errors import ConfigError
from evolve._renamed import KEYS
from evolve.config._llm import JudgeConfig, LlmConfig, NoveltyConfig, RecordingConfig, SamplingConfig

_SECTIONS: Mapping[str, Any] = {
    "sampling": SamplingConfig,
    "judge": JudgeConfig,
    "novelty": NoveltyConfig,
    "recording": RecordingConfig,
}
# What callers say, and the key of the configuration that it sets.
_PLACES: Mapping[str, str] = {
    **{one.name: f"llm.{one.name}" for one in fields(LlmConfig) if one.name not in ("provider", "models", *_SECTIONS)},
    **{one.name: f"llm.sampling.{one.name}" for one in fields(SamplingConfig)},
    "judge": "llm.judge.model",
    "novelty": "llm.novelty.method",
    "novelty_share": "llm.novelty.share",
    "recording": "llm.recording.file",
}


class Models:
    """Language models of one provider, and how they are asked; ``config`` is what a run keeps of it.  Use a subclass."""

    provider = "none"

    def __init__(self, models: Sequence[str], **settings: object) -> None:
        """Choose models.

        Args:
            models: Their names, as the provider has them; the search learns which pays.
            settings: Any key of ``llm`` and of ``llm.sampling`` on the command line, by its last word, as
                ``strong_model="claude-opus-5-5"``, ``prices=["m=1/5"]``, ``effort="high"``, ``max_tokens=8000``; and
                ``judge=MODEL`` (``llm.judge.model``), ``novelty=METHOD`` (``llm.novelty.method``), ``novelty_share=SHARE``
                (``llm.novelty.share``) and ``recording=FILE`` (``llm.recording.file``).

        Raises:
            ConfigError: no name, an unknown setting, or one of another type or range.
        """
        if isinstance(models, str) or not isinstance(models, Sequence) or not all(isinstance(one, str) for one in models):
            raise ConfigError(f'expected a list of names of models, as ["claude-haiku-5-5"], found {models!r}.')
        self.config = llm_config(self.provider, tuple(models), settings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.config.models)!r})"


class Anthropic(Models):
    """Claude models through Anthropic's API, or a server that speaks it (``base_url=...``).

    The key is read from ``ANTHROPIC_API_KEY`` (another one: ``key_variable=...``); without it no model is asked, and mechanical
    operators carry the run.  Set ``usd`` in the budget.

    Example:
        >>> evolve.models.Anthropic(["claude-haiku-5-5"], strong_model="claude-opus-5-5")
    """

    provider = "anthropic"


class ChatCompletions(Models):
    """Models of any server that speaks chat completions; ``base_url`` is its address, and ``prices`` says what they cost where no
    list does.

    Example:
        >>> evolve.models.ChatCompletions(["qwen3"], base_url="http://localhost:8000/v1", prices=["*=0/0"])
    """

    provider = "openai"


def llm_config(provider: str, models: tuple[str, ...], settings: Mapping[str, object]) -> LlmConfig:
    """A configuration from settings by the names that callers say.

    Raises:
        ConfigError: an unknown setting, or one of another type or range.
    """
    unknown = next((name for name in settings if name not in _PLACES), None)
    if unknown is not None:
        now = next((name for name, key in _PLACES.items() if key == KEYS.get(f"llm.{unknown}")), "")
        called = f", which is called {now} now" if now else ""
        raise ConfigError(f"expected a setting out of {', '.join(_PLACES)}, found {unknown}{called}.")
    own: dict[str, Any] = {"provider": provider, "models": models}
    inner: dict[str, dict[str, object]] = {name: {} for name in _SECTIONS}
    for name, value in settings.items():
        _, *section, key = _PLACES[name].split(".")
        (inner[section[0]] if section else own)[key] = value
    try:
        return LlmConfig(**own, **{name: kind(**inner[name]) for name, kind in _SECTIONS.items()})
    except (TypeError, AttributeError) as error:  # a value of a type that cannot be compared with what it is held against
        raise ConfigError(f"a setting of {provider} has a value of another type ({error}); see evolve config for all.") from error
