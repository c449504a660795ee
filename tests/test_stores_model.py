"""A corpus behaves like a dictionary, whatever is done to it in whatever order."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

from fakes import HashingEmbedder
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from ragloom.stores import Chunk, Corpus, Source

WORDS = ["mole", "rat", "toad", "badger", "otter", "weasel"]
NAMES = st.sampled_from(["a", "b", "c"])
PIECES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)


class CorpusMachine(RuleBasedStateMachine):
    """The model: source id to `(word of a chunk, chunk id)` pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.embedder = HashingEmbedder()
        self.corpora = [self._open(), self._open()]
        self.model: dict[str, dict[str, str]] = {}

    def _open(self) -> Corpus:
        return Corpus(self.folder / "index", embedder=self.embedder)

    @property
    def expected(self) -> dict[str, str]:
        return {id_: word for chunks in self.model.values() for id_, word in chunks.items()}

    @rule(name=NAMES, words=PIECES, who=st.integers(0, 1))
    def add(self, name: str, words: list[str], who: int) -> None:
        text = " ".join(words)
        source = Source(name, text, fingerprint=text)
        starts = [sum(len(word) + 1 for word in words[:i]) for i in range(len(words))]
        chunks = [Chunk(source, start, start + len(word)) for start, word in zip(starts, words, strict=True)]
        before, known = self.embedder.embedded, set(self.model.get(name, {}))

        report = self.corpora[who].add(chunks)

        self.model[name] = {chunk.id: chunk.text for chunk in chunks}
        assert self.embedder.embedded - before == report.embedded == len(set(self.model[name]) - known)
        assert report.removed == len(known - set(self.model[name]))

    @rule(name=NAMES, who=st.integers(0, 1))
    def delete_source(self, name: str, who: int) -> None:
        assert self.corpora[who].delete(sources=[name]) == len(self.model.pop(name, {}))

    @rule(data=st.data(), who=st.integers(0, 1))
    def delete_chunks(self, data: st.DataObject, who: int) -> None:
        ids = data.draw(st.lists(st.sampled_from(["unknown", *sorted(self.expected)]), unique=True))
        assert self.corpora[who].delete(ids) == len(set(ids) & set(self.expected))
        self.model = {
            name: left
            for name, chunks in self.model.items()
            if (left := {id_: word for id_, word in chunks.items() if id_ not in ids})
        }

    @rule(who=st.integers(0, 1))
    def reopen(self, who: int) -> None:
        self.corpora[who].close()
        self.corpora[who] = self._open()

    @rule(who=st.integers(0, 1))
    def repair(self, who: int) -> None:
        assert self.corpora[who].repair().inconsistencies == ()

    @rule(word=st.sampled_from(WORDS), who=st.integers(0, 1))
    def search(self, word: str, who: int) -> None:
        holders = {id_ for id_, each in self.expected.items() if each == word}
        lexical = self.corpora[who].search(word, mode="lexical", k=100)
        dense = self.corpora[who].search(word, mode="dense", k=100)
        assert {hit.document.id for hit in lexical} == holders
        assert {hit.document.id for hit in dense} == set(self.expected)
        assert {hit.document.id for hit in dense[: len(holders)]} == holders

    @invariant()
    def database_and_indexes_agree(self) -> None:
        for corpus in self.corpora:
            assert corpus.inconsistencies() == ()
            assert set(corpus.ids()) == set(self.expected)
            assert set(corpus.fingerprints()) == set(self.model)
            assert {d.id: d.page_content for d in corpus.get(corpus.ids())} == self.expected

    def teardown(self) -> None:
        for corpus in self.corpora:
            corpus.close()
        shutil.rmtree(self.folder)


TestCorpusIsADictionary = CorpusMachine.TestCase
TestCorpusIsADictionary.settings = settings(max_examples=6, stateful_step_count=15)
