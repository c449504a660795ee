"""Which metadata a corpus has, and what is remembered of it."""

from __future__ import annotations

from typing import Any

from fakes import HashingEmbedder
from hypothesis import given, settings
from ragloom.stores import Chunk, Corpus, Source
from ragloom.stores.fields import LONGEST, MOST_VALUES, Field, fields_of
from test_stores_where import METADATA


def field(corpus: Corpus, name: str) -> Field:
    (found,) = [each for each in corpus.fields() if each.name == name]
    return found


def add(corpus: Corpus, *metadata: dict[str, Any]) -> None:
    corpus.add([Chunk.from_text(f"text {place}", metadata=each) for place, each in enumerate(metadata, len(corpus))])


def test_fields_have_kinds_values_and_ranges(corpus: Corpus) -> None:
    add(
        corpus,
        {"year": 2020, "by": "Rat", "tags": ["a", "b"], "draft": True, "on": "2024-03-05"},
        {"year": 2021.5, "by": "Mole", "tags": ["b"], "draft": False, "on": "2023-12-31T23:59:00Z"},
        {"year": 2020, "by": "Rat", "tags": [], "draft": True, "on": "2024-03-05", "nothing": None, "inner": {"a": 1}},
    )
    first, last = "2023-12-31T23:59:00Z", "2024-03-05"
    assert corpus.fields() == (
        Field("year", "number", False, 3, 2, (2020, 2021.5), 2020, 2021.5),
        Field("by", "text", False, 3, 2, ("Rat", "Mole")),
        Field("draft", "boolean", False, 3, 2, (True, False)),
        Field("on", "date", False, 3, 2, (last, first), first, last),
        Field("tags", "text", True, 2, 2, ("b", "a")),
    )


def test_what_ragloom_keeps_for_itself_is_no_field(corpus: Corpus) -> None:
    assert corpus.fields() == ()
    source = Source("id", "One. Two.", metadata={"page_count": 2})
    corpus.add([Chunk(source, 0, 4, heading=("A",)), Chunk(source, 5, 9, section=(5, 9))])
    assert [each.name for each in corpus.fields()] == ["page_count"]


def test_a_title_and_a_source_that_somebody_gave_are_fields(corpus: Corpus) -> None:
    add(corpus, {"source": "The Times"})
    corpus.add([Chunk.from_text("more", title="A title")])
    assert [(each.name, each.values) for each in corpus.fields()] == [
        ("source", ("The Times",)),
        ("title", ("A title",)),
    ]


def test_where_chunks_differ_the_kind_of_most_counts(corpus: Corpus) -> None:
    add(corpus, {"year": 2020}, {"year": "unknown"}, {"year": 2021}, {"year": [2022]})
    assert field(corpus, "year") == Field("year", "number", False, 2, 2, (2020, 2021), 2020, 2021)


def test_texts_are_dates_only_if_all_of_them_are(corpus: Corpus) -> None:
    add(corpus, {"a": "2020", "b": "2020-01"}, {"a": "2021", "b": "soon"})
    assert [field(corpus, name).kind for name in "ab"] == ["date", "text"]


def test_prose_and_rare_values_are_counted_but_not_kept() -> None:
    many = [(f'{{"source_id": "x", "n": {number}, "t": "{"t" * number}"}}', 1) for number in range(MOST_VALUES + 5)]
    number, text = fields_of(many)
    assert (number.distinct, len(number.values), number.most) == (MOST_VALUES + 5, MOST_VALUES, MOST_VALUES + 4)
    assert (text.distinct, max(map(len, map(str, text.values)))) == (MOST_VALUES + 5, LONGEST)


@settings(max_examples=40)
@given(metadata=METADATA, again=METADATA)
def test_every_value_that_a_field_names_can_be_asked_for(
    metadata: dict[str, Any], again: dict[str, Any], tmp_path_factory: Any
) -> None:
    with Corpus(tmp_path_factory.mktemp("fields"), embedder=HashingEmbedder()) as corpus:
        add(corpus, metadata, again)
        for each in corpus.fields():
            for value in each.values:
                assert corpus.count({each.name: {"$contains" if each.is_list else "$eq": value}}) > 0
            if each.least is not None and not each.is_list:
                assert corpus.count({each.name: {"$gte": each.least, "$lte": each.most}}) == each.chunks


def test_what_is_remembered_is_made_again_after_a_write_of_any_process(corpus: Corpus) -> None:
    made: list[int] = []

    def make() -> int:
        made.append(len(corpus))
        return made[-1]

    add(corpus, {})
    assert [corpus.remember("n", make), corpus.remember("n", make)] == [1, 1]
    with Corpus(corpus.path, embedder=HashingEmbedder()) as other:
        add(other, {})
    assert [corpus.remember("n", make), corpus.remember("n", make)] == [2, 2]
    assert made == [1, 2]
