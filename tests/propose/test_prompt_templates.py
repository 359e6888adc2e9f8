"""Templates: the shipped ones, a user's, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_samples import TASK

from evolve._errors import UsageError
from evolve.propose.edits._edits import Format
from evolve.propose.prompts._task import system_text
from evolve.propose.prompts._templates import NAMES, Templates


def test_every_shipped_file_is_a_template() -> None:
    import evolve.propose.prompts._templates as module

    shipped = {path.name for path in Path(module.__file__).parent.iterdir() if path.suffix == ".md"}
    assert shipped == set(NAMES)
    assert set(Templates.load(None).texts) == set(NAMES)


def test_a_users_file_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "research.md").write_text("Costs $$3 to try ${metric}.\r\n", encoding="utf-8")
    (tmp_path / ".DS_Store").write_bytes(b"\xff")
    found = Templates.load(tmp_path)
    shipped = Templates.load(None)
    assert "Costs $3 to try loss." in system_text(TASK, found, Format.DIFF)
    assert {name for name in NAMES if found.texts[name] != shipped.texts[name]} == {"research.md"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("mutate.md", "x", "found mutate.md"),
        ("llm_mutate.md", "Raise $scor now.", r"found \$scor"),
        ("llm_mutate.md", "It costs $ 5.", r"lone \$"),
        ("llm_mutate.md", "See $statement.", r"found \$statement"),
        ("answer.md", "Just answer.", r"expected the placeholder \$format in answer.md"),
        ("system.md", "$statement $measure $contract $answer", r"\$data in system.md"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=words) as raised:
        Templates.load(tmp_path)
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)


def test_folders_and_bytes_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="correct the path"):
        Templates.load(tmp_path / "nowhere")
    (tmp_path / "sub").mkdir()
    with pytest.raises(UsageError, match="found sub"):
        Templates.load(tmp_path)
    (tmp_path / "sub").rmdir()
    (tmp_path / "answer.md").write_bytes(b"\xff\xfe$format")
    with pytest.raises(UsageError, match="save it as UTF-8"):
        Templates.load(tmp_path)


def test_a_set_that_is_not_whole_is_refused() -> None:
    with pytest.raises(UsageError, match=r"missing or unknown: answer\.md, reply\.md"):
        Templates({("reply.md" if name == "answer.md" else name): text for name, text in Templates.load(None).texts.items()})


def test_the_page_lists_every_template_and_placeholder() -> None:
    from evolve.propose.prompts._templates import _SLOTS

    page = (Path(__file__).parents[2] / "docs" / "how-to" / "prompts.md").read_text(encoding="utf-8")
    for name, slots in _SLOTS.items():
        assert f"`{name}`" in page
        for slot in slots.allowed:
            assert f"`${slot}`" in page
        for slot in slots.needed:
            assert f"**`${slot}`**" in page
