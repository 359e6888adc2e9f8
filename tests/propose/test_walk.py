"""Walking a tree: as ``ast`` does it, without the nodes that have no fields."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from evolve.propose._python import inner_nodes, walk

SOURCES = sorted((Path(__file__).parents[2] / "evolve" / "propose").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES[::4], ids=lambda path: path.stem)
def test_every_node_with_fields_is_met_once_and_inner_nodes_keep_their_order(path):
    tree = ast.parse(path.read_text())
    nodes = [node for node in ast.walk(tree) if node._fields]
    assert Counter(map(id, walk(tree))) == Counter(map(id, nodes))
    for node in nodes:
        assert inner_nodes(node) == [child for child in ast.iter_child_nodes(node) if child._fields]
