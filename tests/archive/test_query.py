"""SQL over journals: the columns are a list here, the numbers agree with the search's formulas, and nothing else is reachable."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_records import EPOCH, INFO, PROBLEM, ToyRun

from archive import (
    Attempt,
    BlockClosed,
    BlockStatus,
    BudgetSet,
    CallReserved,
    CallSettled,
    ChampionChanged,
    Claim,
    ConfirmationOpened,
    Event,
    Hardware,
    HardwareSeen,
    IslandsReset,
    Journal,
    JournalDamaged,
    JournalMissing,
    LateResult,
    Measured,
    Measurement,
    Migrated,
    Migration,
    NodesUnfit,
    Note,
    PooledPosterior,
    ProposalStatus,
    Proposed,
    Purpose,
    Query,
    QueryError,
    Rebinned,
    RequestHandled,
    Retraction,
    RunOpened,
    SlotsChanged,
    Status,
    StopRequested,
    open_query,
)

COLUMNS = {
    "runs": "run folder seed engine created_s last_s openings machine tier slots status reason config",
    "problems": "run problem name metric maximize unit noisy frame evaluator stages axes params",
    "candidates": "run problem id operator model format parents island status score gain sd n stage cost_usd cost_cpu_s seq "
    "generation summary hypothesis expected plan descriptors n_bytes code_hash ticket unix_s",
    "measurements": "run problem candidate stage seed status score reason purpose ticket index counted start tier machine "
    "wall_s cpu_s scorer_cpu_s memory_mib metrics descriptors feedback output_hash seq unix_s "
    "signals evaluator noisy_machine hardware",
    "elites": "run problem island space cell rank candidate mean sd seq",
    "claims": "run problem vault candidate reference confirmed withdrawn p_value effect ci_low ci_high e_value reason seq",
    "tickets": "run ticket kind problem operator model format selector purpose n_entries status candidate "
    "reason outcome usd attempts issued_s ended_s seq",
    "llm_calls": "run ticket call provider model price worst_usd usd outcome tokens_in tokens_out tokens_cached tokens_assumed "
    "usd_assumed wall_s reason seq unix_s problem",
    "events": "run seq unix_s kind level problem what text",
}


@pytest.fixture
def toy(tmp_path: Path) -> ToyRun:
    return ToyRun(tmp_path / "run", segment_bytes=3_000)


@pytest.fixture
def query(toy: ToyRun) -> Iterator[Query]:
    """An empty but begun run."""
    toy.journal.wait_durable(1)
    with open_query([toy.folder]) as opened:
        yield opened
    toy.journal.close()


def ask(run: ToyRun, sql: str) -> list[tuple]:
    assert run.journal.wait_durable(run.stamped[-1].seq, 10.0)
    with open_query([run.folder]) as opened:
        return list(opened.sql(sql).rows)


@pytest.mark.parametrize("table", COLUMNS)
def test_columns(query: Query, table: str) -> None:
    assert query.sql(f"SELECT * FROM {table}").columns == tuple(COLUMNS[table].split())


def test_the_tables_are_these(query: Query) -> None:
    assert {row[0] for row in query.sql("SHOW TABLES").rows} == COLUMNS.keys()


@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("maximize", [True, False])
def test_scores_agree_with_the_formulas_of_the_search(tmp_path: Path, noisy: bool, maximize: bool) -> None:
    rng = random.Random(4)
    info = dataclasses.replace(INFO, noisy=noisy, maximize=maximize)
    run = ToyRun(tmp_path / "run", info=info)
    pooled = {stage: PooledPosterior(noisy) for stage in ("tiny", "full")}
    seed = run.propose({"m.py": "x = 0"})
    names = [seed]
    status = {seed: "ok"}
    for number in range(60):
        name = run.propose({"m.py": f"x = {number + 1}"}, (rng.choice(names),), rng.choice(["tune", "edit"]))
        names.append(name)
        status[name] = "ok"
    for name in names * 2:
        for stage in ("tiny", "full"):
            if status[name] != "ok" or (stage == "full" and name in names[40:]):
                break
            sd = 1000 if name in names[3::15] else 1  # some scatter far more than the others
            scores: list[float | None] = [rng.gauss(3, sd) for _ in range(rng.randrange(1, 4))]
            if name != seed and rng.random() < 0.1:
                scores[-1] = None
            elif name in names[7::20]:
                scores[0] = rng.choice([1e200, -1e250, 1.5e308])
            run.measure(name, scores, stage, failure=Status.TIMEOUT)
            for score in scores:
                if score is not None:
                    pooled[stage].add(name, score)
                else:
                    status[name] = "timeout"
    rows = {row[0]: row[1:] for row in ask(run, "SELECT id, status, score, sd, n, stage, gain FROM candidates")}
    run.journal.close()
    assert len(rows) == 61
    assert {"ok", "timeout"} == set(status.values())
    assert any(pooled["full"].noise_of(name) > 100 * pooled["full"].noise for name in names[:40]) is noisy
    for name in names:
        stage = "full" if name in pooled["full"] else "tiny"
        if status[name] != "ok":
            assert rows[name][:3] == (status[name], None, None)
            continue
        mean, sd = pooled[stage].as_measured(name)
        gain = (1 if maximize else -1) * (mean - pooled[stage].posterior(seed)[0])
        assert rows[name][0] == "ok"
        assert rows[name][1:3] == pytest.approx((mean, sd), rel=1e-9)
        assert rows[name][3:5] == (pooled[stage].stats(name).n, stage)
        assert rows[name][5] == pytest.approx(gain, rel=1e-9, abs=1e-9)
        assert rows[name][5] or str(rows[name][5]) == "0.0"  # the initial program's has no minus


def test_a_measurement_says_what_graded_it_what_was_seen_and_whether_its_times_count(toy: ToyRun) -> None:
    cases = [
        (BlockStatus.OK, None),
        (BlockStatus.OK, 0.02),
        (BlockStatus.OK, 0.021),
        (BlockStatus.VOID, 0.3),
        (BlockStatus.VOID, None),
    ]
    for ticket, (status, drift) in enumerate(cases):
        attempt = Attempt(EPOCH, 50 + ticket)
        result = Measurement("c", "full", ticket, Status.OK, 1.0, signals=("threads", "network"), evaluator="abc")
        toy.add(Measured(attempt, PROBLEM, 0, Purpose.SEARCH, result))
        closed = BlockClosed(attempt, PROBLEM, status, drift=drift)
        toy.add(closed)
        assert closed.noisy_machine == (ticket in (2, 3))
    toy.measure("d", [1.0], closed=None)
    seen = ask(toy, "SELECT seed, counted, noisy_machine, signals, evaluator FROM measurements WHERE candidate = 'c' ORDER BY seed")
    voids = [False, False, False, True, True]
    marks = [False, False, True, True, False]
    assert seen == [(n, not voids[n], marks[n], ["threads", "network"], "abc") for n in range(5)]
    assert ask(toy, "SELECT counted, noisy_machine, signals, evaluator FROM measurements WHERE candidate = 'd'") == [
        (True, False, [], "")
    ]


def test_what_does_not_count(toy: ToyRun) -> None:
    seed = toy.propose({"m.py": "0"})
    toy.measure(seed, [1.0, 3.0], purpose=Purpose.INITIAL)
    void = toy.propose({"m.py": "1"}, (seed,), "edit")
    toy.measure(void, [5.0], closed=BlockStatus.VOID)
    toy.measure(void, [1.0])
    broken = toy.propose({"m.py": "2"}, (seed,), "edit")
    toy.measure(broken, [None], failure=Status.EVALUATOR_ERROR)
    late = toy.propose({"m.py": "3"}, (seed,), "edit")
    toy.measure(late, [2.0, None, 9.0], failure=Status.REJECTED)  # the score after the failure is not counted
    hack = toy.propose({"m.py": "4"}, (seed,), "edit")
    toy.measure(hack, [-70.0])
    toy.add(Retraction(PROBLEM, hack, "reads the answer"))
    fresh = toy.propose({"m.py": "5"}, (seed,), "edit")
    rows = {row[0]: row[1:] for row in ask(toy, "SELECT id, status, score IS NULL, n FROM candidates")}
    assert rows == {
        seed: ("ok", False, 2),
        void: ("ok", False, 1),
        broken: ("evaluator_error", True, 0),
        late: ("rejected", True, 1),
        hack: ("rejected", True, 1),
        fresh: (None, True, 0),
    }
    assert ask(toy, "SELECT count(*), count(*) FILTER (counted) FROM measurements") == [(9, 8)]
    assert ask(toy, "SELECT id FROM candidates WHERE gain IS NOT NULL ORDER BY seq") == [(seed,), (void,)]


def test_an_absurd_score_breaks_no_query(toy: ToyRun) -> None:
    seed = toy.propose({"m.py": "0"})
    toy.measure(seed, [1.0, 3.0, 1e308, -1e308])
    toy.measure(toy.propose({"m.py": "1"}, (seed,), "edit"), [1e300])
    toy.measure(toy.propose({"m.py": "2"}, (seed,), "edit"), [2.0])
    assert len(ask(toy, "SELECT score, sd, gain FROM candidates")) == 3


def test_candidates_know_origin_and_cost(toy: ToyRun) -> None:
    seed = toy.propose({"m.py": "0"})
    child = toy.propose({"m.py": "1"}, (seed,), "edit", summary="did it")
    toy.measure(child, [1.0, 2.0])
    told = toy.propose({"m.py": "2"})
    rows = ask(
        toy, "SELECT id, operator, parents, cost_usd, cost_cpu_s, summary, descriptors, n_bytes FROM candidates ORDER BY seq"
    )
    assert rows == [
        (seed, "seed", [], 0.5, 0.25, "", {"loops": 1.0}, 1),
        (child, "edit", [seed], 0.5, 0.25 + 2 * 1.5, "did it", {"loops": 1.0}, 1),
        (told, "external", [], 0.5, 0.25, "", {"loops": 1.0}, 1),
    ]


def test_elites_are_the_latest_row_of_each_place_in_the_latest_space(toy: ToyRun) -> None:
    one, two = toy.propose({"m.py": "0"}), toy.propose({"m.py": "1"})
    toy.place(3, one)
    toy.place(3, two)
    toy.place(3, one, rank=1)
    toy.place(4, one)
    toy.place(4, "")  # retracted, nobody follows
    assert ask(toy, "SELECT cell, rank, candidate, mean, sd FROM elites") == [(3, 0, two, 1.0, 0.1), (3, 1, one, 1.0, 0.1)]
    toy.add(Rebinned(PROBLEM, 1, ()))
    toy.place(0, two, space=1)
    assert ask(toy, "SELECT space, cell, candidate FROM elites") == [(1, 0, two)]


def test_tickets_are_open_until_they_end(toy: ToyRun) -> None:
    seed = toy.propose({"m.py": "0"})
    toy.measure(seed, [1.0, 2.0], closed=None)
    toy.measure(seed, [1.0], closed=BlockStatus.LOST)
    child = toy.propose({"m.py": "1"}, (seed,), "edit")
    rows = ask(
        toy, "SELECT ticket, kind, operator, purpose, n_entries, status, candidate, attempts, ended_s > issued_s FROM tickets"
    )
    assert rows == [
        (1, "measure", "", "search", 2, "open", "", 1, None),
        (2, "measure", "", "search", 1, "lost", "", 1, True),
        (3, "propose", "edit", "", 1, "child", child, 1, True),
    ]


def test_runs_say_how_they_stand(toy: ToyRun, tmp_path: Path) -> None:
    sql = "SELECT run, status, reason, openings, machine, slots, last_s > created_s FROM runs"
    assert ask(toy, sql) == [("toy-1", "open", "", 1, "box", 2, True)]
    toy.close()
    with open_query([toy.folder]) as opened:
        assert opened.sql(sql).rows == (("toy-1", "done", "budget", 1, "box", 2, True),)
    with Journal.open(toy.folder) as journal:
        journal.append(RunOpened(EPOCH + "2", machine="other"), at=9_999.0)
    with open_query([toy.folder]) as opened:
        assert opened.sql(sql).rows == (("toy-1", "open", "", 2, "other", 1, True),)


def test_an_effect_of_scores_that_count_as_something_else_is_none(toy: ToyRun) -> None:
    toy.add(ConfirmationOpened(1, PROBLEM, "c", "r", 1, (12, 18), (12, 12), (1, 2, 3)))
    toy.add(Claim(1, PROBLEM, "c", "r", True, 0.001, 0.2, 0.1, 0.3))
    toy.add(ConfirmationOpened(3, PROBLEM, "w", "r", 1, (12, 18), (12, 12), (1, 2, 3)))
    wild = Measurement("w", "full", 1, Status.OK, score=1e200)
    toy.add(Measured(Attempt(EPOCH, 51), PROBLEM, 0, Purpose.VAULT, wild))
    toy.add(Claim(3, PROBLEM, "w", "r", True, 0.001, 1e150, 1e150, 1e150))
    told = ask(toy, "SELECT effect, ci_low, ci_high, reason FROM claims")
    assert told == [(0.2, 0.1, 0.3, ""), (None, None, None, "no effect is shown: scores beyond 1e+150 count as that")]


def test_claims_calls_and_events(toy: ToyRun) -> None:
    call = Attempt(EPOCH, 50)
    toy.add(CallReserved(call, 0, "anthropic", "m", "p1", 0.5))
    toy.add(CallSettled(call, 0, "ok", 0.1, tokens_in=10, tokens_out=5))
    toy.add(CallReserved(call, 1, "anthropic", "m", "p1", 0.5))
    assert ask(toy, "SELECT call, outcome, usd, tokens_in FROM llm_calls") == [(0, "ok", 0.1, 10), (1, "open", 0.5, 0)]
    toy.add(ConfirmationOpened(1, PROBLEM, "c", "r", 1, (12, 18), (12, 12), (1, 2, 3)))
    toy.add(Claim(1, PROBLEM, "c", "r", True, 0.001, 0.2, 0.1, 0.3))
    toy.add(Claim(2, PROBLEM, "d", "r", True, 0.001, 0.2, 0.1, 0.3))
    toy.add(Retraction(PROBLEM, "d", "a hack"))
    assert ask(toy, "SELECT vault, candidate, confirmed, withdrawn FROM claims") == [(1, "c", True, False), (2, "d", True, True)]
    toy.add(Note("look here", author="me"))
    toy.add(Event("warning", "torn_tail", "10 bytes", PROBLEM))
    toy.add(BudgetSet(wall_s=60.0, evaluations=5))
    toy.add(SlotsChanged(EPOCH, 3))
    toy.add(NodesUnfit(EPOCH, {"n1": "box: another version", "n2": "crate: no sandbox"}))
    toy.add(StopRequested("enough"))
    toy.add(RequestHandled("r1", "stop", "{}", "{}", accepted=False))
    toy.add(ChampionChanged(PROBLEM, "c", "b", 25.0))
    toy.add(Migrated(PROBLEM, (Migration("c", 0, 1), Migration("d", 1, 0))))
    toy.add(IslandsReset(PROBLEM, (1, 2), (Migration("c", 0, 1), Migration("d", 0, 2)), "20 children without a better best"))
    toy.add(Rebinned(PROBLEM, 2, (), "x was too narrow", ("c", "d")))
    toy.add(Rebinned(PROBLEM, 3, ()))
    toy.add(LateResult(call, PROBLEM, "too late"))
    rows = ask(toy, "SELECT kind, level, what, text FROM events")
    assert rows == [
        ("opened", "info", EPOCH, "box"),
        ("vault_opened", "info", "c", "against r"),
        ("claim", "info", "c", "confirmed against r"),
        ("claim", "info", "d", "confirmed against r"),
        ("retraction", "warning", "d", "a hack"),
        ("note", "info", "me", "look here"),
        ("event", "warning", "torn_tail", "10 bytes"),
        ("budget_set", "info", "", "wall_s=60.0, evaluations=5"),
        ("slots_changed", "info", "3", ""),
        ("nodes_unfit", "warning", "2", "box: another version; crate: no sandbox"),
        ("stop_asked", "info", "", "enough"),
        ("requested", "warning", "stop", "refused"),
        ("champion", "info", "c", "e = 25.0"),
        ("migrated", "info", "c", "0 -> 1"),
        ("migrated", "info", "d", "1 -> 0"),
        ("islands_reset", "info", "islands 1, 2", "20 children without a better best; begun anew with: c 0 -> 1, d 0 -> 2"),
        ("rebinned", "info", "space 2", "x was too narrow; back in a place: c, d"),
        ("rebinned", "info", "space 3", ""),
        ("late_result", "info", "ticket 50", "too late"),
    ]
    toy.add(BudgetSet(evaluations=4, problem=PROBLEM))
    assert ask(toy, "SELECT problem FROM events WHERE kind = 'budget_set'") == [("",), (PROBLEM,)]


def test_hardware_is_told_as_it_tells_itself(toy: ToyRun) -> None:
    """Of each measurement, and as an event; of one of an older version nothing is known."""
    kinds = [
        Hardware("Some CPU"),
        Hardware(),
        Hardware("Some CPU", "A card"),
        Hardware("Some CPU", "A card", "570.1"),
        Hardware("Some CPU", "A card", "570.1", "1980/3201"),
        Hardware("Some CPU", "A card", clocks="1980/3201"),
    ]
    for number, kind in enumerate(kinds):
        toy.add(HardwareSeen(kind.id, kind))
        result = Measurement("w", "full", number, Status.OK, score=1.0, hardware=kind.id)
        toy.add(Measured(Attempt(EPOCH, 50 + number), PROBLEM, 0, Purpose.SEARCH, result))
    toy.add(Measured(Attempt(EPOCH, 70), PROBLEM, 0, Purpose.SEARCH, Measurement("w", "full", 70, Status.OK, score=1.0)))
    told = [str(kind) for kind in kinds]
    assert len({kind.id for kind in kinds}) == len(kinds)
    assert ask(toy, "SELECT hardware FROM measurements WHERE candidate = 'w'") == [(one,) for one in [*told, ""]]
    assert ask(toy, "SELECT text FROM events WHERE kind = 'hardware_seen'") == [(one,) for one in told]


def test_text_of_any_kind_comes_through(toy: ToyRun) -> None:
    odd = 'quote " back \\ nul \0 line \n "kind":"note" emoji \U0001f600 {"c":"'
    toy.add(Note(odd))
    assert ask(toy, "SELECT text FROM events WHERE kind = 'note'") == [(odd,)]
    name = toy.propose({"m.py": "0"}, summary='"text":{"data":"no"}')
    assert ask(toy, "SELECT id, summary FROM candidates") == [(name, '"text":{"data":"no"}')]


def test_several_runs_are_one_table_and_equal_names_are_told_apart(tmp_path: Path) -> None:
    runs = [ToyRun(tmp_path / folder, name=name) for folder, name in (("a", "x"), ("b", "y"), ("c", "y"))]
    for number, run in enumerate(runs):
        seed = run.propose({"m.py": "0"})
        run.measure(seed, [float(number), number + 1.0])
        run.close()
    with open_query([run.folder for run in runs]) as opened:
        rows = opened.sql("SELECT run, score FROM candidates ORDER BY score").rows
        assert opened.sql("SELECT count(DISTINCT id) FROM candidates").rows == ((1,),)  # ids are equal across runs
    assert rows == (("x", 0.5), (f"y@{tmp_path / 'b'}", 1.5), (f"y@{tmp_path / 'c'}", 2.5))


def test_a_live_journal_answers_while_it_is_written(toy: ToyRun) -> None:
    counts = []
    seed = toy.propose({"m.py": "0"})
    for number in range(5):
        toy.measure(seed, [float(number)])
        counts += ask(toy, "SELECT n FROM candidates")
    assert counts == [(n,) for n in range(1, 6)]
    path = sorted((toy.folder / "journal").iterdir())[-1]
    with path.open("ab") as file:
        file.write(b'{"c":"half a li')  # as a reader sees a write in progress
    with open_query([toy.folder]) as opened:
        assert opened.sql("SELECT n FROM candidates").rows == ((5,),)


def test_limits_say_that_there_is_more(query: Query) -> None:
    assert query.sql("SELECT * FROM range(5)", limit=5).more is False
    cut = query.sql("SELECT * FROM range(5)", limit=2)
    assert (cut.rows, cut.more) == (((0,), (1,)), True)


def test_a_number_of_an_old_run_that_no_table_can_hold_becomes_the_nearest(toy: ToyRun) -> None:
    toy.add(BudgetSet(evaluations=2**63, tokens=10**400, calls=5, wall_s=1.5))
    toy.add(BudgetSet(evaluations=-(2**70), candidates=2**63 - 1))
    toy.add(Note(f"of {2**64} things"))
    most = 2**63 - 1
    assert ask(toy, "SELECT text FROM events WHERE kind = 'budget_set'") == [
        (f"wall_s=1.5, evaluations={most}, tokens={most}, calls=5",),
        (f"evaluations=-{2**63}, candidates={most}",),
    ]
    assert ask(toy, "SELECT text FROM events WHERE kind = 'note'") == [(f"of {2**64} things",)]


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nope FROM candidates", '"nope" not found'),
        ("SELECT * FROM candidate", 'Did you mean "candidates"'),
        ("SELECT bad FROM nowhere", "nowhere does not exist! The views are runs, problems, "),
        ("SELECT 1; SELECT 2", "one SELECT statement over runs, problems"),
        ("", "one SELECT statement"),
        ("DROP VIEW candidates", "one SELECT statement"),
        ("SELECT 1/'x' FROM runs", "Could not convert"),
    ],
)
def test_a_wrong_query_is_one_sentence(query: Query, sql: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        query.sql(sql)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_no_table_can_hold_is_a_sentence(toy: ToyRun) -> None:
    toy.add(RunOpened(EPOCH, slots=2**40))
    with pytest.raises(QueryError, match=r"records of kind opened cannot be read into a table \(.*leave that run out") as caught:
        ask(toy, "SELECT 1")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(1000000000000)",
        "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t",
        "SELECT a.range FROM range(10000000) a, range(10000000) b WHERE hash(a.range + b.range) = 1",
    ],
)
def test_a_query_that_takes_too_long_is_given_up_and_the_next_one_works(query: Query, sql: str) -> None:
    started = time.monotonic()
    with pytest.raises(QueryError, match=r"given up after 0\.2 s; ask for less"):
        query.sql(sql, limit=5, seconds=0.2)
    assert time.monotonic() - started < 20
    assert query.sql("SELECT 42", seconds=60).rows == ((42,),)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('a', 2000000)",
        "SELECT [repeat('a', 2000000)]",
        "SELECT {'b': ['c', repeat('a', 2000000)]}",
        "SELECT repeat('a', 2000000)::BLOB",
        "SELECT repeat('a', 1000) FROM range(2000)",
        "SELECT * FROM range(1000000000)",
    ],
)
def test_an_answer_of_too_many_bytes_is_refused(query: Query, sql: str) -> None:
    with pytest.raises(QueryError, match=r"more than 1000000 bytes; ask for fewer rows or columns, or for left\(COLUMN, 200\)"):
        query.sql(sql, most_bytes=1_000_000)
    assert len(query.sql("SELECT * FROM range(5000)", most_bytes=1_000_000).rows) == 5000


def test_what_nests_without_end_and_what_is_quoted_at_length_is_a_short_sentence(query: Query) -> None:
    with pytest.raises(QueryError, match="nests more than 100 deep"):
        query.sql("SELECT " + "[" * 150 + "1" + "]" * 150, most_bytes=1_000_000)
    with pytest.raises(QueryError, match="Could not convert") as caught:
        query.sql("SELECT CAST(repeat('a', 100000) AS INTEGER)")
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '{file}'",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_blob('{file}')",
        "SELECT * FROM read_json('{file}')",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM sniff_csv('{file}')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM query('FROM read_text(''{file}'')')",
        "SELECT * FROM secret",  # a variable of this function
        "COPY runs TO '{folder}/out.csv'",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "PRAGMA enable_profiling",
        "EXPLAIN ANALYZE COPY runs TO '{folder}/out.csv'",
        "CALL pragma_version()",
        "SELECT * FROM duckdb_secrets()",
        "INSERT INTO runs VALUES (1)",
        "CREATE TABLE t AS FROM read_text('{file}')",
    ],
)
def test_a_query_reaches_nothing_but_its_tables(query: Query, tmp_path: Path, sql: str) -> None:
    secret = [1, 2, 3]
    assert secret
    (tmp_path / "secret.json").write_text('{"secret": 1}\n')
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(QueryError):
        query.sql(sql.format(file=tmp_path / "secret.json", folder=tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


def test_damage_and_absence_are_named(toy: ToyRun, tmp_path: Path) -> None:
    toy.measure(toy.propose({"m.py": "0"}), [1.0])
    toy.close()
    path = sorted((toy.folder / "journal").iterdir())[0]
    data = path.read_bytes()
    path.write_bytes(data[:300] + bytes([data[300] ^ 1]) + data[301:])
    with pytest.raises(JournalDamaged, match="checksum"):
        open_query([toy.folder])
    with pytest.raises(JournalMissing):
        open_query([tmp_path])
    with pytest.raises(QueryError, match="at least one run"):
        open_query([])


def test_parts_and_many_batches_make_one_table(toy: ToyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = toy.propose({"m.py": "0"})
    for number in range(200):
        toy.measure(seed, [float(number)])
    monkeypatch.setattr("archive.query._query._PART_BYTES", 1_000)
    monkeypatch.setattr("archive.journal._segments._CHUNK", 1_500)
    sql = "SELECT count(*), count(DISTINCT seq), sum(score), (SELECT count(*) FROM tickets WHERE status = 'ok') FROM measurements"
    assert ask(toy, sql) == [(200, 200, sum(range(200)), 200)]


def test_no_room_for_temporary_files_is_a_sentence(toy: ToyRun, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    real = Path.open

    def full(path: Path, mode: str = "r", **options: int) -> object:
        if mode == "ab":
            raise OSError(28, os.strerror(28))
        return real(path, mode, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(QueryError, match=r"No space left on device.*set TMPDIR"):
        ask(toy, "SELECT 1")


def test_every_kind_of_record_is_read() -> None:
    """A new record kind must be placed in a table, or left out here by name."""
    from archive import RECORD_TYPES
    from archive.query._raw import RAW

    assert {cls.kind for cls in RECORD_TYPES} == RAW.keys()


def test_raw_columns_are_fields_of_their_records() -> None:
    from archive import RECORD_TYPES
    from archive.query._raw import RAW

    fields = {cls.kind: {field.name for field in dataclasses.fields(cls)} for cls in RECORD_TYPES}
    for kind, columns in RAW.items():
        assert columns.keys() - {"run_no", "seq", "at"} <= fields[kind]
    assert {field.name for field in dataclasses.fields(Measurement)} >= {"scorer_cpu_s", "memory_mib", "output_hash", "feedback"}


def test_a_review_is_a_ticket_with_what_was_said_and_what_it_cost(toy: ToyRun) -> None:
    from archive import Reviewed, ReviewIssued

    for ticket in (40, 41, 42):
        toy.add(ReviewIssued(Attempt(EPOCH, ticket), PROBLEM, "c", "m"))
        for call in (1, 2):
            toy.add(CallReserved(Attempt(EPOCH, ticket), call, "anthropic", "m", "p1", 0.5))
            toy.add(CallSettled(Attempt(EPOCH, ticket), call, "ok", 0.25))
    toy.add(Reviewed(Attempt(EPOCH, 40), PROBLEM, "c", "cheating", "x = 1", "it reads answers"))
    toy.add(Reviewed(Attempt(EPOCH, 41), PROBLEM, "c", reason="the run ended"))
    found = ask(toy, "SELECT ticket, operator, model, status, candidate, reason, usd FROM tickets WHERE kind = 'review'")
    assert found == [
        (40, "judge", "m", "cheating", "c", "it reads answers", 0.5),
        (41, "judge", "m", "lost", "c", "the run ended", 0.5),
        (42, "judge", "m", "open", "", "", 0.0),
    ]
    assert ask(toy, "SELECT level, what, text FROM events WHERE kind = 'reviewed'") == [
        ("warning", "c", "cheating: it reads answers"),
        ("info", "c", "lost: the run ended"),
    ]


def test_a_proposal_that_made_nothing_is_a_ticket_and_no_candidate(toy: ToyRun) -> None:
    from archive import Arm, ProposeIssued

    attempt = Attempt(EPOCH, 40)
    toy.add(ProposeIssued(attempt, PROBLEM, Arm("edit"), ()))
    toy.add(Proposed(attempt, PROBLEM, ProposalStatus.DUPLICATE, duplicate_of="abc"))
    assert ask(toy, "SELECT status, candidate FROM tickets") == [("duplicate", "abc")]
    assert ask(toy, "SELECT * FROM candidates") == []
