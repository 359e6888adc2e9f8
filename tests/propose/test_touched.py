"""Which parts of a program a change touches."""

from __future__ import annotations

from evolve.propose._touched import EVERYTHING, MOST, touched

BEFORE = "import math\nA = 1\nB, C = 2, 3\n\n\nclass K:\n    def f(self):\n        return 1\n\n\ndef g():\n    return 2\n"


def test_constants_functions_and_classes_are_named() -> None:
    def of(old: str, new: str) -> tuple[str, ...]:
        return touched({"a.py": BEFORE}, {"a.py": BEFORE.replace(old, new)})

    assert of("A = 1", "A = 2") == ("A",)
    assert of("2, 3", "2, 4") == ("B", "C")
    assert of("return 1", "return 5") == ("K",)
    assert of("def g():\n", "@math.cache\ndef g():\n") == ("g",)
    assert of("\ndef g():\n    return 2\n", "") == ("g",)
    assert of("import math", "import cmath") == ("import",)
    assert of("A = 1", "A = 1") == ()


def test_other_files_and_what_does_not_parse_are_touched_as_a_whole() -> None:
    assert touched({"a.c": "1"}, {"a.c": "2", "b.py": "x = 1\n"}) == ("a.c", "x")
    assert touched({"a.c": "1"}, {"a.c": "2"}) == ("a.c",)
    assert touched({"a.py": "x = 1\n"}, {"a.py": "x = (\n"}) == ("a.py",)
    assert touched({}, {"b.py": "x = 1\n"}) == ("x",)


def test_a_change_of_more_than_can_be_named_touches_everything() -> None:
    old = "".join(f"v{i} = {i}\n" for i in range(MOST + 1))
    assert touched({"a.py": old}, {"a.py": old.replace("= ", "= 1")}) == EVERYTHING
