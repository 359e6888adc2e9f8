"""What a coding agent has to know, as a skill: ``evolve agent-guide DIR`` puts it where agents look for it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from evolve._errors import EXIT_DONE, EnvironmentFault, UsageError
from evolve.cli._command import Argument, Verb
from evolve.cli.show._text import put

SKILL = Path(".claude/skills/evolve/SKILL.md")
AGENTS = Path("AGENTS.md")
BEGIN, END = "<!-- evolve: begin -->", "<!-- evolve: end -->"

_SECTION = f"""\
{BEGIN}
## evolve

This folder is worked on with `evolve`, a search for better programs. Before you use it, read
`{SKILL.as_posix()}`: it says how to find or start a run, how to take a program and hand in a child,
what is accepted and refused, and what counts as better. In short: `evolve list .` finds runs, `evolve ask RUN --out work/1` gives
you a program and a task, `evolve tell RUN TICKET --dir work/1 --wait` measures your child. One hypothesis a child; never work on
the evaluator.
{END}
"""


def agent_guide(words: Namespace) -> int:
    if words.DIR is None:
        put(guide())
        return EXIT_DONE
    written = install(Path(words.DIR))
    put("".join(f"{what} {path}\n" for path, what in written))
    put("an agent that starts in this folder and reads AGENTS.md knows how to go on.")
    return EXIT_DONE


def guide() -> str:
    """The text of the skill.

    Raises:
        EnvironmentFault: the installation lacks it.
    """
    path = Path(__file__).resolve().with_name("agent_guide.md")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise EnvironmentFault(f"expected the guide at {path}, found nothing; install evolve again: pip install .") from None


def install(folder: Path) -> tuple[tuple[Path, str], ...]:
    """Write the skill, and a marked section of AGENTS.md that points to it; whatever else stands there is kept.

    Doing it again changes nothing but what an older version wrote.

    Returns:
        What was done to which file.

    Raises:
        UsageError: no such folder, or an AGENTS.md with half a section or that is no text.
    """
    if not folder.is_dir():
        raise UsageError(f"expected a folder at {folder}, found {'a file' if folder.exists() else 'nothing'}.")
    agents, skill = folder / AGENTS, folder / SKILL
    text = _with_section(agents)
    skill.parent.mkdir(parents=True, exist_ok=True)
    return (skill, _put_file(skill, guide())), (agents, _put_file(agents, text))


def _with_section(path: Path) -> str:
    """The file's text with the section in its place, or at the end."""
    try:
        old = path.read_bytes().decode() if path.exists() else ""
    except UnicodeDecodeError as error:
        raise UsageError(
            f"expected text in UTF-8 in {path}, found none ({error}); move it away and type the same again."
        ) from error
    counts = old.count(BEGIN), old.count(END)
    if counts == (0, 0):
        gap = "" if not old else "\n" if old.endswith("\n") else "\n\n"
        return f"{old}{gap}{_SECTION}"
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    if counts != (1, 1) or END not in rest:
        raise UsageError(
            f"{path}: expected one section between {BEGIN} and {END}, found other marks; remove them, then type the same again."
        )
    return f"{before}{_SECTION.rstrip()}{after}"


def _put_file(path: Path, text: str) -> str:
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        return "wrote"
    if path.read_bytes() == text.encode():
        return "kept"
    path.write_bytes(text.encode())
    return "changed"


VERBS = (
    Verb(
        "agent-guide",
        "teach a coding agent to work on runs in a folder: a skill, and a section of AGENTS.md that points to it",
        (Argument("DIR", "the folder that the agent starts in; without it the text is printed", many="?"),),
        agent_guide,
        notes="Nothing that stands in AGENTS.md is overwritten; doing it again brings the section up to date.",
    ),
)
