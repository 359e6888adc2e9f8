"""Whether a change is what whoever made it said of it.  Words and programs are untrusted; nothing is run, and all is linear.

Two things are looked for, and both are plain in the text: what is said names parts of the program and the change touches none of
them; or it speaks of something new, added, replaced or removed and nothing but numbers changed.  Everything that may be meant
otherwise is let pass: a name in a sentence that denies, a number or the word *value* beside the verb, a part that the changed
line is about.  A change that does more than what was said of it is not looked for.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from evolve._untrusted import clean
from evolve.propose._operator import Files

MAX_WORDS, MAX_LINES = 4000, 4000  # characters of a statement; lines of both versions of a file that are compared
_LONGEST_LINE = 400  # characters of a line that are looked at for what is below it
_DEEPEST, _WIDEST = 40, 8  # lines that a line is below, and names of each
_NAMED, _TOUCHED = 4, 4
_HYPOTHESIS = 1  # of summary, hypothesis, plan
_EVERYWHERE = frozenset({"self", "cls"})
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
_CODE = re.compile(r"^(?:diff |@@|\+\+\+ |--- |```|<<<<|file: )", re.MULTILINE)  # the change itself, which got into the words
_TICKED = re.compile(r"`([^`\n]{1,120})`")
_FILE = re.compile(r"[\w./-]*\w\.[A-Za-z]\w{0,4}\b")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_CODE_WORD = re.compile(r"\b(?:[A-Za-z]\w*_\w+|_\w+|[A-Z][A-Z0-9]{2,}\w*|[a-z]+[A-Z]\w*|[^\W\d]\w*(?=\(\)))")  # no word of English
_DENIES = re.compile(
    r"\b(?:not|no|never|without|keeps?|keeping|kept|leaves?|leaving|left|unchanged|stays?|remains?|instead|unlike|like|as in|same|"
    r"rather|because|since|due|while|already|still)\b|n't\b",
    re.IGNORECASE,
)
_NEW = re.compile(
    r"\b(?:add(?:s|ed|ing)?|replac(?:e|es|ed|ing)|introduc(?:e|es|ed|ing)|remov(?:e|es|ed|ing)|delet(?:e|es|ed|ing)|"
    r"implement(?:s|ed|ing)?|rewr(?:ite|ites|ote|itten|iting)|new)\b",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"\b(?:chang|increas|decreas|rais|lower|reduc|set|replac|remov|add|introduc|tun|doubl|halv|mov|rewr|scal|us(?:e|ing)|adjust|"
    r"delet|drop|swap|turn|switch|mak(?:e|ing)|grow|shrink)",
    re.IGNORECASE,
)
_OF_NUMBERS = re.compile(
    r"\d|\b(?:values?|constants?|numbers?|numeric|parameters?|hyper-?parameters?|coefficients?|literals?|weights?|rates?|factors?|"
    r"thresholds?|tolerances?|limits?|bounds?|sizes?|steps?|more|fewer|less|extra|half|twice|schedules?|settings?|margins?|offsets?|"
    r"versions?|zero|one|two|three|four|five|ten|tun(?:e|ed|ing)|increas\w*|decreas\w*|rais\w*|lower\w*|shift\w*|scal\w*)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?")
_SCOPE = re.compile(r"[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)")
_LONG = 4  # letters of a word that says what a line is about
_STEM = 5


@dataclass(frozen=True, slots=True)
class _Change:
    """What a change touches: ``lines`` as they were and as they are, the ``names`` in them, the functions and classes that they
    stand in and their files, in small letters; ``only_numbers`` where numbers alone differ."""

    names: frozenset[str]
    lines: tuple[str, ...]
    only_numbers: bool
    first: tuple[str, ...]


def drift(before: Files, after: Files, *, summary: str, hypothesis: str = "", plan: str = "") -> str:
    """How a change differs from what was said of it, in one line; "" where nothing plainly does.

    Args:
        before: The program that was changed.
        after: What it became.
        summary, hypothesis, plan: The words of whoever changed it.

    Example:
        >>> drift({"a.py": "LR = 1\\nB = 2\\n"}, {"a.py": "LR = 1\\nB = 3\\n"}, summary="Raise `LR`")
        'names LR, and the change touches none of it (it touches B)'
    """
    words = [_CODE.split(clean(text[:MAX_WORDS]), maxsplit=1)[0] for text in (summary, hypothesis, plan)]
    change = _change(before, after)
    if change is None or not any(words):
        return ""
    named = _named(words, before, after)
    touched = change.names
    if named and not any(parts & touched for _, parts in named):
        what = ", ".join(dict.fromkeys(shown for shown, _ in named[:_NAMED]))
        about = f" (it touches {', '.join(change.first)})" if change.first else ""
        return f"names {what}, and the change touches none of it{about}"
    idea = words[_HYPOTHESIS].startswith(words[0].removesuffix("..."))  # which is what stands first where nothing else was said
    if change.only_numbers and not idea and (said := _structure(words[0], change)):
        about = f" ({', '.join(change.first)})" if change.first else ""
        return f"says “{said}”, and only numbers changed{about}"
    return ""


# --------------------------------------------------------------------------------------------------- what changed


def _change(before: Files, after: Files) -> _Change | None:
    """None where nothing differs, or too much to be compared."""
    names: set[str] = set()
    lines: list[str] = []
    only_numbers = True
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path, ""), after.get(path, "")
        if old == new:
            continue
        names |= {path.lower(), path.rpartition("/")[2].lower(), path.rpartition("/")[2].partition(".")[0].lower()}
        found = _changed_lines(old.splitlines(), new.splitlines())
        if found is None:
            return None
        names |= found[1]
        lines += found[0]
        only_numbers &= _NUMBER.sub("0", old).split() == _NUMBER.sub("0", new).split()
    identifiers = [name for line in lines for name in _identifiers(line)]
    names |= {name.lower() for name in identifiers}
    first = tuple(dict.fromkeys(identifiers))[:_TOUCHED]
    return _Change(frozenset(names), tuple(lines), only_numbers, first) if lines else None


def _changed_lines(old: list[str], new: list[str]) -> tuple[list[str], set[str]] | None:
    """Lines that differ, and the functions and classes that they stand in."""
    if len(old) + len(new) > MAX_LINES:
        return None
    lines: list[str] = []
    scopes: set[str] = set()
    above = _scopes(old), _scopes(new)
    for tag, i, j, k, m in SequenceMatcher(None, old, new).get_opcodes():
        if tag == "equal":
            continue
        lines += [line for line in (*old[i:j], *new[k:m]) if line.strip()]
        scopes.update(*above[0][i:j], *above[1][k:m])
    return lines, scopes


def _scopes(lines: list[str]) -> list[tuple[str, ...]]:
    """For each line the names above it that it belongs to, by its indentation: of a function or class its own, of other lines all.
    So a line of a long list is of the name that the list has."""
    open_: list[tuple[int, tuple[str, ...]]] = []
    found: list[tuple[str, ...]] = []
    for line in lines:
        text = line.lstrip()
        if text:
            depth = len(line) - len(text)
            while open_ and open_[-1][0] >= depth and text[0] not in ")]}":
                open_.pop()
            scope = _SCOPE.match(line)
            names = [scope[1]] if scope else _identifiers(line[:_LONGEST_LINE])
            if len(open_) < _DEEPEST:
                open_.append((depth, tuple(name.lower() for name in names[:_WIDEST])))
        found.append(tuple(name for _, names in open_ for name in names))
    return found


def _identifiers(text: str) -> list[str]:
    return [name for name in _IDENTIFIER.findall(text) if not keyword.iskeyword(name)]


# --------------------------------------------------------------------------------------------------- what was said


def _named(words: list[str], before: Files, after: Files) -> list[tuple[str, frozenset[str]]]:
    """What the words name of the program: as it was written, and what touching it can be seen by, in small letters.  Of bare words
    only those that a program has and English has not; of a hypothesis only what it speaks of changing."""
    known = {name for files in (before, after) for text in files.values() for name in _IDENTIFIER.findall(text)}
    files = {name for path in (*before, *after) for name in (path, path.rpartition("/")[2])}
    found: list[tuple[str, frozenset[str]]] = []
    for place, text in enumerate(words):
        for sentence in _SENTENCE.split(text):
            plain = _TICKED.sub(" ", sentence)
            if not _DENIES.search(plain) and (place != _HYPOTHESIS or _CHANGES.search(plain)):
                found += _names_in(sentence, known, files)
    return found


def _names_in(sentence: str, known: set[str], files: set[str]) -> Iterator[tuple[str, frozenset[str]]]:
    small = {name.lower() for name in known}
    for ticked in _TICKED.findall(sentence):
        inside = frozenset([ticked.lower()] if ticked in files else (name.lower() for name in _identifiers(ticked))) - _EVERYWHERE
        if inside and (ticked in files or inside & small or _NEW.search(sentence)):  # else it may be short for something
            yield ticked, inside
    bare = _TICKED.sub(" ", sentence)
    for name in [*(one for one in _FILE.findall(bare) if one in files), *(one for one in _CODE_WORD.findall(bare) if one in known)]:
        yield name, frozenset({name.lower()})


def _structure(summary: str, change: _Change) -> str:
    """The words of a summary that speak of something new or gone, where neither they nor the changed lines are about a number."""
    about = {part[:_STEM] for line in change.lines for name in _identifiers(line) for part in name.lower().split("_")}
    for sentence in _SENTENCE.split(summary):
        if not _NEW.search(sentence) or _OF_NUMBERS.search(sentence) or _DENIES.search(sentence) or sentence.rstrip().endswith(":"):
            continue
        said = {word[:_STEM] for word in re.findall(r"[a-z]+", sentence.lower()) if len(word) >= _LONG}
        if not said & about:
            return " ".join(sentence.split())[:80]
    return ""
