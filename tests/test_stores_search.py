"""Searching, and reading what is stored."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from fakes import HashingEmbedder
from ragloom.stores import Chunk, Corpus, Source, exact, rrf
from ragloom.stores.analysis import STEMMERS, analyzer
from ragloom.stores.errors import CorpusError
from ragloom.stores.query import CANDIDATES, FEW, Mode

TEXTS = [
    "Mole meets Rat at the river.",
    "Toad steals a motor-car and drives it into a pond.",
    "Badger lives in the middle of the Wild Wood.",
    "Rat rows the boat and sings about ducks.",
    "The river bank is full of holes.",
]
MODES: list[Mode] = ["hybrid", "dense", "lexical"]


@pytest.fixture(autouse=True, params=[0, exact.MOST], ids=["by Chroma", "exactly"])
def _searched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MOST", request.param)


@pytest.fixture
def animals(corpus: Corpus) -> Corpus:
    corpus.add(TEXTS)
    return corpus


def contents(corpus: Corpus, query: str, **options: object) -> list[str]:
    return [hit.document.page_content for hit in corpus.search(query, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", MODES)
def test_the_best_chunk_comes_first_with_rank_one(animals: Corpus, mode: Mode) -> None:
    hits = animals.search("who steals the motor-car?", mode=mode)
    assert hits[0].document.page_content == TEXTS[1]
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_dense_scores_are_cosines(animals: Corpus, embedder: HashingEmbedder) -> None:
    vector = embedder.encode_query("rat and river")
    for hit in animals.search("rat and river", mode="dense"):
        assert hit.score == pytest.approx(float(vector @ embedder.encode_query(hit.document.page_content)), abs=1e-5)


def test_hybrid_scores_are_the_reciprocal_ranks_of_both_lists(animals: Corpus) -> None:
    lists = [[h.document.id for h in animals.search("rat river", mode=mode, k=100)] for mode in ("lexical", "dense")]
    hybrid = animals.search("rat river", k=100)
    assert [(hit.document.id, hit.score) for hit in hybrid] == rrf(lists)


def test_rrf_adds_reciprocal_ranks_and_keeps_the_order_of_ties() -> None:
    assert rrf([["a", "b"], ["b", "c"]], k=1) == [("b", 1 / 3 + 1 / 2), ("a", 1 / 2), ("c", 1 / 3)]
    assert rrf([["a"], ["b"]]) == [("a", 1 / 61), ("b", 1 / 61)]


@pytest.mark.parametrize("mode", MODES)
def test_k_may_exceed_the_corpus(animals: Corpus, mode: Mode) -> None:
    assert 1 <= len(animals.search("the rat and the river", mode=mode, k=10**12)) <= len(TEXTS)
    assert len(animals.search("the rat and the river", mode=mode, k=1)) == 1


def test_k_larger_than_the_candidates_is_honoured(corpus: Corpus) -> None:
    corpus.add([f"word number{i}" for i in range(CANDIDATES + 60)])
    assert len(corpus.search("word", k=CANDIDATES + 50)) == CANDIDATES + 50


def test_a_vector_takes_the_place_of_the_query_on_the_dense_side(animals: Corpus, embedder: HashingEmbedder) -> None:
    vector = 7 * embedder.encode_query("badger wild wood")
    alone = animals.search(vector=vector, k=1)
    assert alone[0].document.page_content == TEXTS[2]
    assert alone[0].score <= 1.0001
    both = animals.search("river", vector=vector.tolist())
    assert {both[0].document.page_content, both[1].document.page_content} <= {TEXTS[0], TEXTS[2], TEXTS[4]}


def test_a_search_with_a_vector_embeds_nothing(animals: Corpus, embedder: HashingEmbedder) -> None:
    vector = embedder.encode_query("river")
    embedder.encode_query = None  # type: ignore[assignment, method-assign]
    assert animals.search("river", vector=vector)
    assert animals.search("river", mode="lexical")


def test_get_keeps_the_order_asked_for_and_leaves_out_what_is_unknown(animals: Corpus) -> None:
    ids = animals.ids()
    wanted = [ids[3], "unknown", ids[0], ids[3]]
    assert [document.id for document in animals.get(wanted)] == [ids[3], ids[0], ids[3]]
    assert animals.get([]) == []


def test_vectors_come_in_the_order_asked_for(animals: Corpus, embedder: HashingEmbedder) -> None:
    ids = animals.ids()
    vectors = animals.vectors([ids[2], ids[0], ids[2]])
    assert np.allclose(vectors, embedder.encode([TEXTS[2], TEXTS[0], TEXTS[2]]))
    assert animals.vectors([]).shape == (0, 32)
    with pytest.raises(CorpusError, match="has no chunk 'unknown', and others"):
        animals.vectors([ids[0], "unknown", "neither"])


def test_fingerprints_are_those_of_the_sources_under_a_prefix(corpus: Corpus) -> None:
    corpus.add([Chunk(Source(id_, "x", fingerprint=id_[-1]), 0, 1) for id_ in ("/a/1", "/a/2", "/b/1", "/a")])
    assert corpus.fingerprints("/a/") == {"/a/1": "1", "/a/2": "2"}
    assert list(corpus.fingerprints()) == ["/a", "/a/1", "/a/2", "/b/1"]


def test_the_context_of_a_chunk_is_searched_too(corpus: Corpus) -> None:
    source = Source("s", "It never blocks.", "The asyncio handbook")
    corpus.add([Chunk(source, 0, 16, heading=("Queues", "get_nowait"))])
    (hit,) = corpus.search("handbook queues", mode="lexical")
    assert hit.document.page_content == "It never blocks."
    assert hit.document.metadata["heading"] == ["Queues", "get_nowait"]


@pytest.mark.parametrize(
    ("language", "text", "query", "found"),
    [
        ("en", "The runners were running.", "run", True),
        ("other", "The runners were running.", "run", False),
        ("other", "The runners were running.", "RUNNING", True),
        ("de", "Die Häuser standen am Fluss.", "Haus", True),
        ("fr", "Nous mangions des pommes.", "pomme", True),
        ("ta", "அவர்கள் தமிழ்நாட்டில் வாழ்கிறார்கள்", "தமிழ்நாடு", True),
        ("other", "我们在北京大学学习计算机科学。", "北京", True),
        ("en", "我们在北京大学学习计算机科学。", "北京", True),
        ("other", "東京でラーメンを食べました。", "ラーメン", True),
        ("other", "한국어 문장을 찾습니다.", "문장을", True),
        ("en", "The ﬁrst oﬃce", "first office", True),
        ("en", "cafe\u0301 in Paris", "café", True),
        ("en", "The digest is " + "0123456789abcdef" * 8, "0123456789abcdef" * 8, True),
    ],
)
def test_words_are_found_in_their_language(
    tmp_path: Path, embedder: HashingEmbedder, language: str, text: str, query: str, found: bool
) -> None:
    with Corpus(tmp_path / "index", embedder=embedder, language=language) as corpus:
        corpus.add([text, "Etwas ganz anderes."])
        assert contents(corpus, query, mode="lexical") == ([text] if found else [])
    with Corpus(tmp_path / "index", embedder=embedder) as reopened:
        assert reopened.language == language
        assert contents(reopened, query, mode="lexical") == ([text] if found else [])


@pytest.mark.parametrize("language", [*STEMMERS, "other"])
def test_every_language_can_leave_out_its_stop_words(language: str) -> None:
    assert analyzer(language, stop_words=False).analyze("toad") == analyzer(language).analyze("toad")
    assert analyzer(language, stop_words=False).analyze("the") == [] or language != "en"


def test_a_query_of_no_words_finds_nothing_lexically_and_something_densely(animals: Corpus) -> None:
    assert animals.search("?!", mode="lexical") == []
    assert animals.search("?!", mode="hybrid")


def test_a_filter_that_most_chunks_meet_gives_what_a_filter_of_all_hits_gives(
    tmp_path: Path, embedder: HashingEmbedder
) -> None:
    count = FEW + 500
    with Corpus(tmp_path / "index", embedder=embedder) as corpus:
        corpus.add(
            Chunk.from_text(f"word{i % 50} text{i}", id=str(i), metadata={"kept": i % 10 != 0, "one": i == 7})
            for i in range(count)
        )
        query = "word7 text7 word13"
        for mode in MODES:
            every = [hit for hit in corpus.search(query, mode=mode, k=count) if hit.document.metadata["kept"]]
            filtered = corpus.search(query, mode=mode, k=20, where={"kept": True})
            assert len(filtered) == 20
            assert all(hit.document.metadata["kept"] for hit in filtered)
            if mode != "hybrid":  # a filter changes ranks, and so their sums
                assert [round(hit.score, 4) for hit in filtered] == [round(hit.score, 4) for hit in every[:20]]
            assert [hit.document.id for hit in corpus.search(query, mode=mode, where={"one": True})] == ["7"]


def test_eight_threads_search_while_one_adds(animals: Corpus) -> None:
    done = threading.Event()
    failures: list[BaseException] = []
    searches = [0] * 8

    def look(number: int) -> None:
        try:
            while not done.is_set():
                assert contents(animals, TEXTS[1], mode=MODES[number % 3], k=1) == [TEXTS[1]]
                searches[number] += 1
        except BaseException as error:  # noqa: BLE001 - it is reported below
            failures.append(error)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number in range(12):
        animals.add([f"something{number} else{i}" for i in range(10)])
        assert animals.search(f"something{number}", mode="lexical", k=10)[9]
    done.set()
    for thread in threads:
        thread.join()

    assert failures == []
    assert min(searches) > 0
    assert animals.inconsistencies() == ()


def test_threads_that_add_to_one_corpus_queue_up(corpus: Corpus) -> None:
    failures: list[BaseException] = []

    def add(number: int) -> None:
        try:
            for part in range(3):
                corpus.add([f"thread{number} part{part}", "shared"])
        except BaseException as error:  # noqa: BLE001 - it is reported below
            failures.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(corpus) == 13
    assert corpus.inconsistencies() == ()
