"""Small documents, an encoder without a network, and calls for other processes."""

import os
import signal
import zlib
from collections.abc import Sequence

import numpy as np

from squadron.documents.passages import Passage
from squadron.retrieval import MEAN, POOLINGS, Document, PassageIndex
from squadron.retrieval.encoder import Vectors

SIZE = 32


class WordEncoder:
    """Counts words in a vector of 32 numbers; remembers which texts it has encoded."""

    name = "words"

    def __init__(self, fingerprint: str = "words-1") -> None:
        self.fingerprint = fingerprint
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], poolings: Sequence[str]) -> dict[str, Vectors]:
        self.encoded += texts
        return {name: np.stack([self._count(text, name) for text in texts]) for name in poolings}

    def _count(self, text: str, pooling: str) -> Vectors:
        words = text.lower().strip("?.").split()
        vector = np.full(SIZE, 1e-3, np.float32)
        for word in words if pooling == MEAN else words[:1]:
            vector[zlib.crc32(word.encode()) % SIZE] += 1
        return vector / np.linalg.norm(vector)


def make_document(name: str, *texts: str, section: str = "", digest: str = "") -> Document:
    passages = []
    start = 0
    for text in texts:
        place = (name, 1, section, start, start + len(text))
        passages.append(Passage(f"{zlib.crc32(f'{place}{text}'.encode()):08x}", *place, text))
        start += len(text) + 1
    return Document(name, digest or f"{zlib.crc32(' '.join(texts).encode())}", tuple(passages))


def version(name: str, number: int, size: int = 20) -> Document:
    """Returns a version of a document, each of whose passages says which version it is."""
    texts = [f"Version v{number} of {name}, passage p{part}." for part in range(size)]
    return make_document(name, *texts)


def open_index(place: str, poolings: Sequence[str] = POOLINGS) -> PassageIndex:
    return PassageIndex.open_or_create(place, WordEncoder(), poolings=poolings)


def add_own_documents(place: str, rounds: int) -> list[str]:
    """Adds documents that no other process adds, and one that each process adds, too."""
    index = open_index(place)
    names = [f"{os.getpid()}-{number}" for number in range(rounds)]
    for number, name in enumerate(names):
        index.update([version(name, 1, 3), version("shared", number, 5)])
    return names


def update_and_die(place: str, method: str) -> None:
    """Is killed when the update calls this method of PassageIndex for the first time."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    index = open_index(place)
    setattr(index, method, die)
    index.update([version("a", 2), version("c", 2)], removed=["b"])


def update_without_end(place: str) -> None:
    """Replaces two documents by new versions until it is killed."""
    index = open_index(place)
    for number in range(2, 1_000_000):
        index.update([version("a", number), version("b", number)])
