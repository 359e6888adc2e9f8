"""Scores a packing: repaired by at most 1e-6 a disc, then checked exactly, with no tolerance.

Linear programs and optimisers end within about 1e-7 of the constraints, on either side.  So radii that break one by at most
``REPAIRABLE`` are shrunk until nothing overlaps; what breaks one by more is a wrong packing.  The repaired packing is the
artifact, and its sum of radii is the score: shrinking only ever costs.

"Exactly" means: in integers.  Every float64 is a whole multiple of 2**-1074, so after scaling by 2**1074 every comparison
below is one of whole numbers.  Only pairs that come close are compared that way; the distance of the others is computed in
floats with a relative error under 1e-15, far below ``CLOSE``.
"""

import io
import math
from dataclasses import dataclass

import numpy as np

from evolve import Array, Outcome, Status, Trial

REPAIRABLE = 1e-6
CLOSE = 1e-9  # slack below which a pair is looked at exactly
CONTACT = 1e-6  # slack below which discs are said to touch
SCALE = 1 << 1074


def evaluate(trial: Trial) -> Outcome:
    n = trial.params["n"]
    reply = trial.sandbox.call("main.py:pack", {"n": n}, {"centres": Array("float64", (n, 2)), "radii": Array("float64", (n,))})
    if not reply.ok:
        return reply.outcome()
    return judge(reply.value["centres"], reply.value["radii"])


def judge(centres: np.ndarray, radii: np.ndarray) -> Outcome:
    """The outcome of a packing: centres (n, 2) and radii (n,), float64, of any values."""
    if fault := find_wild(centres, radii):
        return Outcome.fail(Status.CHECKS_FAILED, fault)
    pairs = Pairs.of(centres)
    if fault := find_fault(pairs, centres, radii):
        return Outcome.fail(Status.CHECKS_FAILED, fault)
    repaired = repair(pairs, centres, radii)
    if fault := find_exact_fault(pairs, centres, repaired):
        return Outcome.fail(Status.CHECKS_FAILED, fault)
    score = math.fsum(repaired)
    contacts = Contacts.of(pairs, centres, repaired)
    return Outcome(
        score=score,
        metrics={"contacts": float(contacts.degree.sum() - contacts.pairs), "repaired": math.fsum(radii - repaired)},
        descriptors={
            "wall_share": float(contacts.on_wall.mean()),
            "radius_spread": float(repaired.std() / repaired.mean()) if repaired.mean() > 0 else 0.0,  # the mean of tiny ones is 0
        },
        feedback=describe(contacts, centres, repaired, score),
        artifacts={"packing": as_npy(np.column_stack([centres, repaired]))},
    )


@dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs of discs: indices first < second, the distance of their centres, and the centres in whole numbers."""

    first: np.ndarray
    second: np.ndarray
    distance: np.ndarray
    exact: list[tuple[int, int]]

    @classmethod
    def of(cls, centres):
        first, second = np.triu_indices(len(centres), 1)
        across = centres[first] - centres[second]
        return cls(first, second, np.hypot(across[:, 0], across[:, 1]), [(whole(x), whole(y)) for x, y in centres.tolist()])

    def slack(self, radii):
        """The gap between the discs of each pair; negative where they overlap."""
        return self.distance - radii[self.first] - radii[self.second]

    def close(self, radii):
        """The pairs whose discs overlap, touch, or nearly do."""
        near = self.slack(radii) < CLOSE
        return zip(self.first[near].tolist(), self.second[near].tolist(), strict=True)

    def overlap(self, i, j, r, s):
        """Whether discs i and j, of radii r and s, overlap, decided in whole numbers.  Discs that touch do not."""
        (x, y), (u, v) = self.exact[i], self.exact[j]
        return (x - u) ** 2 + (y - v) ** 2 < (whole(r) + whole(s)) ** 2


@dataclass(frozen=True, slots=True)
class Contacts:
    """What touches: whether each disc touches a wall, how many walls and discs each touches, how many pairs touch."""

    on_wall: np.ndarray
    degree: np.ndarray
    pairs: int

    @classmethod
    def of(cls, pairs, centres, radii):
        walls = wall_slack(centres, radii) < CONTACT
        touch = pairs.slack(radii) < CONTACT
        ends = np.concatenate([pairs.first[touch], pairs.second[touch]])
        return cls(walls.any(axis=1), walls.sum(axis=1) + np.bincount(ends, minlength=len(radii)), int(touch.sum()))


def find_wild(centres, radii):
    """Whether some number is none, or so large that the sums below would overflow."""
    if not (np.isfinite(centres).all() and np.isfinite(radii).all()):
        return "a centre or radius is NaN or infinite; return finite numbers"
    if (radii < 0).any():
        return f"disc {radii.argmin()} has the negative radius {radii.min():.3g}; radii are at least 0"
    far = np.maximum(np.abs(centres).max(axis=1), radii)
    if far.max() > 2:
        return f"disc {far.argmax()} lies outside the unit square; keep r <= x, y <= 1 - r"
    return ""


def find_fault(pairs, centres, radii):
    """Why this is no packing, beyond repair; "" where it is one within ``REPAIRABLE``."""
    outside = -wall_slack(centres, radii).min(axis=1)
    if outside.max() > REPAIRABLE:
        return f"disc {outside.argmax()} reaches {outside.max():.3g} past a wall of the square; keep r <= x, y <= 1 - r"
    slack = pairs.slack(radii)
    if slack.min() < -REPAIRABLE:
        i, j = pairs.first[slack.argmin()], pairs.second[slack.argmin()]
        return f"discs {i} and {j} overlap by {-slack.min():.3g}; keep the sum of two radii within the distance of their centres"
    return ""


def repair(pairs, centres, radii):
    """Radii shrunk until no disc passes a wall and no two overlap, exactly.  Each pair's excess is shared in halves."""
    radii = np.clip(np.minimum(centres, 1.0 - centres).min(axis=1), 0.0, radii)
    r = radii.tolist()
    for i, j in pairs.close(radii):
        step = (r[i] + r[j] - math.dist(centres[i], centres[j])) / 2
        while pairs.overlap(i, j, r[i], r[j]) and max(r[i], r[j]) > 0:
            step = max(step, math.ulp(1.0) / 8)
            r[i], r[j] = max(r[i] - step, 0.0), max(r[j] - step, 0.0)
            step *= 2
    return np.array(r)


def find_exact_fault(pairs, centres, radii):
    """The first fault of a packing, decided in whole numbers, or ""."""
    r = radii.tolist()
    for i, (x, y) in enumerate(pairs.exact):
        if not (0 <= whole(r[i]) <= min(x, y) and max(x, y) + whole(r[i]) <= SCALE):
            return f"disc {i} is not inside the unit square"
    for i, j in pairs.close(radii):
        if pairs.overlap(i, j, r[i], r[j]):
            return f"discs {i} and {j} overlap"
    return ""


def whole(x):
    """A float64 times 2**1074: a whole number, without rounding."""
    numerator, denominator = x.as_integer_ratio()
    return numerator * (SCALE // denominator)


def wall_slack(centres, radii):
    """(n, 4): how far each disc is from the left, lower, right and upper wall; negative past it."""
    return np.concatenate([centres, 1.0 - centres], axis=1) - radii[:, None]


def describe(contacts, centres, radii, score):
    """What binds, for whoever makes the next packing."""
    small = ", ".join(f"{i} (r {radii[i]:.4f} at {centres[i][0]:.3f}, {centres[i][1]:.3f})" for i in radii.argsort()[:3])
    lines = [
        f"Sum of radii {score:.10f}. {contacts.on_wall.sum()} of {len(radii)} discs touch a wall; {contacts.pairs} pairs touch.",
        f"Smallest discs: {small}.",
    ]
    loose = np.flatnonzero(contacts.degree < 3)
    if len(loose):
        lines.append(f"Discs with fewer than three contacts, which could move and grow: {', '.join(map(str, loose[:10]))}.")
    else:
        lines.append("Every disc has at least three contacts: small moves alone will gain little.")
    return "\n".join(lines)


def as_npy(array):
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array, dtype="<f8"), allow_pickle=False)
    return buffer.getvalue()
