"""Commands that write files, as edits: ``cat > main.py <<'EOF'`` with a whole file, ``apply_patch <<'EOF'`` with a patch."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WRITES = (
    re.compile(r"cat\s+>\s*[\"']?(?P<path>[\w./+-]{1,200})[\"']?\s*<<-?\s*[\"']?(?P<end>\w{1,40})[\"']?"),
    re.compile(r"cat\s+<<-?\s*[\"']?(?P<end>\w{1,40})[\"']?\s*>\s*[\"']?(?P<path>[\w./+-]{1,200})[\"']?"),
    re.compile(
        r"(?:sudo )?tee\s+[\"']?(?P<path>[\w./+-]{1,200})[\"']?\s*(?:>\s*/dev/null\s*)?<<-?\s*[\"']?(?P<end>\w{1,40})[\"']?"
    ),
)
_LONGEST = 400  # characters of a command


def patch_in(lines: Sequence[str]) -> list[str] | None:
    """The one patch that commands hand over; None where there is none, or more."""
    begins = [i for i, line in enumerate(lines) if line.strip() == "*** Begin Patch"]
    ends = [i for i, line in enumerate(lines) if line.strip() == "*** End Patch"]
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        return None
    return list(lines[begins[0] : ends[0]])


def files_in(lines: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The files that commands write, with their text; none where there are other commands, or one has no end."""
    found: list[tuple[str, list[str]]] = []
    end = ""
    for line in lines:
        if end and line.strip() == end:
            end = ""
        elif end:
            found[-1][1].append(line)
        elif line.strip():
            command = line.strip().removeprefix("$ ")
            writes = next((made for each in _WRITES if (made := each.fullmatch(command))), None) if len(line) <= _LONGEST else None
            if writes is None:
                return []
            end = writes["end"]
            found.append((writes["path"], []))
    return [] if end else found
