"""A model server that does what it is asked: it edits the program it is shown.  And a thread of models that asks a script, at once.

What is answered follows from the request alone, so equal runs get equal answers.  It is no model: it moves one number of the
program, which is enough for a search to go on.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from archive import CallReserved, CallSettled, ProposeIssued
from evolve.budget._ledger import Caps, Ledger
from evolve.engine.models._thread import CallRecorded, DraftReady, ModelMessage
from evolve.models import Caller, Limiter, PriceBook, Provider, Reservations
from evolve.propose import EditScope, ModelDraft, ModelOperator, ProposalContext, SamplingSettings, Templates
from evolve.testing.models._dialects import whole_chat
from evolve.testing.models._says import Say, chat, finish, start, text_block
from evolve.testing.models._server import Heard, ModelServer

_FILE = re.compile(r"^file: (\S+)\n(`{3,})\w*\n(.*?)^\2$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")
_PROGRAM = "# The program to change"
_OTHER = "# The second program"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request shows: the program to change, the form of the answer, and how many turns the user had."""

    files: Mapping[str, str]
    format: str
    turns: int
    text: str

    def draw(self, purpose: str = "") -> random.Random:
        """Random numbers that follow from the request."""
        return random.Random(hashlib.blake2b((purpose + self.text).encode(), digest_size=8).digest())


def asked(system: str, turns: list[str]) -> Asked:
    """What a conversation asks for; ``turns`` are the user's texts."""
    _, _, tail = turns[0].rpartition(_PROGRAM)
    files = {path: text for path, _, text in _FILE.findall(tail.partition(_OTHER)[0])}
    form = system + turns[0].partition(_PROGRAM)[0]
    format = "diff" if "<<<<<<< SEARCH" in form else "block" if "block 1\n```" in form else "file"
    return Asked(files, format, len(turns), "\n\n".join([system, *turns]))


def move_a_number(request: Asked) -> str:
    """An answer that changes one number of the program, in the form that was asked for; a few words where there is none."""
    rng = request.draw()
    places = [
        (path, line, found)
        for path, text in request.files.items()
        for line in text.splitlines()
        if text.count(line) == 1
        for found in _NUMBER.finditer(line)
    ]
    if not places:
        return "I see no number in it."
    path, line, found = rng.choice(places)
    value = float(found[0]) + rng.gauss(0.0, 0.1 * (1.0 + abs(float(found[0]))))
    moved = f"{line[: found.start()]}{abs(value):.4f}{line[found.end() :]}"
    said = f"HYPOTHESIS: {found[0]} is off.\nEXPECTED: better by 0.01\nPLAN: Move {found[0]} to {abs(value):.4f}.\n\nfile: {path}"
    if request.format == "diff":
        return f"{said}\n<<<<<<< SEARCH\n{line}\n=======\n{moved}\n>>>>>>> REPLACE\n"
    where = " block 1" if request.format == "block" else ""
    return f"{said}{where}\n```\n{request.files[path].replace(line, moved)}```\n"


Answer = Callable[[Asked], str | Say]


class AnsweringServer(ModelServer):
    """A ``ModelServer`` that answers questions from a function, with tokens counted in words.

    Args:
        answer: Makes the text of an answer, or says what else to do.
        settings: As of ``ModelServer``.

    ``counted`` has the tokens of each answer that was begun, as (request, prompt, output); ``prompt`` counts all of it.
    """

    def __init__(self, answer: Answer = move_a_number, **settings: Any) -> None:
        super().__init__(**settings)
        self._make = answer
        self.counted: list[tuple[Heard, dict[str, Any]]] = []

    def asks(self) -> list[Heard]:
        """The questions that came, in order."""
        return [heard for heard in self.heard if heard.path in ("/v1/messages", "/v1/chat/completions")]

    def _answer(self, heard: Heard) -> Say:
        if heard.path not in ("/v1/messages", "/v1/chat/completions"):
            return super()._answer(heard)
        system, turns = conversation(heard)
        said = self._make(asked(system, turns))
        if isinstance(said, Say):
            return said
        output = len(said.split())
        if heard.path == "/v1/chat/completions":
            usage: dict[str, Any] = {"prompt_tokens": len((system + " ".join(turns)).split()), "completion_tokens": output}
            self.counted.append((heard, usage))
            return chat(said, usage=usage) if self.streams(heard) else whole_chat(said, usage=usage)
        usage = self._usage(heard.body)
        self.counted.append((heard, usage | {"output_tokens": output}))
        return Say(events=(start(usage, heard.body["model"]), *text_block(said), *finish(output=output)))


def conversation(heard: Heard) -> tuple[str, list[str]]:
    """The system text of a question, and the user's turns."""
    body = heard.body
    system = _text(body.get("system", ()))
    turns = []
    for message in body["messages"]:
        if message["role"] == "system":
            system = _text(message["content"])
        elif message["role"] == "user":
            turns.append(_text(message["content"]))
    return system, turns


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n\n".join(part["text"] for part in content)


class ScriptedModelThread:
    """A ``ModelThread`` without a thread: the whole talk with a provider takes place in ``submit``, with real callers and edits.

    With ``hold`` above 0 up to that many talks are kept back after their first reservation, and each further one lets go of one of
    them, drawn with ``seed``: answers out of order, the same on every run.  ``close`` forgets what is kept, as a kill does.
    """

    def __init__(
        self,
        provider: Provider,
        post: Callable[[ModelMessage], None],
        *,
        ledger: Ledger | None = None,
        prices: PriceBook | None = None,
        manner: SamplingSettings | None = None,
        hold: int = 0,
        seed: int = 0,
    ) -> None:
        self._post, self._hold = post, hold
        self._ledger = ledger or Ledger()
        self._random = random.Random(seed)
        self._notes: list[ModelMessage] = []
        self._held: list[list[ModelMessage]] = []
        caller = Caller(provider, Limiter(1), Reservations(self._ledger, _Notes(self._notes)), prices or PriceBook())
        self._operator = ModelOperator(caller, {}, Templates.load(None), manner or SamplingSettings())

    def submit(self, issued: ProposeIssued, assignment: ProposalContext, scope: EditScope, rng: Any) -> None:
        """Make a draft; its messages are posted before this returns, unless they are held."""
        draft = _finished(self._operator.make(issued.attempt, assignment, scope, rng))
        talk: list[ModelMessage] = [*self._notes, DraftReady(issued, draft)]
        self._notes.clear()
        if self._hold and isinstance(talk[0], CallRecorded):
            self._post(talk.pop(0))
        self._held.append(talk)
        self.release(self._hold)

    def release(self, keep: int = 0) -> None:
        """Let go of all but ``keep`` of the talks kept back, in a drawn order."""
        while len(self._held) > keep:
            for message in self._held.pop(self._random.randrange(len(self._held))):
                self._post(message)

    def cap(self, caps: Caps, left_s: float) -> None:
        """Other caps from here on; nothing here takes time."""
        self._ledger.caps = caps

    def close(self) -> None:
        """Forget what is held."""
        self._held.clear()


class _Notes:
    """A log of calls in memory: everything is durable at once."""

    def __init__(self, notes: list[ModelMessage]) -> None:
        self._notes = notes

    async def reserved(self, record: CallReserved, prompt: str) -> None:
        self._notes.append(CallRecorded(record, prompt))

    def settled(self, record: CallSettled, reply: str) -> None:
        self._notes.append(CallRecorded(record, reply))


def _finished(work: Coroutine[Any, Any, ModelDraft]) -> ModelDraft:
    """What ``work`` comes to; it must not wait for anything outside."""
    with asyncio.Runner() as runner:
        return runner.run(work)
