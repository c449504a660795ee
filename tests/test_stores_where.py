"""Metadata conditions."""

from __future__ import annotations

import operator
import sqlite3
from collections.abc import Callable, Mapping
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
from ragloom.stores.query import Mode
from ragloom.stores.rows import to_json
from ragloom.stores.where import to_sql

MODES: list[Mode] = ["hybrid", "dense", "lexical"]
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
ABSENT = object()


def is_number(value: object) -> bool:
    return isinstance(value, int | float)


def alike(value: object, operand: object) -> bool:
    return (isinstance(value, str) and isinstance(operand, str)) or (is_number(value) and is_number(operand))


def equal(value: object, operand: object) -> bool:
    return (value is None and operand is None) or (alike(value, operand) and value == operand)


def meets(metadata: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """What `where` means, said in Python."""
    for name, condition in where.items():
        if name == "$and":
            met = all(meets(metadata, part) for part in condition)
        elif name == "$or":
            met = any(meets(metadata, part) for part in condition)
        else:
            operators = condition if isinstance(condition, dict) else {"$eq": condition}
            met = all(holds(metadata.get(name, ABSENT), op, operand) for op, operand in operators.items())
        if not met:
            return False
    return True


def holds(value: Any, op: str, operand: Any) -> bool:
    if op in {"$eq", "$ne"}:
        return equal(value, operand) == (op == "$eq")
    if op in {"$in", "$nin"}:
        return any(equal(value, item) for item in operand) == (op == "$in")
    if op == "$contains" and isinstance(value, list):
        return any(item is not None and equal(item, operand) for item in value)
    if op == "$contains":
        return isinstance(value, str) and isinstance(operand, str) and operand in value
    return alike(value, operand) and ORDER[op](value, operand)


# NUL is left out: SQLite ends a text there when it takes it out of JSON.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4) | st.sampled_from(
    ["a", "ab", "[1]", '{"a": 1}', "Ä", '"', "\\", "'", "%"]
)
NUMBERS = st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, -1.5, 1e300, 2**53 + 1, -(2**63), 2**70, 0.1])
SCALARS = TEXTS | NUMBERS
NAMES = st.sampled_from(["year", "lang", "a.b", "x y", 'quo"te', "back\\slash", "new\nline", "", "Ünï", "[0]", "'"])
VALUES = SCALARS | st.none() | st.lists(SCALARS | st.none() | st.lists(SCALARS, max_size=2), max_size=3)
METADATA = st.dictionaries(NAMES, VALUES | st.dictionaries(st.just("a"), SCALARS), max_size=4)
CONDITIONS = st.one_of(
    SCALARS,
    st.none(),
    st.dictionaries(st.sampled_from(["$eq", "$ne"]), SCALARS | st.none(), max_size=2),
    st.dictionaries(st.sampled_from(list(ORDER)), SCALARS, min_size=1, max_size=2),
    st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS | st.none(), max_size=3), min_size=1),
    st.dictionaries(st.just("$contains"), SCALARS, min_size=1),
)
FIELDS = st.dictionaries(NAMES, CONDITIONS, max_size=2)
WHERE = st.recursive(
    FIELDS,
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3), max_size=2
    ),
    max_leaves=5,
)


@settings(max_examples=400)
@given(METADATA, WHERE)
def test_a_condition_means_in_sql_what_it_means_in_python(metadata: dict[str, Any], where: dict[str, Any]) -> None:
    sql, values = to_sql(where, "metadata")
    with closing(sqlite3.connect(":memory:")) as database:
        row = database.execute(f"SELECT ({sql}) FROM (SELECT ? AS metadata)", (*values, to_json(metadata, "x")))
        assert bool(row.fetchone()[0]) == meets(metadata, where)


@settings(max_examples=8)
@given(st.lists(METADATA, min_size=1, max_size=8), st.lists(WHERE, min_size=1, max_size=8))
def test_every_mode_gives_what_a_look_at_each_chunk_gives(
    metadata: list[dict[str, Any]], conditions: list[dict[str, Any]]
) -> None:
    with TemporaryDirectory() as folder, Corpus(folder, embedder=HashingEmbedder()) as corpus:
        corpus.add(Chunk.from_text("word", id=str(i), metadata=each) for i, each in enumerate(metadata))
        shown = {document.id: document.metadata for document in corpus.get(corpus.ids())}
        for where in conditions:
            expected = {id_ for id_, each in shown.items() if meets(each, where)}
            for mode in MODES:
                found = {hit.document.id for hit in corpus.search("word", mode=mode, k=100, where=where)}
                assert found == expected, (where, mode)


def test_what_a_hit_shows_can_be_asked_for(corpus: Corpus) -> None:
    corpus.add([Chunk.from_text("one two", id="x", title="A title"), Chunk.from_text("one", id="y")])
    for where in ({"title": "A title"}, {"source": "x"}, {"source_id": {"$in": ["x"]}}, {"end": {"$gt": 3}}):
        assert [hit.document.id for hit in corpus.search("one", where=where)] == ["x"]


def test_a_filter_sees_what_was_written_since_it_was_last_asked(corpus: Corpus) -> None:
    for year in range(3):
        corpus.add([Chunk.from_text(f"word {year}", id=str(year), metadata={"kind": "a"})])
        assert len(corpus.search("word", where={"kind": "a"})) == year + 1


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
