"""What a question mentions of a corpus' metadata, and what that can mean."""

from __future__ import annotations

import datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.retrieve.dates import find_dates, following
from ragloom.rag.retrieve.mentions import mentions
from ragloom.rag.retrieve.readings import readings
from ragloom.rag.retrieve.self_querying import schema
from ragloom.stores import Chunk, Corpus
from ragloom.stores.matching import matcher
from reports import add_reports


@pytest.fixture
def library(corpus: Corpus) -> Corpus:
    return add_reports(corpus)


def mentioned(question: str, corpus: Corpus) -> dict[str, list[Any]]:
    return {field.name: [each.value for each in found] for field, found in mentions(question, corpus)}


def read(question: str, corpus: Corpus) -> dict[str, Any]:
    """Field to its readings: the conditions in words, with what they mean for that field."""
    return {
        field.name: {words: condition.get(field.name, condition) for words, condition in found.items()}
        for field, each in mentions(question, corpus)
        if (found := readings(question, field, each, language=corpus.language))
    }


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What did ada MEYER write?", {"author": ["Ada Meyer"]}),
        ("What did Ada write with Ada Meyer?", {"author": ["Ada", "Ada Meyer"]}),
        ("What does Meyer's neighbour say of Adam?", {}),
        ("Is it about Italian wind?", {"language": ["Italian"], "tags": ["wind"]}),  # the language `it` is no stop word
        ("In 2018, or 1,999 or 2.020 or 2020s?", {"year": [2018], "on": ["2018"]}),
        ("2016-2019, 30 pages", {"year": [2016, 2019], "on": ["2016", "2019"]}),
        ("Since 2018-11-30 or the 5th of March 2019?", {"on": ["2018-11-30", "2019-03-05"], "year": [2019]}),
        ("March 2015, January 2030, 2018-13-01, 2018-02-30", {"on": ["2015-03"], "year": [2015]}),
        ("Which are new?", {"new": [True]}),
        ("Who steals a motor-car?", {}),
        ("", {}),
    ],
)
def test_only_values_that_the_corpus_has_are_mentioned(
    library: Corpus, question: str, expected: dict[str, list[Any]]
) -> None:
    assert mentioned(question, library) == expected


def test_words_of_languages_without_spaces_are_found(corpus: Corpus) -> None:
    corpus.add([Chunk.from_text("text", metadata={"city": "東京"}), Chunk.from_text("more", metadata={"city": "京都"})])
    assert mentioned("東京の天気は?", corpus) == {"city": ["東京"]}


def test_a_mention_knows_its_place(library: Corpus) -> None:
    question = "Ｗhat did  Ada-Meyer write in 2021?"
    for _, found in mentions(question, library):
        assert [question[each.start : each.end] for each in found] in (["Ada-Meyer"], ["2021"])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("in 2018", {"2018": {"$eq": 2018}}),
        ("since 2018", {"at least 2018": {"$gte": 2018}}),
        ("since the year 2018", {"at least 2018": {"$gte": 2018}}),
        ("2018 or later", {"at least 2018": {"$gte": 2018}}),
        ("after 2018?", {"more than 2018": {"$gt": 2018}}),
        ("newer than 2018", {"more than 2018": {"$gt": 2018}}),
        ("not later than 2018", {"at most 2018": {"$lte": 2018}}),
        ("Before about 2018", {"less than 2018": {"$lt": 2018}}),
        ("older than 2018", {"less than 2018": {"$lt": 2018}, "more than 2018": {"$gt": 2018}}),
        ("up to 2018", {"at most 2018": {"$lte": 2018}}),
        ("from 2018", {"2018": {"$eq": 2018}, "at least 2018": {"$gte": 2018}}),
        ("not in 2018", {"not 2018": {"$ne": 2018}}),
        ("between 2016 and 2020", {"2016 to 2020": {"$gte": 2016, "$lte": 2020}}),
        ("from 2016 to 2020", {"2016 to 2020": {"$gte": 2016, "$lte": 2020}}),
        ("2016–2020", {"2016 to 2020": {"$gte": 2016, "$lte": 2020}}),
        ("2016 and 2020", {"2016 or 2020": {"$in": [2016, 2020]}}),
        ("from 2016, 2018 or 2020", {"2016 or 2018 or 2020": {"$in": [2016, 2018, 2020]}}),
        ("in 2016 or after 2018", {"2016": {"$eq": 2016}, "more than 2018": {"$gt": 2018}}),
        ("after 2016 and before 2020", {"more than 2016 and less than 2020": {"$gt": 2016, "$lt": 2020}}),
        ("before 2020 but not before 2016", {"less than 2020 and at least 2016": {"$lt": 2020, "$gte": 2016}}),
        ("later than 2016 and earlier than 2020", {"more than 2016 and less than 2020": {"$gt": 2016, "$lt": 2020}}),
        ("after 2020 or before 2016", {"more than 2020": {"$gt": 2020}, "less than 2016": {"$lt": 2016}}),
        ("2018 or later with 3 volumes", {"at least 2018": {"$gte": 2018}}),
        ("2018 or more for 2 people", {"at least 2018": {"$gte": 2018}}),
        ("before 2016 and after 2020", {"less than 2016": {"$lt": 2016}, "more than 2020": {"$gt": 2020}}),
        ("not after 2018", {"at most 2018": {"$lte": 2018}}),
        ("not before 2018", {"at least 2018": {"$gte": 2018}}),
        ("after 2016, before 2020", {"more than 2016": {"$gt": 2016}, "less than 2020": {"$lt": 2020}}),
    ],
)
def test_the_words_around_a_number_say_how_it_compares(
    library: Corpus, question: str, expected: dict[str, Any]
) -> None:
    assert read(question, library)["year"] == expected


@pytest.mark.parametrize(
    ("question", "field", "expected"),
    [
        ("by Ada Meyer", "author", {"Ada Meyer": {"$eq": "Ada Meyer"}}),
        ("not by Ada Meyer", "author", {"not Ada Meyer": {"$ne": "Ada Meyer"}}),
        ("isn't in Danish", "language", {"not Danish": {"$ne": "Danish"}}),
        ("Danish or Italian", "language", {"Danish or Italian": {"$in": ["Danish", "Italian"]}}),
        (
            "Danish farms and Italian ones",
            "language",
            {
                "Danish or Italian": {"$in": ["Danish", "Italian"]},
                "Danish": {"$eq": "Danish"},
                "Italian": {"$eq": "Italian"},
            },
        ),
        ("about wind", "tags", {"wind": {"$contains": "wind"}}),
        (
            "wind and heat",
            "tags",
            {"wind or heat": {"$or": [{"tags": {"$contains": "wind"}}, {"tags": {"$contains": "heat"}}]}},
        ),
        ("new ones", "new", {"yes": True, "no": False}),
        ("in March 2021", "on", {"2021-03": {"$gte": "2021-03", "$lt": "2021-04"}}),
        ("after December 2018", "on", {"after 2018-12": {"$gte": "2019-01"}}),
        ("until 2018-11-30", "on", {"until 2018-11-30": {"$lt": "2018-12-01"}}),
        (
            "after May 2018 and before June 2021",
            "on",
            {"after 2018-05 and before 2021-06": {"$gte": "2018-06", "$lt": "2021-06"}},
        ),
        ("not in 2018", "on", {"not 2018": {"$or": [{"on": {"$lt": "2018"}}, {"on": {"$gte": "2019"}}]}}),
    ],
)
def test_what_texts_lists_and_dates_can_mean(
    library: Corpus, question: str, field: str, expected: dict[str, Any]
) -> None:
    assert read(question, library)[field] == expected


def test_a_list_cannot_be_asked_for_what_it_lacks(library: Corpus) -> None:
    assert "tags" not in read("not about wind", library)


def test_in_a_language_whose_words_are_not_known_every_comparison_is_possible(library: Corpus) -> None:
    ((field, found),) = mentions("vor 2017", library)[:1]
    assert list(readings("vor 2017", field, found, language="de")) == [
        "2017", "at least 2017", "more than 2017", "less than 2017", "at most 2017"
    ]  # fmt: skip


DATES = st.dates(datetime.date(1000, 1, 1), datetime.date(9999, 12, 31)).map(datetime.date.isoformat)
WRITTEN = st.tuples(DATES, st.sampled_from([4, 7, 10])).map(lambda drawn: drawn[0][: drawn[1]])


@given(WRITTEN, DATES)
def test_a_date_covers_the_days_that_begin_with_it(date: str, day: str) -> None:
    assert (date <= f"{day}T12:00" < following(date)) == day.startswith(date)
    assert list(find_dates(f"in {date}!")) == [(date, 3, 3 + len(date))]


WORDS = "what did Ada Meyer not in 2018 since to and 2021 Danish wind or new March between before by Italian 5 - ,"


@given(st.lists(st.sampled_from([*WORDS.split(), "2015-03-05"]), max_size=9).map(" ".join))
def test_every_reading_of_any_question_is_a_condition_about_what_it_says(library: Corpus, question: str) -> None:
    metadata = [document.metadata for document in library.get(library.ids())]
    choices = {}
    for field, found in mentions(question, library):
        choices[field.name] = readings(question, field, found)
        assert [each.start for each in found] == sorted(each.start for each in found)
        for condition in choices[field.name].values():
            assert library.count(condition) == sum(map(matcher(condition), metadata))
            assert str(condition).count(repr(field.name)) >= 1
    jsonschema.Draft202012Validator.check_schema(schema(choices))
