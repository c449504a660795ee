"""What tests of an engine that is stopped, cancelled or broken have in common."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from ragloom.rag.llm import DocumentKV, LlamaEngine, Request, Sampling


def in_a_new_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


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


def end_a_read(engine: LlamaEngine, error: type[Exception], end: Callable[[], None], **options: object) -> None:
    """Let `end` end a read of `MANY` documents that is under way in a thread: it raises `error` before it is done."""
    cache, caught = Signalling(), []

    def read() -> None:
        with pytest.raises(error) as raised:
            engine.attention(MANY, [" What?"], independent=True, cache=cache, **options)
        caught.append(raised)

    reader = threading.Thread(target=read)
    reader.start()
    assert cache.asked.wait(60)
    end()
    reader.join(60)
    assert len(caught) == 1
    assert cache.stats().entries < len(MANY)
