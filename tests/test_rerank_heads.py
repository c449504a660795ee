"""The best heads of a model are found on labelled queries, and kept for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import here
from pydantic import ValidationError
from ragloom import load
from ragloom.rag.llm import ContextOverflow, DocumentKV, Head, LlamaEngine
from ragloom.rag.llm.models import find_model
from ragloom.rag.rerank import IcrReranker, RerankError
from ragloom.rag.rerank.head_finding import Trial, find_heads, gains, order_heads
from ragloom.rag.rerank.heads import HeadScore, HeadScores, load_heads, model_digest
from ragloom.rag.rerank.labelled import Labelled, read_labelled
from ragloom.rag.rerank.ndcg import ndcg
from ragloom.rag.rerank.types import Passage

TEXTS = {
    "bell": "Alexander Graham Bell was granted the patent for the telephone.",
    "watt": "The steam engine was improved by James Watt.",
    "bread": "Bread is baked from flour, water and yeast.",
    "cats": "Cats sleep for most of the day.",
}
QUESTIONS = {
    "Who invented the telephone?": "bell",
    "Who improved the steam engine?": "watt",
    "What is bread made of?": "bread",
    "What do cats do?": "cats",
    "What is yeast for?": "bread",
}


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder with the prepared model in it, and nothing else."""
    prepared = find_model("embedded").path
    folder = tmp_path / "cache"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / prepared.name).symlink_to(prepared)
    monkeypatch.setenv("RAGLOOM_CACHE", str(folder))
    return folder


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Labelled queries, as a file of JSON lines."""
    path = tmp_path / "labelled.jsonl"
    lines = [
        {
            "question": question,
            "paragraphs": [{"text": text, "supporting": key == right} for key, text in TEXTS.items()],
        }
        for question, right in QUESTIONS.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """The same as a folder in BEIR's form."""
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": key, "title": "", "text": text} for key, text in TEXTS.items()]
    queries = [{"_id": str(at), "text": text} for at, text in enumerate(QUESTIONS)]
    judged = [f"{at}\t{key}\t1" for at, key in enumerate(QUESTIONS.values())]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)), encoding="utf-8")
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    (folder / "qrels" / "train.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]), encoding="utf-8")
    return folder


def finding(model: str, digest: str) -> HeadScores:
    scores = (HeadScore(layer=1, head=2, ndcg=0.5),)
    facts = {"data": "x", "task": "search", "queries": 5, "documents": 10, "layers": 2}
    return HeadScores(model=model, sha256=digest, together=scores, apart=scores, **facts)


def test_ndcg_discounts_by_the_logarithm_of_the_rank() -> None:
    found = ndcg(np.array([[3.0], [2.0], [1.0]]), np.array([0, 1, 2]))
    assert found[0] == pytest.approx((1 / np.log2(3) + 2 / np.log2(4)) / (2 + 1 / np.log2(3)))


def test_ndcg_is_that_of_trec_eval() -> None:
    ir_measures = pytest.importorskip("ir_measures", reason="the extra 'bench' is not installed")
    random = np.random.default_rng(4)
    for _ in range(20):
        scores, relevance = random.permutation(30).astype(float), random.integers(0, 3, 30)
        relevance[0] = 1
        judged = {"q": {str(at): int(value) for at, value in enumerate(relevance)}}
        ranked = {"q": {str(at): value for at, value in enumerate(scores)}}
        expected = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], judged, ranked)[ir_measures.nDCG @ 10]
        assert ndcg(scores[:, None], relevance)[0] == pytest.approx(expected)
    assert ndcg(np.ones((3, 2)), np.zeros(3)).tolist() == [0, 0]
    assert ndcg(np.ones((2, 1)), np.array([1, 0])).tolist() == [1]


def test_a_folder_gives_what_bm25_finds_with_the_judgments(beir: Path) -> None:
    found = read_labelled(beir, documents=2)
    assert [each.query for each in found] == list(QUESTIONS)
    assert found[0].passages[0] == Passage("", TEXTS["bell"])
    assert [sum(each.relevance) for each in found] == [1] * 5
    assert len(read_labelled(beir, queries=2)) == 2
    assert read_labelled(beir, queries=2) == read_labelled(beir, queries=2)


def test_a_file_gives_its_own_documents(rows: Path) -> None:
    found = read_labelled(rows)
    assert len(found) == 5
    assert found[1] == Labelled(
        "Who improved the steam engine?", tuple(Passage("", text) for text in TEXTS.values()), (0, 1, 0, 0)
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"question": "x"}', "query 1 has no 'documents' or 'paragraphs' or 'passages'"),
        ("nonsense", "not labelled data"),
        ('{"question": "x", "paragraphs": ["y"]}', "not labelled data"),
        ('{"question": "x", "paragraphs": [{"text": " ", "relevant": 1}]}', "no query with a relevant document"),
        ('{"question": "x", "paragraphs": [{"text": "y"}]}', "no query with a relevant document"),
    ],
)
def test_what_is_no_labelled_data_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RerankError, match=told):
        read_labelled(path)
    with pytest.raises(RerankError, match="cannot read"):
        read_labelled(tmp_path / "not there")


def test_heads_are_ordered_by_how_well_each_ranks_alone() -> None:
    relevance = np.array([0, 1, 0])
    good, bad = [0.0, 1.0, 0.5], [1.0, 0.0, 0.5]
    trials = [Trial(np.array([bad, good], np.float32).T, relevance) for _ in range(10)]
    order = order_heads(trials, [Head(0, 0), Head(0, 1)])
    assert [(each.layer, each.head) for each in order] == [(0, 1), (0, 0)]
    assert order[0].ndcg == 1
    assert {gain.heads: gain.ndcg for gain in gains(trials)}[1] == 1


def test_a_head_that_was_merely_lucky_gains_nothing() -> None:
    random = np.random.default_rng(0)
    relevance = np.array([1] + [0] * 19)
    trials = [Trial(random.normal(size=(20, 200)).astype(np.float32), relevance) for _ in range(40)]
    lucky = order_heads(trials, [Head(0, at) for at in range(200)])[0].ndcg
    chance = float(np.mean([ndcg(trial.scores, relevance).mean() for trial in trials]))
    held_out = next(gain.ndcg for gain in gains(trials) if gain.heads == 1)
    assert lucky > chance + 0.1
    assert abs(held_out - chance) < 0.1


@pytest.mark.model
def test_heads_are_found_kept_and_used(own_cache: Path, rows: Path) -> None:
    with LlamaEngine("embedded", n_ctx=512) as engine:
        found = find_heads(engine, read_labelled(rows), name="mine", task="question", layers=8)
    path = found.save()
    assert path.parent == own_cache / "models"
    assert load_heads(find_model("embedded")) == found
    assert {len(found.together), len(found.apart)} == {72}
    assert (found.layers, found.task, found.documents, found.cut) == (8, "question", 4, 0)
    assert [gain.heads for gain in found.gains["apart"]] == [1, 2, 4, 8, 16, 32, 64, None]
    with load("embedded", n_ctx=512) as llm:
        for cached, order in ((False, found.together), (DocumentKV(), found.apart)):
            reranker = IcrReranker(llm=llm, heads=3, cached=cached)
            chosen = tuple((each.layer, each.head) for each in order[:3])
            named = IcrReranker(llm=llm, heads=chosen, cached=cached)
            texts = list(TEXTS.values())
            assert reranker.rank("Who bakes bread?", texts) == named.rank("Who bakes bread?", texts)
        told = r"heads=100 is out of range; 72 of .* were looked at, those of its first 8 layers"
        with pytest.raises(RerankError, match=told):
            IcrReranker(llm=llm, heads=100)


@pytest.mark.model
def test_a_damaged_choice_is_told(own_cache: Path) -> None:
    file = find_model("embedded")
    path = finding(file.name, model_digest(file)).save()
    path.write_text("{", encoding="utf-8")
    with pytest.raises(RerankError, match=r"\.heads\.json is damaged"):
        load_heads(file)


@pytest.mark.model
def test_a_model_of_another_name_has_the_heads_of_the_last_finding(own_cache: Path) -> None:
    file = find_model("embedded")
    digest = model_digest(file)
    paths = {finding(name, digest).save() for name in ("before", "after")}
    assert len(paths) == 1
    assert load_heads(replace(file, name="again")).model == "after"


@pytest.mark.model
def test_the_finding_that_comes_with_ragloom_says_what_it_is_of(own_cache: Path) -> None:
    found = load_heads(find_model("embedded"))
    assert found.task == "search"
    assert len(found.together) == len(found.apart) == 9 * found.layers
    assert max(each.layer for each in found.apart) == found.layers - 1


@pytest.mark.model
def test_heads_and_layers_that_a_model_has_not_are_refused_when_the_reranker_is_made() -> None:
    with load("embedded", n_ctx=256) as llm:
        for options, told in {
            (("layers", 99),): "layers=99 is out of range; .* has 30 layers",
            (("heads", ((99, 0),)),): r"Head\(layer=99, head=0\) is in no layer that is read; .* go from 0 to 29",
            (("heads", ((8, 0),)), ("layers", 8)): "is in no layer that is read; layers of .* go from 0 to 7",
            (("heads", ((-1, 0),)),): "is in no layer that is read",
            (("heads", ((8, 9),)),): r"there is no Head\(layer=8, head=9\); .* from 0 to 8 in each layer",
            (("heads", ((8, 1), (8, 1))),): "heads names one twice",
        }.items():
            with pytest.raises(RerankError, match=told):
                IcrReranker(llm=llm, **dict(options))
        for heads in ([4, 5], [(1, 2, 3)], []):
            with pytest.raises(ValidationError):
                IcrReranker(llm=llm, heads=heads)
        reranker = IcrReranker(llm=llm, heads=4)
        assert reranker.model_copy(update={"heads": 2})._heads == reranker._heads[:2]
        with pytest.raises(ValidationError, match="window"):
            reranker.model_copy(update={"window": 1})


@pytest.mark.model
def test_only_the_longest_documents_are_cut_and_that_is_kept_with_the_heads() -> None:
    passages = (Passage("", "Cats sleep for most of the day. " * 60), *(Passage("", text) for text in TEXTS.values()))
    data = [Labelled(f"What do cats do, {at}?", passages, (0, 0, 0, 0, 1)) for at in range(5)]
    with LlamaEngine("embedded", n_ctx=320) as engine:
        found = find_heads(engine, data, name="mine", layers=1)
    assert (found.cut, found.documents, found.layers) == (5, 5, 1)
    with LlamaEngine("embedded", n_ctx=160) as engine, pytest.raises(ContextOverflow, match="a query with 5 documents"):
        find_heads(engine, data, name="mine", layers=1)


@pytest.mark.model
def test_the_order_in_which_documents_are_given_tells_no_head_anything(rows: Path) -> None:
    given = read_labelled(rows)
    turned = [Labelled(each.query, each.passages[::-1], each.relevance[::-1]) for each in given]
    with LlamaEngine(n_ctx=1024) as engine:
        found, again = (find_heads(engine, data, name="rows", layers=3) for data in (given, turned))
    assert found == again


def test_too_few_queries_are_refused(rows: Path) -> None:
    with LlamaEngine("embedded", n_ctx=512) as engine, pytest.raises(RerankError, match="too few"):
        find_heads(engine, read_labelled(rows)[:3], name="mine")


@pytest.mark.model
def test_the_command_finds_heads_and_shows_them(own_cache: Path, beir: Path) -> None:
    arguments = ("--data", beir, "--documents", 4, "--layers", 4, "--task", "question")
    done = here("heads", "find", *arguments, "--json").document
    assert done["data"] == "beir train"
    assert done["queries"] == 5
    assert len(done["apart"]) == 36
    assert {entry["heads"] for entry in done["gains"]["together"]} == {1, 2, 4, 8, 16, 32, None}
    assert (done["layers"], done["task"], done["documents"]) == (4, "question", 3)
    assert Path(done["file"]).is_file()
    shown = here("heads", "show")
    assert shown.code == 0
    best = done["together"][0]
    assert f"{best['layer']}" in shown.out
    assert "its first 4 layers, from 5 queries of beir train with up to 3 documents, task question" in shown.out
    assert shown.out.count("cross-validated") == 2


def test_bad_arguments_of_the_command_are_refused(tmp_path: Path) -> None:
    here("heads", "find", "--data", tmp_path / "none").check_fault("cannot read", "none")
    here("heads", "find", "--data", tmp_path, "--task", "singing").check_fault("singing", "search or question")
    here("heads", "show", "--model", tmp_path / "none.gguf").check_fault("none.gguf")
