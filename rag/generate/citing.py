"""Answers with numbered citations, written by an LLM.

The LLM sees passages numbered `[1]`, `[2]`, ... packed to what its context leaves, and is asked to end each sentence
with the number of the passage it used. Markers become citations of those passages; a marker without a passage is
dropped. The answer is the LLM's word: `ground` checks it.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from ...prompts import load_prompt
from ..ingest.sentences import UNSPACED, sentences
from ..ingest.span import Span, trimmed
from ..llm.guessing import guess_tokens
from ..llm.replying import reply
from .declining import declines
from .errors import GenerateError
from .passages import pack
from .types import Answer, Citation, Claim, cite_all, unknown

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

MAX_PROMPT_TOKENS = 600
"""Most tokens of passages by default: about what a small model reads with profit, and what a CPU reads in seconds."""

MAX_ANSWER_TOKENS = 64
"""Where an answer is cut off by default: two or three short sentences."""

_TEMPLATE = 64
"""Tokens that a chat template may add to a prompt."""

_BEHIND_WHAT = rf"(?<=[\s.,;:!?)\]\"”’。，、；：！？）」』】।۔။])|(?<={UNSPACED})|^"
_ENDS_A_CLAUSE = r"(?=(?:\s*\[\d+(?:\s*,\s*\d+)*\])*\s*(?:[.,;:!?](?!\w)|$))"
_MARKER = re.compile(
    rf"(?:{_BEHIND_WHAT}|(?P<word>(?<=[^\W\d_]{{2}})))"
    rf"\[(?P<numbers>\d+(?:\s*,\s*\d+)*)\](?(word){_ENDS_A_CLAUSE})",
    re.MULTILINE,
)
_BEFORE_A_STOP = re.compile(r"\s*(?=[.,;:!?](?!\w))")
_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`", re.DOTALL)
_ITEM = re.compile(r"\s+([-*+>]|\d+[.)])\s*$")
"""What introduces the sentence after it, in a list or a quotation."""

_SAYS = re.compile(r"[^\W\d_]|\|")


def cited(  # noqa: PLR0913 - all but three have a default
    question: str,
    documents: Sequence[Document],
    llm: BaseChatModel,
    *,
    max_prompt_tokens: int = MAX_PROMPT_TOKENS,
    max_answer_tokens: int = MAX_ANSWER_TOKENS,
    language: str = "en",
    cancelled: threading.Event | None = None,
) -> Answer:
    """Ask `llm` to answer from `documents`, with citations; `how` is `cited`, or `unknown` if it declines.

    Args:
        question: what to answer.
        documents: passages, best first; those without text are left out, and those that do not fit, of which a note
            says how many.
        llm: any LangChain chat model.
        max_prompt_tokens: budget for the passages; a first one that is longer is taken alone, if the context holds it.
        max_answer_tokens: where the answer is cut off.
        language: how sentences are told apart.
        cancelled: may be set from any thread when nobody waits any longer, which ends what the LLM writes.

    Raises:
        Cancelled: `cancelled` was set.
        GenerateError: the question is empty, or there is no room for a single passage.
    """
    if not question.strip():
        raise GenerateError("the question is empty; ask something")
    documents = [document for document in documents if document.page_content.strip()]
    if not documents:
        return unknown(question, "no passages were found")
    prompt = load_prompt("cited")
    room = room_beside(prompt.render(passages="", question=question), question, llm, max_answer_tokens)
    packed = pack(documents, token_counter(llm), min(room, max_prompt_tokens), room=room)
    messages = prompt.render(passages=packed.text, question=question)
    written = reply(llm, messages, max_tokens=max_answer_tokens, cancelled=cancelled, is_shown=True)
    notes = (f"{len(packed.left_out)} of {len(documents)} passages did not fit",) if packed.left_out else ()
    usage = {"documents": len(packed.documents), **written.usage}
    return read_cited(question, written.text, packed.documents, notes=notes, usage=usage, language=language)


def room_beside(messages: Sequence[BaseMessage], question: str, llm: BaseChatModel, answer: int) -> float:
    """Tokens that the context leaves beside a prompt's messages and the answer; infinite where it is not known.

    Raises:
        GenerateError: the question leaves no room.
    """
    context = (getattr(llm, "profile", None) or {}).get("max_input_tokens")
    if context is None:
        return math.inf
    count = token_counter(llm)
    asked, prompt = count(question), sum(count(message.text) for message in messages) + _TEMPLATE
    room = int(context) - prompt - answer
    if room > 0:
        return room
    if asked > max(prompt - asked, answer):
        raise GenerateError(
            f"the question has {asked} tokens, but the model's context of {context} has to hold"
            f" passages and answer too; shorten the question"
        )
    raise GenerateError(
        f"the model's context of {context} tokens has to hold a prompt of {prompt}, passages and an answer of up to "
        f"{answer}; allow a shorter answer, or a larger context (n_ctx)"
    )


def read_cited(
    question: str,
    written: str,
    documents: Sequence[Document],
    *,
    notes: tuple[str, ...] = (),
    usage: Mapping[str, int] | None = None,
    language: str = "en",
) -> Answer:
    """The answer that an LLM has written; its markers `[n]` cite `documents[n - 1]`."""
    found = split_markers(written.strip(), len(documents), language)
    if found and declines(found[0][0]):  # what follows is an explanation, or an answer after all
        found = found[1:] if any(numbers for _, numbers in found[1:]) else []
    if not found:
        return unknown(question, *notes, "the LLM found no answer in the passages", usage=usage)
    claims = [Claim(sentence, [Citation.of(documents[n - 1]) for n in numbers], None) for sentence, numbers in found]
    return Answer(question, *cite_all(claims), how="cited", notes=notes, usage=usage or {})


def split_markers(text: str, most: int, language: str = "en") -> list[tuple[str, list[int]]]:
    """Cut an LLM's answer into sentences without markers, each with the numbers of its markers.

    Only `[1]` to `[most]` after white space, punctuation or a character of a script without spaces are markers, or
    after a word where a clause ends; none in code. A marker belongs to the sentence it stands in or behind; where the
    answer begins with one, to the sentence after it. What stands between sentences and says something, such as code, is
    kept as it is.
    """
    plain: list[str] = []
    markers: list[tuple[int, list[int]]] = []
    code = [match.span() for match in _CODE.finditer(text)]
    position = length = 0
    for match in _MARKER.finditer(text):
        numbers = [int(number) for number in match["numbers"].split(",")]
        known = [number for number in numbers if 1 <= number <= most]
        is_index = not known and (0 in numbers or match["word"] is not None)
        if is_index or any(start < match.start() < end for start, end in code):
            continue
        stop = _BEFORE_A_STOP.match(text, match.end())
        before_it = text[position : match.start()]
        plain.append(before_it.rstrip() if stop else before_it)
        length += len(plain[-1])
        markers.append((length, known))
        position = stop.end() if stop else match.end()
    stripped = "".join([*plain, text[position:]])
    prose = sentences(stripped, language=language)
    pieces = sorted([*((span, True) for span in prose), *((span, False) for span in _between(prose, stripped))])
    found: list[list[int]] = [[] for _ in pieces]
    before = _MARKER.match(text.lstrip()) is not None
    for at, numbers in markers:
        owners = [i for i, (span, _) in enumerate(pieces) if (span.end > at if before else span.start < at)]
        if owners:
            found[owners[0] if before else owners[-1]].extend(numbers)
    texts = (stripped[span.start : span.end] for span, _ in pieces)
    in_lines = [" ".join(text.split()) if is_prose else text for text, (_, is_prose) in zip(texts, pieces, strict=True)]
    return list(zip(in_lines, found, strict=True))


def _between(prose: Sequence[Span], text: str) -> Iterator[Span]:
    """What stands between sentences and says something: code, a table, a heading."""
    edges = [0, *(edge for span in prose for edge in span), len(text)]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        item = _ITEM.search(text, start, end)
        if _SAYS.search(text, start, end):
            yield trimmed(text, start, item.start() if item else end)


def token_counter(llm: BaseChatModel) -> Callable[[str], int]:
    """The model's own tokenizer, or a guess on the safe side; LangChain's default would fetch GPT-2's from a hub."""
    own: Callable[[str], int] | None = getattr(llm, "count_tokens", None)
    return own or guess_tokens
