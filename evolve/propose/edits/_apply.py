"""From edits to a child: places, cuts, and the rules a child must keep.

All edits refer to the parent as given, so their order does not matter and none can find what another wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.propose._canonical import canonical_hash
from evolve.propose._operator import EditScope, Files
from evolve.propose._python import is_python, parse
from evolve.propose._scope import check_scope, editable_names, editable_regions, is_editable
from evolve.propose.answers._objects import not_json
from evolve.propose.edits._edits import (
    MAX_EDITS,
    AnyEdit,
    Applied,
    AppliedEdit,
    BlockFault,
    EditFailure,
    Fault,
    MatchTier,
    Replace,
    RewriteBlock,
    RewriteFile,
    failure,
    shown,
)
from evolve.propose.edits._fuzzy import WorkLimit
from evolve.propose.edits._indent import margin, moved
from evolve.propose.edits._inline import places_inside, whole_lines
from evolve.propose.edits._links import unlinked
from evolve.propose.edits._match import ESCAPES, Match, NoMatch, is_lazy, locate
from evolve.propose.edits._slips import is_escaped, without_numbers, writer
from evolve.propose.edits._source import Cut, Source, cut_lines, spliced
from evolve.propose.edits._whole import (
    block_meant,
    definitions,
    left_out,
    members,
    names_at_margin,
    stands_for_code,
    stub,
    unmarked,
)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where an edit goes.  The file may be new and has one cut then.  ``alone``: it shares the file with no other edit."""

    placed: AppliedEdit
    cuts: tuple[Cut, ...]
    alone: bool = False


def apply_edits(files: Files, edits: Sequence[AnyEdit], scope: EditScope, *, partial: bool = False) -> Applied | EditFailure:
    """Make a child of a parent.

    Args:
        files: the parent, path to text.
        edits: from ``parse_answer``.
        scope: what a child may change.
        partial: make the edits that have their place even when others have none; for a second turn that failed too.  Of two
            edits that change one place neither is made: the later one may take the earlier one back.

    Returns:
        A child that ``check_scope`` accepts, that parses where the parent did, and that differs from the parent by more than
        comments and spacing; or every edit's fault.  Deterministic, thread-safe; raises nothing that texts can cause.
    """
    size = sum(len(edit.replace if isinstance(edit, Replace) else edit.text) for edit in edits)
    if size > scope.max_bytes:
        return failure(
            Fault.TOO_LARGE, f"At most {scope.max_bytes} bytes are allowed in all files together; the edits have {size}."
        )
    if not 0 < len(edits) <= MAX_EDITS:
        return failure(Fault.TOO_LARGE if edits else Fault.EMPTY, f"Expected 1 to {MAX_EDITS} edits; found {len(edits)}.")
    placer = _Placer(files, scope)
    found = [placer.place(edit) for edit in edits]
    found = [_of_another(edit, spot, edits) for edit, spot in zip(edits, found, strict=True)]
    spots, clashes = _apart([spot for spot in found if isinstance(spot, _Spot)])
    faults = sorted([fault for fault in found if isinstance(fault, BlockFault)] + clashes, key=lambda fault: fault.number)
    if faults and (not (partial and spots) or any(fault.fault is Fault.OVERLAP for fault in faults)):
        return EditFailure(tuple(faults), tuple(spot.placed.number for spot in spots))
    child = placer.child(spots)
    if reason := _refused(files, child, scope):
        return EditFailure((reason, *faults))
    return Applied(child, tuple(spot.placed for spot in spots), tuple(faults))


class _Placer:
    """Finds the place of each edit in one parent."""

    def __init__(self, files: Files, scope: EditScope) -> None:
        self._files = files
        self._scope = scope
        self._sources = {path: Source(path, text, is_editable(path, scope)) for path, text in files.items()}
        self._budget = WorkLimit()

    def place(self, edit: AnyEdit) -> _Spot | BlockFault:
        """Where the edit goes, or why nowhere."""
        path = edit.path.removeprefix("./")
        if path and path not in self._files:
            return self._new_file(edit, path)
        if path and not is_editable(path, self._scope):
            return _fault(edit, Fault.IMMUTABLE, f"{shown(path)} must not change; {self._editable()}.")
        if isinstance(edit, Replace):
            made = self._replace(edit, [self._sources[path]] if path else list(self._sources.values()))
            if path and not edit.sure and isinstance(made, BlockFault) and made.fault is Fault.NOT_FOUND:
                return self._replace(edit, list(self._sources.values()))
            return made
        sources = (
            [self._sources[path]] if path else [source for source in self._sources.values() if source.regions or source.marked]
        )
        if len(sources) == 1 and not sources[0].regions:
            said = f"the EVOLVE-BLOCK markers of {shown(sources[0].path)} do not pair up, so nothing in it may change."
            return _fault(edit, Fault.IMMUTABLE, said)
        if len(sources) != 1:
            return _fault(
                edit, Fault.UNKNOWN_FILE, f"it must name its file in a line above it, such as 'file: name'; {self._editable()}."
            )
        return _rewrite_block(edit, sources[0]) if isinstance(edit, RewriteBlock) else _rewrite_file(edit, sources[0])

    def child(self, spots: Sequence[_Spot]) -> dict[str, str]:
        """The parent with all cuts made, its files in their order, new ones last."""
        cuts: dict[str, list[Cut]] = {}
        for spot in spots:
            cuts.setdefault(spot.placed.path, []).extend(spot.cuts)
        child = dict(self._files)
        for path, of_file in cuts.items():
            child[path] = spliced(self._sources.get(path) or Source(path, "", editable=True), of_file)
        return child

    def _new_file(self, edit: AnyEdit, path: str) -> _Spot | BlockFault:
        if not self._scope.may_add_files:
            return _fault(edit, Fault.UNKNOWN_FILE, f"there is no file {shown(path)}, and none may be added; {self._editable()}.")
        if isinstance(edit, RewriteBlock) or (isinstance(edit, Replace) and edit.search.strip()):
            return _fault(edit, Fault.UNKNOWN_FILE, f"there is no file {shown(path)}; {self._editable()}.")
        lines = _lines(edit.replace if isinstance(edit, Replace) else edit.text)
        if lazy := _lazy(lines, Source(path, "", editable=True)):
            return _fault(edit, Fault.ELIDED, f"{lazy} stands for text that is not there; write the whole file.")
        return _Spot(AppliedEdit(edit.number, path, MatchTier.EXACT, 1), (Cut(0, 0, tuple(lines)),), alone=True)

    def _replace(self, edit: Replace, sources: list[Source]) -> _Spot | BlockFault:
        if not edit.search.strip():
            return self._fill(edit, sources)
        match = self._located(edit, sources)
        if isinstance(match, NoMatch):
            return _fault(edit, match.fault, match.reason)
        source, cuts = match.hit.source, match.hit.cuts
        if any(is_escaped(cut.lines, source.lines, source.path) for cut in cuts):
            return _fault(edit, Fault.MALFORMED, ESCAPES)
        if lazy := _lazy([line for cut in cuts for line in cut.lines], source):
            return _fault(
                edit, Fault.ELIDED, f"{lazy} stands for text that is not there; write it out, or leave it out of both parts."
            )
        line = (cuts[0].start if cuts else match.hit.start) + 1
        return _Spot(AppliedEdit(edit.number, source.path, match.tier, line), cuts)

    def _located(self, edit: Replace, sources: list[Source]) -> Match | NoMatch:
        match = locate(edit, sources, self._budget)
        if match.fault is not Fault.NOT_FOUND if isinstance(match, NoMatch) else match.tier is not MatchTier.FUZZY:
            return match
        inside = places_inside(edit, sources)
        if len(inside) > 1:
            return NoMatch(Fault.AMBIGUOUS, "SEARCH stands inside several lines; repeat all of the lines that shall change.")
        whole = whole_lines(edit, *inside[0]) if inside else None
        found = locate(whole, [inside[0][0]], self._budget) if whole is not None else match
        if whole is None and isinstance(match, Match) and not _as_far_in(edit, match):
            return NoMatch(Fault.NOT_FOUND, "SEARCH must repeat lines of the file as they are, with the spaces before them.")
        return Match(MatchTier.INLINE, found.hit) if whole is not None and isinstance(found, Match) else found

    def _fill(self, edit: Replace, sources: list[Source]) -> _Spot | BlockFault:
        """An empty SEARCH means the one editable region that is blank."""
        blank = [
            (source, region) for source in sources for region in source.regions if not "".join(source.lines[slice(*region)]).strip()
        ]
        if len(blank) != 1:
            said = f"an empty SEARCH is for an empty block or file, and {len(blank)} are empty; repeat the lines that shall change."
            return _fault(edit, Fault.AMBIGUOUS if blank else Fault.NOT_FOUND, said)
        source, (start, end) = blank[0]
        return _Spot(
            AppliedEdit(edit.number, source.path, MatchTier.EXACT, start + 1), (Cut(start, end, tuple(_lines(edit.replace))),)
        )

    def _editable(self) -> str:
        return f"editable: {', '.join(editable_names(self._files, self._scope)) or 'nothing'}"


def _as_far_in(edit: Replace, match: Match) -> bool:
    """Whether old lines begin in the column of those that are only like them: new lines come as they are sent."""
    lines = match.hit.source.lines[match.hit.start :]
    first = next((line for line in edit.search.split("\n") if line.strip()), "")
    own = next((line for line in lines if line.strip()), "")
    return margin([first]) == margin([own])


def _rewrite_block(edit: RewriteBlock, source: Source) -> _Spot | BlockFault:
    regions = source.regions
    texts = _between_markers(edit.text)
    if not source.marked and edit.block in (None, 1) and (why := left_out(source.text, edit.text, source.path)):
        return _fault(edit, Fault.ELIDED, f"the text {why}; send all of {shown(source.path)}, which is one block.")
    if (
        len(texts) == 1
        and not _is_marked(edit.text)
        and _unmarked(source, edit.text) is None
        and (said := _outside_named(source, texts[0]))
    ):
        return _fault(edit, Fault.IMMUTABLE, said)
    if edit.block is None and len(texts) == len(regions) > 0:
        return _rewritten(edit, source, regions, texts)
    if edit.block is None and (whole := _unmarked(source, edit.text)) is not None:
        return _rewritten(edit, source, regions, whole)
    if edit.block is None and len(texts) == 1 and len(regions) > 1 and (meant := block_meant(source, texts[0])) is not None:
        return _rewritten(edit, source, (regions[meant],), texts)
    if edit.block is None and len(regions) != 1:
        said = f"{shown(source.path)} has {len(regions)} blocks; say which in a line above, such as 'block 1'."
        return _fault(edit, Fault.AMBIGUOUS, said)
    index = (edit.block or 1) - 1
    if not 0 <= index < len(regions):
        return _fault(
            edit, Fault.UNKNOWN_FILE, f"there is no block {edit.block} in {shown(source.path)}, which has {len(regions)}."
        )
    if len(texts) != 1:
        return _fault(edit, Fault.MALFORMED, f"expected the text of one block; found {len(texts)} between markers.")
    if said := _outside_named(source, texts[0]):
        return _fault(edit, Fault.IMMUTABLE, said)
    return _rewritten(edit, source, (regions[index],), texts)


def _outside_named(source: Source, lines: Sequence[str]) -> str:
    """What of a block's text stands outside the blocks, in a sentence; "" when nothing does."""
    outside = names_at_margin(lines) & _names_outside(source)
    named = ", ".join(sorted(outside)[:4])
    return f"it defines {named}, which stands outside the blocks; send only what is between the markers." if outside else ""


def _rewrite_file(edit: RewriteFile, source: Source) -> _Spot | BlockFault:
    text = _as_written(edit.text, source)
    if not edit.ended and not is_python(source.path) and _last_line(text) != _last_line(source.text):
        return _fault(edit, Fault.TRUNCATED, "no fence ends its text, which may be cut off; send it again, with the closing fence.")
    if not source.marked:
        if why := left_out(source.text, text, source.path):
            said = f"the text {why}; send all of {shown(source.path)}, or SEARCH/REPLACE blocks for what changes."
            return _fault(edit, Fault.ELIDED, said)
        return _rewritten(edit, source, source.regions, [_lines(text)])
    parts = _between_markers(text)
    if not _is_marked(text) or len(parts) != len(source.regions):
        if (whole := _unmarked(source, text)) is not None:
            return _rewritten(edit, source, source.regions, whole)
        count = len(parts) if _is_marked(text) else 0
        said = f"the text must keep the {len(source.regions)} pairs of EVOLVE-BLOCK lines of {shown(source.path)}; it has {count}."
        return _fault(edit, Fault.IMMUTABLE, said)
    return _rewritten(edit, source, source.regions, parts, _outside_differs(source, text))


def _as_written(text: str, source: Source) -> str:
    """The text without line numbers that its file does not have."""
    lines = _lines(text)
    if (bare := without_numbers(lines)) is not None and without_numbers(source.lines) is None:
        lines = bare
    else:
        return text
    return "".join(line + "\n" for line in lines)


def _unmarked(source: Source, text: str) -> list[list[str]] | None:
    if not source.marked or not source.regions:
        return None
    return unmarked(source, [line for line in _lines(text) if "EVOLVE-BLOCK-" not in line])


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
) -> _Spot | BlockFault:
    tier = MatchTier.EXACT
    cuts = []
    for (start, end), lines in zip(regions, texts, strict=True):
        new = _as_deep(lines, source, start, end) if isinstance(edit, RewriteBlock) else lines
        tier = MatchTier.INDENT if new != lines else tier
        cuts.append(Cut(start, end, tuple(new)))
    if any(is_escaped(cut.lines, source.lines, source.path) for cut in cuts):
        return _fault(edit, Fault.MALFORMED, ESCAPES)
    if lazy := _lazy([line for cut in cuts for line in cut.lines], source):
        return _fault(edit, Fault.ELIDED, f"{lazy} stands for text that is not there; write the whole text.")
    line = cuts[0].start + 1 if cuts else 1
    return _Spot(AppliedEdit(edit.number, source.path, tier, line, note), tuple(cuts), alone=isinstance(edit, RewriteFile))


def _as_deep(lines: list[str], source: Source, start: int, end: int) -> list[str]:
    """A block that was sent from the first column, as deep as the block it replaces and the marker above it."""
    depth = margin(source.lines[start:end])
    first = next((line for line in lines if line.strip()), "")
    if not depth or first[:1].isspace() or start == 0 or margin(source.lines[start - 1 : start]) != depth:
        return lines
    return moved(lines, "", depth) or lines


def _of_another(edit: AnyEdit, spot: _Spot | BlockFault, edits: Sequence[AnyEdit]) -> _Spot | BlockFault:
    if isinstance(spot, _Spot) or spot.fault is not Fault.NOT_FOUND or (other := writer(edit, edits)) is None:
        return spot
    said = f"it changes what block {other} writes, and edits refer to the program as given; make one block of both."
    return _fault(edit, Fault.OVERLAP, said)


def _apart(spots: list[_Spot]) -> tuple[list[_Spot], list[BlockFault]]:
    """The spots that leave each other alone, in order of the answer, and a fault for each that does not."""
    kept: list[_Spot] = []
    faults: list[BlockFault] = []
    for spot in spots:
        other = next((other for other in kept if _clash(spot, other)), None)
        if other is not None and (spot.placed.path, spot.cuts) == (other.placed.path, other.cuts):
            continue  # the same twice
        if other is None:
            kept.append(spot)
            continue
        said = f"Block {spot.placed.number}: it changes what block {other.placed.number} changes; make one block of both."
        faults.append(BlockFault(spot.placed.number, Fault.OVERLAP, said))
    return kept, faults


def _clash(a: _Spot, b: _Spot) -> bool:
    if a.placed.path != b.placed.path:
        return False
    if a.alone or b.alone:
        return True
    return any(
        (x.start < y.end and y.start < x.end) or x.start == x.end == y.start == y.end  # two insertions have no order
        for x in a.cuts
        for y in b.cuts
    )


def _refused(parent: Files, child: Mapping[str, str], scope: EditScope) -> BlockFault | None:
    """Why the whole is no child; None when it is one."""
    if child == parent:
        return BlockFault(0, Fault.NO_OP, "The edits leave every file as it was; change what the program does.")
    if reason := check_scope(parent, child, scope):
        return BlockFault(0, Fault.SCOPE, f"The edits are not allowed: {reason}")
    for path, text in child.items():
        before = parent.get(path, "")
        if is_python(path) and text != parent.get(path) and (error := parse(text).error) and not parse(before).error:
            return BlockFault(0, Fault.UNPARSABLE, f"The edits leave {path} unparsable: {error}.")
        if path.endswith(".json") and before and text != before and (error := not_json(text)) and not not_json(before):
            return BlockFault(0, Fault.UNPARSABLE, f"The edits leave {path} no JSON any more: {error}.")
    for path, text in child.items():
        if is_python(path) and text != parent.get(path, text) and (name := stub(parent[path], text)):
            said = f"The body of {name} in {path} was left out; write it out, or leave the function as it is."
            return BlockFault(0, Fault.ELIDED, said)
    if lost := unlinked(parent, child, scope.entries):
        return BlockFault(0, Fault.ELIDED, f"The edits leave something out: {lost}.")
    if canonical_hash(child, scope.comments) == canonical_hash(parent, scope.comments):
        return BlockFault(0, Fault.NO_OP, "The edits change nothing but comments and spacing; change what the program does.")
    return None


def _lazy(lines: Sequence[str], source: Source) -> str:
    """A new comment that stands for lines left out, quoted; "" when there is none."""
    lazy = [line.strip() for line in lines if is_lazy(line)]
    defined = definitions(source.text, source.path) | members(source.text, source.path)
    lazy += [line.strip() for line in lines if stands_for_code(line, defined)]
    if not is_python(source.path):
        lazy += [line.strip() for line in lines if line.strip() in ("...", "…")]
    known = {line.strip() for line in source.lines} if lazy else set()
    return next((shown(line) for line in lazy if line not in known), "")


def _lines(text: str) -> list[str]:
    return cut_lines(text.replace("\r\n", "\n"))[0]


def _is_marked(text: str) -> bool:
    return editable_regions(text) != ((0, len(text)),)


def _between_markers(text: str) -> list[list[str]]:
    """What stands between each pair of markers; the whole text, when it has none."""
    return [_lines(text[start:end]) for start, end in editable_regions(text)]


def _outside_differs(source: Source, text: str) -> str:
    """What to note of a whole file whose text outside the markers is not the parent's."""
    sent = Source(source.path, text.replace("\r\n", "\n"), editable=True)
    outside = [_outside(kept) for kept in (source, sent)]
    return "" if outside[0] == outside[1] else "changes outside the EVOLVE-BLOCK markers were left out."


def _outside(source: Source) -> list[str]:
    edges = [0, *(edge for region in source.regions for edge in region), len(source.lines)]
    return [line.rstrip() for i in range(0, len(edges), 2) for line in source.lines[edges[i] : edges[i + 1]]]


def _fault(edit: AnyEdit, fault: Fault, reason: str) -> BlockFault:
    return BlockFault(edit.number, fault, f"Block {edit.number}: {reason}")
