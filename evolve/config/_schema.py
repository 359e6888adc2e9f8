"""Typed configuration: one dataclass a component.  Slots make a misspelt key an error; defaults are the documented ones.

What is chosen by name is a text here: which names there are is known where they become classes (``evolve.engine._registry``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from evolve._errors import ConfigError
from evolve.problem._contract import Param

TIERS = ("strict", "none")
GIVEN = "given"  # the provider of models that somebody gave as an object
FORMATS = ("diff", "block", "file")
DIALECT = ("no_stream", "no_stream_options", "no_system_role", "content_parts")
EFFORTS = ("", "low", "medium", "high", "xhigh", "max")
MAX_SLOTS = 1024
_OWN = re.compile(r"([a-z][a-z0-9_]*):([a-z][a-z0-9_]*):([12])")


def _require(ok: bool, key: str, expected: str, found: object) -> None:
    if not ok:
        raise ConfigError(f"{key} must be {expected}, found {found!r}; type {key}=VALUE with such a value.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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


@dataclass(frozen=True, slots=True)
class OwnOperator:
    """An operator that somebody gave as an object, as ``search.operators`` keeps it: ``name:family:parents``, 1 or 2 of them."""

    name: str
    family: str
    n_parents: int

    @classmethod
    def of(cls, text: str) -> OwnOperator | None:
        """The operator that ``search.operators`` names so; None where it is one of the engine's, or none."""
        found = _OWN.fullmatch(text)
        return cls(found[1], found[2], int(found[3])) if found else None

    def __str__(self) -> str:
        return f"{self.name}:{self.family}:{self.n_parents}"


@dataclass(kw_only=True, slots=True)
class SearchConfig:
    """How the search decides.

    Args:
        policy: ``map_elites``; or a baseline: ``independent`` sampling of the initial program's children, ``best_of_n`` (batches
            from the incumbent), ``hill_climb`` (any better child replaces the incumbent), ``one_plus_one`` (one child at a time);
            or ``fixed_candidates``, which makes no children: programs that were given are measured and, on a noisy problem,
            confirmed.
        archive: Where the elites stand: ``grid``, cells along the problem's descriptors; ``topk``, the best of all; ``auto``, the
            grid where there are descriptors; or one of an installed package.
        operators: Which mechanical operators may make children, also those of installed packages; none at all where models do.
        tournament: Draws of a parent tournament.
        inspirations: Other elites handed to an operator.
        uniform_parent_share: Probability that a parent is drawn uniformly from the archive.
        tuner_share: Share of the children that the constant tuner makes while it has something to tune; less when the budget
            affords few measurements for so many numbers.
        bandit_discount: What a result is worth to the bandit after each further one.
        family_floor: Least probability of each family of operators.
        archive_size: Most candidates of an archive of one cell.
        best_of_n: Children a round of ``best_of_n``.
        initial_runs: Measurements of the initial program of a noisy problem.
        final_runs: Measurements each of best and seed at the end of a noisy run.
        replication_share: Most of a noisy problem's measurements, while it searches, that may go to candidates already measured: as
            long as any may still be better than the champion, and is not yet known to be.
        control_share: Most that may go to the program they are compared with.
        reference: What claims are made against: ``last``, the last confirmed program, or ``initial`` throughout.
        cold_check_share: Most of the slots' time that may go to measuring warm results again cold.
    """

    policy: str = "map_elites"
    archive: str = "auto"
    operators: Sequence[str] = ("tune", "ast_edit", "crossover")
    tournament: int = 16
    inspirations: int = 5
    uniform_parent_share: float = 0.1
    tuner_share: float = 0.8
    bandit_discount: float = 0.995
    family_floor: float = 0.05
    archive_size: int = 64
    best_of_n: int = 8
    initial_runs: int = 5
    final_runs: int = 5
    replication_share: float = 0.7
    control_share: float = 0.1
    reference: str = "last"
    cold_check_share: float = 0.1

    def __post_init__(self) -> None:
        for key in ("tournament", "archive_size", "best_of_n", "initial_runs", "final_runs"):
            _require(getattr(self, key) >= 1, f"search.{key}", "at least 1", getattr(self, key))
        _require(self.inspirations >= 0, "search.inspirations", "at least 0", self.inspirations)
        for key in (
            "uniform_parent_share",
            "tuner_share",
            "family_floor",
            "replication_share",
            "control_share",
            "cold_check_share",
        ):
            _require(0 <= getattr(self, key) <= 1, f"search.{key}", "between 0 and 1", getattr(self, key))
        _require(self.reference in ("last", "initial"), "search.reference", "last or initial", self.reference)
        _require(0 < self.bandit_discount <= 1, "search.bandit_discount", "above 0 and at most 1", self.bandit_discount)

    @property
    def own_operators(self) -> dict[str, OwnOperator]:
        """Operators that are not the engine's, by name."""
        found = map(OwnOperator.of, self.operators)
        return {own.name: own for own in found if own is not None}

    @property
    def operator_names(self) -> tuple[str, ...]:
        """The names of all operators, in order."""
        return tuple(text.partition(":")[0] for text in self.operators)


@dataclass(kw_only=True, slots=True)
class LlmConfig:
    """Language models that make children.

    Args:
        provider: ``none``; ``anthropic``; ``openai``: any server that speaks chat completions; ``replay``: a tape; or ``given``: an
            object, in Python.
        models: Which are asked; the search learns which pays.
        strong_model: Asked too while the search stagnates; "" is none.
        base_url: Address of the server; null is the provider's own.
        key_variable: Environment variable that holds the key; null is the provider's usual one.
        operators: What models are asked for.
        formats: How they may answer: ``diff`` (search and replace), ``block`` (between EVOLVE-BLOCK markers), ``file``.
        max_concurrency: Calls at a time.
        max_attempts: HTTP requests a call may take; between them is a wait that doubles, or what the server asks for.
        read_timeout_s: Longest silence within an answer; a small machine may need minutes before its first word.
        max_tokens: Bound on one answer, thinking included.
        effort: How much work a model puts in; "" leaves it to the provider.
        thinking: ``adaptive``, ``disabled`` or a number of tokens; "" leaves it to the model.
        limit_field: With ``openai``: the field for ``max_tokens``; "" is what the server at ``base_url`` is known to want.
        thinking_field: With ``openai``: the field that the server takes ``thinking`` in: ``thinking``, ``reasoning`` or
            ``chat_template_kwargs``.
        dialect: With ``openai``: what the server is known to lack or to want, out of ``no_stream``, ``no_stream_options``,
            ``no_system_role``, ``content_parts``; what is not said is learnt from its refusals.
        prompt_tokens: Bound on one prompt.
        repairs: Further turns after an answer that cannot be applied.
        batch: Requests that are sent together for half the price, with answers within a day; 0 sends each at once.
        batch_wait_s: How long a batch may gather.
        grace_s: How long calls in flight may go on when a run ends; what is given up then is charged in full.
        stagnation: Children measured since the best last changed, after which new paradigms are asked for.
        hour_usd: What an hour of one slot is worth, to weigh time against money; null lets budget.usd last as long as the clock,
            and without those two limits is one dollar.
        prices: Prices where the list has none or another: MODEL=IN/OUT[/CACHED[/WRITTEN_5M[/WRITTEN_1H]]], in dollars a million
            tokens; the model ``*`` stands for all others.
        prompts: Folder of templates that replace ours; copied into the run.
        instructions: File that says how to do research on the problem; null takes program.md of the problem, if there is one.
        tape: File that answers are recorded on, or replayed from.
        judge: Model that reads the best programs and may only hold one back, once it has told known cheats from honest programs; ""
            is none.
        novelty: ``ast``: programs that differ only in comments and spacing are one; ``tokens``: children whose tokens are too like
            those of known programs are turned away too; the name of an embedding model at ``base_url``: so are those too like in
            meaning.
        novelty_share: Most of the children that may be turned away as too similar; the threshold adapts to it.
    """

    provider: str = "none"
    models: Sequence[str] = ()
    strong_model: str = ""
    base_url: str | None = None
    key_variable: str | None = None
    operators: Sequence[str] = ("llm_mutate", "llm_crossover", "llm_repair", "llm_simplify", "llm_paradigm")
    formats: Sequence[str] = ("diff", "file")
    max_concurrency: int = 8
    max_attempts: int = 6
    read_timeout_s: float = 120.0
    max_tokens: int = 16000
    effort: str = ""
    thinking: str = ""
    limit_field: str = ""
    thinking_field: str = ""
    dialect: Sequence[str] = ()
    prompt_tokens: int = 40000
    repairs: int = 2
    batch: int = 0
    batch_wait_s: float = 30.0
    grace_s: float = 30.0
    stagnation: int = 100
    hour_usd: float | None = None
    prices: Sequence[str] = ()
    prompts: str | None = None
    instructions: str | None = None
    tape: str | None = None
    judge: str = ""
    novelty: str = "ast"
    novelty_share: float = 0.1

    def __post_init__(self) -> None:
        if self.provider != "none":
            _require(bool(self.models), "llm.models", "the names of one model or several", list(self.models))
        if self.provider == "openai":
            _require(bool(self.base_url), "llm.base_url", "the server's address, as http://localhost:8000/v1", self.base_url)
        if self.provider == "replay":
            _require(bool(self.tape), "llm.tape", "the file that a run with llm.tape recorded", self.tape)
        formats = bool(self.formats) and set(self.formats) <= set(FORMATS)
        _require(formats, "llm.formats", f"a list out of {', '.join(FORMATS)}", list(self.formats))
        _require(bool(self.operators), "llm.operators", "a list of one operator or several", list(self.operators))
        _require(self.effort in EFFORTS, "llm.effort", f"one of {', '.join(EFFORTS[1:])}", self.effort)
        thinks = self.thinking in ("", "adaptive", "disabled") or (self.thinking.isdecimal() and int(self.thinking) > 0)
        _require(thinks, "llm.thinking", "adaptive, disabled or a number of tokens", self.thinking)
        room = not self.thinking.isdecimal() or int(self.thinking) < self.max_tokens
        _require(room, "llm.thinking", f"less than llm.max_tokens ({self.max_tokens}), which it is part of", self.thinking)
        fields = ("", "thinking", "reasoning", "chat_template_kwargs")
        _require(self.thinking_field in fields, "llm.thinking_field", f"one of {', '.join(fields[1:])}", self.thinking_field)
        _require(set(self.dialect) <= set(DIALECT), "llm.dialect", f"a list out of {', '.join(DIALECT)}", list(self.dialect))
        sent = self.provider != "openai" or not self.thinking or self.thinking_field
        _require(bool(sent), "llm.thinking_field", "the field that this server takes llm.thinking in", self.thinking_field)
        if self.base_url:
            what = "an address like http://localhost:8000/v1, without a user, password, query or fragment"
            _require(_plain_address(self.base_url), "llm.base_url", what, _without_secrets(self.base_url))
        for key in ("max_concurrency", "max_attempts", "max_tokens", "prompt_tokens", "stagnation"):
            _require(getattr(self, key) >= 1, f"llm.{key}", "at least 1", getattr(self, key))
        _require(self.max_concurrency <= MAX_SLOTS, "llm.max_concurrency", f"at most {MAX_SLOTS}", self.max_concurrency)
        for key in ("repairs", "batch", "batch_wait_s", "grace_s"):
            _require(getattr(self, key) >= 0, f"llm.{key}", "at least 0", getattr(self, key))
        _require(self.read_timeout_s > 0, "llm.read_timeout_s", "above 0", self.read_timeout_s)
        _require(self.hour_usd is None or self.hour_usd > 0, "llm.hour_usd", "above 0", self.hour_usd)
        embeds = self.novelty in ("ast", "tokens") or (self.provider == "openai" and bool(self.novelty))
        _require(embeds, "llm.novelty", "ast, tokens or, with llm=openai, an embedding model of the server", self.novelty)
        batches = self.provider == "anthropic" and not self.tape
        _require(batches or not self.batch, "llm.batch", "0, but for llm=anthropic without a tape", self.batch)
        _require(
            self.max_concurrency >= self.batch, "llm.max_concurrency", f"at least llm.batch ({self.batch})", self.max_concurrency
        )
        _require(0 <= self.novelty_share < 1, "llm.novelty_share", "at least 0 and below 1", self.novelty_share)

    @property
    def asked(self) -> tuple[str, ...]:
        """All models that may be asked, the large one last."""
        more = (self.strong_model,) if self.strong_model and self.strong_model not in self.models else ()
        return (*self.models, *more) if self.provider != "none" else ()


@dataclass(kw_only=True, slots=True)
class BudgetConfig:
    """What a run may spend: ``evolve.Budget``.  A limit that is not given is none; without any, the problem's defaults hold.

    Args:
        wall_s: Seconds on the clock, final runs included.
        cpu_s: CPU seconds of candidates and scorers.
        evaluations: Measurements.
        candidates: Children measured.
        usd: Dollars that model calls may cost, at their worst until they have ended.
        tokens: Tokens of model calls, in and out.
        calls: HTTP requests to models.
        confirm_share: Share of the budget that a noisy problem's vaults may cost; it is kept back while the search goes on.

    Raises:
        ConfigError: a limit that is no number above 0; ``evaluations``, ``candidates``, ``tokens`` and ``calls`` are whole ones.

    Example:
        >>> evolve.Budget(wall_s=600, usd=2)
    """

    wall_s: float | None = None
    cpu_s: float | None = None
    evaluations: int | None = None
    candidates: int | None = None
    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None
    confirm_share: float | None = None

    def __post_init__(self) -> None:
        for key in ("wall_s", "cpu_s", "evaluations", "candidates", "usd", "tokens", "calls"):
            value = getattr(self, key)
            _require(value is None or _is_number(value), f"budget.{key}", "a number", value)
            _require(value is None or value > 0, f"budget.{key}", "above 0", value)
        for key in ("evaluations", "candidates", "tokens", "calls"):
            value = getattr(self, key)
            _require(value is None or isinstance(value, int), f"budget.{key}", "a whole number", value)
        confirm = self.confirm_share
        _require(
            confirm is None or (_is_number(confirm) and 0 <= confirm < 1), "budget.confirm_share", "at least 0 and below 1", confirm
        )


@dataclass(kw_only=True, slots=True)
class StopConfig:
    """When to stop before the budget is spent.

    Args:
        target: A score, in the problem's own sign, that is good enough.
        patience: Measured children since the best last changed.
    """

    target: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        _require(self.patience is None or self.patience > 0, "stop.patience", "above 0", self.patience)


@dataclass(kw_only=True, slots=True)
class ExecutorConfig:
    """Where blocks run.

    Args:
        kind: ``local``: grader processes on this machine; or one of an installed package.
        slots: Blocks at once; null is one for each CPU this process may use.
    """

    kind: str = "local"
    slots: int | None = None

    def __post_init__(self) -> None:
        _require(self.slots is None or 1 <= self.slots <= MAX_SLOTS, "executor.slots", f"from 1 to {MAX_SLOTS}", self.slots)


@dataclass(kw_only=True, slots=True)
class SandboxConfig:
    """How candidates are confined.

    Args:
        tier: ``strict``, or ``none``, which confines nothing and must be asked for by name.
    """

    tier: str = "strict"

    def __post_init__(self) -> None:
        _require(self.tier in TIERS, "sandbox.tier", f"one of {', '.join(TIERS)}", self.tier)


@dataclass(kw_only=True, slots=True)
class ProblemConfig:
    """What to improve.

    Args:
        name: A built-in problem's name, or the path of a folder.
        params: Values for the problem's parameters.
    """

    name: str = "circle_packing"
    params: dict[str, Param] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class RunConfig:
    """Everything a run is made from.

    Args:
        seed: Decides every draw of the search itself; what measurements draw derives from a secret of the run.
        out: The run's folder; null makes one below ``runs/``.
        plugins: Which packages those of its parts are of that are not shipped, by kind and name; filled in when a run is made.
    """

    problem: ProblemConfig = field(default_factory=ProblemConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    llm: LlmConfig = field(default_factory=LlmConfig)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    stop: StopConfig = field(default_factory=StopConfig)
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)
    sandbox: SandboxConfig = field(default_factory=SandboxConfig)
    seed: int = 0
    out: str | None = None
    plugins: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        models = self.llm.provider != "none"
        asked = [key for key in ("usd", "tokens", "calls") if getattr(self.budget, key) is not None]
        if asked and not models:
            raise ConfigError(f"budget.{asked[0]} limits model calls, and no model is asked; add for example llm=anthropic.")
