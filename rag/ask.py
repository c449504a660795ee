"""From a question to a grounded answer: find, weigh, quote, let the LLM answer, check — and what each step cost.

The path never invents: where the documents do not seem to answer the question it says so, and what the LLM writes is
checked against them, with exact quotes as the fallback.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from langchain_core.language_models import BaseChatModel

from ..stores.corpus import Corpus
from ..stores.errors import CorpusError
from ..stores.query import Mode, Query
from ..stores.types import Hit
from ..stores.where import Where
from .generate.citing import cited
from .generate.errors import PassageTooLongError
from .generate.evidence import MIN_CONFIDENCE, Evidence, gather
from .generate.grounding import ground
from .generate.quoting import quote
from .generate.types import Answer, unknown
from .retrieve.expansion import expand

PASSAGES = 8

WHOLE_PASSAGES = 3
MAX_SENTENCES = 5
SPREAD = 0.1
"""Of what was found, at most so many of the best passages are quoted in full, and so many of the nearest sentences, if
they are about as near as the nearest. That holds the answer to nine in ten of the answerable development questions
(`benchmarks/demo_questions.py --dev --sweep`, at confidence 0)."""

LLM = BaseChatModel | Callable[[], BaseChatModel]


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: `milliseconds` of wall time, and a few words on what went in and came out."""

    name: str
    milliseconds: float
    detail: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with what it was made from.

    Attributes:
        answer: what to show.
        hits: the chunks that were found, best first.
        steps: what was done, in order.
    """

    answer: Answer
    hits: tuple[Hit, ...]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return str(self.answer)

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable form."""
        hits = [hit.as_dict() for hit in self.hits]
        return {**self.answer.as_dict(), "hits": hits, "steps": [asdict(step) for step in self.steps]}


@dataclass(slots=True)
class _Steps:
    done: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Time a step; append words on it to the yielded list."""
        detail: list[str] = []
        started = time.perf_counter()
        yield detail
        self.done.append(Step(name, (time.perf_counter() - started) * 1000, ", ".join(detail)))


def ask(  # noqa: PLR0913 - the knobs of one question
    question: str,
    corpus: Corpus,
    *,
    llm: LLM | None = None,
    k: int = PASSAGES,
    mode: Mode = "hybrid",
    where: Where | None = None,
    min_confidence: float = MIN_CONFIDENCE,
) -> Reply:
    """Answer a question from a corpus.

    ```python
    from ragloom import Corpus, ask

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and drives it into a pond."])
    print(ask("What does Toad steal?", corpus))
    ```

    Args:
        question: what to answer.
        corpus: where to look.
        llm: a LangChain chat model, or a function that gives one and is called only when it is needed; None: quotes
            only.
        k: how many chunks to find.
        mode: how to find them.
        where: metadata conditions.
        min_confidence: below this the answer is "I don't know", see `rag.generate.evidence`; the default was measured
            with the embedded embedder, another one wants its own.

    Raises:
        QueryError: the question is empty, or longer than what the embedder reads; `k` is below 1.
        GenerateError: the question is longer than what the LLM reads, or, in mode `lexical`, the embedder.
        EmbedderMismatchError: the corpus was embedded by another model.
        TypeError: `corpus` is not an open corpus.
    """
    if not isinstance(corpus, Corpus):
        raise TypeError(f"ask takes an open corpus: ask(question, Corpus({str(corpus)!r}))")
    Query.checked(question, None, k, mode)  # before the embedder is loaded, which takes seconds
    steps = _Steps()
    with steps.step("embedder") as detail:
        corpus.check_embedder()
        detail.append(corpus.embedder.fingerprint.name if len(corpus) else "not needed")
    with steps.step("retrieve") as detail:
        hits = corpus.search(question, k=k, mode=mode, where=where)
        detail.append(f"{len(corpus)} chunks -> {len(hits)}")
    with steps.step("evidence") as detail:
        evidence = _evidence(question, hits, corpus)
        detail.append(f"{len(evidence.sentences)} sentences, confidence {evidence.confidence:.2f}")
    if not evidence.answerable(min_confidence):
        reason = "no passage is close enough to the question" if hits else "nothing was found"
        answer = unknown(question, reason if len(corpus) else "the index is empty", confidence=evidence.confidence)
        return Reply(answer, tuple(hits), tuple(steps.done))
    answer = _answer(question, corpus, hits, evidence, llm, steps)
    return Reply(answer, tuple(hits), tuple(steps.done))


def _answer(
    question: str, corpus: Corpus, hits: list[Hit], evidence: Evidence, llm: LLM | None, steps: _Steps
) -> Answer:
    with steps.step("quote") as detail:
        quotes = quote(evidence, passages=WHOLE_PASSAGES, max_sentences=MAX_SENTENCES, spread=SPREAD)
        detail.append(f"{len(quotes.citations)} places, {len(quotes.text)} characters")
    if llm is None:
        return quotes
    with steps.step("cited") as detail:
        passages = [hit.document for hit in expand(corpus, hits)]
        try:
            draft = cited(
                question, passages, llm if isinstance(llm, BaseChatModel) else llm(), language=corpus.language
            )
        except PassageTooLongError as error:
            detail.append(str(error))
            return replace(quotes, notes=(f"{error}: exact quotes",))
        detail.append(f"{len(passages)} passages, {draft.usage.get('input_tokens', 0)} tokens in")
        detail.append(f"{draft.usage.get('output_tokens', 0)} out")
    with steps.step("ground") as detail:
        answer = ground(draft, evidence, quotes)
        detail.append(f"{len(draft.statements)} sentences -> {len(answer.statements)} {answer.how}")
    return answer


def _evidence(question: str, hits: list[Hit], corpus: Corpus) -> Evidence:
    documents = [hit.document for hit in hits]
    try:
        vectors = corpus.vectors([document.id or "" for document in documents])
    except CorpusError:  # another process has deleted one of them since
        vectors = None
    return gather(question, documents, corpus.embedder, passage_vectors=vectors, language=corpus.language)
