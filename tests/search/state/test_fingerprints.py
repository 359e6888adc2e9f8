"""Who ignores the seed that it is given, and who never sees one."""

from evolve.search.state._fingerprints import SeedFingerprint, seed_insensitive


def runs(*told: tuple[float, str, str]) -> list[SeedFingerprint]:
    """Runs on the seeds 0, 1, ... as score, output and answer to a probe."""
    return [SeedFingerprint(seed, score, output, probe) for seed, (score, output, probe) in enumerate(told)]


def rejected(initial: list[SeedFingerprint], candidate: list[SeedFingerprint]) -> bool:
    *before, now = candidate
    return seed_insensitive(initial, before, now)


def test_equal_outputs_and_scores_give_away_who_ignores_a_seed_that_shows_in_outputs():
    initial = runs((1.0, "a", ""), (1.1, "b", ""))
    assert rejected(initial, runs((2.0, "x", ""), (2.0, "x", "")))
    assert not rejected(initial, runs((2.0, "x", ""), (2.1, "x", "")))
    assert not rejected(initial, runs((2.0, "x", ""), (2.0, "y", "")))


def test_where_the_noise_is_the_evaluators_alone_equal_scores_are_no_proof():
    """No output depends on the seed, and a bound or rounding swallows the noise of the scores."""
    initial = runs((1.0, "a", ""), (1.1, "a", ""), (0.9, "a", ""))
    assert not rejected(initial, runs((7.0, "x", ""), (7.0, "x", "")))
    assert not rejected(initial, runs((1e300, "x", ""), (1e300, "x", "")))


def test_an_equal_answer_to_a_probe_gives_it_away_whatever_outputs_and_scores_are():
    initial = runs((1.0, "a", "p"), (1.1, "a", "q"))
    assert rejected(initial, runs((2.0, "x", "r"), (2.1, "y", "r")))
    assert not rejected(initial, runs((2.0, "x", "r"), (2.0, "x", "s")))
    assert not rejected(runs((1.0, "a", "p"), (1.1, "a", "p")), runs((2.0, "x", "r"), (2.1, "y", "r")))


def test_the_same_seed_twice_and_a_single_run_say_nothing():
    again = SeedFingerprint(0, 2.0, "x", "r")
    assert not seed_insensitive(runs((1.0, "a", "p"), (1.1, "b", "q")), [again], again)
    assert not rejected(runs((1.0, "a", "p")), runs((2.0, "x", "r"), (2.0, "x", "r")))
    assert not rejected([again, again], runs((2.0, "x", "r"), (2.0, "x", "r")))
