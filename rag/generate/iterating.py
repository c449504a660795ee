"""Iter-RetGen: answer, search with question and answer, answer again.

A first answer, even a wrong one, names what the question leaves out, and so is near to documents that the question is
not near to. With `y_0` empty, round `t` answers from what is found for question and last answer together,

    y_t = LLM(q, search(q + y_{t-1})).

Shao et al., "Enhancing Retrieval-Augmented Large Language Models with Iterative Retrieval-Generation Synergy", Findings
of EMNLP 2023, section 3. They always take T rounds; we stop when the answer stops changing, or when there is none.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from pydantic import Field

from ..llm.asked import asked_text
from ..llm.cutting import beginning
from ..llm.guessing import guess_tokens
from ..llm.step import Step
from ..retrieve.wording import says_the_same
from .citing import MAX_ANSWER_TOKENS, MAX_PROMPT_TOKENS, cited
from .types import Answer

ROUNDS = 3
"""How often is answered at most; the paper sees little after the second."""


_QUERY_TOKENS = 180
"""Of question and answer together, guessed: embedders often read 256, and some texts have more than is guessed."""


def draft_of(answer: Answer | None) -> str:
    """The words of an answer that a search can use: without markers, nothing if there is none."""
    return " ".join(statement.text for statement in answer.statements) if answer and answer.known else ""


def next_query(question: str, draft: str) -> str:
    """What the next round searches for: of a long answer the beginning, since retrievers refuse long texts."""
    room = max(_QUERY_TOKENS - guess_tokens(question), 0)
    return f"{question} {beginning(draft, room, guess_tokens)}".strip()


def is_settled(drafts: Sequence[str]) -> bool:
    """Whether another round would bring nothing: the last draft is empty, or says what the one before said."""
    last, before = [*reversed(drafts), "", ""][:2]
    return not last or says_the_same(last, before)


def _added(before: Mapping[str, int], last: Mapping[str, int]) -> dict[str, int]:
    """What the rounds cost together, with the documents of the last one."""
    tokens = {name: before.get(name, 0) + last.get(name, 0) for name in ("input_tokens", "output_tokens")}
    return {**last, **{name: number for name, number in tokens.items() if name in {**before, **last}}}


class IterRetGen(Step[str, Answer]):
    """Answers from what it finds, again and again, each time searching with its last answer too; a LangChain Runnable.

    ```python
    from ragloom import Corpus, load
    from ragloom.rag.generate import IterRetGen

    corpus = Corpus("./index")
    corpus.add(["Toad steals a motor-car.", "A motor-car ends in a pond."])
    with load("embedded", n_ctx=2048) as llm:
        answer = IterRetGen(llm=llm, retriever=corpus.as_retriever(k=1)).invoke("What does Toad steal?")
    print(answer.how in ("cited", "unknown"))  # -> True
    ```

    The answer is the LLM's word, as that of `cited` is: `ground` checks it. Like `cited` it refuses an empty question,
    and a passage for which there is no room: `GenerateError`.

    Attributes:
        llm: any LangChain chat model.
        retriever: of a text to documents: a LangChain retriever, `corpus.as_retriever()`.
        rounds: how often is answered at most.
        max_prompt_tokens: of the documents, in each round.
        max_answer_tokens: of each answer.
        language: how sentences are told apart.
    """

    llm: BaseChatModel
    retriever: Runnable[str, list[Document]]
    rounds: int = Field(default=ROUNDS, ge=1)
    max_prompt_tokens: int = Field(default=MAX_PROMPT_TOKENS, ge=1)
    max_answer_tokens: int = Field(default=MAX_ANSWER_TOKENS, ge=1)
    language: str = "en"

    def _make(self, question: str, cancelled: threading.Event) -> Answer:
        question = asked_text(question)
        answer = self._round(question, "", cancelled)
        drafts = [draft_of(answer)]
        while len(drafts) < self.rounds and not is_settled(drafts):
            again = self._round(question, drafts[-1], cancelled)
            drafts.append(draft_of(again))
            usage = _added(answer.usage, again.usage)
            answer = replace(again if again.known else answer, usage=usage)
        return answer

    def _round(self, question: str, draft: str, cancelled: threading.Event) -> Answer:
        return cited(
            question,
            self.retriever.invoke(next_query(question, draft)),
            self.llm,
            max_prompt_tokens=self.max_prompt_tokens,
            max_answer_tokens=self.max_answer_tokens,
            language=self.language,
            cancelled=cancelled,
        )
