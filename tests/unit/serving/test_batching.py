"""Questions of concurrent requests share batches, and no request waits or fails for another."""

import asyncio
import threading

import pytest

from squadron.serving.batching import Batcher
from squadron.serving.errors import RequestError
from squadron.serving.settings import Settings


class Worker:
    """Answers items by doubling them; holds each batch until the gate is open."""

    def __init__(self):
        self.batches = []
        self.threads = set()
        self.gate = threading.Event()
        self.started = threading.Event()
        self.gate.set()

    def __call__(self, items):
        self.threads.add(threading.get_ident())
        self.batches.append(list(items))
        self.started.set()
        self.gate.wait(60)
        if "poison" in items:
            raise ValueError("poison")
        return [2 * item for item in items]


@pytest.fixture
def worker():
    return Worker()


def make(worker, **changes):
    return Batcher(worker, Settings(**changes))


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


async def hold(batcher, worker):
    """Lets the worker begin a batch of one item and stay in it."""
    worker.gate.clear()
    worker.started.clear()
    task = asyncio.create_task(batcher.submit([(0, 1, None)]))
    await until(worker.started.is_set)
    return task


def test_a_lone_request_is_answered_at_once(worker):
    # It would wait for an hour if it waited for others.
    batcher = make(worker, linger_ms=3_600_000)
    assert asyncio.run(batcher.submit([(1, 10, None), (2, 10, None)])) == ([2, 4], 2)
    batcher.close()


def test_what_comes_while_the_worker_computes_is_one_batch_in_one_thread(worker):
    batcher = make(worker)

    async def ask():
        first = await hold(batcher, worker)
        others = [asyncio.create_task(batcher.submit([(n, 1, None)])) for n in range(1, 9)]
        await until(lambda: batcher.length == 8)
        worker.gate.set()
        return await asyncio.gather(first, *others)

    answers = asyncio.run(ask())
    assert answers == [([0], 1)] + [([2 * n], 8) for n in range(1, 9)]
    assert worker.batches == [[0], [1, 2, 3, 4, 5, 6, 7, 8]]
    assert len(worker.threads) == 1
    batcher.close()


def test_a_batch_is_bounded_by_tokens_and_a_large_item_is_a_batch_of_its_own(worker):
    batcher = make(worker, max_batch_tokens=100)

    async def ask():
        first = await hold(batcher, worker)
        tokens = {1: 60, 2: 40, 3: 60, 4: 1000, 5: 20}
        others = [asyncio.create_task(batcher.submit([(n, t, None)])) for n, t in tokens.items()]
        await until(lambda: batcher.length == 5)
        worker.gate.set()
        await asyncio.gather(first, *others)

    asyncio.run(ask())
    assert worker.batches == [[0], [1, 2], [3], [4], [5]]
    batcher.close()


def test_a_batch_is_bounded_by_the_time_that_it_may_take(worker):
    # At the assumed speed of 4,000 tokens per second, 10 ms are 40 tokens.
    batcher = make(worker, max_batch_ms=10)

    async def ask():
        first = await hold(batcher, worker)
        others = [asyncio.create_task(batcher.submit([(n, 30, None)])) for n in (1, 2)]
        await until(lambda: batcher.length == 2)
        batcher._tokens_per_second = 4_000.0
        worker.gate.set()
        await first
        await asyncio.gather(*others)

    asyncio.run(ask())
    assert worker.batches == [[0], [1], [2]]
    batcher.close()


def test_only_items_of_one_group_share_a_batch(worker):
    batcher = make(worker)

    async def ask():
        first = await hold(batcher, worker)
        groups = {1: "a", 2: "b", 3: "a"}
        others = [asyncio.create_task(batcher.submit([(n, 1, g)])) for n, g in groups.items()]
        await until(lambda: batcher.length == 3)
        worker.gate.set()
        await asyncio.gather(first, *others)

    asyncio.run(ask())
    assert worker.batches == [[0], [1, 3], [2]]
    batcher.close()


def test_a_full_queue_refuses_and_says_when_to_come_again(worker):
    batcher = make(worker, max_queue=2)

    async def ask():
        first = await hold(batcher, worker)
        second = asyncio.create_task(batcher.submit([(1, 40_000, None), (2, 40_000, None)]))
        await until(lambda: batcher.length == 2)
        with pytest.raises(RequestError, match="2 questions wait, and at most 2 may") as error:
            await batcher.submit([(3, 1, None)])
        worker.gate.set()
        await asyncio.gather(first, second)
        return error.value

    error = asyncio.run(ask())
    assert error.status == 429
    assert int(error.headers["Retry-After"]) == 20  # 80,000 tokens at 4,000 per second
    batcher.close()


def test_one_request_does_not_fail_because_of_another(worker):
    batcher = make(worker)

    async def ask():
        first = await hold(batcher, worker)
        others = [asyncio.create_task(batcher.submit([(n, 1, None)])) for n in (1, "poison", 3)]
        await until(lambda: batcher.length == 3)
        worker.gate.set()
        await first
        return await asyncio.gather(*others, return_exceptions=True)

    good, bad, other = asyncio.run(ask())
    assert (good[0], other[0]) == ([2], [6])
    assert isinstance(bad, ValueError)
    # The worker goes on.
    assert asyncio.run(batcher.submit([(5, 1, None)])) == ([10], 1)
    batcher.close()


def test_items_of_a_request_that_gave_up_are_not_computed(worker):
    batcher = make(worker)

    async def ask():
        first = await hold(batcher, worker)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await batcher.submit([(1, 1, None)])
        second = asyncio.create_task(batcher.submit([(2, 1, None)]))
        await until(lambda: batcher.length == 2)
        worker.gate.set()
        await asyncio.gather(first, second)

    asyncio.run(ask())
    assert worker.batches == [[0], [2]]
    batcher.close()


def test_a_call_runs_in_the_worker_thread_before_what_waits(worker):
    batcher = make(worker)

    async def ask():
        first = await hold(batcher, worker)
        second = asyncio.create_task(batcher.submit([(1, 1, None)]))
        await until(lambda: batcher.length == 1)
        seen = batcher.call(lambda: (threading.get_ident(), list(worker.batches)))
        worker.gate.set()
        await asyncio.gather(first, second)
        return await asyncio.wrap_future(seen)

    thread, batches = asyncio.run(ask())
    assert {thread} == worker.threads
    assert batches == [[0]]
    failing = batcher.call(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failing.result(60)
    batcher.close()


def test_closing_answers_what_waits_and_refuses_the_rest(worker):
    batcher = make(worker)

    async def ask():
        first = await hold(batcher, worker)
        second = asyncio.create_task(batcher.submit([(1, 1, None)]))
        await until(lambda: batcher.length == 1)
        worker.gate.set()
        await asyncio.to_thread(batcher.close)
        with pytest.raises(RequestError, match="shutting down") as error:
            await batcher.submit([(2, 1, None)])
        return await asyncio.gather(first, second), error.value.status

    assert asyncio.run(ask()) == ([([0], 1), ([2], 1)], 503)


async def answer_two(batcher, worker):
    """Lets two requests share a batch."""
    first = await hold(batcher, worker)
    others = [asyncio.create_task(batcher.submit([(n, 1, None)])) for n in (1, 2)]
    await until(lambda: batcher.length == 2)
    worker.gate.set()
    await asyncio.gather(first, *others)


def test_after_a_batch_of_several_the_next_one_waits_a_moment_for_as_many(worker):
    # So long that only the second request can end the pause.
    batcher = make(worker, linger_ms=3_600_000)

    async def ask():
        await answer_two(batcher, worker)
        third = asyncio.create_task(batcher.submit([(3, 1, None)]))
        await until(lambda: batcher.length == 1)
        await asyncio.gather(third, batcher.submit([(4, 1, None)]))

    asyncio.run(ask())
    assert worker.batches == [[0], [1, 2], [3, 4]]
    batcher.close()


def test_the_pause_ends_if_nothing_comes(worker):
    batcher = make(worker, linger_ms=1)

    async def ask():
        await answer_two(batcher, worker)
        return await batcher.submit([(3, 1, None)])

    assert asyncio.run(ask()) == ([6], 1)
    batcher.close()
