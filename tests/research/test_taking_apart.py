"""``evolve ablate`` on runs whose truth is known: the map, the reduced program, what is written, what is refused."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

import pytest
from research_problem import CHAMPION, INITIAL, TRUE, run_with, write_problem

import evolve
from evolve.cli import main
from evolve.research._kept import Kept


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    assert main([str(word) for word in words]) == code, capsys.readouterr().err
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    return found.out, found.err


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("noisy")
    run, champion = run_with(write_problem(folder / "parts"), folder / "run", {"main.py": CHAMPION})
    return run.path, champion


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("exact")
    problem = write_problem(folder / "parts", noisy=False, maximize=False)
    text = CHAMPION.replace("    return [A", "    # as before\n    return [A") + "\nSCALE = 2\n"
    run, champion = run_with(problem, folder / "run", {"main.py": text.replace("[A, B", "[A * SCALE / 2, B")})
    return run.path, champion


@pytest.fixture
def same_seeds(monkeypatch):
    """Fresh seeds are the same each time: of 20 maps of other seeds one may be wrong."""
    monkeypatch.setattr("evolve.research._ablate.fresh_seeds", lambda n: tuple(range(1000, 1000 + n)))


def part(change: dict[str, object]) -> str:
    return str(change["name"]).split()[1]


def test_the_map_of_a_known_sum_is_right(noisy, same_seeds, capsys):
    out, _ = said(capsys, "ablate", noisy[0], noisy[1][:8], "--runs", 8, "--json")
    found = json.loads(out)
    assert (found["schema"], found["map"]["champion"]) == (1, noisy[1])
    changes = {part(one): one for one in found["map"]["contributions"]}
    assert set(changes) == set(TRUE)
    for name, (left_out, put_in) in TRUE.items():
        one = changes[name]
        for key, true in (("left_out", left_out), ("put_in", put_in), ("interaction", left_out - put_in)):
            assert one[key]["low"] <= true <= one[key]["high"], (name, key)
    assert {name: one["verdict"] for name, one in changes.items()} == {
        "A": "helps", "B": "helps", "C": "hurts", "D": "not shown", "E": "helps"
    }  # fmt: skip
    assert {name for name, one in changes.items() if one["interacts"]} == {"A", "E"}
    assert [part(one) for one in found["map"]["contributions"]] == ["A", "B", "E", "D", "C"]
    assert len(found["map"]["seeds"]) == 8
    assert found["map"]["measurements"] == 8 * (12 + 2)
    assert list(found) == ["schema", "run", "folder", "map", "proposed"]
    assert {"left_out", "put_in", "interaction", "verdict", "places", "diff", "without_failed"} <= set(changes["A"])


def test_the_reduced_program_is_a_candidate_of_the_run_and_no_improvement_before_the_run_says_so(noisy, same_seeds, capsys):
    out, _ = said(capsys, "ablate", noisy[0], noisy[1], "--runs", 6)
    folder = noisy[0] / "ablation" / noisy[1]
    reduced = (folder / "reduced" / "main.py").read_text()
    assert reduced == CHAMPION.replace("C = 1.0", "C = 0.0").replace("D = 1.0", "D = 0.0")
    table = json.loads((folder / "table.json").read_text())
    assert table["map"]["reduced"]["compared"]["low"] <= 1.0 <= table["map"]["reduced"]["compared"]["high"]
    run = evolve.open_run(noisy[0])
    made = run.candidate(table["proposed"]["candidate"])
    assert made.files == {"main.py": reduced}
    assert made.parents == (noisy[1],)
    assert "not shown to help" in made.summary
    assert made.score is None
    assert "improve" not in out
    assert "whether it is better the run decides" in out
    (folder / "reduced" / "old.py").write_text("of another ablation")
    said(capsys, "ablate", noisy[0], noisy[1], "--runs", 3)
    assert not (folder / "reduced" / "old.py").exists()


def test_page_picture_and_table_say_the_same(noisy, capsys, tmp_path):
    out, err = said(capsys, "ablate", noisy[0], noisy[1], "--runs", 4, "--out", tmp_path / "map")
    page, svg = ((tmp_path / "map" / name).read_text() for name in ("ABLATION.md", "contributions.svg"))
    names = [one["name"] for one in json.loads((tmp_path / "map" / "table.json").read_text())["map"]["contributions"]]
    assert len(names) == 5
    texts = " ".join(ET.fromstring(svg).itertext())
    for name in names:
        assert name in out
        assert name in texts
        assert f"| {name} | +" in page or f"| {name} | -" in page
        assert f"### {name}" in page
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "-A = 0.0\n+A = 1.0" in page
    assert "5 changes, 12 programs on 4 seeds each: 56 measurements at most" in err
    assert str(tmp_path / "map" / "ABLATION.md") in out


def test_a_deterministic_problem_takes_one_seed_and_is_exact(exact, capsys):
    found = json.loads(said(capsys, "ablate", exact[0], exact[1], "--json")[0])["map"]
    changes = {part(one): one for one in found["contributions"]}
    scale = next(one for name, one in changes.items() if name not in TRUE)  # the definition with its use, and a comment
    assert scale["places"] == ["main.py:9", "main.py:10", "main.py:12"]
    for name, (left_out, put_in) in TRUE.items():
        assert changes[name]["left_out"]["effect"] == pytest.approx(left_out)
        assert changes[name]["put_in"]["effect"] == pytest.approx(put_in)
    assert scale["verdict"] == changes["D"]["verdict"] == "nothing"
    assert found["champion_score"] == pytest.approx(-4.5 + 1.0)  # the problem's own sign
    assert found["whole"]["effect"] == pytest.approx(3.5)
    assert found["measurements"] == 14 + 1
    assert found["reduced"]["compared"]["effect"] == pytest.approx(1.0)


def test_the_map_of_planted_has_the_truth_in_it(tmp_path, capsys, same_seeds):
    problem = evolve.load_problem("planted", sd=0.5, pair_corr=0.5)
    point = dict(zip(range(8), (1.0, 1.4, 1.0, 0.8, 1.3, 1.0, 1.0, 1.2), strict=True))
    text = problem.initial_files["main.py"]
    head, tail = text.split("[", 1)
    numbers = tail.split("]", 1)[0].split(", ")
    new = ", ".join(str(point.get(i, number)) for i, number in enumerate(numbers))
    run, champion = run_with(problem, tmp_path / "run", {"main.py": f"{head}[{new}]{tail.split(']', 1)[1]}"})
    found = json.loads(said(capsys, "ablate", run.path, champion, "--runs", 5, "--json")[0])["map"]

    def value(moved: Iterable[int]) -> float:
        best = [0.2 + 1.6 * ((i + 1) * 0.6180339887498949 % 1) for i in range(8)]  # as the problem's README and truth have it
        distance = sum(((point[i] if i in moved else 1.0) - best[i]) ** 2 for i in range(8))
        return 10.0 * (1 - distance / sum((1.0 - one) ** 2 for one in best))

    moved = [1, 3, 4, 7]
    assert [part(one) for one in sorted(found["contributions"], key=part)] == [f"POINT[{i}]" for i in moved]
    for one in found["contributions"]:
        i = int(part(one).strip("POINT[]"))
        for key, true in (("left_out", value(moved) - value({*moved} - {i})), ("put_in", value([i]) - value([]))):
            assert one[key]["low"] <= true <= one[key]["high"]
        assert one["interaction"]["low"] <= 0 <= one["interaction"]["high"]
    assert found["whole"]["low"] <= value(moved) <= found["whole"]["high"]


def test_of_several_problems_one_is_named(tmp_path, capsys):
    first, second = (write_problem(tmp_path / name, noisy=False) for name in ("parts", "others"))
    text = (second / "problem.yaml").read_text()
    (second / "problem.yaml").write_text(text.replace("name: parts", "name: others"))
    run = evolve.create_run([first, second], out=tmp_path / "run", sandbox="none", slots=1, policy="fixed_candidates")
    run.optimize()
    told = run.of("others").tell(run.of("others").ask(), {"main.py": CHAMPION})
    assert told.candidate is not None
    _, err = said(capsys, "ablate", run.path, "initial", code=2)
    assert "has 2 problems" in err
    found = json.loads(said(capsys, "ablate", run.path, told.candidate, "--problem", "others", "--json")[0])
    assert found["map"]["problem"] == "others"
    assert evolve.open_run(run.path).of("others").candidate(found["proposed"]["candidate"]).parents == (told.candidate,)


def test_what_the_program_fails_without_is_needed(tmp_path, capsys):
    before = "import os\nVALUES = [0, 0, 0, 0, 0]\nN = 5\n\n\ndef parts():\n    return VALUES[:5]\n"
    after = "import os\nVALUES = [1, 0, 0, 0]\nN = 4\n\n\ndef parts():\n    return (VALUES + [0] * 5)[:5]\n"
    problem = write_problem(tmp_path / "parts", noisy=False, initial={"main.py": before})
    run, champion = run_with(problem, tmp_path / "run", {"main.py": after})
    out, _ = said(capsys, "ablate", run.path, champion)
    found = json.loads((run.path / "ablation" / champion / "table.json").read_text())["map"]["contributions"]
    first = found[0]
    assert (first["verdict"], first["left_out"]) == ("needed", None)
    assert "crash" in first["without_failed"]
    assert f"{first['name']} is needed: without it crash" in out
    assert any("crash" in one["alone_failed"] for one in found)


# ------------------------------------------------------------------------------------------------ limits


def test_a_budget_that_is_short_gives_all_programs_fewer_seeds(noisy, capsys, tmp_path):
    _, err = said(capsys, "ablate", noisy[0], noisy[1], "--runs", 9, "budget.evaluations=60", "--out", tmp_path / "map")
    found = json.loads((tmp_path / "map" / "table.json").read_text())["map"]
    assert len(found["seeds"]) == 4
    assert found["measurements"] <= 60
    assert "no room for 9 seeds" in err


def test_what_was_interrupted_goes_on_when_the_same_is_typed_again(noisy, capsys, tmp_path, monkeypatch):
    def keep(self, result):
        add(self, result)
        if len(self.results) == 20:
            raise KeyboardInterrupt

    words = ("ablate", noisy[0], noisy[1], "--runs", 3, "--out", tmp_path / "map")
    with monkeypatch.context() as patch:
        add = Kept.add
        patch.setattr(Kept, "add", keep)
        said(capsys, *words, code=130)
    assert not (tmp_path / "map" / "table.json").exists()
    first = (tmp_path / "map" / "measured.part").read_text().splitlines()
    _, err = said(capsys, *words)
    assert "going on with 20 measurements that were made before" in err
    kept = (tmp_path / "map" / "measured.jsonl").read_text().splitlines()
    assert kept[:21] == first
    assert len(kept) == 1 + 3 * 14
    _, err = said(capsys, *words)
    assert "going on" not in err


def test_without_runs_there_are_as_many_seeds_as_show_one_standard_deviation(noisy, capsys, tmp_path):
    _, err = said(capsys, "ablate", noisy[0], noisy[1], "budget.evaluations=42", "--out", tmp_path / "map")
    assert "on 3 seeds each" in err


@pytest.mark.parametrize(("words", "message"), [
    (["ID", "budget.evaluations=41"], "expected budget.evaluations of at least 42, for 5 changes on 3 seeds each, found 41"),
    (["ID", "--runs", "2"], "--runs must be at least 3 on a noisy problem, found 2"),
    (["ID", "--runs", "x"], "--runs takes a whole number from 1, found 'x'"),
    (["ID", "--most", "1"], "--most takes a whole number from 2, found '1'"),
    (["initial"], "found no difference: there is nothing to take apart"),
    (["nobody"], "has no candidate 'nobody'"),
    (["ID", "other"], "expected one candidate, found 2 words"),
    (["ID", "budget.usd=3"], "an ablation is limited by budget.evaluations and budget.wall_s, found budget.usd"),
    (["ID", "budget.wal_s=3"], "did you mean budget.wall_s?"),
    (["ID", "search.seed=3"], "a run keeps its configuration"),
])  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(noisy, capsys, words, message):
    _, err = said(capsys, "ablate", noisy[0], *(noisy[1] if word == "ID" else word for word in words), code=2)
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_folder_without_a_run_is_refused(capsys, tmp_path):
    assert "expected a run's folder" in said(capsys, "ablate", tmp_path, code=2)[1]


def test_a_program_with_one_change_is_refused(tmp_path, capsys):
    run, champion = run_with(
        write_problem(tmp_path / "parts"), tmp_path / "run", {"main.py": INITIAL.replace("A = 0.0", "A = 1.0")}
    )
    _, err = said(capsys, "ablate", run.path, champion, code=2)
    assert "found one only (main.py:1 A 0.0 -> 1.0)" in err


def test_a_problem_that_was_changed_since_is_refused(noisy, capsys, tmp_path):
    run = Path(shutil.copytree(noisy[0], tmp_path / "run"))
    file = run / "problem" / "evaluate.py"
    file.write_text(file.read_text() + "\n# other\n")
    _, err = said(capsys, "ablate", run, noisy[1], "--runs", 3, code=2)
    assert "not what this run's results were graded with" in err
    assert not (run / "ablation" / noisy[1] / "table.json").exists() or (run / "ablation").stat().st_mtime < file.stat().st_mtime


def test_a_run_without_room_says_how_to_hand_the_reduced_program_in(tmp_path, capsys):
    run, champion = run_with(write_problem(tmp_path / "parts", noisy=False), tmp_path / "run", {"main.py": CHAMPION}, evaluations=2)
    out, _ = said(capsys, "ablate", run.path, champion)
    assert "the run did not take it" in out
    assert "evolve ask" in out
    assert "evolve tell" in out
