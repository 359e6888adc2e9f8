"""From a model's answer to edits: which of its blocks are meant, and what each says.

What is prose is skipped, and so is what the model thought; what looks like an edit and is broken is reported, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from evolve.propose.answers._bare import bare_program
from evolve.propose.answers._blocks import Maker, inside, joined
from evolve.propose.answers._labels import label_kind
from evolve.propose.answers._names import Header, Names, is_shell
from evolve.propose.answers._objects import json_edits, tag_edits
from evolve.propose.answers._patches import edits_of
from evolve.propose.answers._reader import Block, Fenced, Patch, Raw, Reader
from evolve.propose.answers._thinking import spoken
from evolve.propose.edits._edits import (
    MAX_ANSWER,
    MAX_EDITS,
    AnyEdit,
    BlockFault,
    EditFailure,
    Fault,
    Format,
    ParsedAnswer,
    Replace,
    RewriteBlock,
    RewriteFile,
    failure,
    shown,
)
from evolve.propose.edits._slips import has_escapes, is_escaped, unescaped, without_numbers
from evolve.propose.edits._whole import definitions, is_whole, left_out, lost_entries

_ESCAPED_MARK = re.compile(r"^\s*&lt;&lt;&lt;&lt;&lt;(?:&lt;){0,4} ?\w", re.MULTILINE)
_HARD_SPACES = re.compile(r"^[ \t]*\u00a0[ \t\u00a0]*+", re.MULTILINE)


def parse_answer(text: str, expected: Format, files: Collection[str], *, cut: bool = False) -> ParsedAnswer | EditFailure:
    """The edits in an answer, in its order.

    Search/replace blocks, unified diffs and patches count always.  Fenced blocks count when a header right above them names a file
    (``file: new.py``, or any of ``files`` alone) or a block (``block 2``), or the line that opens the fence has one of ``files``.
    Without any of these, the one fenced block that can be a whole new version is taken, or two under words such as Search and
    Replace, or JSON and tags as tools have them.

    Args:
        text: what the model said.
        expected: what it was asked for.
        files: the parent's files; where they are a mapping, their texts tell a whole version from a piece.
        cut: the server says that the answer hit a limit, so that what has no end is not whole.

    Returns:
        At least one edit, and what is wrong with the other blocks; or why there is none.  Raises nothing that a text can cause.
    """
    if len(text) > MAX_ANSWER:
        return failure(Fault.TOO_LARGE, f"An answer has at most {MAX_ANSWER} characters; this one has {len(text)}.")
    names = Names(files)
    known = "\n".join(names.texts.values())
    raw = "\n".join(_unquoted(text.replace("\r\n", "\n").split("\n")))
    said = spoken(raw, known)
    body = said.text
    if "\u00a0" in body and "\u00a0" not in known:  # what pages put for the spaces before a line
        body = _HARD_SPACES.sub(lambda found: found[0].replace("\u00a0", " "), body)
    if _was_escaped(body, names):
        body = unescaped(body)
    lines = body.split("\n")
    reader = Reader(names)
    for line in lines:
        reader.read(line)
    reader.end()
    edits, rejected = _Choice(reader.found, expected, names, cut=cut).made()
    if not edits and not any(isinstance(block, Raw | Patch) for block in reader.found):
        edits, rejected = _otherwise(body, raw, names, rejected, cut=cut)
    if len(edits) + len(rejected) > MAX_EDITS:
        return failure(Fault.TOO_LARGE, f"At most {MAX_EDITS} edits are taken; found {len(edits) + len(rejected)}.")
    if edits:
        return ParsedAnswer(tuple(edits), tuple(rejected))
    if said.unended:
        return failure(
            Fault.TRUNCATED, "The thinking in the answer has no end, and no edit comes after it; think less, send edits."
        )
    return EditFailure(tuple(rejected)) if rejected else failure(Fault.EMPTY, _nothing(expected, reader.found))


def _was_escaped(body: str, names: Names) -> bool:
    """Whether something between model and us escaped all of an answer for HTML."""
    if not has_escapes(body) or any(has_escapes(text) for text in names.texts.values()):
        return False
    if "<" in body or ">" in body:
        return False
    lines = body.split("\n")
    return _ESCAPED_MARK.search(body) is not None or any(
        is_escaped(lines, text.split("\n"), path) for path, text in names.texts.items()
    )


def _otherwise(
    body: str, raw: str, names: Names, rejected: list[BlockFault], *, cut: bool
) -> tuple[list[AnyEdit], list[BlockFault]]:
    """Edits in JSON or tags, or an answer that is nothing but the program."""
    edits, patches = json_edits(body, names, cut=cut) if "{" in body else ([], [])
    for patch in patches[:MAX_EDITS]:
        made = edits_of(patch.split("\n"), "", names, len(edits) + 1)
        edits += [edit for edit in made if not isinstance(edit, BlockFault)]
        rejected = rejected + [fault for fault in made if isinstance(fault, BlockFault)]
    if edits:
        return edits, []
    if tagged := tag_edits(body, names) if "</" in body else []:
        whole = tag_edits(raw, names) if raw != body else tagged
        if len(whole) == len(tagged) and whole != tagged:
            said = "The edits have tags like those around thinking in their text; send them as SEARCH/REPLACE blocks."
            return [], [BlockFault(0, Fault.MALFORMED, said)]
        return tagged, []
    if len(names.texts) == 1 and not cut:
        path, before = next(iter(names.texts.items()))
        if text := bare_program(body, path, before):
            return [RewriteFile(1, path, text)], []
    return [], rejected


class _Choice:
    """The edits among the blocks.  A fenced block without header is an example, unless nothing else can be meant."""

    def __init__(self, found: Sequence[Block], expected: Format, names: Names, *, cut: bool) -> None:
        self._found, self._expected, self._names, self._cut = found, expected, names, cut
        self._maker = Maker(names, expected, cut=cut, alone=len(found) == 1)

    def made(self) -> tuple[list[AnyEdit], list[BlockFault]]:
        edits: list[AnyEdit] = []
        rejected: list[BlockFault] = []
        for part in self._parts():
            if isinstance(part, str):
                rejected.append(BlockFault(0, Fault.MALFORMED, part))
                continue
            for made in self._maker.edits(part, len(edits) + len(rejected) + 1):
                if isinstance(made, BlockFault):
                    rejected.append(made)
                elif not any(_same(made, other) for other in edits[-MAX_EDITS:]):
                    edits.append(made)
        return _renumbered(edits, rejected)

    def _parts(self) -> list[Block | tuple[Fenced, Fenced] | str]:
        """What is meant, in order: blocks, pairs of old and new lines, and sentences about what cannot be."""
        paired, said = self._pairs()
        if said:
            return [said]
        chosen: list[Block | tuple[Fenced, Fenced] | str] = []
        for block in paired:
            if isinstance(block, tuple | Raw | Patch) or self._is_named(block):
                chosen.append(block)
        if chosen:
            return [*chosen, *self._more(chosen, paired), *self._fresh(chosen, paired)]
        return self._bare([block for block in paired if isinstance(block, Fenced)])

    def _more(
        self, chosen: Sequence[Block | tuple[Fenced, Fenced] | str], paired: Sequence[Block | tuple[Fenced, Fenced]]
    ) -> list[Fenced]:
        """Fences without a name that can only be new versions of further files, beside whole files that have one."""
        named = {self._maker.path(block) for block in chosen if isinstance(block, Fenced)}
        if len(named) != len(chosen) or len(self._names.texts) < 2:
            return []
        bare = [block for block in paired if isinstance(block, Fenced) and block not in chosen]
        found = [(block, self._file_of(block)) for block in bare if not is_shell(block.info)]
        return [
            _headed(block, path)
            for block, path in found
            if path and path not in named and joined(inside(block)).strip() != self._names.texts[path].strip()
        ]

    def _fresh(
        self, chosen: Sequence[Block | tuple[Fenced, Fenced] | str], paired: Sequence[Block | tuple[Fenced, Fenced]]
    ) -> Iterator[Fenced]:
        """Fences under the name of a file that the parent lacks, when it is said to be new or what is meant speaks of it."""
        words: set[str] | None = None
        for block in paired:
            if not isinstance(block, Fenced) or block.header is not None or is_shell(block.info) or not block.lines:
                continue
            path, new = self._names.fresh(block.label) or ("", False)
            lines = block.lines
            if not path and (named := self._names.fresh_in_comment(lines[0])):
                (path, new), lines = named, lines[1:]
            if path and not new:
                words = words if words is not None else _words(chosen)
                new = path.rpartition("/")[2].rpartition(".")[0] in words
            if path and new:
                yield Fenced(Header(path, None), block.info, lines, block.closed, block.indent, block.label, path)

    def _is_named(self, block: Fenced) -> bool:
        """Whether a header says that the block is an edit; a name in a sentence says it only of a whole version."""
        if block.header is None:
            return False
        return (block.header.sure and not is_shell(block.info)) or self._is_version(block, self._maker.path(block))

    def _pairs(self) -> tuple[list[Block | tuple[Fenced, Fenced]], str]:
        """Fences under words such as Search and Replace, together."""
        out: list[Block | tuple[Fenced, Fenced]] = []
        old: Fenced | None = None
        for block in self._found:
            kind = label_kind(block.label, pending=old is not None) if isinstance(block, Fenced) and block.label else ""
            if kind == "new" and old is not None and isinstance(block, Fenced):
                whole = self._is_version(block, self._maker.path(block)) and not self._is_version(old, self._maker.path(old))
                out.append(block if whole else (old, block))
                old = None
            elif kind == "old" and isinstance(block, Fenced):
                if old is not None:
                    return [], f"Expected old and new lines in turn; no new ones come after {shown(joined(old.lines))}."
                old = block
            else:
                out += [old] if old is not None else []
                old = None
                out.append(block)
        if old is not None and any(isinstance(part, tuple) for part in out):
            return [], f"Expected old and new lines in turn; no new ones come after {shown(joined(old.lines))}."
        return [*out, *([old] if old is not None else [])], ""

    def _is_version(self, block: Fenced, path: str) -> bool:
        before = self._names.texts.get(path)
        lines = inside(block)
        return before is not None and is_whole(before, joined(without_numbers(lines) or lines), path)

    def _bare(self, blocks: list[Fenced]) -> list[Block | tuple[Fenced, Fenced] | str]:
        """Of fences that name nothing, the one that is meant; several where each can only be one file."""
        blocks = list({block.lines: block for block in blocks if not is_shell(block.info)}.values())
        if not any(path.endswith(".json") for path in self._names.paths):
            blocks = [block for block in blocks if block.info.lower() != "json"]  # it says what to do, and is no program
        versions = [(block, path) for block in blocks if (path := self._file_of(block)) and not self._is_piece(block, path)]
        changed = [
            (block, path) for block, path in versions if joined(inside(block)).strip() != self._names.texts.get(path, "").strip()
        ]
        if changed:
            if self._cut and not all(block.closed for block in self._found if isinstance(block, Fenced)):
                return ["The answer was cut off in one of several texts that name no file; send one, under a line 'file: name'."]
            if len(self._names.texts) > 1 and any(map(self._is_part, {*blocks} - {block for block, _ in versions})):
                return ["Expected a line such as 'file: name' above each fenced block; found some that may be parts of files."]
            if len({path for _, path in changed}) == len(changed):
                return [_headed(block, path) for block, path in changed]
            return [f"Expected one version of a file; found {len(changed)} fenced blocks, each of which may be meant: send one."]
        if self._expected is Format.DIFF:
            return []
        if len(blocks) > 1:
            return [f"Expected one fenced block, or a line such as 'file: name' above each; found {len(blocks)} without."]
        known = next(iter(self._names.texts.values())) if len(self._names.texts) == 1 else ""
        if self._expected is Format.BLOCK and blocks and known.strip() and "EVOLVE-BLOCK-" not in known and not versions:
            return []  # a file without markers is one block, and this is none
        if self._expected is Format.FILE and blocks and len(self._names.texts) > 1:
            names = ", ".join(sorted(self._names.texts)[:6])
            return [f"The fenced block needs a line such as 'file: name' above it, with one of: {names}."]
        if self._expected is Format.FILE and blocks and len(self._names.texts) == 1:
            path, before = next(iter(self._names.texts.items()))
            if why := left_out(before, joined(inside(blocks[0])), path):
                return [f"The fenced block {why}; send all of {shown(path)}, or SEARCH/REPLACE blocks for what changes."]
        return list(blocks)

    def _is_part(self, block: Fenced) -> bool:
        """Whether half of a block's lines or more are the parent's, but not all: it is no quotation."""
        lines = [line.strip() for line in inside(block) if line.strip()]
        own = sum(line in self._names.lines for line in lines)
        return len(lines) <= own * 2 and own < len(lines)

    def _is_piece(self, block: Fenced, path: str) -> bool:
        """Whether a fence may be some of a file, where edits were asked for: it adds no definition, and lacks some entry."""
        before, after = self._names.texts[path], joined(inside(block))
        if self._expected is not Format.DIFF or not definitions(after, path) <= definitions(before, path):
            return False
        return bool(lost_entries(before, after, path))

    def _file_of(self, block: Fenced) -> str:
        """The one file of which the block can be a version; "" where there is none."""
        fits = [path for path in self._names.texts if self._is_version(block, path)]
        if len(self._names.texts) == 1:
            return fits[0] if fits else ""
        fits = [path for path in fits if len(self._names.texts[path].split()) > 2]  # anything is a version of nothing
        if len(fits) != 1:
            return ""
        old = definitions(self._names.texts[fits[0]], fits[0])
        return fits[0] if old <= definitions(joined(inside(block)), fits[0]) else ""


def _words(blocks: Sequence[Block | tuple[Fenced, Fenced] | str]) -> set[str]:
    parts = [part for block in blocks for part in (block if isinstance(block, tuple) else (block,)) if not isinstance(part, str)]
    return {word for part in parts for line in part.lines for word in re.findall(r"\w+", line)}


def _headed(block: Fenced, path: str) -> Fenced:
    header = block.header or Header(path, None)
    return Fenced(header, block.info, block.lines, block.closed, block.indent, block.label, path)


def _same(a: AnyEdit, b: AnyEdit) -> bool:
    """Whether two edits say the same; a name that one of them lacks makes no difference for lines that stand once."""
    if isinstance(a, Replace) and isinstance(b, Replace):
        return (a.search, a.replace) == (b.search, b.replace) and (a.path == b.path or not a.path or not b.path)
    if isinstance(a, RewriteFile) and isinstance(b, RewriteFile):
        return (a.path, a.text) == (b.path, b.text)
    if isinstance(a, RewriteBlock) and isinstance(b, RewriteBlock):
        return (a.path, a.block, a.text) == (b.path, b.block, b.text)
    return False


def _renumbered(edits: list[AnyEdit], rejected: list[BlockFault]) -> tuple[list[AnyEdit], list[BlockFault]]:
    """Numbers without gaps, where an edit that came twice left one."""
    order = {number: i for i, number in enumerate(sorted({each.number for each in (*edits, *rejected)} - {0}), 1)}
    if all(number == i for number, i in order.items()):
        return edits, rejected
    faults = []
    for fault in rejected:
        number = order.get(fault.number, 0)
        said = fault.feedback.replace(f"Block {fault.number} ", f"Block {number} ", 1)
        faults.append(replace(fault, number=number, feedback=said))
    return [replace(edit, number=order[edit.number]) for edit in edits], faults


def _unquoted(lines: list[str]) -> list[str]:
    """An answer that is one long quotation, without its signs."""
    written = [line for line in lines if line.strip()]
    if len(written) > 2 and all(line.startswith("> ") or line == ">" for line in written):
        return [line[2:] for line in lines]
    return lines


def _nothing(expected: Format, found: Sequence[Block]) -> str:
    wanted = "SEARCH/REPLACE blocks" if expected is Format.DIFF else "one fenced block with the new text"
    return f"Expected {wanted}; found {f'{len(found)} fenced blocks that name no file' if found else 'no edit at all'}."
