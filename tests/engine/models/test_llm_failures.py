"""Every way in which a call or an answer fails, in a whole run: how its ticket ends, what it costs, and that the run goes on."""

from __future__ import annotations

import socket
from pathlib import Path

import anthropic  # noqa: F401  the first import takes a second, in which a short run would be over
import pytest
from llm_world import MODEL, PRICES, ends, of, records_of, tickets_of_models

from archive import CallReserved, CallSettled, Measured, Proposed, ProposeIssued, RunOpened
from evolve.budget._ledger import nano
from evolve.cli.show._text import models_text
from evolve.engine._session import resume, start
from evolve.models import TokenUsage
from evolve.problem.contract._contract import Budget
from evolve.testing import AnsweringServer, Asked, Say, move_a_number
from evolve.testing.models._says import block, chat, chunk, error, finish, message, text_block
from evolve.testing.models._says import start as begun

ONE = {"max_concurrency": 1, "max_attempts": 2, "max_tokens": 500, "read_timeout_s": 20.0}
EDIT = "HYPOTHESIS: h\nEXPECTED: e\nPLAN: p\n\nfile: main.py\n<<<<<<< SEARCH\n{}\n=======\n{}\n>>>>>>> REPLACE\n"
GOOD = EDIT.format("X = 0.25", "X = 0.31")
HALF = EDIT.format("X = 0.25", "X = 0.37").partition("=======")[0]
TWICE = "X = 0.25\nY = 0.75\nZ = 3.5\n\n\ndef first():\n    return 1.5\n\n\ndef point():\n    return 1.5\n"
AROUND = "X = 0.25\nY = 0.75\n# EVOLVE-BLOCK-START\nZ = 3.5\n# EVOLVE-BLOCK-END\n"
COUNTED = TokenUsage(input=10, output=7)
MUTE = (begun(), *block(0, {"type": "text", "text": ""}))


class Plan:
    """What is said to the first questions; to those that follow, a good edit.  ``asked`` keeps them all."""

    def __init__(self, *lines: str | Say) -> None:
        self.lines, self.asked = list(lines), []

    def __call__(self, asked: Asked) -> str | Say:
        self.asked.append(asked)
        return self.lines.pop(0) if self.lines else move_a_number(asked)


def run(near, plan: Plan, **more):
    """Records of a run until six calls are made; ``more`` are settings of ``near``."""
    llm = ONE | more.pop("llm", {})
    url = "/v1" if more.get("provider") == "openai" else ""
    with AnsweringServer(plan) as server:
        summary = start(near(server.url + url, llm=llm, **({"calls": 4} | more)))
    return summary, records_of(Path(summary.run))


def first_ticket(records) -> tuple[Proposed, list[CallSettled]]:
    (ticket, (_, end)), *_ = tickets_of_models(records).items()
    return end, [one for one in of(records, CallSettled) if one.attempt.ticket == ticket]


def cost(usage: TokenUsage, max_tokens: int = 500) -> float:
    return PRICES.row("anthropic", MODEL).cost(usage, max_tokens) / 1e9


CUT = Say(events=(begun(), *text_block("HYPOTHESIS: h")[:3]), end="cut")
NO_STOP = Say(events=(begun(), *text_block(GOOD), *finish(None)))
STALL = Say(events=MUTE[:1], end="stall")
UNKNOWN = TokenUsage(input=10, output=1, output_known=False)

# plan of two tries; the ticket's outcome; the calls' outcomes; the dollars of each call (None: the worst case in full)
FAILED = {
    "cut stream": ([CUT, CUT], "cut_stream", ["cut_stream"] * 2, cost(UNKNOWN)),
    "no stop reason": ([NO_STOP, NO_STOP], "no_stop_reason", ["no_stop_reason"] * 2, cost(UNKNOWN)),
    "refusal": ([message("No.", "refusal")], "refusal", ["refusal"], cost(COUNTED)),
    "overloaded": ([error(529, "overloaded_error")] * 2, "overloaded", ["overloaded"] * 2, 0.0),
    "server errors": ([error(500, "api_error")] * 2, "server_error", ["server_error"] * 2, 0.0),
    "bad request": ([error(400, "invalid_request_error")], "bad_request", ["bad_request"], 0.0),
    "stall": ([STALL, STALL], "timeout", ["timeout"] * 2, cost(UNKNOWN)),
    "silence": ([Say(events=(), end="stall")] * 2, "timeout", ["timeout"] * 2, None),
}


LIKE_OTHERS = ("no stop reason", "server errors", "silence")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LIKE_OTHERS)) for name in FAILED])
def test_a_call_that_fails_is_named_and_charged_and_the_next_ticket_is_asked(near, name):
    lines, outcome, outcomes, usd = FAILED[name]
    summary, records = run(near, Plan(*lines), llm={"read_timeout_s": 0.4} if outcome == "timeout" else {})
    end, settled = first_ticket(records)
    assert (end.status, end.outcome, end.candidate) == ("failed", outcome, None)
    assert [one.outcome for one in settled] == outcomes
    worst = of(records, CallReserved)[0].worst_usd
    assert [one.usd for one in settled] == [worst if usd is None else usd] * len(settled)
    assert nano(end.usd) == sum(nano(one.usd) for one in settled)
    assert end.reason == settled[-1].reason
    assert ("child", "") in ends(records)
    assert summary.status == "done"


@pytest.mark.parametrize(("status", "kind", "outcome"), [
    (401, "authentication_error", "auth"),
    pytest.param(402, "billing_error", "payment", marks=pytest.mark.slow),
    pytest.param(404, "not_found_error", "not_found", marks=pytest.mark.slow),
])  # fmt: skip
def test_a_model_that_refuses_for_good_is_asked_again_only_after_resume(near, status, kind, outcome):
    plan = Plan(*[error(status, kind, "never")] * 2)
    with AnsweringServer(plan) as server:
        summary = start(near(server.url, llm=ONE, calls=20, evaluations=60))
        records = records_of(Path(summary.run))
        assert len(plan.asked) == 1
        assert ends(records) == [("failed", outcome)]
        assert summary.measurements == 60
        assert sum(not record.arm.model for record in of(records, ProposeIssued)) > 30
        plan.lines.clear()
        resume(Path(summary.run), {"evaluations": 160})
    assert len(plan.asked) > 1
    assert ("child", "") in ends(records_of(Path(summary.run)))


def test_a_model_that_its_own_provider_does_not_list_is_handed_one_ticket(near, monkeypatch):
    with AnsweringServer() as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        config = near(server.url, llm=ONE | {"models": ("nonesuch", "claude-test")}, calls=4)
        config.llm.base_url = None
        summary = start(config)
        assert {asked.body["model"] for asked in server.asks()} == {"claude-test"}
    records = records_of(Path(summary.run))
    failed = [end for _, end in tickets_of_models(records).values() if end.status == "failed"]
    assert [end.outcome for end in failed if end.outcome != "over_budget"] == ["not_found"]
    assert failed[0].reason == "anthropic has no model nonesuch; it has claude-test."


def test_a_gateway_may_know_more_models_than_it_lists(near):
    with AnsweringServer() as server:
        start(near(server.url, llm=ONE | {"models": ("nonesuch",)}, calls=4))
        assert {asked.body["model"] for asked in server.asks()} == {"nonesuch"}


def test_a_server_that_asks_for_time_gets_it_and_the_call_succeeds(near):
    plan = Plan(error(429, "rate_limit_error", "slow down", retry_after="1"), GOOD)
    with AnsweringServer(plan) as server:
        summary = start(near(server.url, llm=ONE, calls=4))
        first, second, *_ = server.asks()
    end, settled = first_ticket(records_of(Path(summary.run)))
    assert (end.status, end.outcome) == ("child", "")
    assert [one.outcome for one in settled] == ["rate_limited", "ok"]
    assert settled[0].usd == 0.0
    assert second.at_s - first.at_s > 1.0


def test_a_port_that_nobody_listens_at_costs_nothing_and_is_given_up_after_five_tickets(near):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    summary = start(near(f"http://127.0.0.1:{port}", llm=ONE | {"max_attempts": 1}, usd=1.0, evaluations=120))
    records = records_of(Path(summary.run))
    assert ends(records) == [("failed", "unreachable")] * 5
    assert [one.usd for one in of(records, CallSettled)] == [0.0] * 5
    assert 118 <= summary.measurements <= 120  # two are kept back for the initial program's and the best's second look


def test_an_answer_that_was_too_long_is_used_as_far_as_it_holds_whole_edits(near):
    _, records = run(near, Plan(message(GOOD + EDIT.format("Y = 0.75", "Y = ")[:-30], "max_tokens")))
    end, settled = first_ticket(records)
    assert (end.status, end.outcome) == ("child", "")
    assert [one.outcome for one in settled] == ["max_tokens"]
    assert end.usd == cost(COUNTED)


def test_an_answer_that_was_too_long_and_holds_none_is_asked_again_shorter(near):
    plan = Plan(message(HALF, "max_tokens"), GOOD)
    _, records = run(near, plan)
    end, settled = first_ticket(records)
    assert (end.status, [one.outcome for one in settled]) == ("child", ["max_tokens", "ok"])
    assert plan.asked[1].turns == 2
    assert "smaller change" in plan.asked[1].text


@pytest.mark.parametrize(("line", "outcome"), [
    ("I cannot think of anything.", "empty"),
    (message(HALF, "max_tokens"), "truncated"),
    (EDIT.format("W = 1", "W = 2"), "not_found"),
    (EDIT.format("X = 0.25", "X = 0.25"), "no_op"),
])  # fmt: skip
def test_an_answer_without_usable_edits_is_repaired_twice_and_then_invalid(near, line, outcome):
    plan = Plan(line, line, line)
    _, records = run(near, plan)
    end, settled = first_ticket(records)
    assert (end.status, end.outcome) == ("invalid", outcome)
    assert [asked.turns for asked in plan.asked[:4]] == [1, 2, 3, 1]
    assert nano(end.usd) == sum(nano(one.usd) for one in settled) > 0
    assert len(settled) == 3
    assert end.reason


def test_an_ambiguous_edit_is_repaired_in_the_second_turn(near):
    plan = Plan(
        EDIT.format("    return 1.5", "    return 2.5"), EDIT.format("def point():\n    return 1.5", "def point():\n    return 2.5")
    )
    _, records = run(near, plan, program=TWICE)
    end, settled = first_ticket(records)
    assert (end.status, [one.call for one in settled]) == ("child", [1, 2])
    assert "file: main.py" in plan.asked[1].text
    assert end.candidate.hypothesis == "h"


def test_an_edit_outside_of_the_markers_is_refused(near):
    _, records = run(near, Plan(*[EDIT.format("X = 0.25", "X = 0.5")] * 3), program=AROUND)
    end, _ = first_ticket(records)
    assert (end.status, end.outcome, end.candidate) == ("invalid", "immutable", None)


def test_without_a_key_the_run_goes_on_mechanically_and_says_what_to_type(near, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    config, told = near("", llm=ONE, evaluations=20, usd=1.0), []
    config.llm.base_url = None
    summary = start(config, announce=told.append)
    records = records_of(Path(summary.run))
    assert told[0].no_models == f"ANTHROPIC_API_KEY is not set, so no model is asked; set it and type: evolve resume {summary.run}"
    assert of(records, RunOpened)[0].models == ()
    assert (tickets_of_models(records), summary.measurements) == ({}, 20)


def test_a_run_that_only_money_bounds_ends_by_itself_without_a_key(near, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    config = near("", llm=ONE, usd=1.0)
    config.llm.base_url = None
    summary = start(config)
    assert summary.reason == "no model can be asked any more, and the budget limits nothing else"
    assert len(of(records_of(Path(summary.run)), Measured)) == summary.measurements == 1


def test_where_the_calls_are_spent_the_run_is_done_and_the_answer_counts_as_what_it_is(near):
    summary, _ = run(near, Plan(*["I would rather not."] * 9), operators=(), calls=1, llm={"max_concurrency": 8})
    assert (summary.status, summary.reason) == ("done", "budget.calls")
    assert summary.models.lost["empty"] == 1
    assert summary.models.tickets - sum(summary.models.unanswered.values()) == 1
    assert "1 of 1 answer gave no child: no edits in it 1" in models_text(summary.models, Budget(calls=1))


def test_a_run_of_models_alone_that_never_got_an_answer_is_degraded(near):
    summary, _ = run(near, Plan(*[error(404, "not_found_error", "never")] * 60), operators=(), calls=20)
    assert summary.status == "degraded"
    assert summary.reason.startswith("no model ever answered; found at ")
    assert "gave no child" not in models_text(summary.models, Budget())


@pytest.mark.parametrize(("say", "outcome"), [
    (Say(events=(chunk({"content": "HYPOTHESIS"}),), end="cut"), "cut_stream"),
    pytest.param(chat(GOOD, stop=None), "no_stop_reason", marks=pytest.mark.slow),
    pytest.param(chat("no", "content_filter"), "refusal", marks=pytest.mark.slow),
    (Say(401, body={"error": {"message": "no", "type": "invalid_request_error"}}), "auth"),
    (Say(429, body={"error": {"message": "pay", "code": "insufficient_quota"}}), "payment"),
])  # fmt: skip
def test_servers_of_chat_completions_fail_alike(near, say, outcome):
    summary, records = run(near, Plan(say, say), provider="openai", calls=6, evaluations=60)
    end, _ = first_ticket(records)
    assert (end.status, end.outcome) == ("failed", outcome)
    assert summary.status == "done"


def test_a_server_that_counts_nothing_is_charged_as_assumed_and_the_summary_says_so(near):
    silent = chat(GOOD, usage=None)
    summary, records = run(near, Plan(*[silent] * 4), provider="openai")
    worst = sum(nano(one.worst_usd) for one in of(records, CallReserved))
    use = summary.models
    assert (nano(use.usd), nano(use.assumed_usd), use.assumed_calls, use.calls) == (worst, worst, 4, 4)
    assert use.assumed_tokens == use.tokens == sum(one.worst_tokens for one in of(records, CallReserved))
    assert "0 tokens; " in models_text(use, Budget(usd=1.0))
    assert "are assumed, for 4 calls that no server counted or a driver left open" in models_text(use, Budget(usd=1.0))


def test_a_server_that_wants_an_hour_is_not_waited_for_and_the_run_ends_without_it(near):
    late = Say(429, {"retry-after": "3600"}, {"error": {"message": "quota", "type": "rate_limit_exceeded"}})
    summary, records = run(near, Plan(late, late), provider="openai", wall_s=60.0, calls=50, evaluations=40)
    assert [one.rest_s for one in of(records, CallSettled)] == [3600.0]  # one call, and no other after it
    (why,) = summary.models.refused.values()
    assert "asks for 3600 s, and the run ends before" in why
    assert summary.reason != "budget.wall_s"


def test_a_page_in_a_servers_place_stops_the_model_and_costs_nothing(near):
    page = Say(headers={"content-type": "text/html"}, body=b"<html>Please log in")
    summary, records = run(near, Plan(page, page), provider="openai", calls=50, evaluations=30)
    assert [(one.outcome, one.usd) for one in of(records, CallSettled)] == [("wrong_server", 0.0)]
    assert "Please log in; check llm.base_url" in next(iter(summary.models.refused.values()))
