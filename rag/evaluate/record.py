"""What one run of a graph on one question came to: all that measures and reports are made from."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from ...stores.types import Hit
from ..generate.types import Answer, Citation
from ..graph.state import NodeTrace, RagState
from .errors import EvaluateError


class Found(BaseModel):
    """A document that a run ended with.

    Attributes:
        id: of the chunk.
        source_id: key of its source.
        source: what a reader knows the source by.
        start: offset of its first character in the source's text.
        end: offset after its last character.
        score: that of whatever ranked it.
        words: its text, after what it stands under.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    source_id: str
    source: str
    start: int
    end: int
    score: float
    words: str

    @classmethod
    def of(cls, hit: Hit) -> Found:
        """What is kept of a hit."""
        place = Citation.of(hit.document)
        return cls(
            id=str(hit.document.id or ""),
            source_id=place.source_id,
            source=place.source,
            start=place.start,
            end=place.end,
            score=hit.score,
            words=place.words,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called by those who say that it is relevant."""
        return (self.id, self.source_id, self.source)


class Record(BaseModel):
    """What a run came to; a line of `runs.jsonl`.

    Attributes:
        graph: the graph's name.
        question: the question's id.
        made_with: another text where the graph, what it works with, or the question is another.
        gives_answers: whether the graph does, even where this run has failed, or ended, before it could.
        answer: what was answered; None where nothing was.
        documents: those that the run ended with, best first.
        trace: what each node did; of results that graphs share, each has the cost of making them.
        is_first: whether it was the graph's first run in its process, which loads models: its time says nothing.
        error: why it failed; empty if it did not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    graph: str
    question: str
    made_with: str
    gives_answers: bool = True
    answer: Answer | None = None
    documents: tuple[Found, ...] = ()
    trace: tuple[NodeTrace, ...] = ()
    is_first: bool = False
    error: str = ""

    @property
    def words(self) -> str:
        """What was said; empty where there is no answer."""
        statements = self.answer.statements if self.answer and self.answer.known else ()
        return " ".join(statement.text for statement in statements)

    def with_end(self, state: RagState, trace: Sequence[NodeTrace]) -> Record:
        """The same with what the run ended with.

        Raises:
            EvaluateError: a node of one's own has put something into it that cannot be written down.
        """
        try:
            documents = tuple(map(Found.of, state.documents))
            whole = self.model_copy(update={"answer": state.answer, "documents": documents, "trace": tuple(trace)})
            return whole.writable()
        except (TypeError, ValueError) as error:
            raise EvaluateError(f"what the run ended with cannot be written down: {error}") from error

    def writable(self) -> Record:
        """The same, with `?` for halves of characters, which an LLM may write and no file can hold."""
        try:
            self.as_line()
        except UnicodeEncodeError as error:
            return Record.model_validate_json(str(error.object).encode(errors="replace"))
        return self

    def as_line(self) -> bytes:
        """The record as JSON in a line; NaN and infinite numbers are written as Python does, NumPy's as Python's.

        Raises:
            UnicodeEncodeError: it has half a character.
        """
        return json.dumps(self.model_dump(warnings=False), ensure_ascii=False, default=float).encode()
