"""Merges the questions of concurrent requests into batches for one worker thread.

Owns the queue. It knows nothing of questions: a batch is a list of items, and a function answers
it. While the worker computes, the next batch collects; an idle worker starts at once.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from squadron.serving.errors import RequestError
from squadron.serving.settings import Settings

Item = TypeVar("Item")
Result = TypeVar("Result")
Called = TypeVar("Called")

FIRST_TOKENS_PER_SECOND = 4_000.0
"""The assumed speed of the model until a batch was measured."""
TYPICAL_BATCH_TOKENS = 4_000
"""A batch of this size says much of the speed."""


@dataclass(eq=False)
class _Request(Generic[Item, Result]):
    """The items of one request, and where their results go."""

    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[list[Result]]"
    results: list[Any]
    """One place per item."""
    missing: int
    """How many items have no result yet."""
    cancelled: bool = False
    largest_batch: int = 0
    """The most items of a batch in which one of its items was."""


@dataclass(eq=False)
class _Waiting(Generic[Item, Result]):
    """An item in the queue."""

    item: Item
    group: object
    """Items of different groups can't share a batch."""
    tokens: int
    request: _Request[Item, Result]
    place: int
    """Its place in the results of its request."""
    since: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class Batch:
    """What is measured of a batch."""

    items: int
    tokens: int
    seconds: float


class Batcher(Generic[Item, Result]):
    """A queue with one worker thread.

    Args:
        answer: Answers the items of a batch, in the same order. It runs in the worker thread.
        settings: How many items may wait, and how large a batch may be.
        on_batch: Called in the worker thread after each batch.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Item]], Sequence[Result]],
        settings: Settings,
        on_batch: Callable[[Batch], None] = lambda batch: None,
    ) -> None:
        self._answer, self._settings, self._on_batch = answer, settings, on_batch
        self._condition = threading.Condition()
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._closed = False
        self._last_size = 0
        self._tokens_per_second = FIRST_TOKENS_PER_SECOND
        self._thread = threading.Thread(target=self._work, name="squadron-worker", daemon=True)
        self._thread.start()

    @property
    def length(self) -> int:
        """How many items wait."""
        return len(self._queue)

    async def submit(self, items: Sequence[tuple[Item, int, object]]) -> tuple[list[Result], int]:
        """Answers the items of one request.

        If the caller is cancelled, the items that still wait are dropped.

        Args:
            items: Each item with its number of tokens and its group. Only items whose groups are
                equal share a batch.

        Returns:
            The results in the order of the items, and the items of the largest batch that one of
            them was in.

        Raises:
            RequestError: With status 429 if the queue is full, 503 if the batcher is closed.
            Exception: What `answer` raised.
        """
        loop = asyncio.get_running_loop()
        request: _Request[Item, Result] = _Request(
            loop, loop.create_future(), [None] * len(items), len(items)
        )
        waiting = [
            _Waiting(item, group, tokens, request, place)
            for place, (item, tokens, group) in enumerate(items)
        ]
        with self._condition:
            if self._closed:
                raise RequestError(503, "The server is shutting down; send the request again")
            if self._queue and len(self._queue) + len(items) > self._settings.max_queue:
                raise RequestError(
                    429,
                    f"{len(self._queue)} questions wait, and at most {self._settings.max_queue} "
                    "may; send the request again in a moment",
                    headers={"Retry-After": str(self._retry_after())},
                )
            self._queue.extend(waiting)
            self._condition.notify()
        try:
            return await request.done, request.largest_batch
        finally:
            request.cancelled = True

    def call(self, function: Callable[[], Called]) -> "Future[Called]":
        """Runs a function in the worker thread, before the batches that wait."""
        future: Future[Called] = Future()
        with self._condition:
            if self._closed:
                future.cancel()
                return future
            self._calls.append((function, future))
            self._condition.notify()
        return future

    def close(self) -> None:
        """Ends the worker thread after the items that wait were answered."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()

    def _retry_after(self) -> int:
        """Returns the seconds after which the queue is probably empty, at least 1."""
        tokens = sum(each.tokens for each in self._queue)
        return max(1, min(60, round(tokens / self._tokens_per_second)))

    def _work(self) -> None:
        while True:
            with self._condition:
                while not (self._queue or self._calls or self._closed):
                    self._condition.wait()
                if not self._queue and not self._calls:
                    return
                if not self._calls:
                    self._linger()
                calls, batch = list(self._calls), [] if self._calls else self._take()
                self._calls.clear()
            for function, future in calls:
                _run(function, future)
            if batch:
                self._run_batch(batch)
            # Otherwise results would stay in memory until the next batch.
            del calls, batch

    def _linger(self) -> None:
        """Waits a moment for as many items as the last batch had.

        After a batch, its clients send their next questions one after the other. Without a pause,
        the first one would be a batch of its own and the others would wait for it. The pause ends
        when no item came for `linger_ms`.
        """
        pause = self._settings.linger_ms / 1000
        while len(self._queue) < self._last_size and not (self._closed or self._calls):
            left = self._queue[-1].since + pause - time.perf_counter()
            if left <= 0:
                return
            self._condition.wait(left)

    def _take(self) -> "list[_Waiting[Item, Result]]":
        """Removes the next batch from the queue, and all items whose request was cancelled."""
        settings = self._settings
        by_speed = int(self._tokens_per_second * settings.max_batch_ms / 1000)
        most = max(1, min(settings.max_batch_tokens, by_speed))
        batch: list[_Waiting[Item, Result]] = []
        left: deque[_Waiting[Item, Result]] = deque()
        tokens, is_full = 0, False
        for each in self._queue:
            if each.request.cancelled:
                continue
            fits = not batch or (tokens + each.tokens <= most and each.group == batch[0].group)
            if fits and not is_full:
                batch.append(each)
                tokens += each.tokens
            else:
                # What came later must not overtake items of its group for ever.
                is_full = is_full or each.group == batch[0].group
                left.append(each)
        self._queue = left
        return batch

    def _run_batch(self, batch: "Sequence[_Waiting[Item, Result]]") -> None:
        start = time.perf_counter()
        results: Sequence[Result] | None = None
        error: Exception | None = None
        try:
            results = self._answer([each.item for each in batch])
        except Exception as caught:  # It belongs to the requests, and the worker goes on.
            error = caught
        if error is not None and len(batch) > 1:
            for each in batch:  # One request must not fail because of another one.
                self._run_batch([each])
            return
        seconds = time.perf_counter() - start
        tokens = sum(each.tokens for each in batch)
        self._last_size = len(batch)
        if error is None:
            # Small batches are mostly overhead and say little of the speed of large ones.
            weight = min(0.2, tokens / TYPICAL_BATCH_TOKENS)
            measured = tokens / max(seconds, 1e-3)
            self._tokens_per_second += weight * (measured - self._tokens_per_second)
        # What is measured counts before the requests are answered.
        self._on_batch(Batch(len(batch), tokens, seconds))
        for loop, some in _collect(batch, results, error).items():
            with contextlib.suppress(RuntimeError):  # The loop was closed.
                loop.call_soon_threadsafe(_deliver, some)


_Finished = list[tuple["_Request[Any, Any]", Exception | None]]


def _collect(
    batch: Sequence[_Waiting[Any, Any]], results: Sequence[Any] | None, error: Exception | None
) -> dict[asyncio.AbstractEventLoop, _Finished]:
    """Puts results into their requests; returns the requests that are complete, by their loop."""
    finished: dict[asyncio.AbstractEventLoop, _Finished] = {}
    for number, each in enumerate(batch):
        request = each.request
        request.largest_batch = max(request.largest_batch, len(batch))
        if results is not None:
            request.results[each.place] = results[number]
        request.missing -= 1
        if request.missing == 0 or (error is not None and not request.cancelled):
            request.cancelled = request.cancelled or error is not None
            finished.setdefault(request.loop, []).append((request, error))
    return finished


def _deliver(finished: Iterable[tuple["_Request[Any, Any]", Exception | None]]) -> None:
    """Wakes the requests up; runs in the event loop."""
    for request, error in finished:
        if request.done.done():
            continue
        if error is None:
            request.done.set_result(request.results)
        else:
            request.done.set_exception(error)


def _run(function: Callable[[], Any], future: "Future[Any]") -> None:
    """Runs a function for a future."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
