"""When an improvement is real: evidence that may be looked at any time, vaults of fresh seeds, claims.  Pure.

How scores scatter and drift lies in ``noise``.
"""

from evolve.confirm._champion import FIRST_CHAMPION_RUNS, MIN_RUNS_CHAMPION, MIN_RUNS_CLAIM, CandidateStats, ChampionTest, rank
from evolve.confirm._confirmations import Confirmations, Decision, RunRequest, Verdict, decide_by_test, make_confirmation
from evolve.confirm._evidence import (
    E_CHAMPION,
    E_CLAIM,
    MAX_RUNS,
    WORTH_SD,
    SampleStats,
    e_value_of,
    futile,
    log_e_not_worse,
    log_e_value,
    shrunk_variance,
)
from evolve.confirm._holdout import (
    LEVEL,
    SIZES,
    Confirmation,
    Effect,
    Gap,
    Sizes,
    benjamini_yekutieli,
    choose_sizes,
    compared,
    estimate,
    interval,
    median_gap,
    power,
    upper_tail,
    welch_p_value,
)
from evolve.confirm._lasting import Comparison, fading, lasting
from evolve.confirm._target import beats_target, beats_target_any_time
from evolve.confirm.noise._age import Trend, trend
from evolve.confirm.noise._noise import MIN_DF, Noise, describe_noise, pair_correlation, resolvable
from evolve.confirm.noise._panel import GUESTS, Panel, panel_size
from evolve.confirm.noise._rare import Pool, Tails, margin, pool, runs_needed, tails
from evolve.confirm.noise._repeats import Repeats
from evolve.confirm.noise._slow import Cell, Memory, memory

__all__ = [
    "E_CHAMPION",
    "E_CLAIM",
    "FIRST_CHAMPION_RUNS",
    "GUESTS",
    "LEVEL",
    "MAX_RUNS",
    "MIN_DF",
    "MIN_RUNS_CHAMPION",
    "MIN_RUNS_CLAIM",
    "SIZES",
    "WORTH_SD",
    "CandidateStats",
    "Cell",
    "ChampionTest",
    "Comparison",
    "Confirmation",
    "Confirmations",
    "Decision",
    "Effect",
    "Gap",
    "Memory",
    "Noise",
    "Panel",
    "Pool",
    "Repeats",
    "RunRequest",
    "SampleStats",
    "Sizes",
    "Tails",
    "Trend",
    "Verdict",
    "beats_target",
    "beats_target_any_time",
    "benjamini_yekutieli",
    "choose_sizes",
    "compared",
    "decide_by_test",
    "describe_noise",
    "e_value_of",
    "estimate",
    "fading",
    "futile",
    "interval",
    "lasting",
    "log_e_not_worse",
    "log_e_value",
    "make_confirmation",
    "margin",
    "median_gap",
    "memory",
    "pair_correlation",
    "panel_size",
    "pool",
    "power",
    "rank",
    "resolvable",
    "runs_needed",
    "shrunk_variance",
    "tails",
    "trend",
    "upper_tail",
    "welch_p_value",
]
