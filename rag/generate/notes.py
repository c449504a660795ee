"""Chain-of-Note: a note on each document, then an answer from the notes, or none.

Yu et al., "Chain-of-Note: Enhancing Robustness in Retrieval-Augmented Language Models", EMNLP 2024: an LLM that first
writes down what each document has to do with the question is less misled by those that have nothing to do with it, and
says more often that it does not know. The paper's model is tuned to write all notes and the answer in one go. Ours need
not be: each note is a prompt of its own, all of them are written at the same time, and those that say nothing are left
out. If no note is left, nobody is asked for an answer.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from pydantic import Field

from ..._explain import count
from ...prompts import load_prompt
from ...stores.types import context_of
from ..llm.cutting import beginning
from ..llm.inert import inert
from ..llm.replying import at_once, reply
from .answerer import Answerer
from .citing import read_cited, room_beside, token_counter
from .declining import says_nothing
from .errors import GenerateError
from .passages import Packed, pack
from .types import Answer, unknown

MAX_NOTE_TOKENS = 48
"""Where a note is cut off: two sentences."""


@dataclass(frozen=True, slots=True)
class Note:
    """What an LLM noted of a document.

    Attributes:
        document: as it was given.
        text: the note; empty where the document says nothing about the question.
        is_cut: whether only the beginning of the document was read.
        usage: tokens of the LLM: `input_tokens`, `output_tokens`.
    """

    document: Document
    text: str
    is_cut: bool
    usage: Mapping[str, int]


def take_notes(
    question: str,
    documents: Sequence[Document],
    llm: BaseChatModel,
    *,
    max_note_tokens: int = MAX_NOTE_TOKENS,
    cancelled: threading.Event | None = None,
) -> list[Note]:
    """Let `llm` note of each document, all at the same time, what it says about the question.

    The title and headings of a document, of its metadata, are read before its text.

    Args:
        question: what is to be answered.
        documents: what is read; one for which the context has no room is cut.
        llm: any LangChain chat model.
        max_note_tokens: where a note is cut off.
        cancelled: may be set from any thread when nobody waits any longer, which ends the notes.

    Raises:
        Cancelled: `cancelled` was set.
        GenerateError: the question is empty, or leaves no room for a document.
        ModelError: the model failed.
    """
    if not question.strip():
        raise GenerateError("the question is empty; ask something")
    prompt, tokens = load_prompt("note"), token_counter(llm)
    asked = inert(question)
    room = room_beside(prompt.render(question=asked, document=""), question, llm, max_note_tokens)

    def take(document: Document, ended: threading.Event) -> Note:
        if not document.page_content.strip():
            return Note(document, "", is_cut=False, usage={})
        text = inert(f"{context_of(document)}\n{document.page_content}".lstrip("\n"))
        is_cut = tokens(text) > room
        if is_cut:
            text = beginning(text, int(room), tokens)
        messages = prompt.render(question=asked, document=text)
        written = reply(llm, messages, max_tokens=max_note_tokens, cancelled=ended)
        return Note(document, "" if says_nothing(written.text) else written.text, is_cut, written.usage)

    return at_once(take, documents, cancelled=cancelled)


class ChainOfNote(Answerer):
    """Answers from an LLM's notes on documents, which it cites; a LangChain Runnable.

    It is asked `{"question": ..., "documents": [...]}`; the answer's `how` is `cited`, or `unknown`.

    ```python
    from langchain_core.documents import Document
    from ragloom import load
    from ragloom.rag.generate import ChainOfNote

    documents = [Document("Toad lives at Toad Hall."), Document("Rain is wet.")]
    with load("embedded", n_ctx=1024) as llm:
        answer = ChainOfNote(llm=llm).answer("Where does Toad live?", documents)
    print(answer.how in {"cited", "unknown"})  # -> True
    ```

    `max_prompt_tokens` is the budget for the notes; the other attributes are those of `Answerer`, and

    Attributes:
        max_note_tokens: where a note is cut off.
    """

    max_note_tokens: int = Field(default=MAX_NOTE_TOKENS, ge=1)

    def _answer(self, question: str, documents: Sequence[Document], cancelled: threading.Event) -> Answer:
        if not documents:
            return unknown(question, "no passages were found")
        taken = take_notes(question, documents, self.llm, max_note_tokens=self.max_note_tokens, cancelled=cancelled)
        telling = [note for note in taken if note.text]
        usage = [note.usage for note in taken]
        remarks = list(_remarks(taken))
        if not telling:
            return unknown(question, *remarks, usage=_sum(usage))
        packed = self._packed(question, telling)
        if packed.left_out:
            remarks.append(f"{len(packed.left_out)} of {count(len(telling), 'note')} did not fit")
        messages = load_prompt("notes_answer").render(notes=packed.text, question=question)
        limit = self.max_answer_tokens
        written = reply(self.llm, messages, max_tokens=limit, cancelled=cancelled, is_shown=True)
        sources = [note.document for note in telling[: len(packed.documents)]]
        whole = _sum([*usage, written.usage])
        return read_cited(question, written.text, sources, notes=tuple(remarks), usage=whole, language=self.language)

    def _packed(self, question: str, telling: Sequence[Note]) -> Packed:
        asked = load_prompt("notes_answer").render(notes="", question=question)
        room = room_beside(asked, question, self.llm, self.max_answer_tokens)
        budget = min(room, self.max_prompt_tokens)
        return pack([Document(note.text) for note in telling], token_counter(self.llm), budget, room=room)


def _remarks(taken: Sequence[Note]) -> Iterator[str]:
    of = count(len(taken), "passage")
    if cut := sum(note.is_cut for note in taken):
        yield f"{cut} of {of} cut to what the context holds"
    if silent := sum(not note.text for note in taken):
        yield f"by the LLM's notes {silent} of {of} say nothing about the question"


def _sum(usages: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Tokens of several replies; empty where none told."""
    total: Counter[str] = Counter()
    for usage in usages:
        total.update(usage)
    return dict(total)
