"""What the routes use: the model that answers now, the worker that asks it, limits and metrics."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from squadron.serving import answer_rows
from squadron.serving.answer_rows import Asked, Row
from squadron.serving.batching import Batcher
from squadron.serving.engine import Engine
from squadron.serving.errors import RequestError
from squadron.serving.index_rows import AskedIndex, answer_from_index
from squadron.serving.metrics import Metrics
from squadron.serving.settings import Settings

if TYPE_CHECKING:
    from squadron.open_domain import Search

CHARS_PER_TOKEN = 4
"""Characters of a token of English text, about."""
TOKENS_OF_SEARCH = 2_000
"""What a question to the index counts: ten passages of about 200 tokens are read for it."""


@dataclass(frozen=True)
class Answered:
    """The answers to one request."""

    rows: list[Row]
    engine: Engine
    """What gave the last of them. A request during a switch may have answers of two versions."""
    batch: int
    """How many questions the model read at once, of this request and others."""


class Service:
    """Answers questions with the model of the moment.

    Args:
        engine: The first model. It was not tried yet.
        settings: The limits.
        search: Finds passages in the index of the server; None without one.
    """

    def __init__(self, engine: Engine, settings: Settings, search: "Search | None" = None) -> None:
        self.settings, self.engine, self.search = settings, engine, search
        self.draining = False
        """Whether the server will end soon, so that it says that it is not ready."""
        self._batcher: Batcher[Asked | AskedIndex, tuple[Row, Engine]] = Batcher(
            self._answer_batch, settings, lambda batch: self.metrics.count_batch(batch)
        )
        self.metrics = Metrics(lambda: self._batcher.length)
        self.switch(engine)

    async def answer(self, asked: Sequence[Asked | AskedIndex]) -> Answered:
        """Answers the questions of one request, in their order.

        Raises:
            RequestError: If the queue is full, or the server has no index and one is asked for.
        """
        if not asked:
            return Answered([], self.engine, 0)
        if self.search is None and any(isinstance(each, AskedIndex) for each in asked):
            raise RequestError(
                422,
                "This server has no index; give the context, or start it with --index PLACE",
                "index",
            )
        items = [(each, _count_tokens(each), _group(each)) for each in asked]
        found, batch = await self._batcher.submit(items)
        for row, _ in found:
            self.metrics.count_answer(
                answered=row["answered"] is True, probability=cast(float | None, row["probability"])
            )
        return Answered([row for row, _ in found], found[-1][1], batch)

    def try_engine(self, engine: Engine) -> None:
        """Lets a model answer its input example in the worker thread.

        Raises:
            InputError: If it can't.
            Exception: What else the model raised.
        """
        self._batcher.call(engine.try_example).result()

    def switch(self, engine: Engine) -> None:
        """Lets another model answer from the next batch on."""
        self.engine = engine
        self.metrics.show_model(
            engine.name, engine.version, engine.alias, engine.evaluated_probability
        )

    def rename_alias(self, alias: str) -> None:
        """Notes that the model is found by another alias now."""
        self.switch(dataclasses.replace(self.engine, alias=alias))

    def close(self) -> None:
        """Ends the worker thread."""
        self._batcher.close()

    def _answer_batch(self, items: Sequence[Asked | AskedIndex]) -> list[tuple[Row, Engine]]:
        """Answers questions of one group; runs in the worker thread."""
        engine = self.engine
        searched = [each for each in items if isinstance(each, AskedIndex)]
        if searched:
            assert self.search is not None
            rows = answer_from_index(engine.reader, searched, self.search)
        else:
            rows = answer_rows.answer(
                engine.reader, [each for each in items if isinstance(each, Asked)]
            )
        return [(row, engine) for row in rows]


def _group(asked: Asked | AskedIndex) -> object:
    """Returns what must be equal for two questions to share a batch."""
    return asked.options if isinstance(asked, AskedIndex) else None


def _count_tokens(asked: Asked | AskedIndex) -> int:
    """Returns about how many tokens the model reads for a question."""
    if isinstance(asked, AskedIndex):
        return TOKENS_OF_SEARCH
    characters = sum(len(each) + len(asked.question) for each in asked.contexts)
    return 1 + characters // CHARS_PER_TOKEN
