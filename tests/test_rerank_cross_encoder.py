"""The cross-encoder: what sentence-transformers ranks, loaded once, and what it did not read is told."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from langchain_core.documents import Document
from pydantic import ValidationError
from ragloom.rag.rerank import CrossEncoderReranker, RerankError
from tiny_cross_encoder import MAX_TOKENS, write_tiny_cross_encoder

pytestmark = pytest.mark.model

QUERY = "What does the cat do?"
TEXTS = ["Rain is wet.", "The cat sleeps all day.", "Trains run late.", "What a day!", "The rain does run."]
LONG = "The cat sleeps. " * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_cross_encoder(tmp_path_factory.mktemp("tiny"), [QUERY, *TEXTS])


def test_it_ranks_as_the_cross_encoder_does(folder: Path) -> None:
    from sentence_transformers import CrossEncoder

    expected = CrossEncoder(str(folder), device="cpu").rank(QUERY, TEXTS)
    ranking = CrossEncoderReranker(model=folder, batch_size=2).rank(QUERY, TEXTS)
    assert [ranked.given - 1 for ranked in ranking] == [each["corpus_id"] for each in expected]
    assert [ranked.score for ranked in ranking] == pytest.approx([each["score"] for each in expected], abs=1e-5)
    assert len({ranked.score for ranked in ranking}) == len(TEXTS)
    assert ranking.notes == ()
    assert ranking.evaluated > len(TEXTS) * 8


def test_a_title_is_read_before_the_text(folder: Path) -> None:
    reranker = CrossEncoderReranker(model=folder)
    titled = reranker.rank(QUERY, [Document("The cat sleeps.", metadata={"title": "Rain"})])
    assert titled[0].score == pytest.approx(reranker.rank(QUERY, ["Rain\nThe cat sleeps."])[0].score, abs=1e-6)


def test_documents_that_are_too_long_are_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    reranker = CrossEncoderReranker(model=folder)
    told = f"2 of 3 documents longer than {MAX_TOKENS} tokens with the query: only their beginning was read"
    ranking = reranker.rank(QUERY, [LONG, TEXTS[0], LONG + "Rain."])
    assert ranking.notes == (told,)
    with caplog.at_level(logging.WARNING):
        reranker.compress_documents([Document(LONG), Document(TEXTS[0]), Document(LONG + "Rain.")], QUERY)
    assert told in caplog.text


def test_a_query_that_is_too_long_is_told_to_be(folder: Path) -> None:
    long = " ".join(["cat"] * MAX_TOKENS)
    told = f"the query's end was not read beside 2 of 2 documents: {MAX_TOKENS} tokens are read of both"
    assert CrossEncoderReranker(model=folder).rank(long, TEXTS[:2]).notes == (told,)
    both = CrossEncoderReranker(model=folder).rank(long, [LONG]).notes
    assert [note.partition(" ")[0] for note in both] == ["1", "the"]


def test_the_length_can_be_set(folder: Path) -> None:
    ranking = CrossEncoderReranker(model=folder, max_length=12).rank(QUERY, ["The cat sleeps all day."])
    assert ranking.notes[0].startswith("1 of 1 document longer than 12 tokens")
    assert ranking.evaluated == 12


def test_it_is_loaded_once_by_all_threads_and_copies(folder: Path) -> None:
    reranker = CrossEncoderReranker(model=folder)
    copy = reranker.model_copy(update={"keep": 2})
    found: list[object] = []
    threads = [threading.Thread(target=lambda each=each: found.append(each.load())) for each in [reranker, copy] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(map(id, found))) == 1
    assert len(copy.rank(QUERY, TEXTS)) == 2


def test_threads_that_ask_at_once_are_told_the_same(folder: Path) -> None:
    reranker = CrossEncoderReranker(model=folder)
    alone = reranker.rank(QUERY, [LONG, *TEXTS])
    with ThreadPoolExecutor(4) as pool:
        rankings = list(pool.map(lambda _: reranker.rank(QUERY, [LONG, *TEXTS]), range(64)))
    assert {(ranking.notes, ranking.evaluated) for ranking in rankings} == {(alone.notes, alone.evaluated)}


def test_a_copy_that_is_to_load_another_model_loads_it(folder: Path) -> None:
    reranker = CrossEncoderReranker(model=folder)
    reranker.load()
    for changed in ({"model": "no/such-model"}, {"device": "gpu"}):
        with pytest.raises(RerankError):
            reranker.model_copy(update=changed).rank(QUERY, TEXTS)


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_named(folder: Path, device: str) -> None:
    with pytest.raises(RerankError, match=f"there is no device '{device}' for a cross-encoder: .*; device='cpu'"):
        CrossEncoderReranker(model=folder, device=device).rank(QUERY, TEXTS)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    folder = write_tiny_cross_encoder(tmp_path, TEXTS)
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(RerankError, match="cannot load the cross-encoder"):
        CrossEncoderReranker(model=folder).rank(QUERY, TEXTS)


def test_nothing_is_loaded_for_no_documents() -> None:
    assert CrossEncoderReranker(model="no/such-model").rank(QUERY, []) == []


@pytest.mark.parametrize("model", ["no/such-model", "no such model at all", "/no/such/folder"])
def test_a_model_that_is_not_there_is_named(model: str) -> None:
    with pytest.raises(RerankError, match=f"cannot load the cross-encoder '{model}': .*; give the folder of one"):
        CrossEncoderReranker(model=model).rank(QUERY, TEXTS)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RerankError, match="cannot load the cross-encoder"):
        CrossEncoderReranker(model=tmp_path).rank(QUERY, TEXTS)


def test_a_model_that_ranks_no_pairs_is_refused_rather_than_given_a_random_head(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = write_tiny_cross_encoder(tmp_path / "ranks", TEXTS)
    config = BertConfig.from_pretrained(folder)
    BertModel(config).save_pretrained(tmp_path / "embeds")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "embeds")
    with pytest.raises(RerankError, match="is no cross-encoder: a BertModel scores no pairs"):
        CrossEncoderReranker(model=tmp_path / "embeds").rank(QUERY, TEXTS)


def test_a_classifier_of_several_classes_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_cross_encoder(tmp_path, TEXTS, labels=3)
    with pytest.raises(RerankError, match="gives 3 scores for a pair; ranking takes one"):
        CrossEncoderReranker(model=folder).rank(QUERY, TEXTS)


@pytest.mark.parametrize("option", [{"max_length": 0}, {"batch_size": 0}, {"modle": "x"}])
def test_options_that_make_no_sense_are_refused(option: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CrossEncoderReranker(model="x", **option)  # type: ignore[arg-type]
