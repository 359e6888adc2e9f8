"""Which file or block a line of an answer names: headers, words in prose, comments, what stands after a fence.

A name is taken for a file of the parent when it is that file's path, with what tools put before paths, or the end of one path
alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

LONGEST_MARK = 200  # characters; longer lines are text

_KEYWORD = re.compile(r"(?:file(?:[ _]?(?:name|path))?|path)(?:\s+\d{1,3})?\s*[:=]\s*(.*)", re.IGNORECASE)
_BLOCK = re.compile(r"(?<![\w-])(?:EVOLVE[- ])?block\s*+#?(\d{1,4})\)?\Z", re.IGNORECASE)
_WRAPPERS = "\"'`*,;: \t"
_TAGGED = re.compile(r"<(?:file|path|file_?path|filename|b|code|h\d)>\s*([^<>]+?)\s*</\w+>", re.IGNORECASE)
_NUMBERED = re.compile(r"(?:\(?\d{1,3}[.)]|file\s+\d{1,3}\s*[:.)-])\s+", re.IGNORECASE)
_RANGE = re.compile(r":\d+(?:-\d+)?\Z|\s*\((?:[a-z ]{1,40}|lines? \d+(?:-\d+)?)\)\Z", re.IGNORECASE)
_RUN = re.compile(r"[\w./\\+-]++")  # what may hold a name; looked into once, so that the cost is linear
_WITH_ENDING = re.compile(r".*[\w+-]\.\w{1,8}", re.DOTALL)
_WITH_FOLDER = re.compile(r"[\w.+-]+(?:[/\\][\w.+-]+)+")
_COMMENT = re.compile(r"\s*(?:#|//|--|;|%|/\*|<!--)+\s*(.*?)\s*(?:\*/|-->)?\s*")
_BARS = " \t=-_*#~+<>[](){}|\"'"  # what tools and models draw around the name of a file in a comment
_QUOTED = re.compile(r"\s*(\"\"\"|''')(.*)\1\s*")
_DRIVE = re.compile(r"[a-zA-Z]:[/\\]")
_NEW = frozenset(("new", "create", "created", "creating", "add", "added", "adding"))
_ABOUT = frozenset(
    ("a", "the", "file", "files", "module", "helper", "path", "filename", "and", "content", "contents", "of", "code")
)
_SHELL = frozenset((
    "bash", "sh", "shell", "console", "terminal", "powershell", "pwsh", "cmd", "zsh", "fish", "shell-session", "shellsession",
    "bat", "output", "stdout", "stderr", "log",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """What a line names.  ``sure``: it does nothing else; otherwise the name stands in a sentence."""

    path: str
    block: int | None
    sure: bool = True


class Names:
    """The parent's files.  Mappings also tell what is in them."""

    def __init__(self, files: Collection[str]) -> None:
        self.paths = frozenset(files)
        self.texts: Mapping[str, str] = files if isinstance(files, Mapping) else {}
        self.lines = frozenset(line.strip() for text in self.texts.values() for line in text.split("\n"))

    def resolved(self, path: str) -> str:
        """The parent's file that ``path`` means, or ``path``, tidied, where it means none or several."""
        plain = _plain(path.replace("\\", "/"))
        if plain in self.paths:
            return plain
        bare = _DRIVE.sub("", plain).lstrip("/")
        for known in (bare, bare.partition("/")[2] if bare[:2] in ("a/", "b/") else bare):
            if known in self.paths:
                return known
        ends = [known for known in self.paths if bare.endswith("/" + known)]
        if ends:
            return max(ends, key=len)
        name = bare.partition("/")[2] if bare[:2] in ("a/", "b/") else bare
        longer = [known for known in self.paths if known.endswith("/" + name)] if name else []
        return longer[0] if len(longer) == 1 else plain

    def is_certain(self, path: str) -> bool:
        """Whether ``path`` can be nothing but the file it resolves to: absolute, as diffs have it, or as it is."""
        plain = _plain(path.replace("\\", "/"))
        return plain in self.paths or plain.startswith("/") or _DRIVE.match(plain) is not None or plain[:2] in ("a/", "b/")

    def header(self, mark: str) -> Header | None:
        """The file or block that a line names, when it does nothing else."""
        if len(mark) > LONGEST_MARK:
            return None
        if tagged := _TAGGED.fullmatch(mark):
            mark = tagged[1]
        words = mark.lstrip("#>*/- \t").rstrip("#*- \t").strip(_WRAPPERS)
        words = _NUMBERED.sub("", words, count=1).strip(_WRAPPERS)
        found = _BLOCK.search(words)
        block = int(found[1]) if found else None
        rest = words[: found.start()].rstrip(" \t,;:(") if found else words
        keyword = _KEYWORD.fullmatch(rest)
        path = _plain(_RANGE.sub("", (keyword[1] if keyword else rest).strip(_WRAPPERS)))
        if not re.search(r"\s", path) and path and (keyword or self._is_known(path)):
            return Header(path, block)
        return Header("", block) if found and not path else None

    def in_words(self, mark: str) -> Header | None:
        """The one known file that a sentence names; None where it names none or several."""
        if len(mark) > LONGEST_MARK:
            return None
        found = {self.resolved(word) for word in _words(mark)} & self.paths
        return Header(found.pop(), None, sure=False) if len(found) == 1 else None

    def in_info(self, info: str) -> Header | None:
        """The known file that the line which opens a fence names."""
        for word in re.split(r"[\s:{}]+", info[:LONGEST_MARK]):
            path = _plain(word.rpartition("=")[2])
            if "." in path and self._is_known(path):
                return Header(path, None)
            if path in self.paths:
                return Header(path, None)
        return None

    def in_comment(self, line: str) -> Header | None:
        """The known file that a comment, or a string between three quotes, names and does nothing else, bars around it or not."""
        start = line.strip()[:1]
        found = _COMMENT.fullmatch(line[:LONGEST_MARK]) if start and start in "#/-;%<" else None
        said = found[1] if found else ""
        if start and start in "\"'" and (quoted := _QUOTED.fullmatch(line[:LONGEST_MARK])):
            said = quoted[2]
        for words in (said, said.strip(_BARS)):
            named = self.header(words) if words else None
            if named is not None and named.block is None and self._is_known(named.path):
                return named
        return None

    def fresh(self, mark: str) -> tuple[str, bool] | None:
        """The file that a line names and the parent lacks, and whether it says that the file is new; None where it says more."""
        found = _words(mark) if 0 < len(mark) <= LONGEST_MARK else []
        path = _plain(found[0]) if len(found) == 1 else ""
        if not re.fullmatch(r"(?!/)[\w./+-]*\w\.[A-Za-z]\w{0,7}", path) or ".." in path or self._is_known(path):
            return None
        others = {word.lower() for word in re.findall(r"[^\W\d_]+", mark.replace(found[0], " "))}
        return (path, bool(others & _NEW)) if others <= _NEW | _ABOUT else None

    def fresh_in_comment(self, line: str) -> tuple[str, bool] | None:
        """The same for a comment."""
        found = _COMMENT.fullmatch(line[:LONGEST_MARK]) if line.strip()[:1] in "#/-;%<" and line.strip() else None
        return self.fresh(found[1]) if found else None

    def _is_known(self, path: str) -> bool:
        return self.resolved(path) in self.paths


def is_shell(info: str) -> bool:
    """Whether a fence holds commands or what they print."""
    words = info.lower().split()
    return bool(words) and words[0].strip("{.}") in _SHELL


def _words(mark: str) -> list[str]:
    """The names of files that a sentence may hold: with an ending, or with a folder."""
    runs = (run.rstrip("./\\+-") for run in _RUN.findall(mark))
    return [run for run in runs if _WITH_ENDING.fullmatch(run) or _WITH_FOLDER.fullmatch(run)]


def _plain(path: str) -> str:
    return path.strip(_WRAPPERS).removeprefix("./")
