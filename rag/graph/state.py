"""The state of a run: what is known about one question so far.

Nodes read it and return what they change; nobody writes into it. How the changes of nodes that run in parallel come
together stands beside each field, as the function that langgraph calls a reducer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeVar

from langchain_core.documents import Document
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from ...stores.types import Hit
from ..generate.evidence import Evidence
from ..generate.types import Answer, Citation
from ..retrieve.query_vector import QueryVector
from .errors import GraphError

T = TypeVar("T")

Update = Mapping[str, Any]
"""What a node returns: names of state fields and their new values. `candidates` and `extra` are merged by key."""


def latest(_old: Any, new: Any) -> Any:
    """The newer value."""
    return new


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings; a key of both has the newer value."""
    return {**old, **new}


def appended(old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    """The new after the old."""
    return [*old, *new]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the conversation before the question."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge thinks of a document.

    Attributes:
        document_id: of the document; empty if it has none.
        score: above 0 where the document rather supports an answer; None where it was not judged.
        kept: whether it is still among the documents.
        prediction: what was answered from it alone.
        reason: why it was kept or dropped.
    """

    document_id: str
    score: float | None
    kept: bool = True
    prediction: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NodeTrace:
    """What one run of a node did.

    Attributes:
        node: its name in the graph.
        milliseconds: wall time.
        detail: a few words on what went in and came out, what was dropped and why.
        tokens_in: tokens that an LLM read, of prompts and of what its attention or logits were read for.
        tokens_out: tokens that it wrote.
        tokens_reused: those of `tokens_in` that were in its cache.
        documents_in: how many documents the state had before.
        documents_out: how many it had afterwards.
        ran: the node that gave the result: itself, or the one that it fell back on; empty if it was skipped.
        decisions: of each decision after it, the place in the flow and whether `then` was taken.
        documents_read: how many documents it gave an LLM to read.
    """

    node: str
    milliseconds: float
    detail: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_reused: int = 0
    documents_in: int = 0
    documents_out: int = 0
    ran: str = ""
    decisions: tuple[tuple[int, bool], ...] = ()
    documents_read: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "decisions", tuple((item, taken) for item, taken in self.decisions))


class RagState(BaseModel):
    """What is known about one question so far; JSON-serialisable, and back.

    ```python
    from ragloom.rag.graph import RagState

    print(RagState(question="Who stole a motor-car?").query)  # -> Who stole a motor-car?
    ```

    Attributes:
        question: what was asked; no node changes it.
        history: the conversation before it, oldest first; no node changes it.
        query: what retrievers search for: the question, until something rewrites it.
        vector: what the dense side looks for instead of the query's own vector, as long as the query is the same.
        subquestions: simpler questions that the question was divided into.
        where: conditions on metadata that were taken from the question; retrievers keep to them.
        candidates: what each retrieving node found, by the node's name, best first.
        documents: what the answer is to be made from, best first.
        evidence: the sentences of documents, weighed against the question.
        quotes: the answer in the documents' own words.
        answer: the answer so far: a draft until it is grounded.
        drafts: what was answered in each round of a loop that searches with its last answer.
        memory: what a memory recalls.
        verdicts: what a judge thinks of documents, those that were kept first, each best first.
        route: what a routing node chose.
        extra: values of users' nodes, by name.
        trace: what each node did, in order; the graph keeps it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    question: str
    history: Annotated[list[Turn], latest] = []
    query: Annotated[str, latest] = ""
    vector: Annotated[QueryVector | None, latest] = Field(default=None, repr=False)
    subquestions: Annotated[list[str], latest] = []
    where: Annotated[dict[str, JsonValue], latest] = {}
    candidates: Annotated[dict[str, list[Hit]], merged] = Field(default={}, repr=False)
    documents: Annotated[list[Hit], latest] = []
    evidence: Annotated[Evidence | None, latest] = Field(default=None, repr=False)
    quotes: Annotated[Answer | None, latest] = Field(default=None, repr=False)
    answer: Annotated[Answer | None, latest] = None
    drafts: Annotated[list[str], latest] = []
    memory: Annotated[list[Document], latest] = []
    verdicts: Annotated[list[Verdict], latest] = []
    route: Annotated[str, latest] = ""
    extra: Annotated[dict[str, JsonValue], merged] = {}
    trace: Annotated[list[NodeTrace], appended] = Field(default=[], repr=False)

    @model_validator(mode="before")
    @classmethod
    def _ask_the_question(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and not given.get("query") and "question" in given:
            return {**given, "query": given["question"]}
        return given

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The places that the answer cites."""
        return self.answer.citations if self.answer else ()

    def __str__(self) -> str:
        return str(self.answer) if self.answer else super().__str__()

    def as_dict(self) -> dict[str, Any]:
        """What a reader wants of it, JSON-serialisable: the answer's parts, the documents and the trace."""
        answer = self.answer.as_dict() if self.answer else {"question": self.question, "answer": None}
        documents = [hit.as_dict() for hit in self.documents]
        return {**answer, "documents": documents, "trace": [asdict(trace) for trace in self.trace]}


def written(value: T | None, field: str) -> T:
    """A field that has been written.

    Raises:
        GraphError: it has not, though a checked graph writes it before anybody reads it.
    """
    if value is None:
        raise GraphError(f"nothing has written {field!r} yet")
    return value


GIVEN = frozenset({"question", "history", "query", "vector", "where", "drafts"})
"""What the state has before any node has run."""

WRITABLE = frozenset(RagState.model_fields) - {"question", "history", "trace"}
"""What nodes may write."""
