"""What an index says about itself: how it was built and what it holds."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class IndexSettings:
    """How all passages of an index were made. It is fixed when the index is created."""

    encoder: str
    """The encoder's name, such as "all-MiniLM-L6-v2"."""
    encoder_fingerprint: str
    """Digest of the encoder; vectors of two encoders can't be compared."""
    poolings: tuple[str, ...]
    """The kinds of vectors that each passage has; some of `encoder.POOLINGS`."""
    passage_settings: str
    """How documents were cut into passages, as text (JSON); "" if the builder did not say."""
    dimension: int
    """The numbers of a vector."""


@dataclass(frozen=True)
class IndexRecord:
    """What is in an index, as index.json holds it."""

    SCHEMA: ClassVar[str] = "index/1"

    made_from: str
    """Digest of the settings of the index and of its content."""
    settings: IndexSettings
    documents: int
    """The number of documents with at least one passage."""
    passages: int
    content_digest: str
    """Digest of the documents' names and digests and of the ids of all passages. Two indexes of
    the same passages have the same digest, in whatever order they were built."""
