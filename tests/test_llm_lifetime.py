"""A model from its loading to its end: closed, forgotten, copied, forked, or left as the process ends."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
import weakref
from collections.abc import Callable

import pytest
from engines import in_a_new_process
from ragloom.rag.llm import ChatLocal, ModelError

pytestmark = pytest.mark.model


def test_a_closed_model_says_so() -> None:
    llm = ChatLocal(n_ctx=512)
    llm.close()
    llm.close()
    for use in (lambda: llm.invoke("Hi"), lambda: llm.count_tokens("Hi")):
        with pytest.raises(ModelError, match="was closed"):
            use()


def test_closing_interrupts_a_stream() -> None:
    llm = ChatLocal(n_ctx=8192, max_tokens=None, temperature=3.0, top_p=1.0, seed=1)
    stream = llm.stream("Write a novel. Never stop.")
    next(stream)
    llm.close()
    with pytest.raises(ModelError, match="closed"):
        list(stream)


def test_nothing_is_asked_of_weights_that_were_freed() -> None:
    llm = ChatLocal(n_ctx=512)
    weights = llm._engine.weights
    llm.close()
    uses: list[Callable[[], object]] = [
        lambda: weights.tokenize("Hi"),
        lambda: weights.piece(1),
        lambda: weights.is_end(1),
        lambda: weights.metadata("general.name"),
    ]
    for use in uses:
        with pytest.raises(ModelError, match="was closed; load it again"):
            use()


def test_a_forgotten_model_is_freed() -> None:
    before = threading.enumerate()
    llm = ChatLocal(n_ctx=512)
    engine = weakref.ref(llm._engine)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "ragloom-llm" and thread not in before]
    del llm
    gc.collect()
    assert engine() is None
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "; llm.close()",
        "; stream = llm.stream('Write a novel.', max_tokens=None); next(stream)",
        "; raise SystemExit(0)",
        "; llm = load(n_ctx=256)",
    ],
)
def test_a_process_ends_cleanly_and_llama_cpp_is_silent(ending: str) -> None:
    done = in_a_new_process(f"from ragloom.rag.llm import load; llm = load(n_ctx=512); llm.invoke('Hi'){ending}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_process_that_ends_while_a_thread_waits_for_an_answer_does_not_crash() -> None:
    code = (
        "import threading; from ragloom.rag.llm import load\n"
        "llm = load(n_ctx=512)\n"
        "threading.Thread(target=llm.invoke, args=('Write a novel.',), daemon=True).start()\n"
    )
    assert in_a_new_process(code).returncode == 0


def test_loading_in_a_thread_leaves_the_output_of_others_alone() -> None:
    code = (
        "import threading; from ragloom.rag.llm import load\n"
        "loading = threading.Thread(target=load)\n"
        "loading.start()\n"
        "lines = 0\n"
        "while loading.is_alive() or lines < 100: print(lines); lines += 1\n"
    )
    done = in_a_new_process(code)
    assert done.stderr == ""
    assert done.stdout.split() == [str(line) for line in range(len(done.stdout.split()))]


def test_importing_the_package_imports_neither_llama_cpp_nor_langchain() -> None:
    code = "import sys, ragloom.rag.llm; print({'llama_cpp', 'langchain_core', 'torch'} & set(sys.modules))"
    assert in_a_new_process(code).stdout.strip() == "set()"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_forked_child_is_told_to_load_the_model_again() -> None:
    code = (
        "import os; from ragloom.rag.llm import ModelError, load\n"
        "llm = load(n_ctx=256)\n"
        "if os.fork() == 0:\n"
        "    try: llm.invoke('Hi')\n"
        "    except ModelError as error: print(error)\n"
        "else: os.wait()\n"
    )
    done = in_a_new_process(code)
    assert done.returncode == 0
    assert "before this process was forked; load it again" in done.stdout


def test_a_model_is_shared_by_its_copies_and_stays_in_its_process() -> None:
    with ChatLocal(n_ctx=256) as llm:
        assert copy.deepcopy(llm).engine is llm.engine
        with pytest.raises(ModelError, match="a loaded model cannot be pickled; load it in each process"):
            pickle.dumps(llm)
