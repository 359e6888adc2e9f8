"""When an improvement is real: noise, evidence that may be looked at any time, vaults of fresh seeds, claims.  Pure."""

from evolve.confirm._contest import FRESH, PROVEN, REPEATED, Contest, Known, ranked
from evolve.confirm._docket import Docket, Ruling, Wanted, make_vault
from evolve.confirm._evidence import (
    BAR_CHAMPION,
    BAR_CLAIM,
    Runs,
    e_value_of,
    futile,
    log_e_not_worse,
    log_e_value,
    shrunk_variance,
)
from evolve.confirm._noise import MIN_DF, Noise, describe_noise, pair_correlation, resolvable
from evolve.confirm._rules import beats_target, beats_target_any_time
from evolve.confirm._vault import SIZES, Effect, Sizes, Vault, choose_sizes, estimate, gate, holds_by, power

__all__ = [
    "BAR_CHAMPION",
    "BAR_CLAIM",
    "FRESH",
    "MIN_DF",
    "PROVEN",
    "REPEATED",
    "SIZES",
    "Contest",
    "Docket",
    "Effect",
    "Known",
    "Noise",
    "Ruling",
    "Runs",
    "Sizes",
    "Vault",
    "Wanted",
    "beats_target",
    "beats_target_any_time",
    "choose_sizes",
    "describe_noise",
    "e_value_of",
    "estimate",
    "futile",
    "gate",
    "holds_by",
    "log_e_not_worse",
    "log_e_value",
    "make_vault",
    "pair_correlation",
    "power",
    "ranked",
    "resolvable",
    "shrunk_variance",
]
