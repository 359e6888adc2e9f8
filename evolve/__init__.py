"""An open-ended evolutionary search engine for code whose quality is a measured number."""

from archive import Status
from evolve.evaluate import Array, JsonValue, Outcome, Trial

__version__ = "0.1.0"

__all__ = ["Array", "JsonValue", "Outcome", "Status", "Trial", "__version__"]
