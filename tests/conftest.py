"""What every test shares: no network, repeatable property tests, and a corpus and a command to begin with."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.append(str(Path(__file__).parent))  # `fakes` is importable whatever folder pytest is started in

from command import AS_EMBEDDER, here
from corpus_worker import Workers
from counted import Called
from fakes import HashingEmbedder
from memories import Clock, lived
from ragloom.stores import Corpus, exact
from ragloom.stores.memory import Group, Memory

# What a shell starts in the background ignores Ctrl-C, and so do its children; tests interrupt both.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A test that fails on one machine fails on every machine; `--hypothesis-profile=default` looks for new examples.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repeatable")


@pytest.fixture
def embedder() -> HashingEmbedder:
    return HashingEmbedder()


@pytest.fixture
def corpus(tmp_path: Path, embedder: HashingEmbedder) -> Iterator[Corpus]:
    with Corpus(tmp_path / "index", embedder=embedder) as opened:
        yield opened


@pytest.fixture
def searched_by_chroma(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corpora count as large, whose vectors are not held in memory."""
    monkeypatch.setattr(exact, "MOST", 0)


@pytest.fixture
def scripted_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The `ragloom` command in a folder and with a cache of its own; its embedder is scripted."""
    monkeypatch.setattr(AS_EMBEDDER, lambda _given: HashingEmbedder())
    monkeypatch.setenv("RAGLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def called() -> Called:
    """Counts how often a node was called."""
    return Called()


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder with two documents."""
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "leave.md").write_text("# Leave\n\n## Parents\n\nParents get sixteen weeks of leave.\n", "utf-8")
    (folder / "café.txt").write_text("Crème brûlée is served on Fridays.\n", "utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two pages and a table of two rows."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "leave.md").write_text("---\nteam: people\n---\n# Leave\n\nAsk your lead two weeks ahead.\n")
    (docs / "travel.md").write_text("# Travel\n\nBook by rail where you can.\n")
    (docs / "facts.jsonl").write_text('{"id": "a", "text": "Rain is wet."}\n{"id": "b", "text": "Snow is cold."}\n')
    return docs


@pytest.fixture
def index(scripted_command: None, tmp_path: Path, pages: Path) -> Path:
    """What the command made of `pages`."""
    assert here("ingest", pages, "--into", tmp_path / "index").code == 0
    return tmp_path / "index"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """An empty memory; its clock moves on by itself."""
    with Memory(tmp_path / "memory.sqlite3", embedder=HashingEmbedder(), now=Clock()) as opened:
        yield opened


@pytest.fixture
def group(memory: Memory) -> Group:
    """What Ann lived through."""
    return lived(memory.group("ann"))


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """Other processes that use a corpus."""
    started = Workers()
    yield started
    started.close()
