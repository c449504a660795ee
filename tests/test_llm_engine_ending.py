"""Requests and reads that are cancelled, late, or closed: they end soon, and leave nothing under way."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from engines import ENDLESS, MANY, Signalling, end_a_read, idle, in_a_new_process
from ragloom.rag.llm import Cancelled, DeadlineExceeded, DocumentKV, EngineClosed, LlamaEngine, Request, Sampling
from ragloom.rag.llm.deadline import Deadline

pytestmark = pytest.mark.model


def test_a_late_request_fails_and_the_others_go_on() -> None:
    with LlamaEngine(n_ctx=1024) as engine:
        with pytest.raises(DeadlineExceeded, match=r"longer than the timeout of 0\.001 s"):
            engine.generate([replace(ENDLESS, timeout=0.001), Request("Hi", Sampling(max_tokens=4))])
        assert engine.generate(["Hi"], max_tokens=2)[0].tokens == 2


def test_a_caller_that_goes_away_frees_its_sequence() -> None:
    with LlamaEngine(n_ctx=1024, n_seqs=1) as engine:
        for _ in range(3):
            stream = engine.stream(ENDLESS)
            next(stream)
            stream.close()
        assert engine.generate(["Hi"], max_tokens=2)[0].tokens == 2
        assert engine.stats().running == 0


def test_an_exception_in_a_consumer_leaves_the_engine_usable() -> None:
    def consume(engine: LlamaEngine) -> None:
        for _ in engine.stream(ENDLESS):
            raise KeyError("the consumer's own")

    with LlamaEngine(n_ctx=1024) as engine:
        with pytest.raises(KeyError):
            consume(engine)
        assert engine.generate(["Hi"], max_tokens=2)[0].tokens == 2


def test_closing_ends_what_is_under_way_and_closing_twice_does_nothing() -> None:
    engine = LlamaEngine(n_ctx=2048)
    streams = [engine.stream(ENDLESS) for _ in range(20)]
    next(streams[0])
    engine.close()
    engine.close()
    for stream in streams:
        with pytest.raises(EngineClosed, match="closed"):
            list(stream)
    for ask in (lambda: engine.generate(["Hi"]), lambda: engine.score_next(["Hi"], [1]), lambda: engine.tokenize("Hi")):
        with pytest.raises(EngineClosed):
            ask()


async def test_a_cancelled_task_frees_its_sequences() -> None:
    with LlamaEngine(n_ctx=1024, n_seqs=2) as engine:
        task = asyncio.create_task(engine.agenerate([ENDLESS] * 2))
        while not engine.stats().running:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await engine.agenerate(["Hi"], max_tokens=2))[0].tokens == 2
        assert engine.stats().running == 0


def test_a_stream_that_nobody_began_to_read_is_cancelled_too() -> None:
    with LlamaEngine(n_ctx=4096) as engine:
        engine.stream(ENDLESS).close()
        assert idle(engine)
        engine.stream(ENDLESS)
        gc.collect()
        assert idle(engine)
        with pytest.raises(DeadlineExceeded):
            engine.generate([replace(ENDLESS, timeout=0.01), ENDLESS])
        assert idle(engine)


async def test_async_calls_fail_as_the_others_and_cancel_the_rest() -> None:
    with LlamaEngine(n_ctx=4096) as engine:
        with pytest.raises(DeadlineExceeded):
            await engine.agenerate([replace(ENDLESS, timeout=0.01), ENDLESS])
        stream = engine.astream(ENDLESS)
        await stream.aclose()
        assert idle(engine)


def test_closing_a_stream_ends_whoever_waits_for_it() -> None:
    """A stop button is another thread, or another task, than the one that reads."""
    with LlamaEngine(n_ctx=512) as engine:
        stream = engine.stream(Request("Once upon a time", Sampling(max_tokens=400), timeout=60))
        begun = threading.Event()
        read: list[str] = []

        def reads() -> None:
            for delta in stream:
                read.append(delta.text)
                begun.set()

        reader = threading.Thread(target=reads)
        reader.start()
        assert begun.wait(60)
        stream.close()
        reader.join(60)
        assert not reader.is_alive()
        assert 0 < len(read) < 400

        async def both() -> int:
            deltas = engine.astream(Request("Once upon a time", Sampling(max_tokens=400), timeout=60))
            first = asyncio.Event()

            async def reads() -> int:
                count = 0
                async for _ in deltas:
                    count += 1
                    first.set()
                return count

            reader = asyncio.create_task(reads())
            await first.wait()
            await deltas.aclose()
            return await asyncio.wait_for(reader, 60)

        assert 0 < asyncio.run(both()) < 400


async def test_scoring_that_is_cancelled_frees_its_sequences() -> None:
    with LlamaEngine(n_ctx=1024, n_seqs=2) as engine:
        prompts = [f"{number}: {'Once upon a time ' * 10}" for number in range(40)]
        task = asyncio.create_task(engine.ascore_next(prompts, [1]))
        while not engine.stats().running:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert idle(engine)
        assert engine.stats().prefilled < sum(len(engine.tokenize(prompt)) for prompt in prompts) / 2


@pytest.mark.parametrize("what", ["scores", "an answer"])
def test_an_event_ends_what_is_under_way_with_the_next_step(what: str) -> None:
    with LlamaEngine(n_ctx=1024, n_seqs=2) as engine:
        prompts = [f"{number}: {'Once upon a time ' * 10}" for number in range(40)]
        cancelled, ended = threading.Event(), threading.Event()

        ask: dict[str, Callable[[], object]] = {
            "scores": lambda: engine.score_next(prompts, [1], cancelled=cancelled),
            "an answer": lambda: engine.generate([replace(ENDLESS, cancelled=cancelled)]),
        }

        def until_the_end() -> None:
            with pytest.raises(Cancelled):
                ask[what]()
            ended.set()

        threading.Thread(target=until_the_end, daemon=True).start()
        while not engine.stats().running:
            pass
        cancelled.set()
        assert ended.wait(60)
        assert idle(engine)
        assert engine.stats().prefilled < sum(len(engine.tokenize(prompt)) for prompt in prompts) / 2


async def test_scores_and_attention_have_a_deadline() -> None:
    with LlamaEngine(n_ctx=1024) as engine:
        with pytest.raises(DeadlineExceeded, match=r"longer than the timeout of 0\.001 s"):
            engine.score_next(["Once upon a time " * 100] * 4, [1], timeout=0.001)
        with pytest.raises(DeadlineExceeded):
            await engine.ascore_next(["There was a house " * 100] * 4, [1], timeout=0.001)
        assert idle(engine)
        assert engine.score_next(["Once"], [1], timeout=600).shape == (1, 1)
        engine.check_attention()
        cache = Signalling()
        with pytest.raises(DeadlineExceeded):
            engine.attention(MANY, [" What?"], independent=True, cache=cache, timeout=0.05)
        assert cache.stats().entries < len(MANY)
        assert engine.attention(MANY[:1], [" What?"], timeout=600).reused == 0
        assert engine.generate(["Hi"], max_tokens=1)[0].tokens == 1


class Blocking(DocumentKV):
    """Keeps the engine's thread until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = threading.Event(), threading.Event()

    def get(self, key: str) -> tuple[bytes, ...] | None:
        self.asked.set()
        assert self.go_on.wait(60)
        return super().get(key)


async def test_a_deadline_is_told_while_the_engine_is_busy_with_another_callers_read() -> None:
    with LlamaEngine(n_ctx=1024) as engine:
        engine.check_attention()
        cache = Blocking()
        read = partial(engine.attention, MANY[:1], [" What?"], independent=True, cache=cache)
        reading = threading.Thread(target=read)
        reading.start()
        assert cache.asked.wait(60)
        short = Request("Hi", timeout=0.01)
        for late in (
            lambda: engine.generate([short]),
            lambda: engine.score_next(["Hi"], [1], timeout=0.01),
            lambda: engine.attention(["Hi"], ["Hi"], timeout=0.01),
            lambda: next(engine.stream(short)),
        ):
            with pytest.raises(DeadlineExceeded, match=r"longer than the timeout of 0\.01 s"):
                late()
        for coming in (
            engine.agenerate([short]),
            engine.ascore_next(["Hi"], [1], timeout=0.01),
            engine.aattention(["Hi"], ["Hi"], timeout=0.01),
            anext(engine.astream(short)),
        ):
            with pytest.raises(DeadlineExceeded):
                await coming
        assert reading.is_alive()
        cache.go_on.set()
        reading.join(60)
        assert idle(engine)
        assert engine.stats().decoded == 4  # of `idle` alone


async def test_what_came_in_time_is_read_also_after_the_deadline() -> None:
    with LlamaEngine(n_ctx=256) as engine:
        request = Request("Once upon a time", Sampling(max_tokens=3), timeout=60)
        stream, other = engine.stream(request), engine.astream(request)
        engine.generate(["Hi"], max_tokens=6)
        stream._job.deadline = other._job.deadline = Deadline(1e-9)
        assert [delta.tokens for delta in stream] == [1, 2, 3, 3]
        assert [delta.tokens async for delta in other] == [1, 2, 3, 3]


async def test_a_cancelled_task_ends_its_read_of_attention() -> None:
    with LlamaEngine(n_ctx=1024) as engine:
        expected = engine.attention(MANY[:2], [" What?"])
        found = await engine.aattention(MANY[:2], [" What?"])
        np.testing.assert_array_equal(found.weights, expected.weights)
        cache = Signalling()
        task = asyncio.create_task(engine.aattention(MANY, [" What?"], independent=True, cache=cache))
        await asyncio.to_thread(cache.asked.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert idle(engine)
        assert cache.stats().entries < len(MANY)


def test_a_read_ends_when_it_is_said_that_nobody_waits() -> None:
    with LlamaEngine(n_ctx=1024) as engine:
        engine.check_attention()
        cancelled = threading.Event()
        end_a_read(engine, Cancelled, cancelled.set, cancelled=cancelled)
        cancelled.clear()
        engine.attention(MANY[:1], [" What?"], cancelled=cancelled)
        assert not cancelled.is_set()  # it is the caller's


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_ends_a_read_of_attention() -> None:
    done = in_a_new_process(
        "import os, signal, threading; from ragloom.rag.llm import DocumentKV, LlamaEngine\n"
        "class Cache(DocumentKV):\n"
        "    asked = 0\n"
        "    def get(self, key):\n"
        "        self.asked += 1\n"
        "        if self.asked == 2: os.kill(os.getpid(), signal.SIGINT)\n"
        "        return super().get(key)\n"
        "cache = Cache(); engine = LlamaEngine(n_ctx=1024); engine.check_attention()\n"
        f"try: engine.attention({MANY!r}, [' What?'], independent=True, cache=cache)\n"
        "except KeyboardInterrupt: print('interrupted')\n"
        "engine.generate(['Hi'], max_tokens=1)\n"
        "print(cache.asked < 16)\n"
    )
    assert (done.stdout.split(), done.stderr) == (["interrupted", "True"], "")


def test_closing_ends_a_read_of_attention() -> None:
    engine = LlamaEngine(n_ctx=1024)
    engine.check_attention()
    end_a_read(engine, EngineClosed, engine.close)
