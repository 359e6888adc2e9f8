"""Seeds of measurements derive from a run's secret, so that nobody who knows the rest foresees them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from archive import Measured, Purpose, RunCreated, read_journal
from evolve.engine._session import resume, start
from evolve.search._rng import measurement_seed


def records(summary, kind):
    return [stamped.record for stamped in read_journal(Path(summary.run)) if isinstance(stamped.record, kind)]


def foreseen(summary):
    """Seeds of measurements that who knows all but the secret would name."""
    ids = {record.result.candidate for record in records(summary, Measured)}
    key = records(summary, RunCreated)[0].seed
    return {measurement_seed(key, id_, stream, i) for id_ in ids for stream in ("search", "final") for i in range(40)}


def test_nobody_who_knows_the_programs_and_the_seed_foresees_a_measurement(plain):
    summary = start(plain(noisy=True, evaluations=40))
    seeds = {record.result.seed for record in records(summary, Measured)}
    assert len(bytes.fromhex(records(summary, RunCreated)[0].secret)) == 32
    assert not seeds & foreseen(summary)


def test_a_secret_that_is_given_fixes_the_measurement_seeds(plain):
    config = plain(noisy=True, evaluations=8)
    runs = [start(replace(config, out=f"{config.out}-{i}"), secret=secret) for i, secret in enumerate(("ab" * 32, "ab" * 32, None))]
    one, two, other = ({r.result.seed for r in records(run, Measured) if r.purpose is Purpose.INITIAL} for run in runs)
    assert len(one) == 5
    assert one == two
    assert one.isdisjoint(other)


def test_a_resumed_run_goes_on_with_its_secret(plain):
    first = start(plain(noisy=True, evaluations=20))
    second = resume(Path(first.run), {"evaluations": 30})
    secret = records(second, RunCreated)[0].secret
    ids = {r.result.candidate for r in records(second, Measured)}
    known = {measurement_seed(secret, id_, stream, i) for id_ in ids for stream in ("search", "final") for i in range(60)}
    assert {r.result.seed for r in records(second, Measured) if r.purpose is not Purpose.VAULT} <= known


def test_a_run_of_before_there_were_secrets_derives_its_seeds_as_then(plain):
    summary = start(plain(noisy=True, evaluations=12), secret="")
    assert {record.result.seed for record in records(summary, Measured)} <= foreseen(summary)
    assert resume(Path(summary.run), {"evaluations": 40}).measurements > summary.measurements  # 16 may all be set aside
