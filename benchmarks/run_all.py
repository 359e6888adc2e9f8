"""Run the benchmarks one after the other and keep what they say.

    python benchmarks/run_all.py [--quick] [--only NAME ...] [--out benchmarks/results]

Writes ``<date>-<hardware>.json`` and ``.md``: for each benchmark its command, what it printed as JSON, and how long it took; above
them commit, machine and versions.  ``--quick`` uses smaller sizes: it shows that everything runs, not what it costs.  Let the
machine be idle.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from _common import hardware

HERE = Path(__file__).parent
LIMIT_S = 7200.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A benchmark's arguments, in full and quick.  ``writes`` says that it takes ``--json FILE`` instead of printing JSON."""

    script: str
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()
    name: str = ""
    writes: bool = False


PLANS = (
    Plan("startup.py", (), ("--rounds", "2"), writes=True),
    Plan("speedrun_verify.py", (), ("--rounds", "2"), writes=True),
    Plan("engine.py", ("--candidates", "50000"), ("--candidates", "1000"), "engine, 1 kB"),
    Plan("engine.py", ("--candidates", "5000", "--size", "20000"), ("--candidates", "200", "--size", "20000"), "engine, 20 kB"),
    Plan("operators.py", (), ("--rounds", "2"), writes=True),
    Plan("archives.py", (), ("--quick", "--rounds", "2")),
    Plan("journal.py", (), ("--rounds", "2")),
    Plan("reopen.py", (), ("--candidates", "5000", "--repeats", "1")),
    Plan("resume.py", (), ("--candidates", "5000", "--tail", "500", "--repeats", "1")),
    Plan("executor.py", (), ("--blocks", "100", "--rounds", "1")),
    Plan("sandbox.py", (), ("--rounds", "1")),
    Plan("overhead.py", (), ("--rounds", "1")),
    Plan("model_calls.py", (), ("--in-flight", "16", "--rounds", "1")),
    Plan("planted_policies.py", (), ("--repeats", "1", "--evaluations", "100")),
    Plan("pruning.py", (), ("--repeats", "2")),
    Plan("planted_truth.py", (), ("--repeats", "1", "--climb-repeats", "1", "--worlds", "gauss")),
    Plan(
        "search_quality.py",
        ("--evaluations", "150"),
        ("--tasks", "nk,ellipsoid_noisy", "--seeds", "100-101", "--arms", "auto,one_plus_one,direct"),
    ),
    Plan("kills.py", ("--kills", "1000"), ("--kills", "10")),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark came to.  ``found`` is its JSON, ``text`` what it printed where that is none."""

    name: str
    command: str
    exit_code: int
    wall_s: float
    found: object
    text: str


def run(plan: Plan, *, quick: bool, folder: Path) -> Result:
    arguments = plan.quick if quick else plan.full
    file = folder / "found.json"
    file.unlink(missing_ok=True)
    argv = [plan.script, *arguments, "--json", *([str(file)] if plan.writes else [])]
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, *argv], cwd=HERE, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    wall_s = time.monotonic() - start
    text = file.read_text(encoding="utf-8") if plan.writes and file.exists() else done.stdout
    found = _json(text)
    shown = "" if found is not None else (done.stdout + done.stderr)[-4000:]
    command = " ".join(["python", f"benchmarks/{plan.script}", *arguments])
    return Result(plan.name or plan.script.removesuffix(".py"), command, done.returncode, round(wall_s, 1), found, shown)


def _json(text: str) -> object | None:
    """The whole text, or its last line, as JSON."""
    for candidate in (text, text.strip().rpartition("\n")[2]):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return None


def table(value: object, indent: str = "") -> list[str]:
    """A JSON value as indented lines; lists of equal mappings as tables."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        rows = [_flat(row) for row in value]
        names = list(rows[0])
        if all(list(row) == names for row in rows):
            lines = ["", "| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
            return [*lines, *("| " + " | ".join(_number(row[name]) for name in names) + " |" for row in rows), ""]
    if isinstance(value, dict):
        lines = []
        for name, item in (
            _flat(value).items() if not any(isinstance(item, list | dict) for item in value.values()) else value.items()
        ):
            if isinstance(item, dict | list) and item:
                lines += [f"{indent}- {name}:", *table(item, indent + "  ")]
            else:
                lines.append(f"{indent}- {name}: {_number(item)}")
        return lines
    return [f"{indent}- {_number(value)}"]


def _flat(row: dict[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in row.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def report(machine: dict[str, str | int | float], results: list[Result], *, quick: bool) -> str:
    lines = [f"# Benchmarks at {machine['commit']}", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    if quick:
        lines += ["", "Quick sizes: these numbers show that everything runs, not what it costs."]
    for result in results:
        lines += ["", f"## {result.name}", "", f"`{result.command}` ({result.wall_s:.0f} s, exit {result.exit_code})", ""]
        found = result.found
        if isinstance(found, dict):
            found = {name: value for name, value in found.items() if name not in ("hardware", "benchmark")}
        lines += table(found) if found is not None else ["```", result.text.strip(), "```"]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args()
    machine = hardware()
    args.out.mkdir(parents=True, exist_ok=True)
    results = []
    for plan in PLANS:
        name = plan.name or plan.script.removesuffix(".py")
        if not (HERE / plan.script).exists() or (args.only and not any(word in name for word in args.only)):
            continue
        result = run(plan, quick=args.quick, folder=args.out)
        results.append(result)
        print(f"{name:20}{result.wall_s:8.1f} s  exit {result.exit_code}", flush=True)
    (args.out / "found.json").unlink(missing_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", f"{machine['cpu']}-{machine['cores']}-cores".lower()).strip("-")
    stem = args.out / f"{time.strftime('%Y-%m-%d')}-{slug}{'-quick' if args.quick else ''}"
    stem.with_suffix(".md").write_text(report(machine, results, quick=args.quick), encoding="utf-8")
    kept = {"hardware": machine, "quick": args.quick, "results": [asdict(result) for result in results]}
    stem.with_suffix(".json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"{stem}.md")
    return 1 if any(result.exit_code for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
