"""The tables of a query, as SQL: how each is made from what ``_raw`` reads of the records of one or many journals.

``VIEWS`` are what people see.  Fields that were left out of a line because they equal their default come back as NULL and are
filled in here.  Everything is keyed by ``run_no``, the journal's place in the list that was opened; people see ``run``.

``candidates`` holds the formulas of ``archive.elites._posterior``; a test keeps the two equal.
"""

from __future__ import annotations

from archive._floats import LARGEST, TAME
from archive.elites._noise import FEW, TAIL, WILD
from archive.elites._posterior import WILD_UNIT
from archive.records._records import TRUSTED_DRIFT

_RUNS = """
SELECT f.run, f.folder, c.seed, coalesce(c.engine, '') AS engine, c."at" AS created_s, l.last_s,
    coalesce(o.openings, 0) AS openings, coalesce(o.machine, '') AS machine, coalesce(o.tier, '') AS tier,
    coalesce(o.slots, 1) AS slots,
    CASE WHEN d.seq > o.seq THEN d.status ELSE 'open' END AS status,
    CASE WHEN d.seq > o.seq THEN coalesce(d.reason, '') ELSE '' END AS reason, c.config
FROM raw.run_created c JOIN raw.runs f USING (run_no) JOIN raw.ends l USING (run_no)
LEFT JOIN (SELECT run_no, count(*) AS openings, max(seq) AS seq, arg_max_null(machine, seq) AS machine,
    arg_max_null(tier, seq) AS tier, arg_max_null(slots, seq) AS slots FROM raw.opened GROUP BY run_no) o USING (run_no)
LEFT JOIN (SELECT run_no, max(seq) AS seq, arg_max(status, seq) AS status, arg_max_null(reason, seq) AS reason
    FROM raw.closed GROUP BY run_no) d USING (run_no)
ORDER BY run_no"""

_PROBLEMS = """
SELECT f.run, p.id AS problem, p.name, p.metric, p.maximize, p.unit, p.noisy, p.frame, p.evaluator, p.stages, p.axes, p.params
FROM (SELECT run_no, unnest(problems) AS p FROM raw.run_created) JOIN raw.runs f USING (run_no) ORDER BY run_no, problem"""

# As ``Hardware`` says it of itself; a test keeps the two equal.
_HARDWARE = """
    SELECT run_no, id, min(seq) AS seq, min("at") AS "at", any_value(coalesce(nullif(hardware.cpu, ''), 'an unknown CPU')
        || coalesce(', ' || nullif(hardware.card, '') || coalesce(' (' || nullif(concat_ws(', ',
        'driver ' || nullif(hardware.driver, ''), 'clocks ' || nullif(hardware.clocks, '') || ' MHz'), '') || ')', ''), '')) AS told
    FROM raw.hardware_seen GROUP BY run_no, id"""

MEASUREMENTS = f"""
SELECT f.run, m.problem, m.result.candidate AS candidate, m.result.stage AS stage, m.result.seed AS seed, m.result.status AS status,
    m.result.score AS score, coalesce(m.result.reason, '') AS reason, m.purpose, m.attempt.ticket AS ticket, m."index",
    NOT coalesce(v.void, false) AS counted, coalesce(m.result.start, 'cold') AS start,
    coalesce(m.result.tier, '') AS tier, coalesce(m.result.machine, '') AS machine, coalesce(m.result.wall_s, 0) AS wall_s,
    coalesce(m.result.cpu_s, 0) AS cpu_s, coalesce(m.result.scorer_cpu_s, 0) AS scorer_cpu_s,
    coalesce(m.result.memory_mib, 0) AS memory_mib, m.result.metrics AS metrics, m.result.descriptors AS descriptors,
    coalesce(m.result.feedback, '') AS feedback, coalesce(m.result.output_hash, '') AS output_hash, m.seq, m."at" AS unix_s,
    coalesce(m.result.signals, []) AS signals, coalesce(m.result.evaluator, '') AS evaluator,
    coalesce(v.drift > {TRUSTED_DRIFT}, false) AS noisy_machine,
    coalesce(h.told, m.result.hardware, '') AS hardware, m.run_no
FROM raw.measured m JOIN raw.runs f USING (run_no) LEFT JOIN ({_HARDWARE}) h ON h.run_no = m.run_no AND h.id = m.result.hardware
LEFT JOIN (SELECT run_no, attempt.ticket AS ticket, attempt, bool_or(status = 'void') AS void, max(drift) AS drift
    FROM raw.block_closed WHERE status = 'void' OR drift > {TRUSTED_DRIFT} GROUP BY run_no, attempt) v
    ON v.run_no = m.run_no AND v.ticket = m.attempt.ticket AND v.attempt = m.attempt"""

# First scores, means and sums of squares a candidate and stage.  ``tame`` as ``archive._floats`` has it: squares stay numbers.
# Scores whose sum may not be one (of a deterministic problem; those of a noisy one are tame) are averaged after a division.
# ``wild`` is what ``PooledPosterior.as_measured`` tells people of a noisy problem's scores that are not tame.
_POSTERIORS = f"""
WITH problem AS (
    SELECT run_no, p.id AS problem, p.maximize, p.noisy, p.stages FROM (SELECT run_no, unnest(problems) AS p FROM raw.run_created)
), failed AS (
    SELECT run_no, problem, candidate, min(seq) AS seq, arg_min(status, seq) AS status FROM (
        SELECT run_no, problem, candidate, seq, status FROM raw.measurements
        WHERE counted AND status NOT IN ('ok', 'evaluator_error')
        UNION ALL SELECT run_no, problem, candidate, seq, 'rejected' FROM raw.retraction)
    GROUP BY run_no, problem, candidate
), scored AS (
    SELECT m.run_no, m.problem, m.candidate, m.stage, m.seq, greatest(-{TAME}, least({TAME}, m.score)) AS tame,
        CASE WHEN noisy THEN tame ELSE m.score END AS score, CASE WHEN noisy THEN m.score / {WILD_UNIT!r} END AS wild
    FROM raw.measurements m JOIN problem USING (run_no, problem) LEFT JOIN failed d USING (run_no, problem, candidate)
    WHERE m.counted AND m.status = 'ok' AND (d.seq IS NULL OR m.seq < d.seq)
), tally AS (
    SELECT run_no, problem, candidate, stage, count(*) AS n, var_pop(tame) * count(*) AS m2, arg_min(tame, seq) AS first,
        avg(CASE WHEN abs(score) > 1e290 THEN 0 ELSE score END)
            + avg(CASE WHEN abs(score) > 1e290 THEN score / 2 ** 64 ELSE 0 END) * 2 ** 64 AS mean,
        CASE WHEN max(abs(wild)) > {TAME / WILD_UNIT!r} THEN avg(wild) END AS wild_mean, stddev_samp(wild) AS wild_sd
    FROM scored GROUP BY run_no, problem, candidate, stage
), scatter AS (
    SELECT run_no, problem, candidate, stage, m2, m2 / (n - 1) / (1 - 2 / (9 * (n - 1))) ** 3 AS own,
        m2 / greatest(n - 1 + 2 * sqrt({TAIL} * (n - 1)) + 2 * {TAIL}, {WILD} * (n - 1)) AS excess
    FROM tally WHERE n > 1
), typical AS (
    SELECT run_no, problem, stage, median(own) AS typical, count(*) // {FEW} AS most FROM scatter GROUP BY run_no, problem, stage
), far AS (
    SELECT run_no, problem, candidate, stage, true AS far FROM scatter JOIN typical USING (run_no, problem, stage)
    WHERE excess > typical AND typical > 0
    QUALIFY row_number() OVER (PARTITION BY run_no, problem, stage ORDER BY excess DESC, candidate DESC) <= most
), noise AS (
    SELECT run_no, problem, stage, count(*) AS k, avg(first) AS m0, coalesce(var_samp(first), 0) AS v0,
        CASE WHEN any_value(noisy) THEN coalesce(sum(m2) FILTER (far IS NULL)
            / nullif(sum(n - 1) FILTER (far IS NULL), 0), 0) ELSE 0 END AS s2
    FROM tally JOIN problem USING (run_no, problem) LEFT JOIN far USING (run_no, problem, candidate, stage)
    GROUP BY run_no, problem, stage
), prior AS (
    SELECT *, greatest(v0 - s2, s2 / k) AS tau2 FROM noise
), posterior AS (
    SELECT t.*, CASE WHEN far AND s2 > 0 THEN m2 / (n - 1) ELSE s2 END AS v,
        CASE WHEN wild_mean IS NOT NULL THEN greatest(-{LARGEST!r}, least({LARGEST!r}, wild_mean * {WILD_UNIT!r}))
            WHEN v / n <= 0 OR k < 2 THEN mean WHEN tau2 / (tau2 + v / n) > 0.5 THEN mean - v / n / (tau2 + v / n) * (mean - m0)
            ELSE m0 + tau2 / (tau2 + v / n) * (mean - m0) END AS score,
        CASE WHEN wild_mean IS NOT NULL AND n > 1 THEN least({LARGEST!r}, wild_sd / sqrt(n) * {WILD_UNIT!r})
            WHEN v / n <= 0 THEN 0 WHEN k > 1 THEN sqrt(tau2 / (tau2 + v / n) * v / n) ELSE sqrt(v / n) END AS sd,
        list_position(stages, stage) AS stage_no, maximize
    FROM tally t JOIN prior USING (run_no, problem, stage) JOIN problem USING (run_no, problem)
    LEFT JOIN far USING (run_no, problem, candidate, stage)
)"""

_CANDIDATES = f"""
{_POSTERIORS}, top AS (
    SELECT run_no, problem, candidate, max(stage_no) AS stage_no FROM posterior GROUP BY run_no, problem, candidate
), seed AS (
    SELECT run_no, problem, arg_min(candidate.id, seq) AS seed_id FROM raw.proposed WHERE candidate IS NOT NULL
    GROUP BY run_no, problem
), base AS (
    SELECT p.run_no, p.problem, p.stage, p.score FROM posterior p JOIN seed USING (run_no, problem) WHERE p.candidate = seed_id
), issued AS (
    SELECT run_no, attempt.ticket AS ticket, any_value(arm) AS arm, any_value(island) AS island
    FROM raw.propose_issued GROUP BY run_no, attempt.ticket
), cost AS (
    SELECT run_no, problem, candidate, sum(cpu_s + scorer_cpu_s) AS cpu_s, count(*) FILTER (status = 'ok') AS n_ok
    FROM raw.measurements GROUP BY run_no, problem, candidate
), born AS (
    SELECT run_no, problem, candidate.id AS candidate, any_value(attempt.ticket ORDER BY seq) AS ticket,
        any_value(candidate ORDER BY seq) AS c, sum(coalesce(cpu_s, 0)) AS cpu_s, sum(coalesce(usd, 0)) AS usd, min(seq) AS seq,
        min("at") AS unix_s
    FROM raw.proposed WHERE candidate IS NOT NULL GROUP BY run_no, problem, candidate.id
)
SELECT f.run, b.problem, b.candidate AS id,
    coalesce(i.arm.operator, CASE WHEN b.candidate = s.seed_id THEN 'seed' ELSE 'external' END) AS "operator",
    coalesce(i.arm.model, '') AS model, coalesce(i.arm.format, '') AS format, coalesce(b.c.parents, []) AS parents,
    coalesce(i.island, b.c.island, 0) AS island,
    coalesce(d.status, CASE WHEN c.n_ok > 0 THEN 'ok' WHEN c.n_ok = 0 THEN 'evaluator_error' END) AS status,
    CASE WHEN d.status IS NULL THEN p.score END AS score,
    CASE WHEN d.status IS NULL AND p.score IS NOT NULL AND z.score IS NOT NULL THEN (CASE WHEN p.maximize THEN 1 ELSE -1 END)
        * greatest(-{LARGEST!r}, least({LARGEST!r}, p.score - z.score)) + 0.0 END AS gain,
    CASE WHEN d.status IS NULL THEN p.sd END AS sd, coalesce(p.n, 0) AS n, p.stage,
    b.usd AS cost_usd, b.cpu_s + coalesce(c.cpu_s, 0) AS cost_cpu_s, b.seq,
    coalesce(b.c.generation, 0) AS generation, coalesce(b.c.summary, '') AS summary, coalesce(b.c.hypothesis, '') AS hypothesis,
    coalesce(b.c.expected, '') AS expected, coalesce(b.c.plan, '') AS plan, b.c.descriptors AS descriptors,
    b.c.text.n_bytes AS n_bytes, b.c.code_hash AS code_hash, b.ticket, b.unix_s
FROM born b JOIN raw.runs f USING (run_no)
LEFT JOIN issued i USING (run_no, ticket)
LEFT JOIN seed s USING (run_no, problem)
LEFT JOIN failed d USING (run_no, problem, candidate)
LEFT JOIN cost c USING (run_no, problem, candidate)
LEFT JOIN top USING (run_no, problem, candidate)
LEFT JOIN posterior p ON p.run_no = b.run_no AND p.problem = b.problem AND p.candidate = b.candidate AND p.stage_no = top.stage_no
LEFT JOIN base z ON z.run_no = b.run_no AND z.problem = b.problem AND z.stage = p.stage
ORDER BY b.run_no, b.seq"""

_ELITES = """
SELECT f.run, e.problem, e.island, e.space, e.cell, e.rank, e.candidate, e.mean, e.sd, e.seq FROM (
    SELECT run_no, problem, island, space, cell, rank, max(seq) AS seq, arg_max(candidate, seq) AS candidate,
        arg_max_null(mean, seq) AS mean, arg_max_null(sd, seq) AS sd
    FROM raw.placed GROUP BY run_no, problem, island, space, cell, rank) e
JOIN (SELECT run_no, problem, island, max(space) AS space FROM raw.placed GROUP BY run_no, problem, island)
    USING (run_no, problem, island, space)
JOIN raw.runs f USING (run_no) WHERE e.candidate <> '' ORDER BY run_no, e.problem, e.island, e.cell, e.rank"""

# An effect of scores that count as something else is none.
_WILD_VAULTS = f"""
    SELECT v.run_no, v.problem, v.vault, any_value('no effect is shown: scores beyond {TAME:g} count as that') AS reason
    FROM raw.vault_opened v JOIN raw.measured m ON m.run_no = v.run_no AND m.problem = v.problem AND m.purpose = 'vault'
        AND m.result.candidate IN (v.candidate, v.reference)
    WHERE abs(m.result.score) > {TAME} GROUP BY v.run_no, v.problem, v.vault"""

_CLAIMS = f"""
SELECT f.run, c.problem, c.vault, c.candidate, c.reference, c.confirmed, r.candidate IS NOT NULL AS withdrawn, c.p_value,
    CASE WHEN w.reason IS NULL THEN c.effect END AS effect, CASE WHEN w.reason IS NULL THEN c.ci_low END AS ci_low,
    CASE WHEN w.reason IS NULL THEN c.ci_high END AS ci_high, coalesce(c.e_value, 0) AS e_value,
    concat_ws('; ', nullif(c.reason, ''), w.reason) AS reason, c.seq
FROM (SELECT * FROM raw.claim QUALIFY row_number() OVER (PARTITION BY run_no, problem, vault ORDER BY seq DESC) = 1) c
JOIN raw.runs f USING (run_no)
LEFT JOIN (SELECT DISTINCT run_no, problem, candidate FROM raw.retraction) r USING (run_no, problem, candidate)
LEFT JOIN ({_WILD_VAULTS}) w ON w.run_no = c.run_no AND w.problem = c.problem AND w.vault = c.vault
ORDER BY run_no, c.seq"""

_TICKETS = """
SELECT f.run, t.ticket, t.kind, t.problem, t."operator", t.model, t.format, t.selector, t.purpose, t.n_entries,
    coalesce(e.status, 'open') AS status, coalesce(e.candidate, '') AS candidate, coalesce(e.reason, '') AS reason,
    coalesce(e.outcome, '') AS outcome, coalesce(e.usd, 0) AS usd, t.attempts,
    t.issued_s, e.ended_s, t.seq
FROM (
    SELECT run_no, attempt.ticket AS ticket, 'propose' AS kind, any_value(problem) AS problem,
        any_value(coalesce(arm.operator, '')) AS "operator", any_value(coalesce(arm.model, '')) AS model,
        any_value(coalesce(arm.format, '')) AS format, any_value(coalesce(selector, '')) AS selector,
        '' AS purpose, 1 AS n_entries, count(*) AS attempts, min("at") AS issued_s,
        min(seq) AS seq
    FROM raw.propose_issued GROUP BY run_no, attempt.ticket
    UNION ALL
    SELECT run_no, attempt.ticket, 'measure', any_value(problem), '', '', '', '', any_value(purpose), max(len(entries)), count(*),
        min("at"), min(seq)
    FROM raw.measure_issued GROUP BY run_no, attempt.ticket
    UNION ALL
    SELECT run_no, attempt.ticket, 'review', problem, 'judge', model, '', '', '', 1, 1, "at", seq FROM raw.review_issued) t
LEFT JOIN (
    SELECT run_no, attempt.ticket AS ticket, 'propose' AS kind, arg_max(status, seq) AS status,
        arg_max(coalesce(candidate.id, duplicate_of, ''), seq) AS candidate, arg_max(coalesce(reason, ''), seq) AS reason,
        arg_max(coalesce(outcome, ''), seq) AS outcome, sum(coalesce(usd, 0)) AS usd, max("at") AS ended_s
    FROM raw.proposed GROUP BY run_no, attempt.ticket
    UNION ALL
    SELECT run_no, attempt.ticket, 'measure', arg_max(status, seq), '', arg_max(coalesce(reason, ''), seq), '', 0, max("at")
    FROM raw.block_closed GROUP BY run_no, attempt.ticket
    UNION ALL
    SELECT r.run_no, r.attempt.ticket, 'review', any_value(coalesce(r.verdict, 'lost')), any_value(r.candidate),
        any_value(coalesce(r.reason, '')), '', coalesce(sum(s.usd), 0), any_value(r."at")
    FROM raw.reviewed r LEFT JOIN raw.call_settled s ON s.run_no = r.run_no AND s.attempt = r.attempt
    GROUP BY r.run_no, r.attempt.ticket) e USING (run_no, ticket, kind)
JOIN raw.runs f USING (run_no) ORDER BY run_no, t.seq"""

_LLM_CALLS = """
SELECT f.run, r.attempt.ticket AS ticket, r.call, r.provider, r.model, r.price, r.worst_usd, coalesce(s.usd, r.worst_usd) AS usd,
    coalesce(s.outcome, 'open') AS outcome, coalesce(s.tokens_in, 0) AS tokens_in, coalesce(s.tokens_out, 0) AS tokens_out,
    coalesce(s.tokens_cached, 0) AS tokens_cached,
    CASE WHEN s.outcome IS NULL THEN r.worst_tokens ELSE coalesce(s.tokens_assumed, 0) END AS tokens_assumed,
    CASE WHEN s.outcome IS NULL THEN r.worst_usd ELSE coalesce(s.usd_assumed, 0) END AS usd_assumed,
    coalesce(s.wall_s, 0) AS wall_s, coalesce(s.reason, '') AS reason,
    r.seq, r."at" AS unix_s, coalesce(t.problem, '') AS problem
FROM (SELECT run_no, attempt, call, arg_min(provider, seq) AS provider, arg_min(model, seq) AS model, arg_min(price, seq) AS price,
    arg_min(worst_usd, seq) AS worst_usd, arg_min(worst_tokens, seq) AS worst_tokens,
    min(seq) AS seq, min("at") AS "at"
    FROM raw.call_reserved GROUP BY run_no, attempt, call) r JOIN raw.runs f USING (run_no)
LEFT JOIN raw.call_settled s ON s.run_no = r.run_no AND s.attempt = r.attempt AND s.call = r.call
LEFT JOIN (SELECT run_no, attempt.ticket AS ticket, any_value(problem) AS problem FROM (
        SELECT run_no, attempt, problem FROM raw.propose_issued UNION ALL SELECT run_no, attempt, problem FROM raw.review_issued)
    GROUP BY run_no, attempt.ticket) t ON t.run_no = r.run_no AND t.ticket = r.attempt.ticket
ORDER BY run_no, r.seq"""

_EVENTS = f"""
SELECT f.run, e.seq, e."at" AS unix_s, e.kind, e.level, e.problem, e.what, e.text FROM (
    SELECT run_no, seq, "at", 'event' AS kind, level, coalesce(problem, '') AS problem, what, text FROM raw.event
    UNION ALL SELECT run_no, seq, "at", 'note', 'info', '', coalesce(author, ''), text FROM raw.note
    UNION ALL SELECT run_no, seq, "at", 'opened', 'info', '', epoch, coalesce(machine, '') FROM raw.opened
    UNION ALL SELECT run_no, seq, "at", 'closed', 'info', '', status, coalesce(reason, '') FROM raw.closed
    UNION ALL SELECT run_no, seq, "at", 'slots_changed', 'info', '', slots || '', '' FROM raw.slots_changed
    UNION ALL SELECT run_no, seq, "at", 'hardware_seen', 'info', '', id, told FROM ({_HARDWARE})
    UNION ALL SELECT run_no, seq, "at", 'nodes_unfit', 'warning', '', cardinality(nodes) || '',
        array_to_string(map_values(nodes), '; ') FROM raw.nodes_unfit
    UNION ALL SELECT run_no, seq, "at", 'stop_asked', 'info', '', '', reason FROM raw.stop_asked
    UNION ALL SELECT run_no, seq, "at", 'requested', CASE WHEN accepted IS NULL THEN 'info' ELSE 'warning' END, '', verb,
        CASE WHEN accepted IS NULL THEN 'accepted' ELSE 'refused' END FROM raw.requested
    UNION ALL SELECT run_no, seq, "at", 'budget_set', 'info', coalesce(problem, ''), '', concat_ws(', ', 'wall_s=' || wall_s,
        'cpu_s=' || cpu_s, 'evaluations=' || evaluations, 'candidates=' || candidates, 'usd=' || usd, 'tokens=' || tokens,
        'calls=' || calls) FROM raw.budget_set
    UNION ALL SELECT run_no, seq, "at", 'late_result', 'info', problem, 'ticket ' || attempt.ticket, what FROM raw.late_result
    UNION ALL SELECT run_no, seq, "at", 'rebinned', 'info', problem, 'space ' || space,
        concat_ws('; back in a place: ', why, nullif(array_to_string(returned, ', '), '')) FROM raw.rebinned
    UNION ALL SELECT run_no, seq, "at", 'migrated', 'info', problem, m.candidate, m.source || ' -> ' || m.target
        FROM (SELECT run_no, seq, "at", problem, unnest(moves) AS m FROM raw.migrated)
    UNION ALL SELECT run_no, seq, "at", 'islands_reset', 'info', problem, 'islands ' || array_to_string(islands, ', '), concat_ws(
        '; begun anew with: ', why, array_to_string([f.candidate || ' ' || f.source || ' -> ' || f.target FOR f IN founders], ', '))
        FROM raw.islands_reset
    UNION ALL SELECT run_no, seq, "at", 'champion', 'info', problem, candidate, 'e = ' || e_value FROM raw.champion
    UNION ALL SELECT run_no, seq, "at", 'vault_opened', 'info', problem, candidate, 'against ' || reference FROM raw.vault_opened
    UNION ALL SELECT run_no, seq, "at", 'claim', 'info', problem, candidate,
        CASE WHEN confirmed THEN 'confirmed against ' || reference ELSE 'not confirmed: ' || coalesce(reason, '') END FROM raw.claim
    UNION ALL SELECT run_no, seq, "at", 'retraction', 'warning', problem, candidate, why FROM raw.retraction
    UNION ALL SELECT run_no, seq, "at", 'reviewed', CASE WHEN verdict = 'cheating' THEN 'warning' ELSE 'info' END, problem,
        candidate, concat_ws(': ', coalesce(verdict, 'lost'), reason) FROM raw.reviewed) e
JOIN raw.runs f USING (run_no) ORDER BY run_no, e.seq"""

VIEWS: dict[str, str] = {
    "runs": _RUNS,
    "problems": _PROBLEMS,
    "candidates": _CANDIDATES,
    "measurements": "SELECT * EXCLUDE (run_no) FROM raw.measurements ORDER BY run_no, seq",
    "elites": _ELITES,
    "claims": _CLAIMS,
    "tickets": _TICKETS,
    "llm_calls": _LLM_CALLS,
    "events": _EVENTS,
}
