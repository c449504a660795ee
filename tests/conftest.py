"""What every test shares: no network, repeatable property tests, and a corpus to begin with."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.append(str(Path(__file__).parent))  # `fakes` is importable whatever folder pytest is started in

from corpus_worker import Workers
from fakes import HashingEmbedder
from ragloom.stores import Corpus

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


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """Other processes that use a corpus."""
    started = Workers()
    yield started
    started.close()
