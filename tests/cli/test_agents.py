"""ask, tell, note: with a live driver and without, late, twice, killed, several at once; and what teaches an agent all that."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_process import SEED, SETTINGS, Cli, Say, n_records, wait_for, write_problem
from test_looking import GOLDEN, skeleton

from archive import (
    Attempt,
    CallReserved,
    CallSettled,
    Journal,
    Measured,
    Note,
    Proposed,
    Purpose,
    TextStore,
    candidate_id,
    find_records,
)  # fmt: skip
from evolve.cli import main
from evolve.cli._main import VERBS
from evolve.cli.mcp._agent_guide import BEGIN, guide

BLOCKS = SEED.replace("X = 4.0\nY = 2.5\n", "# EVOLVE-BLOCK-START\nX = 4.0\nY = 2.5\n# EVOLVE-BLOCK-END\n")


def child(x: float, y: float = 2.5, seed: str = SEED) -> str:
    return seed.replace("X = 4.0", f"X = {x}").replace("Y = 2.5", f"Y = {y}")


def made(run: Path) -> list[str]:
    """Ids of the candidates, in order."""
    records = (stamped.record for stamped in find_records(run, ("proposed",)))
    return [one.candidate.id for one in records if isinstance(one, Proposed) and one.candidate is not None]


def n_measured(run: Path, id_: str) -> int:
    records = (stamped.record for stamped in find_records(run, ("measured",), mention=id_))
    found = [one for one in records if isinstance(one, Measured) and one.result.candidate == id_]
    return sum(one.purpose is Purpose.SEARCH for one in found)  # the best is measured again before it is reported


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, problem: Path) -> Path:
    """A run that nobody drives, of the initial program alone; its program has markers."""
    folder = tmp_path_factory.mktemp("alone")
    marked = Path(shutil.copytree(problem, folder / "tiny"))
    (marked / "initial" / "main.py").write_text(BLOCKS)
    run = folder / "run"
    assert main(["run", "--json", f"problem={marked}", "search=fixed_candidates", f"out={run}", *SETTINGS]) == 0
    return run


@pytest.fixture
def run(alone: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(alone, tmp_path / "run"))


@pytest.fixture
def ticket(say: Say, run: Path, tmp_path: Path) -> Callable[..., str]:
    """Asks for a ticket and gives its number."""
    return lambda *words: str(json.loads(say("ask", run, "--json", *words))["ticket"])


# ------------------------------------------------------------------------------------------------ nobody drives the run


def test_ask_edit_tell_and_read_the_score(say: Say, run: Path, tmp_path: Path) -> None:
    out = say("ask", run, "--out", tmp_path / "work")
    (task,) = (tmp_path / "work").glob("TASK@*.md")
    assert str(task) in out
    text = task.read_text()
    command = next(line.split() for line in text.splitlines() if line.strip().startswith("evolve tell"))
    for words in ("Come close to the point.", "distance 3.5", "EVOLVE-BLOCK", "X = 4.0"):
        assert words in text
    assert "\x1b" not in text
    main_py = tmp_path / "work" / "main.py"
    assert main_py.read_text() == BLOCKS
    main_py.write_text(child(2.0, seed=BLOCKS))
    said = ["--summary", "nearer", "--hypothesis", "X is too large", "--expected", "2 less", "--plan", "changed X"]
    out = say(*command[1 : command.index("--summary")], *said)
    assert out.startswith(f"accepted: {candidate_id({'main.py': main_py.read_text()})}")
    for words in ("status  ok", "1.5", "none is stated: measured once", "over the parent's", "red"):
        assert words in out
    assert "\x1b" not in out
    shown = json.loads(say("show", run, "best", "--json"))
    assert (shown["operator"], shown["summary"], shown["hypothesis"]) == ("external", "nearer", "X is too large")
    assert (shown["expected"], shown["plan"], shown["score"]) == ("2 less", "changed X", 1.5)
    assert "what was told is measured" in say("status", run) or "given is measured" in say("status", run)


def test_json_of_the_agents_verbs_keeps_its_form(say: Say, run: Path, file: Callable[[str], Path]) -> None:
    say("tell", run, json.loads(say("ask", run, "--json"))["ticket"], file(child(9.0, seed=BLOCKS)), "--wait")
    failing = file(BLOCKS.replace("X = 4.0", "X = 1 / 0"))
    say("tell", run, json.loads(say("ask", run, "--parent", "seed", "--json"))["ticket"], failing, "--wait", code=1)
    asked = say("ask", run, "--parent", "seed", "--json")
    told = say("tell", run, json.loads(asked)["ticket"], file(child(2.0, seed=BLOCKS)), "--wait", "--json")
    noted = say("note", run, "mind the gap", "--author", "me", "--json")
    result = say("result", run, json.loads(asked)["ticket"], "--json")
    for name, text in (("ask", asked), ("tell", told), ("note", noted), ("result", result)):
        assert next(iter(json.loads(text))) == "schema"
        assert skeleton(json.loads(text)) == json.loads((GOLDEN / f"{name}.json").read_text()), name
    found = json.loads(asked)
    assert found["failures"][0]["status"] == "crash"
    assert {one["status"] for one in found["tried"]} == {"ok", "crash"}
    assert next(one["effect"] for one in found["tried"] if one["status"] == "ok") == pytest.approx(5.0)  # less is better
    assert json.loads(told)["result"]["effect_gain"] == pytest.approx(2.0)  # more is better
    (record,) = [stamped.record for stamped in find_records(run, ("note",))]
    assert isinstance(record, Note)
    assert (record.text, record.author) == ("mind the gap", "me")


def test_what_is_no_child_is_refused_and_the_ticket_stays_open(
    say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path], tmp_path: Path
) -> None:
    mine = ticket()
    before = made(run)
    out = say("tell", run, mine, file(BLOCKS.replace("import time", "import sys")), code=1)
    assert "invalid" in out
    assert "EVOLVE-BLOCK" in out
    assert "still open" in out
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "helper.py").write_text("A = 1\n")
    found = json.loads(say("tell", run, mine, "--dir", tmp_path / "more", "helper.py", "--json", code=1))
    assert (found["status"], found["candidate"]) == ("invalid", None)
    assert "new file" in found["reason"]
    comment = file(BLOCKS.replace("X = 4.0", "X = 4.0  # the same"))
    found = json.loads(say("tell", run, mine, comment, "--json", code=1))
    assert (found["status"], found["candidate"], found["late"]) == ("duplicate", before[0], False)
    assert (found["reason"], found["again"], found["result"]["score"]) == ("it is the parent, unchanged", False, 3.5)
    assert "it is the parent, unchanged" in say("tell", run, mine, file(BLOCKS), code=1)
    assert made(run) == before
    found = json.loads(say("tell", run, mine, file(child(3.0, seed=BLOCKS)), "--json"))
    assert (found["status"], found["late"]) == ("accepted", False)


def test_told_twice_and_told_late_it_takes_part_all_the_same(
    say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path]
) -> None:
    mine = ticket()
    first = json.loads(say("tell", run, mine, file(child(3.0, seed=BLOCKS)), "--json"))
    again = json.loads(say("tell", run, mine, file(child(3.0, seed=BLOCKS)), "--json"))
    assert (again["status"], again["again"], again["fate"]["measured"]) == ("duplicate", True, False)
    second = json.loads(say("tell", run, mine, file(child(2.5, seed=BLOCKS)), "--json"))
    assert (first["late"], second["status"], second["late"]) == (False, "accepted", True)
    result = json.loads(say("result", run, mine, "--json"))
    assert result["candidates"] == [first["candidate"], second["candidate"]]
    assert first["candidate"] in say("result", run, mine)
    short = ticket("--expires", "0.5")
    time.sleep(0.6)
    third = json.loads(say("tell", run, short, file(child(2.0, seed=BLOCKS)), "--wait", "--json"))
    assert (third["status"], third["late"], third["result"]["score"]) == ("accepted", True, 1.5)
    rows = json.loads(say("query", run, "SELECT operator, status FROM candidates ORDER BY seq", "--json"))["rows"]
    assert rows == [["seed", "ok"], *[["external", "ok"]] * 3]  # all that was told is measured


def test_told_again_it_answers_with_what_is_known_or_waits_for_it(
    say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path]
) -> None:
    mine, path = ticket(), file(child(3.0, seed=BLOCKS))
    first = json.loads(say("tell", run, mine, path, "--json"))  # as if whoever waited for it had been killed
    again = json.loads(say("tell", run, mine, path, "--wait", "--json"))
    assert (again["status"], again["candidate"], again["again"]) == ("duplicate", first["candidate"], True)
    assert again["result"]["status"] == "ok"
    out = say("tell", run, mine, path)  # measured: nobody has to wait
    assert out.startswith(f"told before: {first['candidate']}")
    assert "score" in out
    comment = file(child(3.0, seed=BLOCKS).replace("X = 3.0", "X = 3.0  # another text, the same program"))
    other = json.loads(say("tell", run, ticket(), comment, "--json", code=1))
    assert (other["status"], other["again"], other["result"]["score"]) == ("duplicate", False, 2.5)


def test_a_child_that_fails_says_how(say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path]) -> None:
    found = json.loads(say("tell", run, ticket(), file(BLOCKS.replace("X = 4.0", "X = [")), "--wait", "--json", code=1))
    assert (found["status"], found["result"]["status"], found["result"]["score"]) == ("accepted", "invalid", None)
    assert "syntax" in found["result"]["reason"] or "never closed" in found["result"]["reason"]


@pytest.mark.slow
def test_several_agents_at_once(cli: Cli, run: Path, ticket: Callable[..., str]) -> None:
    tickets = [ticket() for _ in range(4)]
    for i, one in enumerate(tickets):
        (cli.folder / one).mkdir()
        (cli.folder / one / "main.py").write_text(child(2.0 + i / 10, seed=BLOCKS))
    tellers = [cli.start("tell", str(run), one, "--dir", one, "--wait", "--json") for one in tickets]
    answers = []
    for teller in tellers:
        out, err = teller.communicate(timeout=60)
        assert teller.returncode == 0, err
        answers.append(json.loads(out))
    assert [round(one["result"]["score"], 6) for one in answers] == [1.5, 1.6, 1.7, 1.8]
    assert sorted(made(run)[1:]) == sorted(one["candidate"] for one in answers)
    assert all(n_measured(run, one["candidate"]) == 1 for one in answers)
    assert list((run / "inbox").iterdir()) == []


@pytest.mark.kill
@pytest.mark.parametrize("moment", ["posted", pytest.param("recorded", marks=pytest.mark.slow)])
def test_a_teller_that_is_killed_loses_nothing_and_counts_once(
    cli: Cli, say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path], moment: str
) -> None:
    mine, path = ticket(), file(child(2.0, seed=BLOCKS))
    id_ = candidate_id({"main.py": path.read_text()})
    teller = cli.start("tell", str(run), mine, str(path))
    inbox = run / "inbox"
    end = time.monotonic() + 30
    while not (any(inbox.glob("*.json")) if moment == "posted" else id_ in made(run)) and teller.poll() is None:
        assert time.monotonic() < end
    teller.send_signal(signal.SIGKILL)
    teller.wait()
    again = json.loads(say("tell", run, mine, path, "--wait", "--json"))
    assert (again["status"], again["candidate"], again["again"]) == ("duplicate", id_, True)
    say("tell", run, ticket(), file(child(3.0, seed=BLOCKS)), "--wait")  # measures what is ready
    assert made(run).count(id_) == n_measured(run, id_) == 1
    assert not [left for left in inbox.iterdir() if left.suffix == ".json"]


@pytest.mark.kill
@pytest.mark.slow
def test_interrupted_while_it_measures_it_keeps_the_child(
    cli: Cli, say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path], tmp_path: Path
) -> None:
    go_on = tmp_path / "go_on"
    path = file(BLOCKS.replace("X = 4.0", f"while not __import__('os').path.exists({str(go_on)!r}): time.sleep(0.05)\nX = 2.0"))
    id_ = candidate_id({"main.py": path.read_text()})
    mine = ticket()
    before = n_records(run, "measure_issued")
    teller = cli.start("tell", str(run), mine, str(path), "--wait")
    wait_for(lambda: n_records(run, "measure_issued") > before)
    time.sleep(0.3)
    teller.send_signal(signal.SIGINT)
    out, err = teller.communicate(timeout=30)
    assert (teller.returncode, "Traceback" in err) == (130, False), err
    assert out.startswith(f"accepted: {id_}")
    assert f"evolve result {run} {mine} --wait" in err
    assert made(run).count(id_) == 1
    go_on.touch()
    say("result", run, mine, "--wait")
    assert n_measured(run, id_) == 1


def test_a_spent_budget_is_named(say: Say, tmp_path: Path, problem: Path, file: Callable[[str], Path]) -> None:
    run = tmp_path / "run"
    say("run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", "budget.evaluations=2", *SETTINGS)
    tickets = [json.loads(say("ask", run, "--json"))["ticket"] for _ in range(2)]
    say("tell", run, tickets[0], file(child(2.0)), "--wait")
    found = json.loads(say("tell", run, tickets[1], file(child(1.25)), "--wait", "--json"))
    assert (found["status"], found["result"]["status"]) == ("accepted", "not measured")
    way_on = f"evolve resume {run} budget.evaluations=4"
    spent = "budget.evaluations leaves no room for another child (2 of 2 spent, 0 set aside)"
    for words in (found["result"]["reason"], found["fate"]["words"], say("ask", run, code=2), say("status", run)):
        assert spent in words
        assert way_on in words
    seen = json.loads(say("status", run, "--json"))["outlook"]
    assert (seen["ended_by"], seen["command"], seen["measurements_left"]) == ("budget.evaluations", way_on, 0)
    say(*shlex.split(way_on)[1:], "--json")
    assert json.loads(say("show", run, found["candidate"], "--json"))["score"] == pytest.approx(0.75)


def test_digits_that_are_no_ticket_are_the_beginning_of_an_id(
    say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path]
) -> None:
    texts = (child(3.0 + i / 1000, seed=BLOCKS) for i in range(1000))
    id_, text = next((id_, text) for text in texts if (id_ := candidate_id({"main.py": text}))[:3].isdecimal())
    say("tell", run, ticket(), file(text))
    found = json.loads(say("result", run, id_[:3], "--json"))
    assert (found["ticket"], found["candidate"]) == (None, id_)


def test_fate_and_result_are_of_one_state(say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path]) -> None:
    found = json.loads(say("tell", run, ticket(), file(child(2.0, seed=BLOCKS)), "--wait", "--json"))
    assert (found["result"]["status"], found["fate"]["measured"], found["fate"]["words"]) == ("ok", True, "it is measured")


def test_a_bad_child_of_a_told_ticket_leaves_no_ticket_open(
    say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path]
) -> None:
    mine = ticket()
    say("tell", run, mine, file(child(2.0, seed=BLOCKS)))
    out = say("tell", run, mine, file(BLOCKS.replace("import time", "import sys")), code=1)
    assert "invalid" in out
    assert "was told before" in out
    assert "still open" not in out


def test_a_told_parent_told_back_is_the_parent_unchanged(
    say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path]
) -> None:
    parent = json.loads(say("tell", run, ticket(), file(child(2.0, seed=BLOCKS)), "--wait", "--json"))["candidate"]
    mine = ticket("--parent", parent)
    out = say("tell", run, mine, file(child(2.0, seed=BLOCKS)), code=1)
    assert "it is the parent, unchanged" in out
    assert "still open" in out
    found = json.loads(say("tell", run, mine, file(child(2.0, seed=BLOCKS)), "--json", code=1))
    assert (found["status"], found["again"], found["reason"]) == ("duplicate", False, "it is the parent, unchanged")


def test_every_child_counts_once_also_the_late_ones(say: Say, tmp_path: Path, problem: Path, file: Callable[[str], Path]) -> None:
    run = tmp_path / "run"
    say("run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", "budget.candidates=2", *SETTINGS)
    mine = json.loads(say("ask", run, "--json"))["ticket"]
    for x in (3.0, 2.0):
        assert json.loads(say("tell", run, mine, file(child(x)), "--json"))["status"] == "accepted"
    (row,) = (one for one in json.loads(say("status", run, "--json"))["outlook"]["limits"] if one["name"] == "budget.candidates")
    assert (json.loads(say("status", run, "--json"))["candidates"], row["spent"], row["left"]) == (2, 2.0, 0.0)
    assert "budget.candidates leaves no room" in say("ask", run, code=2)


def test_where_measuring_cannot_start_the_child_is_accepted_and_named(
    say: Say, cli: Cli, run: Path, ticket: Callable[..., str], file: Callable[[str], Path]
) -> None:
    mine, other = ticket(), ticket()
    (run / "problem" / "evaluate.py").write_text("raise SystemExit\n")
    path = file(child(2.0, seed=BLOCKS))
    teller = cli.start("tell", str(run), mine, str(path), "--wait")
    out, err = teller.communicate(timeout=60)
    assert teller.returncode == 2
    assert out.startswith(f"accepted: {candidate_id({'main.py': path.read_text()})}")
    assert "problem" in err
    teller = cli.start("tell", str(run), other, str(file(child(1.5, seed=BLOCKS))), "--wait", "--json")
    out, err = teller.communicate(timeout=60)
    found = json.loads(out)
    assert (teller.returncode, found["status"], found["result"]["status"]) == (2, "accepted", "not measured")
    assert found["result"]["reason"] in err


# ------------------------------------------------------------------------------------------------ a live driver


@pytest.fixture
def live(cli: Cli, problem: Path) -> Path:
    """A run that another process drives; each measurement takes a moment."""
    words = (f"problem={problem}", "problem.params.sleep=0.05", "out=live", "budget.evaluations=100000")
    cli.start("run", "--json", *words, *SETTINGS)
    run = cli.folder / "live"
    wait_for(lambda: n_records(run, "measured") >= 2)
    return run


def test_a_live_driver_takes_children_in(say: Say, cli: Cli, live: Path, file: Callable[[str], Path]) -> None:
    mine = json.loads(say("ask", live, "--parent", "seed", "--json"))["ticket"]
    gone = json.loads(say("ask", live, "--expires", "1", "--json"))["ticket"]  # of an agent that vanishes
    told = json.loads(say("tell", live, mine, file(child(1.125)), "--wait", "--json"))
    assert (told["status"], told["late"], told["result"]["score"]) == ("accepted", False, 0.625)
    assert told["result"]["effect_gain"] == pytest.approx(2.875)
    assert (say("status", live).count("running"), cli.started[0].poll()) == (1, None)
    tickets = "SELECT status, reason FROM tickets WHERE ticket = {}"

    def lost() -> bool:
        return json.loads(say("query", live, tickets.format(gone), "--json"))["rows"][0][0] == "lost"

    wait_for(lost)
    late = json.loads(say("tell", live, gone, file(child(1.375)), "--wait", "60", "--json"))
    assert (late["status"], late["late"], late["result"]["score"]) == ("accepted", True, 0.875)
    assert json.loads(say("tell", live, mine, file(child(1.125)), "--json"))["again"] is True
    say("stop", live)
    assert cli.started[0].wait(timeout=30) == 0
    assert all(n_measured(live, one["candidate"]) == 1 for one in (told, late))
    assert list((live / "inbox").iterdir()) == []


@pytest.mark.kill
def test_a_driver_takes_what_a_killed_teller_left(say: Say, cli: Cli, live: Path, file: Callable[[str], Path]) -> None:
    driver, path = cli.started[0], file(child(1.125))
    mine = json.loads(say("ask", live, "--json"))["ticket"]
    driver.send_signal(signal.SIGSTOP)
    teller = cli.start("tell", str(live), str(mine), str(path))
    wait_for(lambda: any((live / "inbox").glob("*.json")))
    teller.send_signal(signal.SIGKILL)
    teller.wait()
    driver.send_signal(signal.SIGCONT)
    id_ = candidate_id({"main.py": path.read_text()})
    wait_for(lambda: n_measured(live, id_) == 1)
    assert json.loads(say("tell", live, mine, path, "--json"))["again"] is True
    assert made(live).count(id_) == 1


@pytest.mark.kill
@pytest.mark.slow
def test_whoever_waits_goes_on_when_the_driver_is_killed(say: Say, cli: Cli, live: Path, file: Callable[[str], Path]) -> None:
    driver = cli.started[0]
    mine = json.loads(say("ask", live, "--json"))["ticket"]
    driver.send_signal(signal.SIGSTOP)
    killer = threading.Timer(1.0, lambda: driver.send_signal(signal.SIGKILL))
    killer.start()
    found = json.loads(say("tell", live, mine, file(child(1.125)), "--wait", "--json"))
    killer.join()
    assert (found["status"], found["result"]["score"]) == ("accepted", 0.625)
    assert n_measured(live, found["candidate"]) == 1


# ------------------------------------------------------------------------------------------------ words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ask", "RUN", "--expires", "soon"], "--expires takes seconds, found 'soon'"),
        (["ask", "RUN", "--expires", "-1"], "expires after more than 0"),
        (["ask", "RUN", "--expires", "nan"], "--expires takes seconds, found 'nan'"),
        (["ask", "RUN", "--parent", "zz"], "has no candidate 'zz'"),
        (["ask", "RUN", "--out", "RUN"], "is there already; name a new one"),
        (["tell", "RUN", "x", "main.py"], "expected the number of a ticket that evolve ask gave, found 'x'"),
        (["tell", "RUN", "1", "main.py"], "no ticket 1 was handed out by evolve ask"),  # the seed's own
        (["tell", "RUN", "999"], "no ticket 999 was handed out by evolve ask; type: evolve ask"),
        (["tell", "RUN", "1", "--wait", "main.py"], "--wait takes seconds, found 'main.py'"),
        (["note", "RUN", "  "], "expected a note of 1 to 4000 characters"),
        (["note", "RUN"], "type: evolve note RUN TEXT"),
        (["note", "RUN", "caf\udce9"], "note takes Unicode text, found bytes that are not UTF-8"),
        (["show", "RUN", "seed", "--prompt"], "no model was asked for"),
        (["mcp", "nowhere"], "expected a run's folder"),
        (["agent-guide", "nowhere"], "expected a folder at nowhere, found nothing"),
    ],
)
def test_an_agents_mistake_is_one_sentence(
    words: list[str], said: str, say: Say, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    err = say(*(str(alone) if word == "RUN" else word for word in words), code=2)
    assert err.startswith("evolve: ")
    assert said in err
    assert err.count("\n") == 1


def test_more_than_the_problem_allows_is_invalid_with_its_number(
    say: Say, run: Path, ticket: Callable[..., str], file: Callable[[str], Path]
) -> None:
    mine = ticket()
    assert "at most 65536 bytes are allowed in all files together" in say("tell", run, mine, file("#" * (1 << 21)), code=1)
    near = BLOCKS.replace("X = 4.0", "X = 4.0\nA = 1" + "  " * 32700)
    assert "at most 65536 bytes are allowed in all files together" in say("tell", run, mine, file(near), code=1)
    assert list((run / "inbox").iterdir()) == []


def test_whatever_the_contract_allows_can_be_told(say: Say, tmp_path: Path, problem: Path, file: Callable[[str], Path]) -> None:
    folder, run = Path(shutil.copytree(problem, tmp_path / "large")), tmp_path / "run"
    yaml = folder / "problem.yaml"
    yaml.write_text(f"{yaml.read_text()}max_bytes: 3000000\n")
    say("run", "--json", f"problem={folder}", "search=fixed_candidates", f"out={run}", *SETTINGS)
    mine = json.loads(say("ask", run, "--json"))["ticket"]
    text = child(2.0)
    table = f"TABLE = '{chr(7) * (2_990_000 - len(text))}'\n"  # escaped twice on its way
    told = json.loads(say("tell", run, mine, file(f"{text}{table}"), "--json", "--summary", "a table"))
    assert told["status"] == "accepted"


def test_what_a_model_was_asked_and_answered_is_shown(ended: tuple[Path, str, str], tmp_path: Path, say: Say) -> None:
    run = Path(shutil.copytree(ended[0], tmp_path / "run"))
    for path in run.glob("checkpoint.*"):
        path.unlink()
    one = next(
        stamped.record
        for stamped in find_records(run, ("proposed",))
        if isinstance(stamped.record, Proposed) and stamped.record.candidate is not None and stamped.record.candidate.parents
    )
    assert one.candidate is not None
    texts, attempt = TextStore.of_run(run), Attempt(one.attempt.epoch, one.attempt.ticket)
    other = Attempt(attempt.epoch, attempt.ticket + 1000)
    prompt, reply = f"change this \x1b[31m{SEED}", "as you wish"
    with Journal.open(run) as journal:
        for record in (
            CallReserved(attempt, 1, "p", "m", "row", 0.5, prompt=texts.pack(prompt, one.candidate.parents[0])),
            CallReserved(attempt, 1, "p", "m", "row", 0.5, batch="b"),
            CallSettled(attempt, 1, "truncated", 0.01, reason="too long", reply=texts.pack(reply)),
            CallReserved(attempt, 2, "p", "m", "row", 0.5, prompt=texts.pack("once more")),
            CallReserved(other, 1, "p", "m", "row", 0.5, prompt=texts.pack("of another")),
        ):
            journal.append(record, at=time.time())
    out = say("show", run, one.candidate.id, "--prompt")
    places = [out.index(words) for words in ("asked p/m", prompt, "truncated, $0.0100 (too long)", reply, "once more")]
    assert places == sorted(places)
    assert (out.count("===="), "of another" in out) == (3, False)


# ------------------------------------------------------------------------------------------------ the guide


def test_the_guide_is_a_skill_and_every_command_in_it_is_one(say: Say) -> None:
    text = say("agent-guide")
    assert text == guide()
    _, front, body = text.split("---\n", 2)
    keys = dict(line.split(": ", 1) for line in front.splitlines())
    assert keys["name"] == "evolve"
    assert 100 < len(keys["description"]) <= 1024
    assert len(body.splitlines()) < 500
    verbs = {verb.name: verb for verb in VERBS}
    lines = [line.partition("  #")[0].strip() for line in body.splitlines() if line.startswith("    ")]
    commands = [shlex.split(line) for line in lines if line.startswith("evolve ")]
    assert len(commands) >= 8
    for _, verb, *words in commands:
        verbs[verb].parse(words)


def test_it_is_put_where_agents_look_and_keeps_what_is_there(say: Say, tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_bytes(b"# Ours\r\n\r\nBe kind.")
    say("agent-guide", tmp_path)
    once = (tmp_path / "AGENTS.md").read_bytes()
    assert once.startswith(b"# Ours\r\n\r\nBe kind.\n\n<!-- evolve: begin -->")
    assert (tmp_path / ".claude/skills/evolve/SKILL.md").read_text() == guide()
    assert ".claude/skills/evolve/SKILL.md" in once.decode()
    assert "kept" in say("agent-guide", tmp_path)
    assert (tmp_path / "AGENTS.md").read_bytes() == once
    (tmp_path / "AGENTS.md").write_bytes(once.replace(b"## evolve", b"## an older text") + b"\nAnd brave.\n")
    assert "changed" in say("agent-guide", tmp_path)
    assert (tmp_path / "AGENTS.md").read_bytes() == once + b"\nAnd brave.\n"
    (tmp_path / "AGENTS.md").write_text(f"{BEGIN}\nhalf\n")
    assert "expected one section between" in say("agent-guide", tmp_path, code=2)
    assert (tmp_path / "AGENTS.md").read_text() == f"{BEGIN}\nhalf\n"


def test_a_noisy_result_says_how_sure_it_is(say: Say, tmp_path: Path, file: Callable[[str], Path]) -> None:
    problem, run = write_problem(tmp_path / "noisy", noisy=True), tmp_path / "run"
    say("run", "--json", f"problem={problem}", "search=fixed_candidates", f"out={run}", *SETTINGS)
    mine = json.loads(say("ask", run, "--json"))["ticket"]
    out = say("tell", run, mine, file(child(2.0)), "--wait")
    assert "±" in out
    assert "over the parent's" in out
