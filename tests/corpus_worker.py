"""Other processes that use a corpus or a memory, for the tests that kill them.

Started as a script it imports everything once and then forks a worker for every command that it reads, so that twenty
processes cost the imports of one. Each line of its output is JSON with the worker's pid: what the worker has to say,
and at last how it ended (`exit`: its exit code, or minus the signal that killed it).
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from fakes import HashingEmbedder
from ragloom.stores import AddProgress, Chunk, Corpus, Source, exact, vectors
from ragloom.stores.memory import Episode, Fact, Memory
from ragloom.stores.memory.extracting import Extraction


class Workers:
    """The tests' end: starts workers, reads what they say, kills them."""

    def __init__(self) -> None:
        self._forker = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        self._stdin, self._stdout = self._forker.stdin, self._forker.stdout
        self._unread = b""
        self._heard: list[dict[str, Any]] = []

    def start(self, do: str, **options: Any) -> int:
        """Start a worker; its pid."""
        self._stdin.write(json.dumps({"do": do, **options}).encode() + b"\n")
        self._stdin.flush()
        while "started" not in (said := self._listen(None)):
            self._heard.append(said)  # of workers that were started before
        return int(said["pid"])

    def hear(self, name: str, wait_s: float | None = None) -> dict[str, Any]:
        """The next thing that a worker says, which must be called `name`; or nothing within `wait_s`."""
        said = self._heard.pop(0) if self._heard else self._listen(wait_s)
        assert not said or name in said or (wait_s is not None and "exit" in said), f"expected {name!r}, heard {said}"
        return said

    def _listen(self, wait_s: float | None) -> dict[str, Any]:
        while b"\n" not in self._unread:
            if wait_s is not None and not select.select([self._stdout], [], [], wait_s)[0]:
                return {}
            read = os.read(self._stdout.fileno(), 65536)
            assert read, "the workers' parent has died"
            self._unread += read
        line, self._unread = self._unread.split(b"\n", 1)
        said: dict[str, Any] = json.loads(line)
        return said

    def kill(self, pid: int) -> list[dict[str, Any]]:
        """Kill a worker; what it had said before it died."""
        os.kill(pid, signal.SIGKILL)
        said: list[dict[str, Any]] = []
        while not said or "exit" not in said[-1]:
            said.append(self.hear("pid"))
        assert said[-1]["exit"] in {-signal.SIGKILL, 0}
        return said[:-1]

    def run(self, do: str, **options: Any) -> list[dict[str, Any]]:
        """Let a worker work to its end; what it said."""
        self.start(do, **options)
        said = [self.hear("pid")]
        while "exit" not in said[-1]:
            said.append(self.hear("pid"))
        assert said[-1]["exit"] == 0, said
        return said[:-1]

    def close(self) -> None:
        """End the forker; the workers have ended before."""
        self._stdin.close()
        self._forker.wait()
        self._stdout.close()


def numbered(start: int, stop: int) -> list[str]:
    """Distinct texts, each with a word of its own."""
    return [f"number{i} among the others" for i in range(start, stop)]


def versions(version: int) -> list[Chunk]:
    """Ten sources of three chunks in a version."""
    chunks = []
    for name in range(10):
        pieces = [f"source{name}", f"version{version}", f"text{version % 3}"]
        source = Source(f"s{name}", " ".join(pieces), fingerprint=str(version))
        starts = [source.text.index(piece) for piece in pieces]
        chunks += [Chunk(source, at, at + len(piece)) for at, piece in zip(starts, pieces, strict=True)]
    return chunks


def say(**what: Any) -> None:
    os.write(1, json.dumps({"pid": os.getpid(), **what}).encode() + b"\n")


def say_progress(event: AddProgress) -> None:
    for start in range(0, len(event.ids), 50):  # a line stays below what a pipe takes in one piece
        say(acknowledged=list(event.ids[start : start + 50]))


def add(corpus: Corpus, start: int, stop: int, group: int) -> None:
    with corpus.writing():
        for at in range(start, stop, group):
            corpus.add(numbered(at, min(stop, at + group)), on_progress=say_progress)


def replace(corpus: Corpus, start: int, stop: int) -> None:
    for version in range(start, stop):
        corpus.add(versions(version))
        say(version=version)


def delete(corpus: Corpus, start: int, stop: int, group: int) -> None:
    for at in range(start, stop, group):
        texts = numbered(at, min(stop, at + group))
        ids = [Chunk.from_text(text).id for text in texts]
        corpus.delete(ids)
        say(deleted=ids)


def repair(corpus: Corpus, times: int) -> None:
    for _ in range(times):
        say(inconsistencies=corpus.repair().inconsistencies)


def hold(corpus: Corpus) -> None:
    with corpus.writing():
        say(held=True)
        signal.pause()


def read(corpus: Corpus, until: int) -> None:
    """Search in two threads until the chunk `number<until>` is there."""
    say(reading=True)

    known = numbered(0, 1)[0]

    def look(mode: Any) -> None:
        while not corpus.search(f"number{until}", mode="lexical"):
            assert corpus.search(known, mode=mode, k=1)[0].document.page_content == known

    threads = [threading.Thread(target=look, args=(mode,)) for mode in ("dense", "hybrid")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say(inconsistencies=corpus.inconsistencies(), chunks=len(corpus))


def create(corpus: Corpus) -> None:
    say(chunks=len(corpus), language=corpus.language)


def spoken(number: int) -> Episode:
    """An episode with a word of its own."""
    return Episode(f"message{number} among the others", datetime(2024, 1, 1, tzinfo=UTC), "Ann")


def moves(number: int) -> list[Fact]:
    """Facts of an episode, of which the first ends that of the episode before."""
    since = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return [Fact("Ann", "lives_in", f"place{number}", valid_from=since), Fact("Ann", "knows", f"person{number % 7}")]


def remember(memory: Memory, start: int, stop: int) -> None:
    """Remember episodes; every third is forgotten and remembered again."""
    group = memory.group("g")
    for number in range(start, stop):
        group.remember_facts(moves(number), episode=spoken(number))
        say(remembered=number)
        if number % 3 == 0:
            group.forget(spoken(number))
            group.remember_facts(moves(number), episode=spoken(number))


def erase(memory: Memory, start: int, stop: int) -> None:
    group = memory.group("g")
    for number in range(start, stop):
        group.erase(spoken(number))
        say(erased=number)


class Slow:
    """An extractor that says when it begins, so that it can be killed at work."""

    def extract(self, episode: Episode) -> Extraction:
        say(extracting=episode.content)
        number = int(episode.content.split()[0].removeprefix("message"))
        return Extraction(tuple(moves(number)))


def catch_up(memory: Memory) -> None:
    memory.group("g").catch_up()


def work_on_memory(do: str, path: str, command: dict[str, Any]) -> None:
    with Memory(path, embedder=HashingEmbedder(), extractor=Slow()) as memory:
        globals()[do](memory, **command)


def work(command: dict[str, Any]) -> None:
    do, path, save_every = command.pop("do"), command.pop("path"), command.pop("save_every", None)
    if do in {"remember", "erase", "catch_up"}:
        work_on_memory(do, path, command)
        return
    if save_every:  # how many vectors Chroma logs before it saves its graph
        vectors.HNSW["sync_threshold"] = vectors.HNSW["batch_size"] = save_every
    with Corpus(path, embedder=HashingEmbedder()) as corpus:
        globals()[do](corpus, **command)


def main() -> None:
    importlib.import_module("chromadb.api.rust")  # the corpus imports it late; here once for all workers
    signal.signal(signal.SIGCHLD, report_exits)
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            code = 1
            try:
                say(started=True)
                work(json.loads(line))
                code = 0
            except BaseException:  # noqa: BLE001 - a worker must not become a second forker
                traceback.print_exc()
            finally:
                os._exit(code)


def report_exits(*_: object) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        os.write(1, json.dumps({"pid": pid, "exit": os.waitstatus_to_exitcode(status)}).encode() + b"\n")


if __name__ == "__main__":
    exact.MOST = 0  # what is killed, or reads beside a writer, reads Chroma's files
    main()
