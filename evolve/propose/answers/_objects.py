"""Edits as JSON values and as tags: what tools for editing files take, and what models make up in their likeness."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from evolve.propose.answers._names import Names
from evolve.propose.edits._edits import MAX_EDITS, AnyEdit, Replace, RewriteFile

_OLD = ("search", "old_str", "old_string", "old_text", "old_code", "old", "find", "original", "before", "original_code")
_NEW = (
    "replace", "new_str", "new_string", "new_text", "new_code", "new", "replacement", "updated", "after", "modified",
    "replace_with",
)  # fmt: skip
_PATH = ("file", "path", "file_path", "filepath", "filename", "file_name", "target_file", "target", "name")
_TEXT = ("content", "contents", "file_text", "new_content", "full_code", "code", "program", "source", "text", "new_file")
_STARTS = re.compile(  # signs and names of calls may stand before a value
    r"^[ \t]*(?:<[^<>\n]{1,80}>|\[[A-Z_]{1,40}\]|[\w.:]{1,60}+){0,6}+[ \t]*[\[{]"
    r"|(?:<\|[a-z_]{1,40}\|>|\[TOOL_CALLS\]|\[ARGS\]|<tool_call>)\s{0,9}[\[{]",
    re.MULTILINE,
)
_ARGUMENTS = ("arguments", "input", "parameters", "args")  # of a call, which may be JSON in a string
_MOST_FAILURES = 8
_GOES_ON = frozenset(",]}:")  # after a value: it was part of another that cannot be read
_DEPTH = 6
_KINDS = {word: kind for kind, words in (("old", _OLD), ("new", _NEW), ("path", _PATH), ("text", _TEXT)) for word in words}
_TAG = re.compile(
    rf"<(?:(?P<tag>{'|'.join(sorted(_KINDS, key=len, reverse=True))})|parameter(?:\s+name)?=[\"']?(?P<name>\w+)[\"']?)"
    r"(?:\s+(?:(?:path|name|file)=[\"'](?P<path>[^\"'<>\n]{1,200})|[\w-]{1,40}=[\"'][^\"'<>\n]{0,200})[\"']|\s+[\w-]{1,40}=\d{1,9}){0,4}\s*>",
    re.IGNORECASE,
)
_FILE = re.compile(r"[\w./\\+-]*\w\.\w{1,8}")
_CDATA = re.compile(r"\s*<!\[CDATA\[(.*)\]\]>\s*", re.DOTALL)
_FENCED = re.compile(r"\s*(`{3,})[^\n`]*\n(.*)\n[ \t]*\1\s*", re.DOTALL)


def not_json(text: str) -> str:
    """Why a text is no JSON, in a few words; "" when it is."""
    try:
        json.loads(text)
    except ValueError as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
    return ""


def json_edits(text: str, names: Names, *, cut: bool = False) -> tuple[list[AnyEdit], list[str]]:
    """The edits that JSON in a text describes, and patches that stand in its texts; neither where it describes none, or where
    only a part of it can be read: where the answer was ``cut``, what cannot be read may be around the rest."""
    decoder = json.JSONDecoder(strict=False)
    edits: list[AnyEdit] = []
    patches: list[str] = []
    at = failures = 0
    while failures < _MOST_FAILURES and len(edits) <= MAX_EDITS and (found := _STARTS.search(text, at)) is not None:
        try:
            value, at = decoder.raw_decode(text, found.end() - 1)
        except (ValueError, RecursionError):
            at = found.end()
            failures += 1
            if cut:
                return [], []
            continue
        more, others = _of_value(value, names)
        if (more or others) and text[at : at + 200].lstrip()[:1] in _GOES_ON and text[at : at + 200].strip():
            return [], []
        edits += more
        patches += others
    return [_numbered(edit, i) for i, edit in enumerate(edits, 1)], patches


def _of_value(value: object, names: Names) -> tuple[list[AnyEdit], list[str]]:
    edits: list[AnyEdit] = []
    patches: list[str] = []
    for made in _walk(value, "", _DEPTH, names):
        if isinstance(made, str):
            patches.append(made)
        elif len(edits) <= MAX_EDITS:
            edits.append(made)
    return edits, patches


def _walk(value: object, path: str, depth: int, names: Names) -> Iterator[AnyEdit | str]:
    if depth == 0:
        return
    if isinstance(value, str):
        at = value.find("*** Begin Patch")
        if at >= 0 and (at == 0 or value[at - 1] == "\n"):
            yield value[at:]
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each, path, depth - 1, names)
    elif isinstance(value, dict):
        path = _named(value, names) or path
        old, new, text = _first(value, _OLD), _first(value, _NEW), _first(value, _TEXT)
        if old is not None and new is not None:
            yield Replace(1, names.resolved(path) if path else "", _ended(old), _ended(new))
        elif text is not None and (path or len(names.paths) == 1):
            yield RewriteFile(1, names.resolved(path) if path else "", _ended(text))
        elif any(names.resolved(key) in names.paths and isinstance(each, str) for key, each in value.items()):
            for key, each in value.items():
                if isinstance(each, str) and (names.resolved(key) in names.paths or _FILE.fullmatch(key)):
                    yield RewriteFile(1, names.resolved(key), _ended(each))
        else:
            for key, each in value.items():
                if isinstance(each, dict | list | str):
                    yield from _walk(_decoded(each) if key.lower() in _ARGUMENTS else each, path, depth - 1, names)


def _decoded(value: object) -> object:
    """The value that a string holds as JSON, or the value."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return json.JSONDecoder(strict=False).decode(value)
    except (ValueError, RecursionError):
        return value


def _named(value: Mapping[str, object], names: Names) -> str:
    """The file that an object names; what is called only a name may be a tool's."""
    path = _first(value, _PATH) or ""
    if path and path == _first(value, ("name",)) and names.resolved(path) not in names.paths and not _FILE.fullmatch(path):
        return _first(value, _PATH[:-1]) or ""
    return path


def _first(value: Mapping[str, object], keys: Sequence[str]) -> str | None:
    lowered = {key.lower(): each for key, each in value.items()}
    for key in keys:
        each = lowered.get(key)
        if isinstance(each, str):
            return each
        if isinstance(each, list) and each and all(isinstance(line, str) for line in each) and key not in _PATH:
            return "\n".join(line.removesuffix("\n") for line in each)
    return None


def tag_edits(text: str, names: Names) -> list[AnyEdit]:
    """The edits that tags describe: ``<search>`` and ``<replace>``, a tool's parameters, ``<file path="...">``.

    A tag whose end is missing is skipped; where old lines have no new ones, nothing is taken.
    """
    edits: list[AnyEdit] = []
    path, old = "", None
    lower = text.lower()
    missing: set[str] = set()
    at = 0
    while len(edits) <= MAX_EDITS and (tag := _TAG.search(text, at)) is not None:
        word = (tag["name"] or tag["tag"]).lower()
        kind = _KINDS.get(word, "")
        closing = "</parameter>" if tag["name"] else f"</{word}>"
        end = -1 if closing in missing else lower.find(closing, tag.end())
        if end < 0:
            missing.add(closing)
        if end < 0 or not kind:
            at = tag.end()
            continue
        body = text[tag.end() : end]
        path = names.resolved(tag["path"]) if tag["path"] else path
        at = end + len(closing)
        if kind == "path" and "\n" in body.strip() and tag["path"]:
            kind = "text"  # <file path="a.py">its text</file>
        if kind == "path" and "\n" in body.strip():
            at = tag.end()  # a tag around others
        elif kind == "path":
            path = names.resolved(body.strip())
        elif kind == "old":
            if old is not None:
                return []
            old = _inner(body)
        elif kind == "new" and old is not None:
            edits.append(Replace(len(edits) + 1, path, old, _inner(body)))
            old = None
        elif kind == "text" and (path or len(names.paths) == 1):
            edits.append(RewriteFile(len(edits) + 1, path, _inner(body)))
    return edits if old is None else []


def _inner(body: str) -> str:
    """What stands in a tag, without the line feeds and the indentation of the tags themselves."""
    if found := _CDATA.fullmatch(body):
        body = found[1]
    if found := _FENCED.fullmatch(body):
        body = found[2]
    lines = body.split("\n")
    if len(lines) > 1 and not lines[0].strip():
        lines = lines[1:]
    if lines and not lines[-1].strip():
        lines = lines[:-1]
    return "".join(line + "\n" for line in lines)


def _ended(text: str) -> str:
    text = text.replace("\r\n", "\n")
    return text if not text or text.endswith("\n") else text + "\n"


def _numbered(edit: AnyEdit, number: int) -> AnyEdit:
    if isinstance(edit, Replace):
        return Replace(number, edit.path, edit.search, edit.replace)
    assert isinstance(edit, RewriteFile)
    return RewriteFile(number, edit.path, edit.text)
