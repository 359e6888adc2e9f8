"""Files handed in: which of the program they are; and those that are none, of which one sentence is said and nobody hangs."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from evolve._errors import UsageError
from evolve.cli.external import _handed_in
from evolve.cli.external._handed_in import left_out, needed, read_files

PROGRAM = {"main.py": "x = 1\n", "other.py": ""}
Lay = Callable[[Path], object]


def lay_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # a socket's name may have a hundred bytes


def lay_much(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def read(*names: str, folder: str | None = None, may_add: bool = False) -> dict[str, str]:
    """Gives up after a while, where ``read_files`` waits for ever."""
    found: list[dict[str, str] | BaseException] = []

    def look() -> None:
        try:
            found.append(read_files(names, folder, PROGRAM, may_add=may_add))
        except UsageError as error:
            found.append(error)

    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    looker.join(20)
    assert found, "it hangs"
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


ODD: list[tuple[Lay, str]] = [
    (os.mkfifo, "expected a text file at .*main.py, found a named pipe"),
    (lay_socket, "expected a text file at .*main.py, found a socket"),
    (lambda path: path.symlink_to("/dev/zero"), "expected a text file at .*main.py, found a device"),
    (lambda path: path.mkdir(), "expected a text file at .*main.py, found a folder"),
    (lambda path: path.symlink_to("main.py"), "expected a text file in UTF-8 at .*main.py, found none that can be read"),
    (lambda path: path.symlink_to("nowhere"), "expected a file at .*main.py, found nothing"),
    (lambda path: path.write_bytes(b"\xff"), "expected a text file in UTF-8 at .*main.py"),
    (lay_much, "at most 16777216 bytes are allowed in all files together; .*main.py alone has more"),
]


@pytest.mark.parametrize(("lay", "said"), ODD)
def test_what_is_no_file_of_text_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lay: Lay, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    lay(tmp_path / "work" / "main.py")
    (tmp_path / "work" / "other.py").write_text("")
    for names, folder in ((("work/main.py",), None), ((), "work"), (("main.py",), "work"), (("work/main.py",), "work")):
        with pytest.raises(UsageError, match=f"{said}|which lies elsewhere" if names and folder else said) as error:
            read(*names, folder=folder)
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match=said):
        read(folder="work", may_add=True)


def test_links_to_files_are_read_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    (tmp_path / "real.txt").write_text("y = 2\n")
    (tmp_path / "work" / "main.py").symlink_to(tmp_path / "real.txt")
    assert read("work/main.py") == read(folder="work") == {"main.py": "y = 2\n"}
    (tmp_path / "there").symlink_to("work")
    assert read(folder="there") == {"main.py": "y = 2\n"}


def test_what_is_odd_and_no_file_of_the_program_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("z = 3\n")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "new.py").write_text("new")
    assert read(folder=str(tmp_path), may_add=True) == {"main.py": "z = 3\n", "lib/new.py": "new"}


def test_a_folder_of_too_many_files_is_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_handed_in, "MAX_FILES", 5)
    for number in range(6):
        (tmp_path / f"{number}.py").write_text("")
    (tmp_path / "main.py").write_text("")
    with pytest.raises(UsageError, match="found more than 5 files; name those that you changed"):
        read(folder=str(tmp_path), may_add=True)
    assert read(folder=str(tmp_path)) == {"main.py": ""}


def test_which_file_is_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = {"main.py": "", "lib/tools.py": "", "lib/more.py": "", "test/tools.py": ""}
    for path in (*program, "new.py", "TASK@3.md", ".hidden.py", "elsewhere.bin", "lib/__pycache__/x.py"):
        place = tmp_path / "work" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path)
    (tmp_path / "work" / "elsewhere.bin").write_bytes(b"\xff\xfe")
    (tmp_path / "main.py").write_text("here")

    def read(*names: str, folder: str | None = None, may_add: bool = False) -> dict[str, str]:
        return read_files(names, folder, program, may_add=may_add)

    assert read("main.py", "work/lib/more.py") == {"main.py": "here", "lib/more.py": "lib/more.py"}
    assert read(folder="work") == {path: path for path in program}
    assert read("lib/tools.py", "work/main.py", folder="work") == {"lib/tools.py": "lib/tools.py", "main.py": "main.py"}
    assert read("new.py", folder="work") == {"new.py": "new.py"}
    (tmp_path / "work" / "elsewhere.bin").unlink()
    assert read(folder="work", may_add=True).keys() == {*program, "new.py"}
    for names, folder, words in (
        (("work/lib/tools.py",), None, "may be lib/tools.py or test/tools.py"),
        (("work/new.py",), None, "no file new.py; to add one give --dir DIR"),
        (("main.py", "work/main.py"), None, "two of the files are meant as main.py"),
        (("gone.py",), "work", "found nothing"),
        (("../main.py",), "work", "lies elsewhere"),
        ((), None, "expected the files that you changed"),
        ((), "nowhere", "expected a folder at nowhere, found nothing"),
        ((), "work/lib/__pycache__", "expected files of the program in"),
    ):
        with pytest.raises(UsageError, match=words.replace("(", r"\(")) as error:
            read(*names, folder=folder)
        assert "\n" not in str(error.value)


def test_a_file_of_a_tickets_folder_is_named_by_where_it_lies(tmp_path: Path, monkeypatch) -> None:
    program = {"main.py": "", "lib/main.py": ""}
    (tmp_path / "lib").mkdir()
    (tmp_path / "TASK@4.md").write_text("")
    (tmp_path / "main.py").write_text("outer")
    (tmp_path / "lib" / "main.py").write_text("inner")
    for here, name, path in ((tmp_path, "main.py", "main.py"), (tmp_path / "lib", "main.py", "lib/main.py")):
        monkeypatch.chdir(here)
        assert list(read_files([name], None, program, may_add=False, ticket=4)) == [path]
    with pytest.raises(UsageError, match=r"or lib/main\.py"):
        read_files([str(tmp_path / "lib" / ".." / "other" / "main.py")], None, {"a/main.py": "", "lib/main.py": ""}, may_add=False)


def test_what_is_left_out_is_bounded_and_known_by_how_it_is_used(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text("")
    named = left_out(str(tmp_path), {}, [])
    assert (len(named), named[-1]) == (21, "and 10 more")
    assert needed(["a b.json"], {"main.py": 'open("a b.json")'}, {}) == "a b.json"
    assert needed(["lib/tool.py"], {"main.py": "from lib.tool import x"}, {}) == "lib/tool.py"
    assert needed(["test.py", "x.txt"], {"main.py": "a test of x"}, {}) == ""
    assert needed(["given.json"], {"main.py": 'open("given.json"); y = 1'}, {"main.py": 'open("given.json")'}) == ""
