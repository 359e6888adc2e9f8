"""Every setting that we give Ray, in one place, and the environment that a Ray of ours starts in.

Processes of a Ray that is started here inherit the environment they are started in, and with it any key: so it starts in an empty
one, but for what an interpreter needs.  What a problem's evaluator asks for by name is handed to the actors, and to nobody else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evolve.problem.contract._environment import ALWAYS

STORE_BYTES = 100 << 20  # of the object store, at least: sources and results are small, bundles of problems are shipped once
KEPT = (*ALWAYS, "LANG", "LC_ALL", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")  # of the driver's environment
NAMESPACE = "evolve"

# Read by Ray when it is imported or started, in the driver and in every process below it.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # "uv run evolve" would have every worker resolve an environment of its own (ray#50961); one prepared interpreter serves all.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # An actor that asks for no GPU would see them all (ray#54928).
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    "RAY_process_group_cleanup_enabled": "1",
    # What its own processes tell each other belongs into its log files, not between the lines of a run.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def token_environment(token: Path) -> dict[str, str]:
    """What makes a Ray of ours ask for a token that lies in a private file, whatever token the user's home may hold."""
    return {"RAY_AUTH_TOKEN_PATH": str(token)}


@contextmanager
def environment(more: dict[str, str], *, cleared: bool) -> Iterator[None]:
    """The process's environment with Ray's settings; ``cleared`` of all but what an interpreter needs, while a Ray starts in it.

    Afterwards it is as it was, but for Ray's settings: Ray reads those of the driver later too.
    """
    before = dict(os.environ)
    told = {**ENVIRONMENT, **more}
    if cleared:
        for name in before.keys() - set(KEPT):
            del os.environ[name]
    os.environ.update(told)
    try:
        yield
    finally:
        os.environ.update({name: value for name, value in before.items() if name not in told})
