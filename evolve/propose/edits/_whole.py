"""Whether a text is the whole of what it replaces: definitions that are gone, bodies left out, comments that stand for code.

What a child must not lose is judged by what both texts say, never by length alone: a program may be written anew.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache

from evolve.propose._python import is_python, parse
from evolve.propose.edits._edits import shown
from evolve.propose.edits._indent import margin
from evolve.propose.edits._source import Source, View

_BUILTINS = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__builtins__", "__annotations__"}
_C_LIKE = re.compile(
    r"^(?!else\b|if\b|for\b|while\b|switch\b)(?:extern \"C\" )?+"
    r"[A-Za-z_][\w\s*&:<>,~]{0,160}?\b(\w+)\s{0,9}\([^;{}]{0,400}\)[^;{}()]{0,60}\{",
    re.MULTILINE,
)
_KINDS = re.compile(
    r"^(?:(?:export|default|pub(?:\(\w+\))?|public|abstract|final|static|async|unsafe) ){0,3}"
    r"(?:class|struct|enum|trait|interface|union|(?:const|let|var)(?= \w+ = (?:async )?(?:\([^()\n]{0,200}\)|\w+) =>)|"
    r"(?:const|let|var)(?= \w+ = (?:async )?function)) (\w+)",
    re.MULTILINE,
)
_WITH_METHODS = (".ts", ".tsx", ".js", ".jsx", ".mjs", ".java", ".cs", ".kt", ".scala", ".php", ".dart", ".cpp", ".hpp", ".cc")
_METHOD = re.compile(
    r"^[ \t]+(?!(?:else|if|for|while|switch|catch|return|function|new|throw|await|do|using|lock)\b)"
    r"(?:[\w<>\[\],:*&?]{1,60} ){0,4}[#~]?(\w+)\s?\([^;{}]{0,400}\)[^;{}()=]{0,80}\{",
    re.MULTILINE,
)
_CALLED = re.compile(r"\b(\w+)\s{0,9}(?:<[^<>;{}()]{0,80}>)?(?:\(|<<<)")
_QUIET = re.compile(r"\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'|/\*[^*]{0,4000}\*/|//[^\n]*")  # strings and remarks
_WORDS = re.compile(r"[^\W\d]\w*")
_REMARK = re.compile(r"/\*[^*]{0,4000}\*/|//[^\n]*|#[^\n]*")
_TEXT = (".txt", ".md", ".prompt", ".j2", ".jinja", ".tmpl")
_SLOT = re.compile(r"\{\{? ?[A-Za-z_][\w.]{0,60} ?\}?\}|\$\{?[A-Za-z_]\w{0,60}\}?|\[\[\w{1,60}\]\]")  # places that a template fills
_DATA = (".yaml", ".yml", ".toml", ".ini", ".cfg", ".json")
NO_CODE = (*_TEXT, *_DATA)  # files whose words are no program
_KEY = re.compile(r"^[ \t]*(?:- )?\[{0,2}\"?([\w.-]{1,80})\"?\]{0,2}[ \t]*(?:[:=]|$)|\"([\w.-]{1,80})\"[ \t]*:", re.MULTILINE)
_AT_MARGIN = re.compile(
    r"(?:async\s+)?(?:def|class|fn|function|func|struct|const|let|var)\s+(\w+)|(\w+)\s*(?::[^=\n]{1,80})?=(?!=)"
)
_COMMENT = re.compile(r"\s*(?:#|//|--|;|%|/\*|<!--)+\s*(.*?)\s*(?:\*/|-->)?\s*")
_CODE = (
    r"(?:codes?|functions?|methods?|files?|implementations?|lines?|logic|parts?|body|bodies|imports?|class(?:es)?|definitions?|"
    r"programs?|contents?|scripts?|helpers?|module|everything|sections?|stuff)"
)
_SAME = r"(?:the same|unchanged|as[ -]is|as before|untouched|identical)"
_KEPT = (
    r"(?:(?:remains?|stays?|kept?|is|are|left|follows?|continues?|goes?|go|being)(?: \w+)?? "
    rf"(?:{_SAME}|here|below)|unchanged|as before|as[ -]is|omitted|goes here|go here|here|untouched|not changed|no changes?"
    r"|not shown|same as \w+)"
)
_REST = r"(?:rest|remainder|remaining|other|existing|previous|original|same|old)"
_STANDS = re.compile(
    r"\(?(?:"
    rf"(?:all |and )?(?:of )?(?:the |your |my |any )?{_REST}\b[\w\s'/,()-]{{0,60}}\b{_KEPT}"
    rf"|(?:the )?(?:rest|remainder) (?:of|is)\b.*\b{_CODE}.*"
    r"|(?:keep|copy|insert|leave|add|put) (?:the )?(?:rest|remaining|existing|original|other)\b.*"
    rf"|(?:your |the )?(?:existing|original|previous) {_CODE}(?: here| goes here| continues)?"
    r"|same(?: as (?:before|above|the original|original|previous(?:ly)?|in the (?:original|parent)|parent))?"
    r"|unchanged|as before|no changes?(?: here| needed| below| above)?|identical to (?:the )?(?:original|parent|before)"
    r"|(?:code )?omitted(?: for brevity)?|(?:not shown|left out|shortened|truncated|abbreviated)(?: for brevity)?"
    r"|for brevity\b.*|.*\bomitted for brevity|.*\(unchanged\)|unchanged (?:from|code|since)\b.*"
    r")[ .!:)]*",
    re.IGNORECASE,
)
_SAYS_KEPT = re.compile(
    rf"\b(?:remains?|stays?|kept|left|is|are) {_SAME}|\bunchanged\b|\bas (?:before|in the (?:original|parent))\b", re.IGNORECASE
)
_HEADERS = (".h", ".hh", ".hpp", ".cuh")
_DECLARED = re.compile(
    r"^[ \t]*#[ \t]*define[ \t]+(\w+)|^typedef\b[^;]{0,400}?\b(\w+);"
    r"|^(?!typedef\b)[A-Za-z_][\w\s*&]{0,160}?\b(\w+)\s?\([^;{}]{0,400}\);",
    re.MULTILINE,
)
_OWN_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*\"([^\"\n]{1,200})\"", re.MULTILINE)
_FEW = 6  # lines: of less one cannot tell a piece from a text written anew
_MARKER = "EVOLVE-BLOCK-"
_GOES_ON = "{})]#/*@"  # at the start of a line: it begins no definition


@lru_cache(maxsize=32)
def definitions(text: str, path: str) -> frozenset[str]:
    """Names that a text defines at its first column: functions, classes and values of Python, functions and
    types of languages like C, and the keys, at any depth, of settings."""
    if path.endswith(_DATA):
        return frozenset(found[1] or found[2] for found in _KEY.finditer(text[:200_000]))
    if not is_python(path):
        return frozenset((*_C_LIKE.findall(text[:200_000]), *_KINDS.findall(text[:200_000])))
    tree = parse(text).tree
    if tree is None:
        return frozenset()
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                names |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
    return frozenset(names)


def _declared(text: str) -> frozenset[str]:
    """What a header declares."""
    return frozenset(found[1] or found[2] or found[3] for found in _DECLARED.finditer(text[:200_000]))


def _is_piece(before: str, after: str) -> bool:
    """Whether two lines or more of a file's start or end are missing, before its next line or after the one before them."""
    old, new = ([line.strip() for line in text.split("\n") if line.strip()] for text in (before, after))
    for own, sent in ((old, new), (old[::-1], new[::-1])):
        at = own.index(sent[0]) if sent and sent[0] in own else 0
        if at > 1 and len(old) >= _FEW and not set(own[:at]) & set(sent):
            return True
    return False


def _keys(text: str) -> Counter[str]:
    return Counter(found[1] or found[2] for found in _KEY.finditer(text[:200_000]))


def _open(text: str) -> tuple[int, ...]:
    """How many brackets of each kind a program leaves open."""
    quiet = _QUIET.sub(" ", text)
    return tuple(quiet.count(pair[0]) - quiet.count(pair[1]) for pair in ("()", "[]", "{}"))


@lru_cache(maxsize=32)
def members(text: str, path: str) -> frozenset[str]:
    """Names of the methods of a text's classes."""
    if is_python(path):
        return frozenset(name.rpartition(".")[2] for name in _functions(text))
    return frozenset(found[1] for found in _METHOD.finditer(text[:200_000])) if path.endswith(_WITH_METHODS) else frozenset()


def left_out(before: str, after: str, path: str) -> str:
    """What of a file its new text leaves out, in words that follow "the text "; "" when it is whole."""
    if is_python(path) and parse(after).error:
        return ""
    old, new = definitions(before, path), definitions(after, path)
    if is_python(path):
        new |= old & _imported(after)  # what moved to another file and is named here still
    gone = old - new
    missing = gone & _used(after, path)
    if is_python(path):
        missing |= _imported(before) & undefined(after)
        missing |= old & undefined(after)
    if missing:
        return f"uses {_list(missing)} and does not define {'it' if len(missing) == 1 else 'them'} any more"
    if old and (len(old) > 1 or new or not is_python(path)) and not old & new:
        return f"has none of the file's definitions ({_list(old)})"
    lost = frozenset[str]() if is_python(path) or path.endswith(_DATA) else lost_entries(before, after, path)
    if lost and lost == _entries(before, path):
        return f"does not have {_list(lost)} of the file any more"
    if not is_python(path) and not path.endswith(NO_CODE) and _open(after) != _open(before):
        return "does not close all brackets that it opens, or opens none of those that it closes"
    if path.endswith(_HEADERS) and (lost := _declared(before) - _declared(after)) and _declared(after) <= _declared(before):
        return f"does not have {_list(lost)} of the file any more"
    if (path.endswith(_DATA) or (not old and not is_python(path))) and _is_piece(before, after):
        return "begins or ends in the middle of the file"
    if path.endswith(_DATA) and new <= old and (fewer := _keys(before) - _keys(after)):
        return f"does not have {_list(fewer)} of the file any more, or fewer times"
    if not is_python(path) and (lost := frozenset(_OWN_INCLUDE.findall(before)) - frozenset(_OWN_INCLUDE.findall(after))):
        return f"does not include {_list(lost)} any more"
    if path.endswith(_TEXT) and (lost := frozenset(_SLOT.findall(before)) - frozenset(_SLOT.findall(after))):
        return f"does not have {_list(lost)} of the file any more"
    old_members, new_members = members(before, path), members(after, path)
    if not is_python(path) and new_members < old_members and len(new_members) * 2 <= len(old_members):
        return f"has {len(new_members)} of the {len(old_members)} methods; {_list(old_members - new_members)} are missing"
    few, shorter = len(old & new) * 2 <= len(old), len(after) / len(before) if before else 1.0
    if gone and ((few and shorter < (0.75 if new <= old else 0.5)) or shorter < 1 / 3):
        return f"has {len(old & new)} of the file's {len(old)} definitions; {_list(gone)} are missing"
    return ""


def lost_entries(before: str, after: str, path: str) -> frozenset[str]:
    """Definitions that no other one of the file reads, and that a text does not even name: who asks for them is outside."""
    entries = _entries(before, path)
    return entries - frozenset(_WORDS.findall(_REMARK.sub(" ", after))) if entries else entries


@lru_cache(maxsize=32)
def _entries(text: str, path: str) -> frozenset[str]:
    names = definitions(text, path)
    read: set[str] = set()
    chunk: list[str] = []
    for line in [*text.split("\n"), "end"]:
        if line[:1].strip() and line[0] not in _GOES_ON and chunk:
            words = set(_WORDS.findall("\n".join(chunk)))
            own = names & set(_WORDS.findall(chunk[0]))
            read |= names & words - own if own else set()
            chunk = []
        if line.strip() and (chunk or line[0] not in _GOES_ON):
            chunk.append(line)
    return names - read


def _used(text: str, path: str) -> frozenset[str]:
    if is_python(path):
        return undefined(text)
    return frozenset(_CALLED.findall(text)) - definitions(text, path)


def undefined(text: str) -> frozenset[str]:
    """Names that a Python text reads and binds nowhere."""
    found = _names(text)
    return found[0] - found[1] - _BUILTINS if found is not None else frozenset()


def bound(text: str) -> frozenset[str]:
    """Names that a Python text binds anywhere, at any depth."""
    found = _names(text)
    return found[1] if found is not None else frozenset()


def binds(text: str, name: str) -> bool:
    """Whether a Python text binds a name, or may, in ways that cannot be read off it."""
    found = _names(text)
    return found is None or name in found[1] or "__getattr__" in found[1] or bool(found[0] & {"globals", "exec"})


def binds_outside(text: str, name: str) -> bool:
    """Whether a Python text binds a name outside of functions and classes, or may, in ways that cannot be read off it."""
    found = _names(text)
    if found is None or "__getattr__" in found[1] or found[0] & {"globals", "exec", "setattr", "vars"}:
        return True
    waiting: list[ast.AST] = [parse(text).tree or ast.Module([], [])]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if node.name == name:
                    return True
            elif isinstance(node, ast.Import | ast.ImportFrom):
                if any((alias.asname or alias.name).partition(".")[0] == name for alias in node.names):
                    return True
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
                return True
            elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                waiting.append(node)
    return False


@lru_cache(maxsize=64)
def _names(text: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """Names that are read, and names that are bound; None where not all can be known."""
    tree = parse(text).tree
    if tree is None:
        return None
    read: set[str] = set()
    made: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*":
                    return None
                made.add((alias.asname or alias.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            made.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            made.add(node.rest)
    return frozenset(read), frozenset(made)


@lru_cache(maxsize=32)
def _imported(text: str) -> frozenset[str]:
    tree = parse(text).tree
    names: set[str] = set()
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return frozenset(names)


def is_whole(before: str, after: str, path: str) -> bool:
    """Whether a text can be a new version of a whole file, rather than a piece of it or something else."""
    if is_python(path) and not parse(before).error and parse(after).error:
        return False
    old = definitions(before, path)
    if old:
        return bool(old & definitions(after, path)) and not left_out(before, after, path)
    lines = {line.strip() for line in before.split("\n") if line.strip()}
    same = len(lines & {line.strip() for line in after.split("\n")})
    return same * 2 >= len(lines) and not left_out(before, after, path)


def stub(before: str, after: str) -> str:
    """The first function whose code was left out: its body is dots, nothing, or not implemented, and had code before."""
    old, new = _functions(before), _functions(after)
    for name, (empty, dots) in new.items():
        was = old.get(name)
        if (empty and was is not None and not was[0]) or (dots and not empty and not (was and was[1])):
            return name
    return ""


@lru_cache(maxsize=32)
def _functions(text: str) -> dict[str, tuple[bool, bool]]:
    """Functions by their full name: whether they have no code, and whether dots stand in their bodies."""
    found: dict[str, tuple[bool, bool]] = {}
    tree = parse(text).tree
    waiting: list[tuple[str, ast.AST]] = [("", tree)] if tree is not None else []
    while waiting:
        within, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                found[within + child.name] = all(_is_nothing(each) for each in child.body), any(map(_is_dots, child.body))
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                waiting.append((f"{within}{child.name}.", child))
            elif isinstance(child, ast.stmt):
                waiting.append((within, child))
    return found


def _is_dots(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...


def _is_nothing(node: ast.stmt) -> bool:
    if isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return True
    raised = node.exc if isinstance(node, ast.Raise) else None
    raised = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def stands_for_code(line: str, names: Collection[str]) -> bool:
    """Whether a line is a comment that stands for code left out, without dots.  ``names``: what the file defines."""
    if not line.strip() or line.strip()[0] not in "#/-;%<" or len(line) > 200:
        return False
    found = _COMMENT.fullmatch(line)
    body = found[1].strip("-=*_[]{}<> ") if found else ""
    if not body:
        return False
    if _STANDS.fullmatch(body):
        return True
    return _SAYS_KEPT.search(body) is not None and any(word in names for word in re.findall(r"\w+", body))


def unmarked(source: Source, lines: Sequence[str]) -> list[list[str]] | None:
    """The text of each block in a file sent without its marker lines; None unless all else is there, line by line, in one way."""
    edges = [0, *(edge for start, end in source.regions for edge in (start - 1, end + 1)), len(source.lines)]
    outside = [source.lines[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]
    rest = list(lines)
    while rest and not rest[-1].strip():
        rest.pop()
    while outside[-1] and not outside[-1][-1].strip():
        outside[-1] = outside[-1][:-1]
    first, *middle, last = outside
    if any(_MARKER in line for line in rest) or rest[: len(first)] != first:
        return None
    if (last and rest[-len(last) :] != last) or len(first) + len(last) > len(rest):
        return None
    rest = rest[len(first) : len(rest) - len(last)]
    parts = []
    for segment in middle:
        hits = View(rest, "\n").find(segment) if any(line.strip() for line in segment) else []
        if len(hits) != 1:
            return None
        parts.append(rest[: hits[0]])
        rest = rest[hits[0] + len(segment) :]
    return [*parts, rest]


def names_at_margin(lines: Sequence[str]) -> frozenset[str]:
    """What a block defines at the indentation it has."""
    depth = len(margin(lines))
    found = (_AT_MARGIN.match(line[depth:]) for line in lines if line.strip())
    return frozenset(match[1] or match[2] for match in found if match)


def block_meant(source: Source, lines: Sequence[str]) -> int | None:
    """The one block that a text can be, by the names that both define; None where there is none or more."""
    names = names_at_margin(lines)
    fits = []
    for i, (start, end) in enumerate(source.regions):
        own = names_at_margin(source.lines[start:end])
        if own and own <= names:
            fits.append(i)
    return fits[0] if len(fits) == 1 else None


def _list(names: Collection[str]) -> str:
    some = sorted(names)[:4]
    return ", ".join(shown(name, 60) for name in some) + (", ..." if len(names) > len(some) else "")
