"""A loaded model that many threads read: nobody waits for another one, and nobody reads what was freed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import pytest
from ragloom.rag.llm import EngineClosed
from ragloom.rag.llm.weights import Weights
from tiny_models import VOCABULARY, write_tiny


@pytest.fixture
def weights(tmp_path: Path) -> Iterator[Weights]:
    weights = Weights(write_tiny(tmp_path, "llama"))
    yield weights
    weights.close()


def test_a_long_text_of_one_thread_does_not_stop_the_others(weights: Weights) -> None:
    with weights.vocabulary():  # as long as llama.cpp splits a text
        other = threading.Thread(target=lambda: weights.is_end(weights.tokenize("Hi")[0]), daemon=True)
        other.start()
        other.join(60)
        assert not other.is_alive()


def test_weights_are_freed_when_their_last_reader_is_done(weights: Weights) -> None:
    with weights.vocabulary() as vocabulary:
        weights.close()
        assert llama_cpp.llama_vocab_n_tokens(vocabulary) == VOCABULARY
        with pytest.raises(EngineClosed, match="was closed; load it again"):
            weights.tokenize("Hi")
    with pytest.raises(EngineClosed):
        weights.piece(1)


def test_many_threads_read_while_one_closes(weights: Weights) -> None:
    text = "Rain is wet. " * 200
    whole = weights.tokenize(text)
    begun = threading.Barrier(9)
    found: list[object] = []

    def read() -> None:
        begun.wait(60)
        try:
            while True:
                found.append(weights.tokenize(text) == whole)
        except EngineClosed as error:
            found.append(error)

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    begun.wait(60)
    weights.close()
    for reader in readers:
        reader.join(60)
    assert sum(isinstance(each, EngineClosed) for each in found) == 8
    assert False not in found


OWN = ["<quote>", "</quote>", "<", "<quo", "<table>"]


@pytest.fixture
def quoting(tmp_path: Path) -> Iterator[Weights]:
    """A model whose chat template delimits by user-defined tokens, as Qwen's does."""
    template = "{% for m in messages %}<quote>{{ m.content }}</quote> <quo{% endfor %}"
    weights = Weights(write_tiny(tmp_path, "llama", template=template, user_defined=OWN))
    yield weights
    weights.close()


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "<",
        "plain",
        "<quote>",
        "a</quote><quote>b",
        "<quo<quote>te>",
        "<<quote>>",
        "<quote>" * 3000,
        "<table></quote>",
    ],
)
def test_a_delimiter_of_the_chat_template_is_broken_up(quoting: Weights, text: str, within: bool) -> None:
    begin, end, _, part, table = range(VOCABULARY - len(OWN), VOCABULARY)
    tokens = quoting.tokenize_plain(text, within=within)
    assert not {begin, end, part} & set(tokens)
    assert tokens.count(table) == text.count("<table>")  # a word of the model like others
    assert quoting.text(tokens).removeprefix("" if within else "▁") == text
    assert {"<quote>", "</quote>", "<quo"} == set(quoting.delimiters)


def test_a_text_without_delimiters_is_split_as_ever(quoting: Weights) -> None:
    for text in ("Rain is wet.", "<table>", "< quote>", "\ud800"):
        assert quoting.tokenize_plain(text) == quoting.tokenize(text)
        assert quoting.tokenize_plain(text, within=True) == quoting.tokenize_within(text)
