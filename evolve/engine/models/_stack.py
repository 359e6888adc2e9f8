"""From configuration to models that can be asked: keys, prices, templates, and what a server reports of its models.

The one place where providers are named.  Nothing is sent before the first ticket; what can be known without a network is checked
before a run is made.
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from archive import Attempt, ProposalStatus
from evolve._errors import UsageError
from evolve.config._llm import GIVEN, LlmConfig
from evolve.problem.contract._contract import Problem
from evolve.runs._folder import RunDir

if TYPE_CHECKING:
    import numpy as np

    from evolve.evaluate.screen._llm_judge import JudgeInput, Judgement
    from evolve.models import Caller, ModelInfo, PriceBook, PriceRow, Provider, Reservations
    from evolve.propose import EditScope, ModelDraft, ProposalContext, SamplingSettings, Templates

NoveltySketch = Callable[["ModelDraft", Attempt, "np.random.Generator"], Awaitable["ModelDraft"]]

OPENAI = "://api.openai.com/"
KEYS = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
INSTRUCTIONS = "program.md"
JUDGE_TOKENS = 4000
MAX_INSTRUCTIONS = 64 << 10


class Closable(Protocol):
    """What has connections."""

    async def close(self) -> None:
        """Close them."""


@dataclass(frozen=True, slots=True)
class AvailableModels:
    """Models that can be asked in this opening of a run (none: ``why`` says so in a sentence), and how to ask them; ``free`` where
    nothing that may be asked costs anything."""

    models: tuple[str, ...]
    why: str = ""
    free: bool = False
    open: Callable[[Reservations], ModelStack] | None = None


NO_MODELS = AvailableModels(())


def check_models(llm: LlmConfig, given: Provider | None = None) -> None:
    """Find out, before a run is made, what would stop every call; ``given`` is the provider where somebody gave one as an object.

    Raises:
        UsageError: none was given although the configuration says so.
        ConfigError: a model without a price, or a price that is none.
        UsageError: no recording, instructions or templates where they should be, templates that are none, a recording that cannot
            be written, or a key that no header can carry.
        MissingPackage: what the provider needs is not installed.
    """
    if llm.provider == "none":
        return
    from evolve.propose import Templates

    if llm.provider == GIVEN and given is None:
        raise UsageError("llm.provider=given is an object in Python: evolve.create_run(PROBLEM, models=...); type llm=anthropic.")
    _keys(llm)
    file = llm.recording.file
    if file and llm.provider != "replay":
        _writable(Path(file))
    _price_rows(llm, given)
    Templates.load(Path(llm.prompts) if llm.prompts else None)
    if llm.instructions:
        _read(Path(llm.instructions))


def _price_rows(llm: LlmConfig, given: Provider | None) -> list[PriceRow]:
    """The prices of all that may be asked: models, the judge, embeddings.

    Raises:
        ConfigError: one without a price, or a price that is none.
    """
    provider, prices = given or _provider(llm), _prices(llm)
    models = (*llm.asked, *([llm.judge.model] if llm.judge.model else []))
    rows = [prices.row(provider.prices_from, model) for model in models]
    if llm.novelty.method not in ("ast", "tokens"):
        rows.append(prices.row(llm.base_url or "", llm.novelty.method, embeds=True))
    return rows


def _keys(llm: LlmConfig) -> tuple[str, ...]:
    """The keys that are set for the provider; "" where one is not.

    Raises:
        UsageError: one that no header can carry.
    """
    from evolve.models import key_in

    if llm.provider not in KEYS:
        return ()
    variable = llm.key_variable or KEYS[llm.provider]
    names = (variable, "ANTHROPIC_AUTH_TOKEN") if llm.provider == "anthropic" else (variable,)
    return tuple(key_in(name) for name in names)


def _writable(file: Path) -> None:
    """Find out that answers can be added to a recording; one that is not there is not made.

    Raises:
        UsageError: they cannot.
    """
    there = file.exists()
    if there and not file.is_file():
        raise UsageError(f"llm.recording.file must be a file that can be written, found {file} (not a plain file).")
    try:
        with file.open("a", encoding="utf-8"):
            pass
        if not there:
            file.unlink()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UsageError(f"llm.recording.file must be a file that can be written, found {file} ({why}).") from error


def copy_texts(llm: LlmConfig, run: RunDir) -> None:
    """Put instructions and templates into the run, so that it is whole by itself."""
    if llm.instructions:
        (run.path / INSTRUCTIONS).write_text(_read(Path(llm.instructions)), encoding="utf-8")
    if llm.prompts:
        shutil.copytree(llm.prompts, run.prompts)


def instructions_of(run: RunDir, problem: Problem) -> str:
    """How to do research on the problem: the run's own instructions, else the problem's, else ""."""
    for path in (run.path / INSTRUCTIONS, problem.folder / INSTRUCTIONS):
        if path.is_file():
            return _read(path)
    return ""


def available_models(llm: LlmConfig, run: RunDir, given: Provider | None = None) -> AvailableModels:
    """What can be asked now.  A missing key is no error, nor is an object that was not given again: the mechanical operators carry
    the run.

    Raises: as ``check_models``.
    """
    if llm.provider == "none":
        return NO_MODELS
    if llm.provider == "anthropic" and llm.base_url is None and not any(_keys(llm)):
        variable = llm.key_variable or KEYS[llm.provider]
        return AvailableModels(
            (), f"{variable} is not set, so no model is asked; set it and type: evolve resume {shlex.quote(str(run.path))}"
        )
    if llm.provider == GIVEN and given is None:
        again = f"evolve.open_run({str(run.path)!r}, models=...)"
        return AvailableModels((), f"the run's models were given as an object, so none is asked; give it again: {again}")
    check_models(replace(llm, prompts=None, instructions=None), given)  # the run has copies of both
    free = all(row.is_free for row in _price_rows(llm, given))
    return AvailableModels(llm.asked, free=free, open=lambda reservations: ModelStack(llm, run, reservations, given))


class ModelStack:
    """Makes drafts with the models of one provider; in the thread of models."""

    def __init__(self, llm: LlmConfig, run: RunDir, reservations: Reservations, given: Provider | None = None) -> None:
        from evolve.models import Backoff, Caller, Limiter
        from evolve.propose import Templates

        self._provider = given or _provider(llm)
        backoff = Backoff(tries=llm.max_attempts)
        limiter = Limiter(llm.max_concurrency, backoff=backoff)
        judging = Limiter(1, backoff=backoff)  # of its own: makers of children never wait for a judge
        self._caller: Caller = Caller(self._provider, limiter, reservations, _prices(llm))
        self._templates: Templates = Templates.load(run.prompts if run.prompts.is_dir() else None)
        self._manner = _manner(llm)
        plain = _provider(replace(llm, batch=0)) if llm.batch else self._provider  # a judge is not waited for by the day
        self._limiters = (limiter, judging)
        self._judge_caller = Caller(plain, judging, reservations, _prices(llm))
        self._open: list[Closable] = [self._provider, *([plain] if llm.batch else [])]
        self._novelty = _novelty(llm, reservations, self._open)
        self._judge = llm.judge.model
        self._unfit: str | None = None  # why it is, "" where it is fit, None before it was tried
        self._trying = asyncio.Lock()
        self._own_server, self._in_batches = llm.base_url is not None, bool(llm.batch)
        self._asking: asyncio.Task[Mapping[str, ModelInfo]] | None = None

    async def make(self, attempt: Attempt, assignment: ProposalContext, scope: EditScope, rng: np.random.Generator) -> ModelDraft:
        """One draft; a model that the server does not have fails with the reason."""
        from evolve.models import unavailable_reason
        from evolve.propose import ModelDraft, ModelOperator

        if self._asking is None:
            self._asking = asyncio.create_task(self._known())
        known = await asyncio.shield(self._asking)
        why = unavailable_reason(assignment.arm.model, known, self._provider.name, in_batches=self._in_batches)
        if why and not self._own_server:  # a gateway may know more models than it lists: it will say so itself
            return ModelDraft(status=ProposalStatus.FAILED, reason=why, outcome="not_found")
        operator = ModelOperator(self._caller, known, self._templates, self._manner)
        draft = await operator.make(attempt, assignment, scope, rng)
        return draft if draft.files is None else await self._novelty(draft, attempt, rng)

    async def review(self, attempt: Attempt, case: JudgeInput, rng: np.random.Generator) -> Judgement | None:
        """What the judge thinks of a candidate; None where that is no verdict.  The judge is tried on known programs first.

        Raises:
            JudgeUnreliable: it does not tell them apart; it is not asked again.
            JudgeUnavailable: it did not answer; a later review tries again.
        """
        from evolve.evaluate.screen._llm_judge import JudgeUnavailable, JudgeUnreliable, calibrate, review
        from evolve.models import CallFailure, ask

        calls = 0

        async def model(prompt: str) -> str:
            nonlocal calls
            request = ask(self._judge, prompt, JUDGE_TOKENS)
            found = await self._judge_caller.ask(attempt, request, rng, prompt=prompt, first_call=calls + 1)
            calls += found.calls
            if isinstance(found.answer, CallFailure):
                raise JudgeUnavailable(f"the judge did not answer: {found.answer.sentence}")
            return found.answer.text

        async with self._trying:
            if self._unfit is None:
                try:
                    await calibrate(model)
                    self._unfit = ""
                except JudgeUnreliable as error:
                    self._unfit = str(error)
        if self._unfit:
            raise JudgeUnreliable(self._unfit)
        return await review(model, case)

    def until(self, left_s: float) -> None:
        """The run ends in so many seconds: no longer wait is begun."""
        for limiter in self._limiters:
            limiter.until(left_s)

    async def close(self) -> None:
        """Close connections."""
        for each in self._open:
            await each.close()

    async def _known(self) -> Mapping[str, ModelInfo]:
        """What the server reports; nothing where it does not say: then nothing is held back."""
        from evolve.models import CallFailure

        found = await self._provider.catalogue()
        return {} if isinstance(found, CallFailure) else found


def _novelty(llm: LlmConfig, reservations: Reservations, opened: list[Closable]) -> NoveltySketch:
    """What makes sketches of children, as ``llm.novelty.method`` says; what it opens is added to ``opened``."""
    from evolve.models import EmbeddingCaller, Embeddings, HashedNgrams, Limiter, Vectors
    from evolve.select import sketch

    if llm.novelty.method == "ast":
        return _no_sketch
    if llm.novelty.method == "tokens":
        ngrams = HashedNgrams()

        async def local(draft: ModelDraft, attempt: Attempt, rng: np.random.Generator) -> ModelDraft:
            return replace(draft, sketch=sketch(ngrams.vectors([_joined(draft)])[0]))

        return local
    embedder = Embeddings(llm.base_url or "", llm.novelty.method, key_variable=llm.key_variable or KEYS["openai"])
    opened.append(embedder)
    caller = EmbeddingCaller(embedder, Limiter(llm.max_concurrency), reservations, _prices(llm))

    async def remote(draft: ModelDraft, attempt: Attempt, rng: np.random.Generator) -> ModelDraft:
        found = await caller.embed(attempt, [_joined(draft)], rng, first_call=draft.calls + 1)
        paid = replace(draft, usd=draft.usd + found.usd, calls=draft.calls + found.calls)
        if isinstance(found.answer, Vectors):
            return replace(paid, sketch=sketch(found.answer.vectors[0]))
        return paid  # an embedding that failed holds no child back

    return remote


async def _no_sketch(draft: ModelDraft, attempt: Attempt, rng: np.random.Generator) -> ModelDraft:
    return draft


def _joined(draft: ModelDraft) -> str:
    return "\n".join(text for _, text in sorted((draft.files or {}).items()))


def _manner(llm: LlmConfig) -> SamplingSettings:
    from evolve.propose import SamplingSettings

    own = llm.sampling
    return SamplingSettings(
        max_tokens=own.max_tokens,
        effort=own.effort,
        thinking=own.thinking,
        prompt_tokens=own.prompt_tokens,
        repairs=own.max_repairs,
    )


def _provider(llm: LlmConfig) -> Provider:
    """The provider of this name; what it answers is recorded where that is asked for."""
    from evolve.models import RecordingProvider

    provider = PROVIDERS[llm.provider](llm, llm.key_variable or KEYS.get(llm.provider, ""))
    file = llm.recording.file
    return RecordingProvider(provider, Path(file)) if file and llm.provider != "replay" else provider


def _no_provider(llm: LlmConfig, key_variable: str) -> Provider:
    raise ValueError("no model is asked; expected the name of a provider.")


def _anthropic(llm: LlmConfig, key_variable: str) -> Provider:
    from evolve.models import AnthropicBatches, AnthropicProvider

    if not llm.batch:
        return AnthropicProvider(base_url=llm.base_url, key_variable=key_variable, read_timeout_s=llm.read_timeout_s)
    return AnthropicBatches(
        most=llm.batch, wait_s=llm.batch_wait_s, base_url=llm.base_url, key_variable=key_variable, read_timeout_s=llm.read_timeout_s
    )


def _openai(llm: LlmConfig, key_variable: str) -> Provider:
    from evolve.models import ChatProvider

    return ChatProvider(
        llm.base_url or "",
        key_variable=key_variable,
        read_timeout_s=llm.read_timeout_s,
        limit_field=llm.sampling.limit_field or ("max_completion_tokens" if OPENAI in (llm.base_url or "") else "max_tokens"),
        thinking_field=llm.sampling.thinking_field,  # type: ignore[arg-type]
        dialect=llm.sampling.dialect,
    )


def _replay(llm: LlmConfig, key_variable: str) -> Provider:
    from evolve.models import ReplayProvider

    return ReplayProvider(Path(llm.recording.file or ""), in_order=True)


PROVIDERS: Mapping[str, Callable[[LlmConfig, str], Provider]] = {
    "none": _no_provider,
    "anthropic": _anthropic,
    "openai": _openai,
    "replay": _replay,
}


def _prices(llm: LlmConfig) -> PriceBook:
    from evolve.models import PriceBook, price_rows

    return PriceBook(price_rows(llm.prices))


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"expected a text file with instructions at {path}, found none that can be read ({error}).") from error
    if len(text.encode()) > MAX_INSTRUCTIONS:
        raise UsageError(f"{path}: expected at most {MAX_INSTRUCTIONS} bytes of instructions, found {len(text.encode())}.")
    return text
