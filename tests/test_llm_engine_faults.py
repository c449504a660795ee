"""What goes wrong around `LlamaEngine` is one clear error, and the process lives."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ragloom.rag.llm import (
    Cancelled,
    DeadlineExceeded,
    DocumentKV,
    EngineClosed,
    LlamaEngine,
    ModelError,
    Request,
    Sampling,
)
from ragloom.rag.llm.batching.deadline import Deadline
from ragloom.rag.llm.batching.tasks import Scoring
from ragloom.rag.llm.models import find_model

pytestmark = pytest.mark.model


def in_a_new_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_a_truncated_file_is_one_error_and_the_next_model_loads(tmp_path: Path) -> None:
    whole = find_model("embedded").path.read_bytes()
    for size in (3, 100, 10_000, len(whole) // 2, len(whole) - 1):
        part = tmp_path / f"{size}.gguf"
        part.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=part.name) as caught:
            LlamaEngine(part)
        assert "\n" not in str(caught.value)
    with LlamaEngine(n_ctx=256) as engine:
        assert engine.generate(["Hi"], max_tokens=1)[0].tokens == 1


def test_an_architecture_that_llama_cpp_does_not_know_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(find_model("embedded").path.read_bytes().replace(b"llama", b"lambs"))
    with pytest.raises(ModelError, match=r"cannot load .*other\.gguf: .*unknown model architecture: 'lambs'"):
        LlamaEngine(other)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory as Linux does")
@pytest.mark.parametrize("megabytes", [20, 200, 360, 400])
def test_without_enough_memory_there_is_one_error_and_the_process_lives(megabytes: int) -> None:
    done = in_a_new_process(
        "import resource; from pathlib import Path\n"
        "from ragloom.rag.llm import LlamaEngine, ModelError\n"
        "import ragloom.rag.llm.engine\n"
        f"room = int(Path('/proc/self/statm').read_text().split()[0]) * 4096 + ({megabytes} << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (room, room))\n"
        "try: LlamaEngine()\n"
        "except ModelError as error: print(error)\n"
        "print('alive')\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    error, alive = done.stdout.splitlines()
    assert "memory" in error
    assert alive == "alive"


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "; engine.close()",
        "; del engine",
        "; stream = engine.stream('Once upon a time', max_tokens=500); next(stream)",
        "; streams = [engine.stream('Once', max_tokens=500) for _ in range(40)]; raise SystemExit(0)",
        "; engine.score_next(['a'] * 20, [1]); other = LlamaEngine(n_ctx=256)",
    ],
)
def test_a_process_ends_without_a_crash(ending: str) -> None:
    done = in_a_new_process(f"from ragloom.rag.llm import LlamaEngine; engine = LlamaEngine(n_ctx=1024){ending}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_process_ends_without_a_crash_while_a_thread_waits_for_answers() -> None:
    done = in_a_new_process(
        "import threading; from ragloom.rag.llm import LlamaEngine; engine = LlamaEngine(n_ctx=1024)\n"
        "threading.Thread(target=engine.generate, args=(['Once'] * 40,), daemon=True).start()"
    )
    assert done.returncode == 0


ENDLESS = Request("Once upon a time", Sampling(temperature=3.0, seed=1, max_tokens=None, logit_bias={0: -100, 2: -100}))


MANY = [f" {number}: {'cats purr and rain falls and ' * 8}" for number in range(16)]


class Signalling(DocumentKV):
    """Tells that a read is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()

    def get(self, key: str) -> tuple[bytes, ...] | None:
        self.asked.set()
        return super().get(key)


def idle(engine: LlamaEngine) -> bool:
    """Whether nothing else is under way after a few short requests; an endless one would be."""
    for _ in range(4):
        engine.generate(["Hi"], max_tokens=1)
    return not engine.stats().running


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
        cache, cancelled = Signalling(), threading.Event()
        caught = []

        def read() -> None:
            try:
                engine.attention(MANY, [" What?"], independent=True, cache=cache, cancelled=cancelled)
            except Cancelled as error:
                caught.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        assert cache.asked.wait(60)
        cancelled.set()
        reader.join(60)
        assert len(caught) == 1
        assert cache.stats().entries < len(MANY)
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
    cache, caught = Signalling(), []

    def read() -> None:
        try:
            engine.attention(MANY, [" What?"], independent=True, cache=cache)
        except EngineClosed as error:
            caught.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert cache.asked.wait(60)
    engine.close()
    reader.join(60)
    assert len(caught) == 1
    assert cache.stats().entries < len(MANY)


def test_an_engine_that_was_forgotten_leaves_nothing_behind() -> None:
    engine = LlamaEngine(n_ctx=256)
    owner, thread = weakref.ref(engine._owner), engine._owner._thread
    engine.generate(["Hi"], max_tokens=1)
    del engine
    gc.collect()
    assert owner() is None
    thread.join(60)
    assert not thread.is_alive()


def test_each_caller_gets_an_error_of_its_own() -> None:
    engine = LlamaEngine(n_ctx=4096)
    streams = [engine.stream(ENDLESS) for _ in range(3)]
    next(streams[0])
    engine.close()
    caught = []
    for stream in streams:
        with pytest.raises(EngineClosed) as error:
            list(stream)
        caught.append(error.value)
    assert len(set(map(id, caught))) == 3


def test_an_event_loop_that_was_closed_ends_its_requests() -> None:
    with LlamaEngine(n_ctx=4096) as engine:
        loop = asyncio.new_event_loop()

        async def begin() -> object:
            stream = engine.astream(ENDLESS)
            await anext(stream)
            return stream

        stream = loop.run_until_complete(begin())
        loop.close()
        assert idle(engine)
        assert stream


def test_a_stream_keeps_its_engine() -> None:
    stream = LlamaEngine(n_ctx=512).stream("Once upon a time", max_tokens=4)
    gc.collect()
    assert [delta.tokens for delta in stream] == [1, 2, 3, 4, 4]


def test_readers_of_attention_leave_turns_to_the_others() -> None:
    done = threading.Event()
    with LlamaEngine(n_ctx=512) as engine:

        def read() -> None:
            while not done.is_set():
                engine.attention([" Cats purr. " * 5], [" What do cats do?"])

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        answer = engine.generate([Request("Once upon a time", Sampling(max_tokens=3), timeout=60)])[0]
        done.set()
        for reader in readers:
            reader.join()
    assert answer.tokens == 3


def test_an_error_of_the_engines_own_reaches_whoever_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    with LlamaEngine(n_ctx=512) as engine:
        streams = [engine.stream(ENDLESS) for _ in range(3)]
        next(streams[0])
        monkeypatch.setattr(engine._owner._scheduler, "step", lambda: 1 / 0)
        caught = []
        for stream in streams:
            with pytest.raises(
                EngineClosed, match=r"ended by an error of its own \(ZeroDivisionError: division by"
            ) as told:
                list(stream)
            caught.append(told.value)
        assert len(set(map(id, caught))) == 3
        with pytest.raises(EngineClosed, match=r"ended by an error of its own \(ZeroDivisionError: division by zero"):
            engine.generate(["Hi"])


def test_a_defect_fails_what_is_under_way_and_not_whoever_asks_next(caplog: pytest.LogCaptureFixture) -> None:
    """Tokens that are none are refused before; here they come in behind that check."""
    with LlamaEngine(n_ctx=512) as engine:
        whole = engine.generate(["Once upon a time"], max_tokens=4)[0].text
        beside = engine.stream(ENDLESS)
        next(beside)
        strange = engine._owner.run(partial(Scoring, [1.5, 2.5], np.array([1]), None), engine)
        caught = []
        for results in (strange, beside):
            with pytest.raises(ModelError, match="the engine failed at this request or one beside it: ") as told:
                list(results)
            assert not isinstance(told.value, EngineClosed)
            caught.append(told.value)
        assert caught[0] is not caught[1]
        assert "an error of the engine's own" in caplog.text
        assert engine.generate(["Once upon a time"], max_tokens=4)[0].text == whole
        assert (engine.stats().running, engine.stats().waiting) == (0, 0)


def test_where_no_thread_can_be_started_the_memory_is_freed() -> None:
    done = in_a_new_process(
        "import gc, threading; from ragloom.rag.llm import LlamaEngine, ModelError; import ragloom.rag.llm.engine\n"
        "from ragloom.rag.llm.weights import Weights\n"
        "threading.stack_size(1 << 46)\n"
        "try: LlamaEngine(n_ctx=256)\n"
        "except ModelError as error: print(error)\n"
        "print([each._closed for each in gc.get_objects() if isinstance(each, Weights)])\n"
    )
    error, freed = done.stdout.splitlines()
    assert "cannot start a thread for" in error
    assert freed in {"[True]", "[]"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_forked_child_is_told_and_does_not_wait() -> None:
    done = in_a_new_process(
        "import os; from ragloom.rag.llm import ChatLocal, EngineClosed\n"
        "llm = ChatLocal(n_ctx=512); engine = llm.engine\n"
        "stream = engine.stream('Once', max_tokens=400); next(stream)\n"
        "with engine.weights._lock:  # as the thread that decodes does for every token\n"
        "    child = os.fork()\n"
        "if child == 0:\n"
        "    uses = [lambda: next(stream), lambda: engine.generate(['Hi']), lambda: engine.score_next(['Hi'], [1]),\n"
        "        lambda: engine.attention(['Hi'], ['Hi']), lambda: engine.tokenize('Hi'), lambda: llm.invoke('Hi')]\n"
        "    for use in uses:\n"
        "        try: use()\n"
        "        except EngineClosed as error: print('forked' in str(error), flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert done.returncode == 0
    assert done.stdout.split() == ["True"] * 6
