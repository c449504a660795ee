"""A process that is killed with -9 at any point loses nothing that it had acknowledged."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from corpus_worker import Workers, numbered, versions
from fakes import HashingEmbedder
from ragloom.stores import Chunk, Corpus
from ragloom.stores.errors import CorpusLockedError

pytestmark = [
    pytest.mark.usefixtures("searched_by_chroma"),
    pytest.mark.kill,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor kill -9"),
]

POINTS = range(20)
SAVE_EVERY = 7
"""Vectors between two saves of Chroma's graph: kills hit the saving, which is not atomic."""


def heard(said: list[dict[str, Any]], name: str) -> list[Any]:
    return [line[name] for line in said if name in line]


def kill_later(workers: Workers, pid: int, first: str, delay_s: float) -> list[dict[str, Any]]:
    """Kill a worker some time after it first says `first`; all that it said."""
    said = [workers.hear(first)]
    while event := workers.hear(first, wait_s=delay_s * random.random()):
        said.append(event)
    return said + workers.kill(pid)


def check(corpus: Corpus, *, words: list[str]) -> None:
    """Database, tantivy and Chroma hold the same; both indexes find these texts."""
    assert corpus.inconsistencies() == ()
    for word in words:
        assert corpus.search(word, mode="lexical", k=1)[0].document.page_content == word
        assert corpus.search(word, mode="dense", k=1)[0].document.page_content == word


def test_what_was_acknowledged_survives_twenty_kills_and_a_rerun_embeds_only_the_rest(
    tmp_path: Path, workers: Workers
) -> None:
    random.seed(20)
    total, group = 600, 3
    text_of = {Chunk.from_text(text).id: text for text in numbered(0, total)}
    acknowledged: set[str] = set()
    stored: set[str] = set()
    for _ in POINTS:
        start = max(0, len(stored) - 3 * group)
        pid = workers.start("add", path=str(tmp_path), start=start, stop=total, group=group, save_every=SAVE_EVERY)
        said = kill_later(workers, pid, "acknowledged", delay_s=0.05)
        new = [id_ for ids in heard(said, "acknowledged") for id_ in ids if id_ not in acknowledged]
        acknowledged.update(new)
        with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
            stored = set(corpus.ids())
            assert acknowledged <= stored
            assert len(stored) % group == 0
            check(corpus, words=[text_of[id_] for id_ in new[-6:]])

    assert len(stored) < total, "every kill came too late"
    embedder = HashingEmbedder()
    with Corpus(tmp_path, embedder=embedder) as corpus:
        report = corpus.add(numbered(0, total))
        assert report.embedded == embedder.embedded == total - len(stored)
        assert report.unchanged == len(stored)
        check(corpus, words=numbered(0, total)[::50])


def test_a_source_that_was_being_replaced_is_wholly_old_or_wholly_new(tmp_path: Path, workers: Workers) -> None:
    random.seed(7)
    version = 0
    for _ in range(8):
        pid = workers.start("replace", path=str(tmp_path), start=version, stop=10**6, save_every=SAVE_EVERY)
        version = max(heard(kill_later(workers, pid, "version", delay_s=0.05), "version"))
        with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
            stored = set(corpus.ids())
            held = next(v for v in (version, version + 1) if stored == {chunk.id for chunk in versions(v)})
            check(corpus, words=["source3", f"version{held}"][:1])
            assert {hit.document.page_content for hit in corpus.search(f"version{held}", mode="lexical", k=30)} == {
                f"version{held}"
            }
            assert corpus.search(f"version{held - 1}", mode="lexical") == []
        version = held + 1


def test_what_was_deleted_stays_deleted(tmp_path: Path, workers: Workers) -> None:
    random.seed(3)
    total = 300
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        corpus.add(numbered(0, total))
    gone: set[str] = set()
    for _ in range(5):
        pid = workers.start("delete", path=str(tmp_path), start=0, stop=total, group=2, save_every=SAVE_EVERY)
        gone.update(id_ for ids in heard(kill_later(workers, pid, "deleted", delay_s=0.05), "deleted") for id_ in ids)
        with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
            assert not gone & set(corpus.ids())
            check(corpus, words=[])


def test_a_repair_that_is_killed_leaves_what_was_there(tmp_path: Path, workers: Workers) -> None:
    random.seed(5)
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        corpus.add(numbered(0, 40))
    for _ in range(5):
        pid = workers.start("repair", path=str(tmp_path), times=1000, save_every=SAVE_EVERY)
        kill_later(workers, pid, "inconsistencies", delay_s=0.1)
        with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
            check(corpus, words=numbered(0, 40)[::9])
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        corpus.repair()
    assert len(list(tmp_path.glob("dense-*"))) == len(list(tmp_path.glob("lexical-*"))) == 1


def test_the_second_writer_is_told_who_the_first_is_until_that_one_is_killed(tmp_path: Path, workers: Workers) -> None:
    pid = workers.start("hold", path=str(tmp_path))
    workers.hear("held")
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        for write in (lambda: corpus.add(["text"]), lambda: corpus.delete(["id"]), corpus.repair):
            with pytest.raises(CorpusLockedError, match=rf"is being written by process {pid} on .*; wait for it"):
                write()
        assert corpus.search("text") == []
        workers.kill(pid)
        corpus.add(["text"])
        assert corpus.search("text")


def test_the_lock_names_this_process_to_a_second_corpus_in_it(tmp_path: Path) -> None:
    with Corpus(tmp_path, embedder=HashingEmbedder()) as first, Corpus(tmp_path, embedder=HashingEmbedder()) as second:
        with first.writing():
            first.add(["one"])
            with pytest.raises(CorpusLockedError, match=f"process {os.getpid()} "):
                second.add(["two"])
            assert second.search("one", mode="lexical")
        second.add(["two"])
        assert first.search("two", mode="dense", k=1)[0].document.page_content == "two"
