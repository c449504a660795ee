from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.ingest.sentences import is_prose, sentences
from ragloom.rag.ingest.structure import blocks, outline

TEXTS = st.lists(
    st.sampled_from(
        [
            "One. Two!",
            "- item one. More.\n  And on.",
            "> quoted\n> words. Here.",
            "```\ncode. Code.\n```",
            "# Heading. No.",
            "1. first",
            "\t tabbed",
            "Zoë 😀 said. 你好。世界。",
            "e\u0301t\u00e9.\r\nNext one.",
            "a\u2028b. c\x0cd.",
            "",
            "| a | b |\n|---|---|\n| c. | d. |",
            "* \n\n    deep. down.",
            "[x]: /url\ntext. after.",
            "\u00a0\nParents get leave. Ask first.",
            "> \u3000\n> quoted. More.\n> \u2028",
            "- \x0c\n  \x85\n  item. More.\u00a0",
            "One.\n\u00a0\nTwo\0. \x1cThree.",
        ]
    )
    | st.text(max_size=30),
    max_size=6,
).map("\n\n".join)


ODD = st.text(st.sampled_from("ab.>- *\n\t\r\0\x0b\x0c\x1c\x85\u00a0\u2009\u2028\u3000"), max_size=40)


def of(text: str, language: str = "en") -> list[str]:
    return [text[span.start : span.end] for span in sentences(text, language=language)]


@given(text=TEXTS | ODD)
def test_spans_are_in_order_within_bounds_and_without_white_space_around_them(text: str) -> None:
    end = 0
    for span in sentences(text):
        assert end <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip() == text[span.start : span.end]
        end = span.end


@given(text=ODD)
def test_each_line_of_a_paragraph_is_where_it_is_said_to_be(text: str) -> None:
    end = 0
    for block in blocks(text):
        for line in block.paragraph:
            assert end <= line.start
            assert text[line.start :].startswith(line.text)
            assert line.text == line.text.strip() != ""
            end = line.start + len(line.text)


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", "\x0c", "\u2028", "\x0c \u00a0"])
@pytest.mark.parametrize("mark", ["", "> ", "- "])
def test_a_line_of_odd_white_space_moves_no_sentence(blank: str, mark: str) -> None:
    more = mark if mark == "> " else " " * len(mark)
    text = (
        f"Leave.\n\n{mark}{blank}\n{more}Parents get ten weeks. Others get\n{more}{blank}\n{more}five.\n{more}{blank}"
    )
    first, second, third = sentences(text)
    assert [text[slice(*first)], text[slice(*second)]] == ["Leave.", "Parents get ten weeks."]
    assert text[slice(*third)].split() == ["Others", "get", *([">", ">"] * (mark == "> ")), "five."]


def test_offsets_count_code_points_not_bytes() -> None:
    assert of("😀😀 Zoë laughed. 你好。 Then she left.") == ["😀😀 Zoë laughed.", "你好。", "Then she left."]


def test_only_prose_has_sentences() -> None:
    text = (
        "# Heading here\n\nProse one. Prose two.\n\n```\ncode. here.\n```\n\n    indented. code.\n\n"
        "| a. | b. |\n|---|---|\n| c. | d. |\n\n<div>\nhtml. here.\n</div>\n\n---\n\n"
        "- Item one. Its end.\n\n  Its second paragraph.\n1. Numbered item.\n\n> Quoted one.\n"
    )
    assert of(text) == [
        "Prose one.",
        "Prose two.",
        "Item one.",
        "Its end.",
        "Its second paragraph.",
        "Numbered item.",
        "Quoted one.",
    ]


def test_a_sentence_runs_over_the_lines_of_its_paragraph() -> None:
    assert of("- A long\n  sentence (e.g. this)\n  ends. Next.") == ["A long\n  sentence (e.g. this)\n  ends.", "Next."]
    assert of("> Quoted over\n> two lines.") == ["Quoted over\n> two lines."]


def test_abbreviations_urls_and_attributes_end_no_sentence() -> None:
    text = 'Dr. Smith wrote "m.__dict__" at https://a.org/b.html today. Done.'
    assert of(text) == ['Dr. Smith wrote "m.__dict__" at https://a.org/b.html today.', "Done."]


def test_closing_marks_stay_with_the_sentence_they_close() -> None:
    assert of("**Ask first.** Then act. (It helps.)\n") == ["**Ask first.**", "Then act.", "(It helps.)"]


def test_tokenised_text_is_cut_at_its_spaced_full_stops() -> None:
    assert of("Hello , world . Dr. X said `` hi . '' Then left .") == [
        "Hello , world .",
        "Dr. X said `` hi . ''",
        "Then left .",
    ]


def test_a_paragraph_of_any_length_is_cut_the_same() -> None:
    expected = [f"Der Satz Nummer {n} ist schön." for n in range(1000)]
    assert of(" ".join(expected), "de") == expected
    assert of("你好。" * 9000, "zh") == ["你好。"] * 9000


def test_a_piece_that_begins_inside_code_is_not_read_as_prose() -> None:
    assert of("return 1. 2.\n```\n\nBack to prose. Really.") == ["Back to prose.", "Really."]
    assert of("Look:\n\n```\nx = 1. 2.") == ["Look:"]


@pytest.mark.parametrize("language", ["en", "de", "ja", "other"])
def test_any_language_code_is_accepted(language: str) -> None:
    assert of("Eins. Zwei.", language) == ["Eins.", "Zwei."]


@pytest.mark.parametrize(
    "sentence",
    [
        "Never do that.",
        'The operators "is" and "is not" test for an object’s identity.',
        "See the [travel guide](https://example.org/guide) before you book a flight.",
        "これは引用に値する文です。",
        "ประโยคนี้ควรค่าแก่การอ้างอิง",
        "Он ушёл домой.",
        "Seasonality is a characteristic of a time series .",
        'Chaining can be suppressed by naming "None" in the clause as follows here:',
    ],
)
def test_what_says_something_is_worth_quoting(sentence: str) -> None:
    assert is_prose(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "1.",
        "(1)",
        "For example:",
        "例えば：",
        "| Cell one here | Cell two here |",
        ">>> print(some_value + other_value)",
        "$ pip install some package here",
        "i, x[i] = 1, 2; d[k] = {a: b}",
        "[A link with several words](https://example.org)",
        "See: [A link with several words](https://example.org)",
        "https://example.org/a/long/path/of/words",
        "{% include some template here %}",
        "<div class='some class here'>",
        "```python is a fence",
    ],
)
def test_what_says_nothing_by_itself_is_not(sentence: str) -> None:
    assert not is_prose(sentence)


def test_indented_paragraphs_of_plain_text_have_sentences_and_code_has_none() -> None:
    page = "    Parents get sixteen weeks of leave. Ask two weeks\n    ahead of it.\n\n    $ pip install ragloom.\n"
    assert [page[span.start : span.end] for span in sentences(page)] == [
        "Parents get sixteen weeks of leave.",
        "Ask two weeks\n    ahead of it.",
    ]


def test_a_paragraph_above_a_line_of_dashes_is_no_heading() -> None:
    page = "Leave is paid. It\nis sixteen weeks long.\n----------\n\nA heading\n---------\n\nMore of it.\n"
    assert [page[span.start : span.end] for span in sentences(page)] == [
        "Leave is paid.",
        "It\nis sixteen weeks long.",
        "More of it.",
    ]
    assert [section.heading for section in outline(page).sections] == [(), ("A heading",)]
