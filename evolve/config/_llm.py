"""Which language models a run asks and how: ``llm``, and its sections ``sampling``, ``judge``, ``novelty`` and ``recording``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from evolve.config._require import MAX_SLOTS, require
from evolve.config._rules import ABOVE_0, SHARE_BELOW_1, Rule, at_least, check, from_to, key, one_of, some_of

GIVEN = "given"  # the provider of models that somebody gave as an object
FORMATS = ("diff", "block", "file")
DIALECT = ("no_stream", "no_stream_options", "no_system_role", "content_parts")
EFFORTS = ("", "low", "medium", "high", "xhigh", "max")
THINKING_FIELDS = ("", "thinking", "reasoning", "chat_template_kwargs")


def _is_thinking(value: str) -> bool:
    return value in ("", "adaptive", "disabled") or (value.isdecimal() and int(value) > 0)


@dataclass(kw_only=True, slots=True)
class SamplingConfig:
    """How models are asked, and how they may answer.

    Args:
        max_tokens: Bound on one answer, thinking included.
        effort: How much work a model puts in; "" leaves it to the provider.
        thinking: ``adaptive``, ``disabled`` or a number of tokens; "" leaves it to the model.
        thinking_field: With ``openai``: the field that the server takes ``thinking`` in: ``thinking``, ``reasoning`` or
            ``chat_template_kwargs``.
        limit_field: With ``openai``: the field for ``max_tokens``; "" is what the server at ``llm.base_url`` is known to want.
        dialect: With ``openai``: what the server is known to lack or to want, out of ``no_stream``, ``no_stream_options``,
            ``no_system_role``, ``content_parts``; what is not said is learnt from its refusals.
        prompt_tokens: Bound on one prompt.
        max_repairs: Further turns after an answer that cannot be applied.
        edit_formats: How they may answer: ``diff`` (search and replace), ``block`` (between EVOLVE-BLOCK markers), ``file``.
    """

    max_tokens: int = key(16000, at_least(1))
    effort: str = key("", one_of(*EFFORTS))
    thinking: str = key("", Rule("adaptive, disabled or a number of tokens", _is_thinking))
    thinking_field: str = key("", one_of(*THINKING_FIELDS))
    limit_field: str = ""
    dialect: Sequence[str] = key((), some_of(*DIALECT, none=True))
    prompt_tokens: int = key(40000, at_least(1))
    max_repairs: int = key(2, at_least(0))
    edit_formats: Sequence[str] = key(("diff", "file"), some_of(*FORMATS))

    def __post_init__(self) -> None:
        here = "llm.sampling"
        check(self, here)
        room = not self.thinking.isdecimal() or int(self.thinking) < self.max_tokens
        require(room, f"{here}.thinking", f"less than {here}.max_tokens ({self.max_tokens}), which it is part of", self.thinking)


@dataclass(kw_only=True, slots=True)
class JudgeConfig:
    """Who reads the best programs.

    Args:
        model: Model that reads them and may only hold one back, once it has told known cheats from honest programs; "" is none.
    """

    model: str = ""


@dataclass(kw_only=True, slots=True)
class NoveltyConfig:
    """Which children are turned away as known.

    Args:
        method: ``ast``: programs that differ only in comments and spacing are one; ``tokens``: children whose tokens are too like
            those of known programs are turned away too; the name of an embedding model at ``llm.base_url``: so are those too like
            in meaning.
        share: Most of the children that may be turned away as too similar; the threshold adapts to it.
    """

    method: str = "ast"
    share: float = key(0.1, SHARE_BELOW_1)

    def __post_init__(self) -> None:
        check(self, "llm.novelty")


@dataclass(kw_only=True, slots=True)
class RecordingConfig:
    """Where answers are kept.

    Args:
        file: File that answers are recorded on, or replayed from.
    """

    file: str | None = None


@dataclass(kw_only=True, slots=True)
class LlmConfig:
    """Language models that make children.

    Args:
        provider: ``none``; ``anthropic``; ``openai``: any server that speaks chat completions; ``replay``: a recording; or
            ``given``: an object, in Python.
        models: Which are asked; the search learns which pays.
        strong_model: Asked too while the search stagnates; "" is none.
        base_url: Address of the server; null is the provider's own.
        key_variable: Environment variable that holds the key; null is the provider's usual one.
        operators: What models are asked for.
        max_concurrency: Calls at a time, beside one of the judge's.
        max_attempts: HTTP requests a call may take; between them is a wait that doubles, or what the server asks for.
        read_timeout_s: Longest silence within an answer; a small machine may need minutes before its first word.
        grace_s: How long calls in flight may go on when a run ends; what is given up then is charged in full.
        stagnation: Children measured since the best last changed, after which new paradigms are asked for.
        hour_usd: What an hour of one slot is worth, to weigh time against money; null lets ``budget.usd`` last as long as the
            clock, and without those two limits is one dollar.
        prices: Prices where the list has none or another: MODEL=IN/OUT[/CACHED[/WRITTEN_5M[/WRITTEN_1H]]], in dollars a million
            tokens; the model ``*`` stands for all others.
        prompts: Folder of templates that replace ours; copied into the run.
        instructions: File that says how to do research on the problem; null takes ``program.md`` of the problem, if there is one.
        batch: With ``anthropic``: requests that are sent together for half the price, with answers within a day (see ``grace_s``);
            0 sends each at once.
        batch_wait_s: How long a batch may gather.
    """

    provider: str = "none"
    models: Sequence[str] = ()
    strong_model: str = ""
    base_url: str | None = None
    key_variable: str | None = None
    operators: Sequence[str] = key(
        ("llm_mutate", "llm_crossover", "llm_repair", "llm_simplify", "llm_paradigm"),
        Rule("a list of one operator or several", bool),
    )
    max_concurrency: int = key(8, from_to(1, MAX_SLOTS))
    max_attempts: int = key(6, at_least(1))
    read_timeout_s: float = key(120.0, ABOVE_0)
    grace_s: float = key(30.0, at_least(0))
    stagnation: int = key(100, at_least(1))
    hour_usd: float | None = key(None, ABOVE_0)
    prices: Sequence[str] = ()
    prompts: str | None = None
    instructions: str | None = None
    batch: int = key(0, at_least(0))
    batch_wait_s: float = key(30.0, at_least(0))
    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    novelty: NoveltyConfig = field(default_factory=NoveltyConfig)
    recording: RecordingConfig = field(default_factory=RecordingConfig)

    def __post_init__(self) -> None:
        if self.provider != "none":
            require(bool(self.models), "llm.models", "the names of one model or several", list(self.models))
        check(self, "llm")
        self._check_provider()

    def _check_provider(self) -> None:
        """What this provider must be told, and what it cannot do."""
        file, sampling, method = self.recording.file, self.sampling, self.novelty.method
        if self.provider == "openai":
            require(bool(self.base_url), "llm.base_url", "the server's address, as http://localhost:8000/v1", self.base_url)
        if self.base_url:
            what = "an address like http://localhost:8000/v1, without a user, password, query or fragment"
            require(_plain_address(self.base_url), "llm.base_url", what, _without_secrets(self.base_url))
        if self.provider == "replay":
            require(bool(file), "llm.recording.file", "the file that a run with llm.recording.file recorded", file)
        sent = self.provider != "openai" or not sampling.thinking or bool(sampling.thinking_field)
        what = "the field that this server takes llm.sampling.thinking in"
        require(sent, "llm.sampling.thinking_field", what, sampling.thinking_field)
        embeds = method in ("ast", "tokens") or (self.provider == "openai" and bool(method))
        require(embeds, "llm.novelty.method", "ast, tokens or, with llm=openai, an embedding model of the server", method)
        require(self.provider == "anthropic" or not self.batch, "llm.batch", "0, but for llm=anthropic", self.batch)
        least = f"at least llm.batch ({self.batch})"
        require(self.max_concurrency >= self.batch, "llm.max_concurrency", least, self.max_concurrency)

    @property
    def asked(self) -> tuple[str, ...]:
        """All models that may be asked, the large one last."""
        more = (self.strong_model,) if self.strong_model and self.strong_model not in self.models else ()
        return (*self.models, *more) if self.provider != "none" else ()


def _plain_address(url: str) -> bool:
    """Whether paths can be put behind it.  No part may hold a secret: addresses are kept in the run and shown."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return whole and url.isprintable() and not set(url) & set("?# ")


def _without_secrets(url: str) -> str:
    return re.sub(r"[?#].*", "?...", re.sub(r"//.*@", "//...@", url, flags=re.DOTALL), flags=re.DOTALL)
