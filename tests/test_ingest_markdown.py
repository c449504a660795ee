from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ragloom.rag.ingest.loaders.markdown import load_markdown
from ragloom.rag.ingest.structure import outline
from ragloom.rag.ingest.types import Loaded, Skipped

BLOCKS = st.sampled_from(
    [
        "# One",
        "## Two",
        "### Three *and* more",
        "Setext\n===",
        "Under\n---",
        "#",
        "Prose here.\nSecond line.",
        "- item\n- # no heading\n\n  more",
        "> quote\n> # no heading",
        "```\n# no heading\n```",
        "    # code",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "Ümläut 😀 你好。",
    ]
)


def load(path: Path, text: str) -> list[Loaded | Skipped]:
    path.write_text(text, encoding="utf-8")
    return list(load_markdown(path))


def one(path: Path, text: str) -> Loaded:
    (loaded,) = load(path, text)
    assert isinstance(loaded, Loaded)
    return loaded


def described(text: str) -> list[tuple[tuple[str, ...], str]]:
    return [(section.heading, text[section.start : section.end]) for section in outline(text).sections]


def test_headings_divide_the_text_and_name_the_sections() -> None:
    text = "Before.\n\n# Guide\n\nIntro.\n\n## Setup *now*\n\nDo it.\n\n# End\n\nBye.\n"
    assert described(text) == [
        ((), "Before."),
        (("Guide",), "Intro."),
        (("Guide", "Setup now"), "Do it."),
        (("End",), "Bye."),
    ]


def test_what_a_heading_is_called_for_links_is_not_among_its_words() -> None:
    assert described("# Set up {#set-up .wide}\n\nDo it.\n\n## A {set}\n\nOf it.\n") == [
        (("Set up",), "Do it."),
        (("Set up", "A {set}"), "Of it."),
    ]


def test_a_hash_in_code_a_list_or_a_quotation_is_no_heading() -> None:
    text = "# Real\n\n```sh\n# comment\n```\n\n    # indented\n\n- # in a list\n\n> # quoted\n"
    assert [section.heading for section in outline(text).sections] == [("Real",)]


def test_underlined_headings_count() -> None:
    assert described("Title\n=====\n\nText.\n\nPart\n----\nMore.") == [
        (("Title",), "Text."),
        (("Title", "Part"), "More."),
    ]


def test_a_heading_without_text_or_subheadings_can_still_be_found() -> None:
    text = "# Contacts\n\n## Call 555-1234\n\n## Write\n\nTo us."
    assert described(text) == [(("Contacts",), "## Call 555-1234"), (("Contacts", "Write"), "To us.")]


def test_a_section_knows_where_its_heading_line_begins() -> None:
    text = "# Guide\n\nIntro.\n"
    (section,) = outline(text).sections
    assert (section.opening, text[section.start : section.end]) == (0, "Intro.")


@given(blocks=st.lists(BLOCKS, max_size=8))
def test_sections_are_in_order_and_leave_out_nothing_but_headings(blocks: list[str]) -> None:
    text = "\n\n".join(blocks)
    edges = [0]
    left_out = ""
    for section in outline(text).sections:
        left_out += text[edges[-1] : section.start]
        edges += [section.start, section.end]
        assert text[section.start : section.end] == text[section.start : section.end].strip() != ""
    left_out += text[edges[-1] :]
    assert edges == sorted(edges)
    for block in blocks:
        if block.startswith(("Prose", "- item", "> quote", "```", "|", "Ümläut")):
            assert block.strip() not in left_out


def test_front_matter_becomes_json_metadata_and_offsets_stay_those_of_the_file(tmp_path: Path) -> None:
    text = "---\ntitle: Leave\nupdated: 2024-05-01\ntags: [a, b]\n---\n\n# Other\n\nAsk your lead.\n"
    loaded = one(tmp_path / "leave.md", text)
    assert loaded.source.title == "Leave"
    assert loaded.source.text == text
    assert loaded.source.metadata == {"title": "Leave", "updated": "2024-05-01", "tags": ["a", "b"]}
    json.dumps(loaded.source.metadata)
    (section,) = loaded.sections
    assert text[section.start : section.end] == "Ask your lead."


def test_front_matter_may_end_in_dots(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("---\ntitle: Toad\n...\n\n# H\n\nText.\n\n---\n\nMore.\n")
    (loaded,) = load_markdown(path)
    assert isinstance(loaded, Loaded)
    assert loaded.source.title == "Toad"
    assert [loaded.source.text[each.start : each.end] for each in loaded.sections] == ["Text.\n\n---\n\nMore."]


def test_broken_front_matter_is_reported_and_the_page_is_read(tmp_path: Path) -> None:
    skipped, loaded = load(tmp_path / "page.md", "---\ntitle: [unclosed\n---\n\nStill here.\n")
    assert isinstance(skipped, Skipped)
    assert "not valid YAML" in skipped.reason
    assert isinstance(loaded, Loaded)
    assert [loaded.source.text[section.start : section.end] for section in loaded.sections] == ["Still here."]


def test_a_date_that_is_none_costs_only_the_front_matter(tmp_path: Path) -> None:
    skipped, loaded = load(tmp_path / "page.md", "---\nupdated: 2024-13-45\n---\n\nStill here.\n")
    assert isinstance(skipped, Skipped)
    assert isinstance(loaded, Loaded)
    assert [loaded.source.text[section.start : section.end] for section in loaded.sections] == ["Still here."]


@pytest.mark.parametrize("between", ["Hello there", "- one\n- two", "42"])
def test_what_stands_between_two_rules_and_names_no_fields_is_text(tmp_path: Path, between: str) -> None:
    loaded = one(tmp_path / "page.md", f"---\n{between}\n---\nBody")
    assert loaded.source.metadata == {}
    found = [*loaded.sections[-1].heading, *(loaded.source.text[part.start : part.end] for part in loaded.sections)]
    assert between in "\n".join(found)
    assert "Body" in found[-1]


@pytest.mark.parametrize("fields", ["", "# only a remark\n"])
def test_front_matter_without_fields_is_none(tmp_path: Path, fields: str) -> None:
    loaded = one(tmp_path / "page.md", f"---\n{fields}---\nBody")
    assert [loaded.source.text[section.start : section.end] for section in loaded.sections] == ["Body"]


def test_a_rule_further_down_opens_no_front_matter(tmp_path: Path) -> None:
    text = "First.\n\n---\n\nkey: value\n\n---\n\nLast.\n"
    loaded = one(tmp_path / "page.md", text)
    assert loaded.source.metadata == {}
    assert described(text)[0][1].startswith("First.")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("---\ntitle: Front\n---\n# Heading\n\nText.", "Front"),
        ("## Two\n\n# Heading `code`\n\nText.", "Heading code"),
        ("## Only two\n\nText.", "file name"),
        ("---\ntitle: ''\n---\nText.", "file name"),
    ],
)
def test_the_title_is_front_matter_then_heading_then_name(tmp_path: Path, text: str, title: str) -> None:
    assert one(tmp_path / "file name.md", text).source.title == title


def test_an_unclosed_fence_or_an_unclosed_front_matter_loses_nothing(tmp_path: Path) -> None:
    loaded = one(tmp_path / "page.md", "---\ntitle: x\n\nText.\n\n```\ncode\n")
    kept = "".join(loaded.source.text[section.start : section.end] for section in loaded.sections)
    assert "Text." in kept
    assert "code" in kept
