"""An operator: two neighbouring lines of a program change places."""

from archive import ProposalStatus
from evolve.propose import OperatorSpec, Proposal


class SwapLines:
    spec = OperatorSpec("swap_lines", family="order")

    def propose(self, task, rng):
        files = dict(task.parents[0])
        path = sorted(files)[rng.integers(len(files))]
        lines = files[path].splitlines(keepends=True)
        places = [at for at in range(1, len(lines)) if indent(lines[at]) == indent(lines[at - 1]) and lines[at] != lines[at - 1]]
        if not places:
            return Proposal(ProposalStatus.INVALID, reason=f"{path} has no two lines that can change places.")
        at = places[rng.integers(len(places))]
        lines[at - 1 : at + 1] = lines[at], lines[at - 1]
        files[path] = "".join(lines)
        return Proposal(ProposalStatus.CHILD, files=files, summary=f"swapped lines {at} and {at + 1} of {path}")


def indent(line):
    return len(line) - len(line.lstrip())
