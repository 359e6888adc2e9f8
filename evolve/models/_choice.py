"""Which models a run asks, as values for ``evolve.create_run``: nothing is opened or asked here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from evolve._errors import ConfigError
from evolve.config._schema import LlmConfig


class Models:
    """Language models of one provider, and how they are asked; ``config`` is what a run keeps of it.  Use a subclass."""

    provider = "none"

    def __init__(self, models: Sequence[str], **settings: object) -> None:
        """Choose models.

        Args:
            models: Their names, as the provider has them; the search learns which pays.
            settings: Any key of ``llm.*`` on the command line (see docs/reference/cli.md), as ``strong_model="claude-opus-5-5"``,
                ``max_tokens=8000``, ``prices=["m=1/5"]``.

        Raises:
            ConfigError: no name, an unknown setting, or one of another type or range.
        """
        if isinstance(models, str) or not isinstance(models, Sequence) or not all(isinstance(one, str) for one in models):
            raise ConfigError(f'expected a list of names of models, as ["claude-haiku-5-5"], found {models!r}.')
        known = [one.name for one in fields(LlmConfig) if one.name not in ("provider", "models")]
        unknown = next((name for name in settings if name not in known), None)
        if unknown is not None:
            raise ConfigError(f"expected a setting out of {', '.join(known)}, found {unknown}.")
        self.config = _config(self.provider, tuple(models), settings)

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


def _config(provider: str, models: tuple[str, ...], settings: dict[str, object]) -> LlmConfig:
    try:
        return LlmConfig(provider=provider, models=models, **settings)  # type: ignore[arg-type]
    except (TypeError, AttributeError) as error:  # a value of a type that cannot be compared with what it is held against
        raise ConfigError(f"a setting of {provider} has a value of another type ({error}); see evolve config for all.") from error
