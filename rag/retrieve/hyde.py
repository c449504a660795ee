"""HyDE: search with passages that an LLM imagines, not with the question alone.

A question and its answer are worded differently, and an embedder feels that. So an LLM is asked to write n passages
that would answer the query; they may be wrong in what they say, but they read like the documents that are looked for.
With `f` the embedder, the query `q` and the passages `d_1 ... d_n`, the search is for the vector

    v = (f(q) + f(d_1) + ... + f(d_n)) / (n + 1),

brought to length 1. Gao, Ma, Lin and Callan, "Precise Zero-Shot Dense Retrieval without Relevance Labels", ACL 2023,
section 3.2, equation 8; the prompts, n = 8 and the temperature 0.7 are those of its program.

What we add: the passages are written in one batch with fixed seeds; only the dense side has the vector, while the
search by words keeps the query; and an LLM that fails, writes nothing or takes too long costs a note, not the search.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from pydantic import AfterValidator, BeforeValidator, Field, SkipValidation

from ...prompts import Prompt, load_prompt
from ...stores.analysis import STEMMERS, UNSTEMMED
from ...stores.embedder import TextEmbedder, as_embedder
from ..llm.asked import asked_text
from ..llm.replying import at_once, reply
from ..llm.step import Step
from .errors import QueryVectorError
from .query_vector import QueryVector

Task = Literal["web", "claim", "science", "finance", "news", "argument"]
"""What kind of passage is imagined: the prompts in `prompts/hyde`."""

N = 8
"""How many passages are imagined."""

TEMPERATURE = 0.7

MAX_TOKENS = 128
"""Where a passage is cut off: embedders read little more, and a CPU writes eight of these in seconds."""


def _with_query(task: str | Prompt) -> str | Prompt:
    if isinstance(task, Prompt) and not {"query"} <= task.variables <= {"query", "in_language"}:
        raise ValueError(f"the prompt {task.name!r} should have $query, and beside it at most $in_language")
    return task


def known_language(language: str) -> str:
    """A language as `Hyde` takes it: a name in English, or a code that is known here."""
    if len(language) == 2 and language not in STEMMERS:
        raise ValueError(f"{language!r} is no code that is known here; write the language's name in English")
    return language


class Hyde(Step[str, QueryVector]):
    """Makes the vector of a query from passages that an LLM imagines; a LangChain Runnable.

    ```python
    from ragloom import Corpus, load
    from ragloom.rag.retrieve import Hyde

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car and is sent to prison.", "Mole meets Rat at the river."])
    with load("embedded", n_ctx=2048) as llm:
        hyde = Hyde(llm=llm, embedder=corpus.embedder, n=2, max_tokens=24)
        vector = hyde.invoke("Who is a thief?")
    print(len(vector.made_from), vector)                       # -> 2 the query and 2 texts
    hits = corpus.search("Who is a thief?", vector=vector.values, k=1)
    print(hits[0].document.page_content[:4])                   # -> Toad
    ```

    A query that is longer than what the embedder reads counts with its beginning; an empty one is refused:
    `QueryVectorError`.

    Attributes:
        llm: any LangChain chat model; one that is not ragloom's has its own temperature.
        embedder: the corpus', or LangChain `Embeddings`, or what `Embedder` takes.
        n: how many passages.
        task: what kind of passage, or a prompt of your own with `$query` and perhaps `$in_language`.
        language: of the passages: a code such as `de`, or a name in English; `en` and `other` say nothing of it.
        temperature: 0 would write the same passage n times.
        max_tokens: where a passage is cut off.
        seed: of the first passage; each further one has the next.
        timeout: seconds after which the passages are given up; what a model of this machine is writing then ends, what
            a server or another's model is doing nobody waits for. None: never.
    """

    llm: BaseChatModel
    embedder: Annotated[SkipValidation[TextEmbedder], BeforeValidator(as_embedder)]
    n: int = Field(default=N, ge=1)
    task: Annotated[Task | Prompt, AfterValidator(_with_query)] = "web"
    language: Annotated[str, AfterValidator(known_language)] = "en"
    temperature: float = Field(default=TEMPERATURE, ge=0)
    max_tokens: int = Field(default=MAX_TOKENS, ge=1)
    seed: int = Field(default=0, ge=0)
    timeout: float | None = Field(default=None, gt=0)

    def _make(self, query: str, cancelled: threading.Event) -> QueryVector:
        prompt = self._prompt(asked_text(query))

        def imagine(turn: int, ended: threading.Event) -> str:
            seed = self.seed + turn
            return reply(self.llm, prompt, **self._options, seed=seed, cancelled=ended).text

        try:
            texts = at_once(imagine, range(self.n), cancelled=cancelled, timeout=self.timeout)
        except Exception as error:
            if cancelled.is_set():
                raise
            return self._made(query, [], error)
        return self._made(query, texts)

    @property
    def _options(self) -> dict[str, Any]:
        options = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return options if self.timeout is None else {**options, "timeout": self.timeout}

    def _prompt(self, query: str) -> list[BaseMessage]:
        if not query.strip():
            raise QueryVectorError("the query is empty; ask something")
        prompt = self.task if isinstance(self.task, Prompt) else load_prompt(f"hyde/{self.task}")
        values = {"query": query, "in_language": _in_language(self.language)}
        return prompt.render(**{name: values[name] for name in prompt.variables})

    def _made(self, query: str, texts: Sequence[str], error: Exception | None = None) -> QueryVector:
        passages = [text for text in texts if text]
        notes = []
        if error:
            notes.append(f"the LLM failed ({' '.join(str(error).split()) or type(error).__name__}): the query alone")
        elif not passages:
            notes.append("the LLM wrote nothing: the query alone")
        elif len(passages) < len(texts):
            notes.append(f"{len(texts) - len(passages)} of {len(texts)} passages are empty")
        rows = [self.embedder.encode_query(query)[None, :]]
        if passages:
            rows.append(self.embedder.encode(passages))
        mean = np.concatenate(rows).mean(axis=0)
        return QueryVector.of(query, mean, self.embedder.fingerprint, made_from=passages, notes=notes)


def _in_language(language: str) -> str:
    name = STEMMERS.get(language, language)
    return "" if language in ("en", UNSTEMMED) else f" in {name[:1].upper()}{name[1:]}"
