"""Blocks and files that an edit writes anew: where they go, and what of the parent they must not lose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evolve.propose._python import is_python
from evolve.propose._scope import editable_regions
from evolve.propose.edits._edits import AnyEdit, AppliedEdit, BlockFault, Fault, MatchTier, RewriteBlock, RewriteFile, shown
from evolve.propose.edits._indent import margin, moved
from evolve.propose.edits._match import ESCAPES, is_lazy
from evolve.propose.edits._slips import is_escaped, without_numbers
from evolve.propose.edits._source import Cut, Source, cut_lines
from evolve.propose.edits._whole import block_meant, definitions, left_out, members, names_at_margin, stands_for_code, unmarked


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an edit goes.  The file may be new and has one cut then.  ``alone``: it shares the file with no other edit."""

    placed: AppliedEdit
    cuts: tuple[Cut, ...]
    alone: bool = False


def rewrite_block(edit: RewriteBlock, source: Source) -> Spot | BlockFault:
    regions = source.regions
    texts = _between_markers(edit.text)
    if not source.marked and edit.block in (None, 1) and (why := left_out(source.text, edit.text, source.path)):
        return fault_of(edit, Fault.ELIDED, f"the text {why}; send all of {shown(source.path)}, which is one block.")
    if (
        len(texts) == 1
        and not _is_marked(edit.text)
        and _unmarked(source, edit.text) is None
        and (said := _outside_named(source, texts[0]))
    ):
        return fault_of(edit, Fault.IMMUTABLE, said)
    if edit.block is None and len(texts) == len(regions) > 0:
        return _rewritten(edit, source, regions, texts)
    if edit.block is None and (whole := _unmarked(source, edit.text)) is not None:
        return _rewritten(edit, source, regions, whole)
    if edit.block is None and len(texts) == 1 and len(regions) > 1 and (meant := block_meant(source, texts[0])) is not None:
        return _rewritten(edit, source, (regions[meant],), texts)
    if edit.block is None and len(regions) != 1:
        said = f"{shown(source.path)} has {len(regions)} blocks; say which in a line above, such as 'block 1'."
        return fault_of(edit, Fault.AMBIGUOUS, said)
    index = (edit.block or 1) - 1
    if not 0 <= index < len(regions):
        return fault_of(
            edit, Fault.UNKNOWN_FILE, f"there is no block {edit.block} in {shown(source.path)}, which has {len(regions)}."
        )
    if len(texts) != 1:
        return fault_of(edit, Fault.MALFORMED, f"expected the text of one block; found {len(texts)} between markers.")
    if said := _outside_named(source, texts[0]):
        return fault_of(edit, Fault.IMMUTABLE, said)
    return _rewritten(edit, source, (regions[index],), texts)


def rewrite_file(edit: RewriteFile, source: Source) -> Spot | BlockFault:
    text = _as_written(edit.text, source)
    if not edit.ended and not is_python(source.path) and _last_line(text) != _last_line(source.text):
        return fault_of(
            edit, Fault.TRUNCATED, "no fence ends its text, which may be cut off; send it again, with the closing fence."
        )
    if not source.marked:
        if why := left_out(source.text, text, source.path):
            said = f"the text {why}; send all of {shown(source.path)}, or SEARCH/REPLACE blocks for what changes."
            return fault_of(edit, Fault.ELIDED, said)
        return _rewritten(edit, source, source.regions, [lines_of(text)])
    parts = _between_markers(text)
    if not _is_marked(text) or len(parts) != len(source.regions):
        if (whole := _unmarked(source, text)) is not None:
            return _rewritten(edit, source, source.regions, whole)
        count = len(parts) if _is_marked(text) else 0
        said = f"the text must keep the {len(source.regions)} pairs of EVOLVE-BLOCK lines of {shown(source.path)}; it has {count}."
        return fault_of(edit, Fault.IMMUTABLE, said)
    return _rewritten(edit, source, source.regions, parts, _outside_differs(source, text))


def _outside_named(source: Source, lines: Sequence[str]) -> str:
    """What of a block's text stands outside the blocks, in a sentence; "" when nothing does."""
    outside = names_at_margin(lines) & _names_outside(source)
    named = ", ".join(sorted(outside)[:4])
    return f"it defines {named}, which stands outside the blocks; send only what is between the markers." if outside else ""


def _as_written(text: str, source: Source) -> str:
    """The text without line numbers that its file does not have."""
    lines = lines_of(text)
    if (bare := without_numbers(lines)) is not None and without_numbers(source.lines) is None:
        lines = bare
    else:
        return text
    return "".join(line + "\n" for line in lines)


def _unmarked(source: Source, text: str) -> list[list[str]] | None:
    if not source.marked or not source.regions:
        return None
    return unmarked(source, [line for line in lines_of(text) if "EVOLVE-BLOCK-" not in line])


def _names_outside(source: Source) -> frozenset[str]:
    """What a file with markers defines at its first column outside of them."""
    if not source.marked:
        return frozenset()
    edges = [0, *(edge for region in source.regions for edge in region), len(source.lines)]
    lines = [line for i in range(0, len(edges), 2) for line in source.lines[edges[i] : edges[i + 1]]]
    return names_at_margin([line for line in lines if line[:1].strip()])


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.split("\n")) if line.strip()), "")


def _rewritten(
    edit: RewriteBlock | RewriteFile, source: Source, regions: Sequence[tuple[int, int]], texts: Sequence[list[str]], note: str = ""
) -> Spot | BlockFault:
    tier = MatchTier.EXACT
    cuts = []
    for (start, end), lines in zip(regions, texts, strict=True):
        new = _as_deep(lines, source, start, end) if isinstance(edit, RewriteBlock) else lines
        tier = MatchTier.INDENT if new != lines else tier
        cuts.append(Cut(start, end, tuple(new)))
    if any(is_escaped(cut.lines, source.lines, source.path) for cut in cuts):
        return fault_of(edit, Fault.MALFORMED, ESCAPES)
    if lazy := lazy_line([line for cut in cuts for line in cut.lines], source):
        return fault_of(edit, Fault.ELIDED, f"{lazy} stands for text that is not there; write the whole text.")
    line = cuts[0].start + 1 if cuts else 1
    return Spot(AppliedEdit(edit.number, source.path, tier, line, note), tuple(cuts), alone=isinstance(edit, RewriteFile))


def _as_deep(lines: list[str], source: Source, start: int, end: int) -> list[str]:
    """A block that was sent from the first column, as deep as the block it replaces and the marker above it."""
    depth = margin(source.lines[start:end])
    first = next((line for line in lines if line.strip()), "")
    if not depth or first[:1].isspace() or start == 0 or margin(source.lines[start - 1 : start]) != depth:
        return lines
    return moved(lines, "", depth) or lines


def lazy_line(lines: Sequence[str], source: Source) -> str:
    """A new comment that stands for lines left out, quoted; "" when there is none."""
    lazy = [line.strip() for line in lines if is_lazy(line)]
    defined = definitions(source.text, source.path) | members(source.text, source.path)
    lazy += [line.strip() for line in lines if stands_for_code(line, defined)]
    if not is_python(source.path):
        lazy += [line.strip() for line in lines if line.strip() in ("...", "…")]
    known = {line.strip() for line in source.lines} if lazy else set()
    return next((shown(line) for line in lazy if line not in known), "")


def lines_of(text: str) -> list[str]:
    return cut_lines(text.replace("\r\n", "\n"))[0]


def _is_marked(text: str) -> bool:
    return editable_regions(text) != ((0, len(text)),)


def _between_markers(text: str) -> list[list[str]]:
    """What stands between each pair of markers; the whole text, when it has none."""
    return [lines_of(text[start:end]) for start, end in editable_regions(text)]


def _outside_differs(source: Source, text: str) -> str:
    """What to note of a whole file whose text outside the markers is not the parent's."""
    sent = Source(source.path, text.replace("\r\n", "\n"), editable=True)
    outside = [_outside(kept) for kept in (source, sent)]
    return "" if outside[0] == outside[1] else "changes outside the EVOLVE-BLOCK markers were left out."


def _outside(source: Source) -> list[str]:
    edges = [0, *(edge for region in source.regions for edge in region), len(source.lines)]
    return [line.rstrip() for i in range(0, len(edges), 2) for line in source.lines[edges[i] : edges[i + 1]]]


def fault_of(edit: AnyEdit, fault: Fault, reason: str) -> BlockFault:
    return BlockFault(edit.number, fault, f"Block {edit.number}: {reason}")
