"""What is read of the records of journals: which fields of which kinds, into one table a kind in the schema ``raw``."""

from __future__ import annotations

_HEAD = {"run_no": "INTEGER", "seq": "BIGINT", "at": "DOUBLE"}
_MIGRATION = "STRUCT(candidate VARCHAR, source INTEGER, target INTEGER)"
_CALL = {**_HEAD, "attempt": "STRUCT(epoch VARCHAR, ticket BIGINT, n BIGINT)"}
_ATTEMPT = {**_CALL, "problem": "VARCHAR"}
_NUMBERS = "MAP(VARCHAR, DOUBLE)"

RAW: dict[str, dict[str, str]] = {
    "run_created": {
        **_HEAD,
        "run": "VARCHAR",
        "seed": "BIGINT",
        "config": "VARCHAR",
        "engine": "VARCHAR",
        "problems": 'STRUCT(id VARCHAR, "name" VARCHAR, evaluator VARCHAR, metric VARCHAR, maximize BOOLEAN, unit VARCHAR, '
        "noisy BOOLEAN, frame VARCHAR, stages VARCHAR[], axes JSON, params JSON)[]",
    },
    "opened": {**_HEAD, "epoch": "VARCHAR", "engine": "VARCHAR", "machine": "VARCHAR", "tier": "VARCHAR", "slots": "INTEGER"},
    "slots_changed": {**_HEAD, "slots": "INTEGER"},
    "hardware_seen": {**_HEAD, "id": "VARCHAR", "hardware": "STRUCT(cpu VARCHAR, card VARCHAR, driver VARCHAR, clocks VARCHAR)"},
    "nodes_unfit": {**_HEAD, "nodes": "MAP(VARCHAR, VARCHAR)"},
    "propose_issued": {
        **_ATTEMPT,
        "arm": 'STRUCT("operator" VARCHAR, "model" VARCHAR, "format" VARCHAR)',
        "parents": "VARCHAR[]",
        "island": "INTEGER",
        "selector": "VARCHAR",
    },
    "proposed": {
        **_ATTEMPT,
        "status": "VARCHAR",
        "candidate": 'STRUCT(id VARCHAR, code_hash VARCHAR, "text" STRUCT(n_bytes BIGINT), parents VARCHAR[], generation INTEGER, '
        f"island INTEGER, descriptors {_NUMBERS}, summary VARCHAR, hypothesis VARCHAR, expected VARCHAR, plan VARCHAR)",
        "duplicate_of": "VARCHAR",
        "reason": "VARCHAR",
        "cpu_s": "DOUBLE",
        "usd": "DOUBLE",
        "outcome": "VARCHAR",
    },
    "measure_issued": {**_ATTEMPT, "purpose": "VARCHAR", "entries": "STRUCT(candidate VARCHAR)[]"},
    "measured": {
        **_ATTEMPT,
        "index": "INTEGER",
        "purpose": "VARCHAR",
        "result": "STRUCT(candidate VARCHAR, stage VARCHAR, seed BIGINT, status VARCHAR, score DOUBLE, reason VARCHAR, "
        f"metrics {_NUMBERS}, descriptors {_NUMBERS}, feedback VARCHAR, output_hash VARCHAR, "
        '"start" VARCHAR, tier VARCHAR, machine VARCHAR, hardware VARCHAR, '
        "wall_s DOUBLE, cpu_s DOUBLE, scorer_cpu_s DOUBLE, memory_mib DOUBLE, signals VARCHAR[], evaluator VARCHAR)",
    },
    "block_closed": {**_ATTEMPT, "status": "VARCHAR", "reason": "VARCHAR", "drift": "DOUBLE"},
    "late_result": {**_ATTEMPT, "what": "VARCHAR"},
    "placed": {
        **_HEAD,
        "problem": "VARCHAR",
        "island": "INTEGER",
        "space": "INTEGER",
        "cell": "BIGINT",
        "rank": "INTEGER",
        "candidate": "VARCHAR",
        "mean": "DOUBLE",
        "sd": "DOUBLE",
    },
    "rebinned": {**_HEAD, "problem": "VARCHAR", "space": "INTEGER", "why": "VARCHAR", "returned": "VARCHAR[]"},
    "migrated": {**_HEAD, "problem": "VARCHAR", "moves": f"{_MIGRATION}[]"},
    "islands_reset": {
        **_HEAD,
        "problem": "VARCHAR",
        "islands": "INTEGER[]",
        "founders": f"{_MIGRATION}[]",
        "why": "VARCHAR",
    },
    "champion": {**_HEAD, "problem": "VARCHAR", "candidate": "VARCHAR", "predecessor": "VARCHAR", "e_value": "DOUBLE"},
    "vault_opened": {**_HEAD, "vault": "BIGINT", "problem": "VARCHAR", "candidate": "VARCHAR", "reference": "VARCHAR"},
    "claim": {
        **_HEAD,
        "vault": "BIGINT",
        "problem": "VARCHAR",
        "candidate": "VARCHAR",
        "reference": "VARCHAR",
        "confirmed": "BOOLEAN",
        "p_value": "DOUBLE",
        "effect": "DOUBLE",
        "ci_low": "DOUBLE",
        "ci_high": "DOUBLE",
        "e_value": "DOUBLE",
        "reason": "VARCHAR",
    },
    "retraction": {**_HEAD, "problem": "VARCHAR", "candidate": "VARCHAR", "why": "VARCHAR"},
    "review_issued": {**_ATTEMPT, "candidate": "VARCHAR", "model": "VARCHAR"},
    "reviewed": {**_ATTEMPT, "candidate": "VARCHAR", "verdict": "VARCHAR", "line": "VARCHAR", "reason": "VARCHAR"},
    "call_reserved": {
        **_CALL,
        "call": "INTEGER",
        "provider": "VARCHAR",
        "model": "VARCHAR",
        "price": "VARCHAR",
        "worst_usd": "DOUBLE",
        "worst_tokens": "BIGINT",
    },
    "call_settled": {
        **_CALL,
        "call": "INTEGER",
        "outcome": "VARCHAR",
        "usd": "DOUBLE",
        "tokens_in": "BIGINT",
        "tokens_out": "BIGINT",
        "tokens_cached": "BIGINT",
        "wall_s": "DOUBLE",
        "reason": "VARCHAR",
        "tokens_assumed": "BIGINT",
        "usd_assumed": "DOUBLE",
    },
    "requested": {**_HEAD, "verb": "VARCHAR", "accepted": "BOOLEAN"},
    "budget_set": {
        **_HEAD,
        "wall_s": "DOUBLE",
        "cpu_s": "DOUBLE",
        "evaluations": "BIGINT",
        "candidates": "BIGINT",
        "usd": "DOUBLE",
        "tokens": "BIGINT",
        "calls": "BIGINT",
        "problem": "VARCHAR",
    },
    "stop_asked": {**_HEAD, "reason": "VARCHAR"},
    "note": {**_HEAD, "text": "VARCHAR", "author": "VARCHAR"},
    "event": {**_HEAD, "level": "VARCHAR", "what": "VARCHAR", "text": "VARCHAR", "problem": "VARCHAR"},
    "closed": {**_HEAD, "epoch": "VARCHAR", "status": "VARCHAR", "reason": "VARCHAR"},
}
