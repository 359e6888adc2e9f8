"""From edits to a child: places, cuts, and the rules a child must keep.

All edits refer to the parent as given, so their order does not matter and none can find what another wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evolve.propose._canonical import canonical_hash
from evolve.propose._operator import EditScope, Files
from evolve.propose._python import is_python, parse
from evolve.propose._scope import check_scope, editable_names, is_editable
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
    failure,
    shown,
)
from evolve.propose.edits._fuzzy import WorkLimit
from evolve.propose.edits._indent import margin
from evolve.propose.edits._inline import places_inside, whole_lines
from evolve.propose.edits._links import unlinked
from evolve.propose.edits._match import ESCAPES, Match, NoMatch, locate
from evolve.propose.edits._rewrites import Spot, fault_of, lazy_line, lines_of, rewrite_block, rewrite_file
from evolve.propose.edits._slips import is_escaped, writer
from evolve.propose.edits._source import Cut, Source, spliced
from evolve.propose.edits._whole import stub


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
    spots, clashes = _apart([spot for spot in found if isinstance(spot, Spot)])
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

    def place(self, edit: AnyEdit) -> Spot | BlockFault:
        """Where the edit goes, or why nowhere."""
        path = edit.path.removeprefix("./")
        if path and path not in self._files:
            return self._new_file(edit, path)
        if path and not is_editable(path, self._scope):
            return fault_of(edit, Fault.IMMUTABLE, f"{shown(path)} must not change; {self._editable()}.")
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
            return fault_of(edit, Fault.IMMUTABLE, said)
        if len(sources) != 1:
            return fault_of(
                edit, Fault.UNKNOWN_FILE, f"it must name its file in a line above it, such as 'file: name'; {self._editable()}."
            )
        return rewrite_block(edit, sources[0]) if isinstance(edit, RewriteBlock) else rewrite_file(edit, sources[0])

    def child(self, spots: Sequence[Spot]) -> dict[str, str]:
        """The parent with all cuts made, its files in their order, new ones last."""
        cuts: dict[str, list[Cut]] = {}
        for spot in spots:
            cuts.setdefault(spot.placed.path, []).extend(spot.cuts)
        child = dict(self._files)
        for path, of_file in cuts.items():
            child[path] = spliced(self._sources.get(path) or Source(path, "", editable=True), of_file)
        return child

    def _new_file(self, edit: AnyEdit, path: str) -> Spot | BlockFault:
        if not self._scope.may_add_files:
            return fault_of(edit, Fault.UNKNOWN_FILE, f"there is no file {shown(path)}, and none may be added; {self._editable()}.")
        if isinstance(edit, RewriteBlock) or (isinstance(edit, Replace) and edit.search.strip()):
            return fault_of(edit, Fault.UNKNOWN_FILE, f"there is no file {shown(path)}; {self._editable()}.")
        lines = lines_of(edit.replace if isinstance(edit, Replace) else edit.text)
        if lazy := lazy_line(lines, Source(path, "", editable=True)):
            return fault_of(edit, Fault.ELIDED, f"{lazy} stands for text that is not there; write the whole file.")
        return Spot(AppliedEdit(edit.number, path, MatchTier.EXACT, 1), (Cut(0, 0, tuple(lines)),), alone=True)

    def _replace(self, edit: Replace, sources: list[Source]) -> Spot | BlockFault:
        if not edit.search.strip():
            return self._fill(edit, sources)
        match = self._located(edit, sources)
        if isinstance(match, NoMatch):
            return fault_of(edit, match.fault, match.reason)
        source, cuts = match.hit.source, match.hit.cuts
        if any(is_escaped(cut.lines, source.lines, source.path) for cut in cuts):
            return fault_of(edit, Fault.MALFORMED, ESCAPES)
        if lazy := lazy_line([line for cut in cuts for line in cut.lines], source):
            return fault_of(
                edit, Fault.ELIDED, f"{lazy} stands for text that is not there; write it out, or leave it out of both parts."
            )
        line = (cuts[0].start if cuts else match.hit.start) + 1
        return Spot(AppliedEdit(edit.number, source.path, match.tier, line), cuts)

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

    def _fill(self, edit: Replace, sources: list[Source]) -> Spot | BlockFault:
        """An empty SEARCH means the one editable region that is blank."""
        blank = [
            (source, region) for source in sources for region in source.regions if not "".join(source.lines[slice(*region)]).strip()
        ]
        if len(blank) != 1:
            said = f"an empty SEARCH is for an empty block or file, and {len(blank)} are empty; repeat the lines that shall change."
            return fault_of(edit, Fault.AMBIGUOUS if blank else Fault.NOT_FOUND, said)
        source, (start, end) = blank[0]
        return Spot(
            AppliedEdit(edit.number, source.path, MatchTier.EXACT, start + 1), (Cut(start, end, tuple(lines_of(edit.replace))),)
        )

    def _editable(self) -> str:
        return f"editable: {', '.join(editable_names(self._files, self._scope)) or 'nothing'}"


def _as_far_in(edit: Replace, match: Match) -> bool:
    """Whether old lines begin in the column of those that are only like them: new lines come as they are sent."""
    lines = match.hit.source.lines[match.hit.start :]
    first = next((line for line in edit.search.split("\n") if line.strip()), "")
    own = next((line for line in lines if line.strip()), "")
    return margin([first]) == margin([own])


def _of_another(edit: AnyEdit, spot: Spot | BlockFault, edits: Sequence[AnyEdit]) -> Spot | BlockFault:
    if isinstance(spot, Spot) or spot.fault is not Fault.NOT_FOUND or (other := writer(edit, edits)) is None:
        return spot
    said = f"it changes what block {other} writes, and edits refer to the program as given; make one block of both."
    return fault_of(edit, Fault.OVERLAP, said)


def _apart(spots: list[Spot]) -> tuple[list[Spot], list[BlockFault]]:
    """The spots that leave each other alone, in order of the answer, and a fault for each that does not."""
    kept: list[Spot] = []
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


def _clash(a: Spot, b: Spot) -> bool:
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
