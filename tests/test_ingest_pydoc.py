from __future__ import annotations

import re
from collections import Counter
from pydoc_data.topics import topics

import pytest
from ragloom.rag.ingest.errors import IngestError
from ragloom.rag.ingest.loaders.pydoc import load_pydoc, load_topics
from ragloom.rag.ingest.loaders.sphinx_text import read_sphinx_text
from ragloom.rag.ingest.types import Loaded

WORD = re.compile(r"\w+")


@pytest.fixture(scope="module")
def reference() -> dict[str, Loaded]:
    return {loaded.source.id: loaded for loaded in load_pydoc()}


def markdown(text: str) -> str:
    return "\n\n".join(part.markdown for part in read_sphinx_text(text))


def test_a_topic_is_named_and_titled_by_what_it_is_about(reference: dict[str, Loaded]) -> None:
    assert reference["pydoc:assert"].source.title == 'The "assert" statement'
    assert reference["pydoc:if"].source.title == 'The "if" statement'
    assert "pydoc:else" not in reference


def test_every_word_of_the_reference_is_kept_somewhere(reference: dict[str, Loaded]) -> None:
    kept = Counter(word for loaded in reference.values() for word in WORD.findall(loaded.source.text))
    cut_at_line_ends = re.compile(r"\w+-\n\s*\w+")
    head_of_a_table = re.compile(r"^ *\|.*\n(?= *\|=)", re.MULTILINE)
    for name, text in topics.items():
        words = WORD.findall(cut_at_line_ends.sub(" ", head_of_a_table.sub("", text)))
        assert set(words) <= kept.keys(), name


def test_no_long_paragraph_comes_twice_from_two_topics(reference: dict[str, Loaded]) -> None:
    topics_of: dict[str, set[str]] = {}
    for loaded in reference.values():
        for section in loaded.sections:
            for paragraph in loaded.source.text[section.start : section.end].split("\n\n"):
                topics_of.setdefault(paragraph, set()).add(loaded.source.id)
    repeated = [paragraph for paragraph, names in topics_of.items() if len(names) > 1 and len(paragraph) > 200]
    assert repeated == []


def test_spans_point_into_the_stored_text(reference: dict[str, Loaded]) -> None:
    for loaded in reference.values():
        end = 0
        for section in loaded.sections:
            assert end <= section.start < section.end
            assert loaded.source.text[section.start : section.end].strip()
            end = section.end


def test_a_method_is_a_section_of_its_own(reference: dict[str, Loaded]) -> None:
    loaded = reference["pydoc:string-methods"]
    (section,) = (section for section in loaded.sections if section.heading[-1] == "str.casefold()")
    text = loaded.source.text[section.start : section.end]
    assert section.heading == ("String Methods", "str.casefold()")
    assert text.startswith(
        "Return a casefolded copy of the string. Casefolded strings may be used for caseless matching."
    )


def test_the_whole_reference_has_no_single_topic_to_ask_for() -> None:
    with pytest.raises(IngestError, match="pydoc:for"):
        list(load_pydoc("for"))


def test_paragraphs_are_unwrapped_and_words_cut_at_their_hyphen_joined() -> None:
    assert markdown("A built-\nin type, pre-\nand suffixes.\n") == "A built-in type, pre- and suffixes."


def test_code_is_fenced_and_prose_below_a_signature_is_not() -> None:
    text = "Is equivalent to\n\n   if x:\n       run()\n\nrun(x)\n\n   Runs it.\n\n   >>> run(1)\n   2\n"
    parts = read_sphinx_text(f"Title\n*****\n\n{text}")
    assert [(part.heading, part.markdown) for part in parts] == [
        (("Title",), "Is equivalent to\n\n```\nif x:\n    run()\n```"),
        (("Title", "run(x)"), "Runs it.\n\n```\n>>> run(1)\n2\n```"),
    ]


def test_grammar_is_code_in_the_notation_of_every_version() -> None:
    for production in ('x ::= "a" | "b"', 'x: "a" | "b"'):
        assert markdown(f"Title\n*****\n\n   {production}\n") == f"```\n{production}\n```"


def test_a_definition_ends_where_the_indentation_ends() -> None:
    parts = read_sphinx_text("Title\n*****\n\nrun(x)\n\n   Runs it.\n\nBack to the title.\n")
    assert [(part.heading, part.markdown) for part in parts] == [
        (("Title", "run(x)"), "Runs it."),
        (("Title",), "Back to the title."),
    ]


def test_terms_and_notes_stand_in_front_of_what_is_said_of_them() -> None:
    text = 'Integers ("int")\n   These are numbers.\n\n   Big ones, too.\n\nNote:\n\n  "x" is no number.\n'
    assert markdown(text) == 'Integers ("int"): These are numbers.\n\nBig ones, too.\n\nNote: "x" is no number.'


def test_lists_keep_what_is_nested_in_them() -> None:
    text = "* Else:\n\n  * Inner item goes\n    on here.\n\n       code()\n\n2. Second.\n\n[1] A foot-\n    note.\n"
    assert markdown(text) == (
        "* Else:\n\n  * Inner item goes on here.\n\n    ```\n    code()\n    ```\n\n2. Second.\n\n[1] A foot-note."
    )


def test_a_table_becomes_a_list_of_its_rows() -> None:
    table = (
        "+-----+----------+-------+\n"
        "| Op  | Result   | Notes |\n"
        "|=====|==========|=======|\n"
        '| "+" | the sum, | (1)   |\n'
        "|     | always   |       |\n"
        "+-----+----------+-------+\n"
        '| "-" | the rest |       |\n'
        "+-----+----------+-------+\n"
    )
    assert markdown(table) == '* "+": the sum, always (1)\n\n* "-": the rest'


def test_what_a_larger_topic_repeats_is_kept_in_the_smaller() -> None:
    for_ = 'The "for" statement\n*******************\n\nIt iterates.\n'
    compound = 'Compound\n********\n\nIntro text.\n\n\nThe "for" statement\n===================\n\nIt iterates.\n'
    loaded = {one.source.id: one.source.text for one in load_topics({"compound": compound, "for": for_})}
    assert loaded == {
        "pydoc:for": '# The "for" statement\n\nIt iterates.\n',
        "pydoc:compound": "# Compound\n\nIntro text.\n",
    }
