"""Metadata conditions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from fakes import HashingEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st
from ragloom.stores import Chunk, Corpus
from ragloom.stores.errors import QueryError
from ragloom.stores.matching import matcher
from ragloom.stores.query import Mode
from ragloom.stores.rows import to_json
from ragloom.stores.where import joined, to_sql

MODES: list[Mode] = ["hybrid", "dense", "lexical"]
# NUL is left out: SQLite ends a text there when it takes it out of JSON.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4) | st.sampled_from(
    ["a", "ab", "[1]", '{"a": 1}', "Ä", '"', "\\", "'", "%"]
)
LARGE = [2**53, 2**53 + 1, -(2**63), -(2**63) - 1, 2**63, 2**70, 2**70 + 1, 10**400, -(10**401)]
NUMBERS = st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, -1.5, 1e300, 2.0**53, 2.0**63, 0.1, *LARGE])
SCALARS = TEXTS | NUMBERS
NAMES = st.sampled_from(["year", "lang", "a.b", "x y", 'quo"te', "back\\slash", "new\nline", "", "Ünï", "[0]", "'"])
VALUES = SCALARS | st.none() | st.lists(SCALARS | st.none() | st.lists(SCALARS, max_size=2), max_size=3)
METADATA = st.dictionaries(NAMES, VALUES | st.dictionaries(st.just("a"), SCALARS), max_size=4)
CONDITIONS = st.one_of(
    SCALARS,
    st.none(),
    st.dictionaries(st.sampled_from(["$eq", "$ne"]), SCALARS | st.none(), min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), SCALARS, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS | st.none(), max_size=3), min_size=1),
    st.dictionaries(st.just("$contains"), SCALARS, min_size=1),
)
FIELDS = st.dictionaries(NAMES, CONDITIONS, min_size=1, max_size=2)
WHERE = st.recursive(
    FIELDS,
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=2
    ),
    max_leaves=5,
)


@settings(max_examples=400)
@given(METADATA, WHERE)
def test_a_condition_means_in_sql_what_it_means_in_python(metadata: dict[str, Any], where: dict[str, Any]) -> None:
    sql, values = to_sql(where, "metadata")
    with closing(sqlite3.connect(":memory:")) as database:
        row = database.execute(f"SELECT ({sql}) FROM (SELECT ? AS metadata)", (*values, to_json(metadata, "x")))
        assert bool(row.fetchone()[0]) == matcher(where)(metadata)


@settings(max_examples=8)
@given(st.lists(METADATA, min_size=1, max_size=8), st.lists(WHERE, min_size=1, max_size=8))
def test_every_mode_gives_what_a_look_at_each_chunk_gives(
    metadata: list[dict[str, Any]], conditions: list[dict[str, Any]]
) -> None:
    with TemporaryDirectory() as folder, Corpus(folder, embedder=HashingEmbedder()) as corpus:
        corpus.add(Chunk.from_text("word", id=str(i), metadata=each) for i, each in enumerate(metadata))
        shown = {document.id: document.metadata for document in corpus.get(corpus.ids())}
        for where in conditions:
            expected = {id_ for id_, each in shown.items() if matcher(where)(each)}
            for mode in MODES:
                found = {hit.document.id for hit in corpus.search("word", mode=mode, k=100, where=where)}
                assert found == expected, (where, mode)


def test_tuples_meet_conditions_as_the_lists_that_json_makes_of_them() -> None:
    assert matcher({"tags": {"$contains": "a"}})({"tags": ("a", "b")})
    assert not matcher({"tags": "a"})({"tags": ("a",)})


def test_a_matcher_refuses_what_a_search_refuses() -> None:
    with pytest.raises(QueryError, match=r"unknown operator '\$gtt'; did you mean '\$gt'\?"):
        matcher({"year": {"$gtt": 1}})


def test_joined_conditions_hold_where_each_does() -> None:
    year, lang = {"year": {"$gt": 3}}, {"lang": "en"}
    assert [joined([]), joined([{}, year]), joined([year, {}, lang])] == [{}, year, {"$and": [year, lang]}]


def test_what_a_hit_shows_can_be_asked_for(corpus: Corpus) -> None:
    corpus.add([Chunk.from_text("one two", id="x", title="A title"), Chunk.from_text("one", id="y")])
    for where in ({"title": "A title"}, {"source": "x"}, {"source_id": {"$in": ["x"]}}, {"end": {"$gt": 3}}):
        assert [hit.document.id for hit in corpus.search("one", where=where)] == ["x"]


def test_a_filter_sees_what_was_written_since_it_was_last_asked(corpus: Corpus) -> None:
    for year in range(3):
        corpus.add([Chunk.from_text(f"word {year}", id=str(year), metadata={"kind": "a"})])
        assert len(corpus.search("word", where={"kind": "a"})) == year + 1


def test_chunks_that_meet_conditions_are_counted(corpus: Corpus) -> None:
    corpus.add([Chunk.from_text(f"word {year}", metadata={"year": year}) for year in range(5)])
    assert [corpus.count({"year": {"$gte": least}}) for least in (0, 3, 9)] == [5, 2, 0]
    assert corpus.count({}) == 5


def test_many_values_and_many_conditions_are_no_trouble(corpus: Corpus) -> None:
    corpus.add([Chunk.from_text("word", id="x", metadata={"n": 7})])
    assert corpus.search("word", where={"n": {"$in": list(range(50_000))}})
    assert corpus.search("word", where={"$or": [{"n": number} for number in range(3000)]})
    assert corpus.search("word", where={"$and": [{"n": {"$ne": number}} for number in range(100, 2000)]})


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"year": {"$gtt": 1}}, r"unknown operator '\$gtt'; did you mean '\$gt'\?"),
        ({"year": {"regex": 1}}, r"unknown operator 'regex'; expected one of: \$eq"),
        ({"$not": []}, r"unknown operator '\$not'; expected one of: \$and, \$or"),
        ({"$or": {"a": 1}}, r"\$or takes a list of conditions"),
        ({"$and": []}, r"\$and takes a list of conditions"),
        ({"$and": [3]}, "where must be a mapping such as"),
        ({"a": {"$in": "abc"}}, r"\$in takes a list, not 'abc'"),
        ({"a": {"$gt": None}}, r"\$gt compares texts, finite numbers and booleans, not None"),
        ({"a": [1]}, r"\$eq compares texts, finite numbers and booleans, not \[1\]"),
        ({"a": float("nan")}, "finite numbers"),
        ({3: 1}, "a field's name is a text, not 3"),
        (["a"], "where must be a mapping"),
        ("a = 1", "where must be a mapping"),
    ],
)
def test_a_malformed_condition_is_one_clear_error(corpus: Corpus, where: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        corpus.search("anything", where=where)


def test_deleting_by_a_malformed_condition_deletes_nothing(tmp_path: Path, corpus: Corpus) -> None:
    corpus.add(["text"])
    with pytest.raises(QueryError, match="unknown operator"):
        corpus.delete(where={"a": {"$foo": 1}})
    assert len(corpus) == 1


@pytest.mark.parametrize("where", [{"year": {}}, {"$or": [{}]}, {"$and": [{"year": 2020}, {}]}])
def test_a_condition_that_says_nothing_is_refused_lest_everything_meets_it(corpus: Corpus, where: Any) -> None:
    corpus.add([Chunk.from_text("Toad.", metadata={"year": 2020})])
    for ask in (lambda: corpus.search("Toad", where=where), lambda: corpus.delete(where=where)):
        with pytest.raises(QueryError, match=r"no operator|an empty condition"):
            ask()
    assert len(corpus) == 1
