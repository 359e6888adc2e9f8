"""An open-ended evolutionary search engine for code whose quality is a measured number."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archive import Status
    from evolve.evaluate import Array, JsonValue, Outcome, Trial

__version__ = "0.1.0"

__all__ = ["Array", "JsonValue", "Outcome", "Status", "Trial", "__version__"]

_HOMES = {
    "Array": "evolve.evaluate",
    "JsonValue": "evolve.evaluate",
    "Outcome": "evolve.evaluate",
    "Status": "archive",
    "Trial": "evolve.evaluate",
}


def __getattr__(name: str) -> object:
    """Names are looked up when they are used: every command imports this package first, and few need an evaluator's world."""
    if name not in _HOMES:
        raise AttributeError(f"module 'evolve' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
