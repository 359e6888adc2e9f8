"""The pages that say how the search decides and what that is called elsewhere: their keys exist, their numbers are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evolve.config._compose import known_keys
from evolve.engine.registry._registry import OPERATORS
from evolve.problem.contract._keys import AXIS, GATE, STAGE, TOP
from evolve.search.policy import _changes, _earned, _portfolio
from evolve.search.policy._policies import POLICIES
from evolve.search.state import _climbs, _state, _tuner_course
from evolve.select import _bandit

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / name).read_text(encoding="utf-8") for name in ("search.md", "reference/peers.md")}
CODE = re.compile(r"`([^`\n]+)`")
SECTION = r"search|llm|budget|stop|executor|sandbox"


@pytest.mark.parametrize("page", PAGES)
def test_every_key_that_a_page_names_exists(page: str) -> None:
    named = {text.partition("=")[0] for text in CODE.findall(PAGES[page]) if re.match(rf"(?:{SECTION})\.\w", text)}
    assert len(named) >= 6
    assert named - set(known_keys()) == set()


def test_every_key_of_a_problem_that_the_page_names_exists() -> None:
    named = {text.partition(":")[0] for text in CODE.findall(PAGES["reference/peers.md"]) if re.match(r"\w+:( |$)", text)}
    assert len(named) >= 6
    assert named - {*TOP, *STAGE, *AXIS, *GATE} == set()


def test_the_operators_and_policies_that_the_pages_name_are_there_and_all_of_them() -> None:
    rows = PAGES["search.md"].partition("| operator | works on |")[2].partition("\n\n")[0]
    assert {text for text in CODE.findall(rows) if "." not in text} == set(OPERATORS)
    (row,) = [line for line in PAGES["reference/peers.md"].splitlines() if line.startswith("| best-of-n")]
    assert set(CODE.findall(row)) - {"search.policy"} == set(POLICIES) - {"auto", "map_elites", "fixed_candidates"}


def test_the_page_says_the_numbers_of_the_code() -> None:
    page = " ".join(PAGES["search.md"].split())
    main, *others = _climbs._PRIORS
    assert {round(main / other, 1) for other in others} == {6.7}
    for said in (
        f"among the last {_bandit.RECENT_GAINS} gains",
        f"{_earned._FOR_MODELS:.0%} go to models".replace("%", " %"),
        f"less than {1000 * _earned._QUICK_S:.0f} ms",
        f"falls below {_state._EARNED_FLOOR:.0%}".replace("%", " %"),
        f"(discount {_climbs._DISCOUNT}, no way below {_climbs._FLOOR:.1%})".replace("%", " %"),
        f"After {_climbs._GRANT} children without a gain",
        ", ".join(map(str, map(_climbs.luby, range(1, 8)))),
        "a tournament of four elites",
        "expected to earn 6.7 times as much",
        "counts as much as six gains",
        f"gains less than {_changes._GOES_ON} of",
    ):
        assert said in page, said
    assert (_portfolio._TOURNAMENT, _bandit._PRIOR_GAINS, _portfolio._FROM_INITIAL, _climbs._MOST_KICKS) == (4, 6.0, 0.1, 3)
    assert (_earned._LENT_BESIDE_MODELS, _earned._KEPT_AT_REST, _tuner_course._LEAST) == (0.1, 0.25, 1e-3)


@pytest.mark.parametrize("page", PAGES)
def test_its_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", PAGES[page])
    assert [link for link in links if not link.startswith("http") and not (DOCS / page).parent.joinpath(link).exists()] == []


def test_how_the_search_decides_takes_two_pages() -> None:
    body, sources, _ = PAGES["search.md"].partition("## Sources")
    assert sources
    assert len(body.split()) <= 1200
