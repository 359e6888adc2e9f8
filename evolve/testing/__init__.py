"""For those who test against the engine: contract suites and stand-ins.

``ExecutorContract`` is a class of pytest tests that an executor's own tests subclass; ``Probe``, ``action`` and ``is_running`` are
what it is made of.  ``ScriptedExecutor`` answers at once from a function; ``Harness`` drives a whole search around one from a
``Script``, without sandboxes or clocks.  ``ArchiveContract`` is what every archive keeps.  ``ModelServer`` speaks the protocols of
model servers on 127.0.0.1; a ``Say`` tells it what to answer, and ``AnsweringServer`` edits the program it is shown, as a function
says.  ``ScriptedModelThread`` asks a provider at once, in the caller's thread.  These four lie in ``models``.
"""

from evolve.testing._archive import ArchiveContract, ArchiveOracle, Watched
from evolve.testing._executor import ExecutorContract
from evolve.testing._executor_bench import ExecutorBench, open_executor_bench
from evolve.testing._harness import Harness, Script, plain_contract, scored, still
from evolve.testing._probe import TIME_S, Mark, Probe, action, is_running
from evolve.testing._scripted import ScriptedExecutor
from evolve.testing.models._answering import AnsweringServer, Asked, ScriptedModelThread, move_a_number
from evolve.testing.models._says import Say
from evolve.testing.models._server import ModelServer

__all__ = [
    "TIME_S",
    "AnsweringServer",
    "ArchiveContract",
    "ArchiveOracle",
    "Asked",
    "ExecutorBench",
    "ExecutorContract",
    "Harness",
    "Mark",
    "ModelServer",
    "Probe",
    "Say",
    "Script",
    "ScriptedExecutor",
    "ScriptedModelThread",
    "Watched",
    "action",
    "is_running",
    "move_a_number",
    "open_executor_bench",
    "plain_contract",
    "scored",
    "still",
]
