"""What goes wrong around `LlamaEngine` is one clear error, and the process lives."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from engines import ENDLESS, idle, in_a_new_process
from ragloom.rag.llm import EngineClosed, LlamaEngine, ModelError, Request, Sampling
from ragloom.rag.llm.batching.tasks import Scoring
from ragloom.rag.llm.models import find_model

pytestmark = pytest.mark.model


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
        strange = engine._owner.run(partial(Scoring, [1.5, 2.5], np.array([1]), None, None), engine)
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
