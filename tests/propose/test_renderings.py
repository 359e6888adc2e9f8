"""Every child of ``answers/parents*.txt``, in every form that tools have, with what models put around it, comes back as itself or
is refused; half of a file is refused."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping

from hypothesis import given, settings
from hypothesis import strategies as st
from model_answers import entries, programs

from evolve.propose import EditScope
from evolve.propose._model_operator import AnswerParser
from evolve.propose.edits._edits import Applied, Format

Files = Mapping[str, str]
KNOWN = programs()
ENTRIES = entries()
# one changes what stands outside the markers, which is left out; one adds a file that nothing needs and no form says to be new
CHILDREN = sorted({name for name in KNOWN if "+" in name} - {"train+outside", "anneal+tested"})


def changed(parent: Files, child: Files) -> list[str]:
    return [path for path in child if child[path] != parent.get(path)]


def hunks(before: str, after: str, context: int) -> Iterator[tuple[list[str], list[str]]]:
    """Old lines and new lines."""
    old, new = before.splitlines(), after.splitlines()
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(context):
        yield old[group[0][1] : group[-1][2]], new[group[0][3] : group[-1][4]]


def fenced(text: str, info: str = "") -> str:
    return f"```{info}\n{text.removesuffix(chr(10))}\n```"


def replaced(parent: Files, child: Files, context: int, head: str = "file: {}", info: str | None = None, signs: str = "<=>") -> str:
    opening, closing = {"<=>": ("<" * 7 + " SEARCH", ">" * 7 + " REPLACE"), "git": ("<" * 7 + " HEAD", ">" * 7 + " new")}[signs]
    out = []
    for path in changed(parent, child):
        for old, new in hunks(parent.get(path, ""), child[path], context):
            body = "\n".join([opening, *old, "=" * 7, *new, closing])
            out.append(head.format(path) + "\n" + (body if info is None else fenced(body, info)))
    return "\n\n".join(out)


def whole(parent: Files, child: Files, head: str = "file: {}\n") -> str:
    return "\n\n".join(head.format(path) + fenced(child[path]) for path in changed(parent, child))


def unified(parent: Files, child: Files, context: int = 3) -> str:
    out: list[str] = []
    for path in changed(parent, child):
        sides = f"a/{path}" if path in parent else "/dev/null", f"b/{path}"
        old, new = parent.get(path, "").splitlines(), child[path].splitlines()
        out += [f"diff --git a/{path} b/{path}", *difflib.unified_diff(old, new, *sides, lineterm="", n=context)]
    return "\n".join(out)


def patched(parent: Files, child: Files) -> str:
    out = ["*** Begin Patch"]
    for path in changed(parent, child):
        lines = list(difflib.unified_diff(parent.get(path, "").splitlines(), child[path].splitlines(), lineterm="", n=3))[2:]
        if path in parent:
            out += [f"*** Update File: {path}", *("@@" if line.startswith("@@") else line for line in lines)]
        else:
            out += [f"*** Add File: {path}", *(line for line in lines if not line.startswith("@@"))]
    return "\n".join([*out, "*** End Patch"])


def as_json(parent: Files, child: Files) -> str:
    edits = [
        {"path": path, "old_string": "\n".join(old), "new_string": "\n".join(new)}
        for path in changed(parent, child)
        for old, new in hunks(parent.get(path, ""), child[path], 1)
    ]
    return json.dumps({"edits": edits}, indent=1)


def as_tags(parent: Files, child: Files) -> str:
    return "\n".join(
        "\n".join(["<edit>", f"<path>{path}</path>", "<old_str>", *old, "</old_str>", "<new_str>", *new, "</new_str>", "</edit>"])
        for path in changed(parent, child)
        for old, new in hunks(parent.get(path, ""), child[path], 1)
    )


def halves(parent: Files, child: Files, *, second: bool) -> str:
    out = []
    for path in changed(parent, child):
        lines = child[path].splitlines()
        at = len(lines) // 2
        out.append(f"file: {path}\n" + fenced("\n".join(lines[at:] if second else lines[:at])))
    return "\n\n".join(out)


FORMS: dict[str, Callable[[Files, Files], str]] = {
    "edits": lambda p, c: replaced(p, c, 2),
    "edits without context": lambda p, c: replaced(p, c, 0),
    "edits in fences": lambda p, c: replaced(p, c, 5, "### `{}`", "python"),
    "edits as git has conflicts": lambda p, c: replaced(p, c, 1, "**{}**", signs="git"),
    "files": whole,
    "files under headings": lambda p, c: whole(p, c, "#### {}\n"),
    "files without names": lambda p, c: whole(p, c, ""),
    "diffs": unified,
    "diffs in a fence": lambda p, c: fenced(unified(p, c), "diff"),
    "diffs without context": lambda p, c: fenced(unified(p, c, 0), "diff"),
    "patches": patched,
    "patches by a command": lambda p, c: fenced(f"apply_patch <<'EOF'\n{patched(p, c)}\nEOF", "bash"),
    "files by commands": lambda p, c: fenced("\n".join(f"cat > {f} <<'EOF'\n{c[f]}EOF" for f in changed(p, c)), "bash"),
    "JSON": as_json,
    "JSON in a fence": lambda p, c: fenced(as_json(p, c), "json"),
    "JSON of files": lambda p, c: json.dumps({"files": {path: c[path] for path in changed(p, c)}}),
    "tags": as_tags,
}
PIECES: dict[str, Callable[[Files, Files], str]] = {
    "first halves": lambda p, c: halves(p, c, second=False),
    "second halves": lambda p, c: halves(p, c, second=True),
}
AROUND: dict[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "a statement": lambda text: f"HYPOTHESIS: it is better\nEXPECTED: 2 %\nPLAN: as below\n\n{text}",
    "chatter": lambda text: (
        f"Sure! Here is what I would change:\n\n{text}\n\nThis keeps the interface. Let me know what you think!"
    ),
    "thinking": lambda text: f"<think>\nMaybe this:\n\n```python\nx = 1\n```\n\nNo.\n</think>\n\n{text}",
    "quotation": lambda text: "\n".join(f"> {line}".rstrip() for line in text.split("\n")),
    "channels": lambda text: (
        f"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>{text}<|return|>"
    ),
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "a list": lambda text: "1. The change:\n\n" + "\n".join(f"   {line}".rstrip() for line in text.split("\n")),
    "a tag": lambda text: f"<answer>\n{text}\n</answer>",
}


def read(name: str, text: str, asked: Format) -> dict[str, list[str]] | None:
    """The child's lines without spaces at their ends; None where there is none."""
    parent = KNOWN[name.partition("+")[0]]
    entry = ENTRIES.get(name.partition("+")[0], "")
    scope = EditScope(tuple(parent), may_add_files=True, max_bytes=1_000_000, entries=(entry,) if entry else ())
    made = AnswerParser(parent, asked, scope).apply(text, partial=False)
    return lines_of(made.files) if isinstance(made, Applied) else None


def lines_of(files: Files) -> dict[str, list[str]]:
    return {path: [line.rstrip() for line in text.rstrip().split("\n")] for path, text in files.items()}


@given(
    name=st.sampled_from(CHILDREN),
    form=st.sampled_from(sorted(FORMS)),
    around=st.sampled_from(sorted(AROUND)),
    asked=st.sampled_from(Format),
)
@settings(max_examples=250, deadline=None)
def test_a_child_in_any_form_comes_back_as_itself_or_not_at_all(name: str, form: str, around: str, asked: Format) -> None:
    parent, child = KNOWN[name.partition("+")[0]], KNOWN[name]
    assert read(name, AROUND[around](FORMS[form](parent, child)), asked) in (None, lines_of(child))


def test_nearly_every_child_is_taken_in_every_form() -> None:
    """Refused are children that lose something on purpose, and forms in which some children have two meanings."""
    for form, render in FORMS.items():
        some = CHILDREN[::2]
        taken = [read(name, render(KNOWN[name.partition("+")[0]], KNOWN[name]), Format.DIFF) is not None for name in some]
        assert sum(taken) >= 0.75 * len(taken), (form, sum(taken), len(taken))


@given(
    name=st.sampled_from(CHILDREN),
    form=st.sampled_from(sorted(PIECES)),
    around=st.sampled_from(sorted(AROUND)),
    asked=st.sampled_from(Format),
)
@settings(max_examples=200, deadline=None)
def test_half_of_a_file_is_no_child(name: str, form: str, around: str, asked: Format) -> None:
    """What lacks a line of the child is not taken, unless it is the part between markers."""
    parent, child = KNOWN[name.partition("+")[0]], KNOWN[name]
    if any(path.endswith(".py") for path in parent) and name.partition("+")[0] not in ENTRIES:
        return  # what nothing in it reads and nobody is known to call may go
    if "EVOLVE-BLOCK" in "".join(parent.values()) or any(len(child[path].splitlines()) < 10 for path in changed(parent, child)):
        return  # a half may be a whole block; the half of a prompt or a header of a few lines may be one
    assert read(name, AROUND[around](PIECES[form](parent, child)), asked) in (None, lines_of(child))
