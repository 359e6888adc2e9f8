"""What a run would be made from, and what it would stand on: config, doctor."""

from __future__ import annotations

import platform
from argparse import Namespace
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from evolve._errors import EXIT_DONE, EXIT_ENVIRONMENT
from evolve.cli._command import JSON, Argument, Verb
from evolve.cli.show._text import put, put_json

if TYPE_CHECKING:
    from evolve.evaluate import Check

_USED = {"duckdb": "evolve query", "hydra-core": "evolve run", "rich": "the live display", "scipy": "noisy problems"}


def config(words: Namespace) -> int:
    from evolve.config._compose import compose, groups, options_of
    from evolve.engine.registry._registry import check_names, plugins_of
    from evolve.views._configuration import with_problem

    asked = compose(words.SETTING)
    check_names(asked)
    resolved = replace(with_problem(asked), plugins=plugins_of(asked))
    if words.json:
        put_json({"config": resolved})
        return EXIT_DONE
    import yaml

    tree = asdict(resolved)
    tree["search"]["operators"] = list(resolved.search.operators)
    problem = tree.pop("problem")
    params = problem["params"]
    put(f"problem: {problem['name']}")
    plugins = tree.pop("plugins")
    put("".join(f"problem.params.{key}: {value}\n" for key, value in params.items()) or "# this problem has no params")
    put(yaml.safe_dump(tree, sort_keys=False))
    for part, package in plugins.items():
        put(f"# {part}: of the package {package}")
    for group in groups():
        put(f"# {group}={' | '.join(options_of(group))}")
    return EXIT_DONE


def doctor(words: Namespace) -> int:
    from evolve.adapters._choose import load_problem
    from evolve.cli._problems import check_text
    from evolve.evaluate import doctor as examine

    imports = load_problem(words.PROBLEM, prepare=False).contract.candidate_imports if words.PROBLEM else ()
    checks = (_engine(), *examine(imports))
    if words.cluster is not None:
        from evolve.execute.cluster import inspect_cluster

        checks += inspect_cluster(words.cluster, imports)
    tier = next((one.found for one in reversed(checks) if one.name == "tier"), "none")
    ok = all(one.ok or one.hint for one in checks)
    if words.json:
        put_json({"ok": ok, "tier": tier, "checks": checks})
    else:
        put(check_text(checks))
    return EXIT_DONE if ok else EXIT_ENVIRONMENT


def _engine() -> Check:
    from evolve import __version__
    from evolve.evaluate import Check

    missing = [f"{name} ({use})" for name, use in _USED.items() if not _installed(name)]
    found = f"evolve {__version__}, Python {platform.python_version()}"
    if not missing:
        return Check("engine", True, found, "")
    remedy = f"run: pip install {' '.join(name.partition(' ')[0] for name in missing)}"
    return Check("engine", False, f"{found}, without {', '.join(missing)}", remedy, hint=True)


def _installed(name: str) -> bool:
    import importlib.metadata

    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


VERBS = (
    Verb(
        "config",
        "the configuration that evolve run would use, every key of it",
        (Argument("SETTING", "key=value, as for evolve run", many="*"), JSON),
        config,
    ),
    Verb(
        "doctor",
        "what this machine offers, and what to type where something is missing",
        (
            Argument("PROBLEM", "look also at what its candidates may import", many="?"),
            Argument(
                "--cluster",
                "look also at every node of a Ray cluster: auto, HOST:PORT, or a Ray of its own",
                value="ADDRESS",
                many="?",
            ),
            JSON,
        ),
        doctor,
    ),
)
