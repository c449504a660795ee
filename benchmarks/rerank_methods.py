"""The rerankers that `rerank.py` compares, in the settings chosen on train."""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragloom.rag.llm.attention.document_kv import DocumentKV
from ragloom.rag.llm.base import ChatModel
from ragloom.rag.rerank import IcrReranker, Reranker, RerankError
from ragloom.rag.rerank.heads import load_heads
from ragloom.rag.rerank.icr_reading import IcrReading, read_passages
from ragloom.rag.rerank.types import Passage
from ragloom.rag.rerank.window import Window
from rerank_data import Task

GENERATION, FIRST, CROSS = "generation", "FIRST", "cross-encoder"
ICR, HEADS, LAYERS, CACHED = "ICR", "ICR heads", "ICR heads+layers", "ICR cached"
COLD = "ICR cached, cold disk"
TRANSFORMERS = {"transformers F32": "float32", "transformers BF16": "bfloat16"}

CHOSEN: dict[str, dict[str, int]] = {
    ICR: {},
    HEADS: {"heads": 4},
    LAYERS: {"heads": 8, "layers": 10},
    CACHED: {"heads": 8, "layers": 10},
}
"""Which heads and layers: of what ranked best on train (`rerank.py --split train`) what is fastest."""

WEIGHTS = {GENERATION: 0.5, FIRST: 0.5, ICR: 0.1, HEADS: 0.1, LAYERS: 0.6, CACHED: 0.6, CROSS: 0.5}
"""Of the first stage, where it is fused with a method: what ranked best on train."""

GRID = [{"heads": k, **({"layers": n} if n else {})} for k in (1, 2, 4, 8, 16, 32) for n in (None, 19, 10)]
"""What may be chosen on train, from the same two reads."""

_DISK = 20_000_000_000  # bytes of documents' KV
_FORGETS = hasattr(os, "posix_fadvise")


@dataclass(frozen=True)
class Method:
    """A reranker by name; `make` gives one for a task."""

    name: str
    setting: str
    make: Callable[[Task], Reranker]


Wanted = tuple[str, dict[str, int], Callable[[Task], Reranker]]


@dataclass
class Methods:
    """All that can be measured here."""

    llm: ChatModel
    store: Path
    cross_encoder: Path | None = None
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def documents(self) -> Path:
        """Where the KV of documents is."""
        return self.store / "documents"

    def timed(self, only: str | None = None) -> list[Method]:
        """Each as a user would make it; `cached` reads its documents from disk, for none is kept in memory."""
        on_disk = DocumentKV(self.documents, memory=0, disk=_DISK)
        cached = self._icr(IcrReranker, **CHOSEN[CACHED], cached=on_disk)
        return self._there(
            [
                *self._alone(),
                *((name, CHOSEN[name], self._icr(IcrReranker, **CHOSEN[name])) for name in (ICR, HEADS, LAYERS)),
                *((name, CHOSEN[CACHED], cached) for name in ([CACHED, COLD] if _FORGETS else [CACHED])),
                *((name, {}, self._transformers(dtype)) for name, dtype in TRANSFORMERS.items()),
            ],
            only,
        )

    def shared(self, *, choosing: bool) -> list[Method]:
        """All kinds of ICR, from one read of the passages together and one of each on its own."""
        readings = Readings()
        apart = DocumentKV(memory=0)

        def icr(**options: Any) -> Callable[[Task], Reranker]:
            return self._icr(SharedIcr, readings=readings, **options)

        found = [(name, CHOSEN[name], icr(**CHOSEN[name])) for name in (ICR, HEADS, LAYERS)]
        needed = None if choosing else self._layers(CHOSEN[CACHED])
        found += [(CACHED, CHOSEN[CACHED], icr(**CHOSEN[CACHED], cached=apart, needed=needed))]
        if choosing:
            found += [(LAYERS if "layers" in each else HEADS, each, icr(**each)) for each in GRID]
            found += [(CACHED, each, icr(**each, cached=apart)) for each in GRID]
        return self._there(found)

    def alone(self) -> list[Method]:
        """Those that are not ICR."""
        return self._there(self._alone())

    def _alone(self) -> list[Wanted]:
        def first(_: Task) -> Reranker:
            return _find("ragloom.rag.rerank.first", "FirstReranker")(llm=self.llm)

        def generation(_: Task) -> Reranker:
            return _find("listwise", "ListwiseReranker")(llm=self.llm)

        def cross_encoder(_: Task) -> Reranker:
            if self.cross_encoder is None:
                raise RerankError("name its folder with --cross-encoder")
            return _find("ragloom.rag.rerank.cross_encoder", "CrossEncoderReranker")(model=self.cross_encoder)

        return [(FIRST, {}, first), (GENERATION, {}, generation), (CROSS, {}, cross_encoder)]

    def _icr(self, kind: type[IcrReranker], **options: Any) -> Callable[[Task], Reranker]:
        return lambda task: kind(llm=self.llm, task=task, **options)

    def _transformers(self, dtype: str) -> Callable[[Task], Reranker]:
        def make(task: Task) -> Reranker:
            return _find("icr_transformers", "TransformersIcr")(llm=self.llm, task=task, dtype=dtype)

        return make

    def _there(self, wanted: Sequence[Wanted], only: str | None = None) -> list[Method]:
        """Those that can be made; of the others, why not."""
        found: dict[tuple[str, str], Method] = {}
        for name, chosen, make in wanted:
            if only not in (None, name):
                continue
            try:
                setting = self._setting(name, chosen)
                made: dict[Task, Reranker] = {"question": make("question"), "search": make("search")}
            except (ImportError, RerankError) as error:
                self.skipped[name] = str(error)
            else:
                found[name, setting] = Method(name, setting, made.__getitem__)
        return list(found.values())

    def _layers(self, chosen: dict[str, int]) -> int:
        """How many layers must be read for the heads of `cached`."""
        heads = load_heads(self.llm.engine.file).best(chosen["heads"], layers=chosen.get("layers"), apart=True)
        return max(head.layer for head in heads) + 1

    def _setting(self, name: str, chosen: dict[str, int]) -> str:
        """In words, with a hash of the heads that are meant, for another search may find others."""
        if name == CROSS and self.cross_encoder:
            return self.cross_encoder.name
        if not chosen:
            return ""
        best = load_heads(self.llm.engine.file).best
        heads = best(chosen["heads"], layers=chosen.get("layers"), apart=name in (CACHED, COLD))
        digest = hashlib.sha256(repr(heads).encode()).hexdigest()[:6]
        return ", ".join([*(f"{key}={value}" for key, value in chosen.items()), digest])


class Readings:
    """What was read for the last query."""

    def __init__(self) -> None:
        self._query = ""
        self._read: dict[tuple[object, ...], IcrReading] = {}

    def get(self, query: str, key: tuple[object, ...], read: Callable[[], IcrReading]) -> IcrReading:
        if query != self._query:
            self._query, self._read = query, {}
        if key not in self._read:
            self._read[key] = read()
        return self._read[key]


class SharedIcr(IcrReranker):
    """ICR that reads all heads of the layers needed, so that those which look at the same passages read them once."""

    readings: Readings
    needed: int | None = None

    def _read(self, query: str, passages: Sequence[Passage], longest: int, _places: Sequence[int]) -> Window:
        def read() -> IcrReading:
            engine = self.llm.engine
            given = {"layers": self.needed, "cache": self._cache, "longest": longest}
            return read_passages(engine, self._prompt, query, passages, **given)

        key = (self.task, *passages, longest, self._cache is None, self.needed)
        return Window(self.readings.get(query, key, read).scores(self._heads))


def _find(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)
