"""``evolve speedrun verify``: its exit codes, what it prints, what it says of bad input, and its page."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from _speedrun_logs import write_logs

from evolve.cli import main
from evolve.cli._main import VERBS
from evolve.speedrun._verify import _CHECKS

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "speedrun.md").read_text(encoding="utf-8")


def test_a_record_that_holds_ends_with_0_and_one_that_does_not_with_1(folder, capsys):
    assert main(["speedrun", "verify", str(folder.write().path)]) == 0
    assert "nothing that can be told fails: 15 hold." in capsys.readouterr().out
    folder.logs[0].unlink()
    assert main(["speedrun", "verify", str(folder.path)]) == 1
    assert "1 rule of 15 not kept (selection): 1 fails, 1 cannot be told from logs, 13 hold." in capsys.readouterr().out


def test_text_and_logs_stand_side_by_side(folder, capsys):
    folder.write().say("Eight runs: n = 8, mean: 3.27795, p-value: 0.9, mean time 79.0 s")
    main(["speedrun", "verify", str(folder.path)])
    told = capsys.readouterr().out
    assert re.search(r"runs +8 +8 +agree\n", told)
    assert re.search(r"mean loss +3.27795 +3.27795 +agree\n", told)
    assert re.search(r"p +0.9 +\S+ +differ\n", told)
    assert re.search(r"mean time +79.0 +78.9\d+ +agree\n|mean time +79.0 +79.0\d+ +agree\n", told)
    assert re.search(r"equal loss: \+(0\.9|1\.)\d+ s gained as run", told)


def test_json_has_every_field_and_no_number_that_is_none(folder, capsys):
    write_logs(folder.write().path / "extra", [float("nan")], 79.0, folder.rng)
    folder.change(0, lambda text: re.sub(r"(step:60/60 val_loss:)\S+", r"\1nan", text))
    assert main(["speedrun", "verify", str(folder.path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert list(told) == [
        "schema", "folder", "track", "target", "record", "baseline", "sets", "sample", "times", "equal_loss", "statistics",
        "checks", "notes", "ok",
    ]  # fmt: skip
    assert told["ok"] is False
    assert told["sets"][-1] == {
        "name": "extra", "role": "aside", "runs": 0, "steps": 0, "mean_loss": None, "sd_loss": None, "mean_s": None,
        "unreadable": 1,
    }  # fmt: skip
    assert told["checks"][0]["verdict"] == "fails"
    assert told["checks"][0]["rule"] == "Every log can be read to its end, which is the last step; no loss is NaN."


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["check", "."], "expected verify or package after evolve speedrun, found 'check'"),
        (["verfy", "."], "did you mean evolve speedrun verify?"),
        (["verify", "nowhere"], "found nothing at nowhere"),
        (["verify", ".", "--track", "4"], "--track takes 1, 2 or 3, found '4'"),
        (["verify", ".", "--target", "low"], "--target takes a loss, such as 3.28, found 'low'"),
        (["verify", ".", "--baseline", ""], "takes no empty FOLDER"),
        (["verify", ""], "takes no empty FOLDER"),
        (["verify"], "usage: evolve speedrun|type: evolve speedrun"),
    ],
)
def test_bad_input_is_one_sentence(words, why, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["speedrun", *words]) == 2
    told = capsys.readouterr().err
    assert re.search(why, told)
    assert len(told.splitlines()) == 1


def test_the_page_has_a_line_for_each_rule():
    rows = re.findall(r"^\| ([a-z ]+) \| (all|[\d, ]+) \|", PAGE, re.MULTILINE)
    words = {(1, 2, 3): "all", (1, 2): "1, 2", (3,): "3"}
    assert rows == [(name, words[tracks]) for name, tracks, _ in _CHECKS]


def test_the_commands_of_the_page_are_commands():
    verb = next(one for one in VERBS if one.name == "speedrun")
    commands = [line for line in PAGE.splitlines() if line.startswith("evolve speedrun")]
    assert len(commands) == 5
    for command in commands:
        assert command.split()[2] == verb.parse(shlex.split(command)[2:]).ACTION
