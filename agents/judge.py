"""The Judge, MAIN-RAG's second agent: whether a document supports an answer, without a word being generated.

It is given question, document and the Predictor's answer, and asked for Yes or No: Yes only if the document gives
specific information for the question *and* the answer uses it. The score is what it would say first,

    s = log p(Yes | prompt) - log p(No | prompt),

each summed over the ways in which the model's vocabulary spells the word (Yes, yes, YES, and with a blank before).
Chang et al., "MAIN-RAG: Multi-Agent Filtering Retrieval-Augmented Generation", ACL 2025, section 3.2.

There are two ways to ask. `separate` is a prompt of its own, as in the paper. `continuation` goes on with the
conversation in which the Predictor has just answered: what was said there need not be said, and read, again. In both
the role stands after the document, where the paper has it in the system message: up to there the prompts of Predictor
and Judge are the same, so the document's KV is there when the Judge comes to it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from langchain_core.messages import AIMessage, BaseMessage
from numpy.typing import NDArray

from ..prompts import Prompt, load_prompt
from ..rag.llm.asked import asked_for
from ..rag.llm.base import OwnModel
from ..rag.llm.inert import inert
from ..rag.llm.step import Step
from .errors import AgentError
from .predictor import Predictor, text_of
from .types import Judgement, Way

NOTHING = "I don't know."
"""What the Judge is told that the Predictor answered where it answered nothing."""


class Judge(Step[Mapping[str, Any], Judgement]):
    """Judges whether a document supports the answer that was made from it.

    A LangChain Runnable of `{"question": ..., "document": ..., "prediction": ...}`.

    ```python
    from ragloom import load
    from ragloom.agents import Judge

    with load("embedded", n_ctx=1024) as llm:
        judgement = Judge(llm=llm).judge("Where does Toad live?", "Toad lives at Toad Hall.", "At Toad Hall.")
        print(0 < judgement.said <= 1)  # -> True
    ```

    Attributes:
        llm: any model that `ragloom.load` loads; a server has to tell `top_logprobs`.
        way: `separate` asks in a prompt of its own, `continuation` goes on with the Predictor's conversation.
    """

    llm: OwnModel
    way: Way = "separate"

    @cached_property
    def _prompt(self) -> Prompt:
        return load_prompt("main_rag_judge" if self.way == "separate" else "main_rag_judge_continued")

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(llm=self.llm)

    @cached_property
    def _words(self) -> tuple[list[str], list[str]]:
        """How the model spells Yes and No."""
        yes, no = self.llm.spellings("yes"), self.llm.spellings("no")
        if not (yes and no):
            raise AgentError("the model has no single token for Yes or for No, by which the Judge speaks; take another")
        return yes, no

    def _make(self, asked: Mapping[str, Any], cancelled: threading.Event) -> Judgement:
        question, document, prediction = asked_for(asked, "question", "document", "prediction")
        return self.judge(question, text_of(document), prediction, cancelled=cancelled)

    def messages(self, question: str, document: str, prediction: str) -> list[BaseMessage]:
        """What the model is asked."""
        answer = " ".join(prediction.split()) or NOTHING  # on one line, so that it cannot go on as if it were us
        if self.way == "continuation":
            return [*self._predictor.messages(question, document), AIMessage(answer), *self._prompt.render()]
        return self._prompt.render(question=inert(question), document=inert(document), answer=inert(answer))

    def judge(
        self, question: str, document: str, prediction: str, *, cancelled: threading.Event | None = None
    ) -> Judgement:
        """What the model would say first.

        Args:
            question: what was to be answered.
            document: what it was answered from.
            prediction: the answer.
            cancelled: may be set from any thread when nobody waits any longer, which ends it.

        Raises:
            Cancelled: `cancelled` was set.
            AgentError: the model has no single token for Yes or for No.
            ContextOverflow: the document is longer than the context.
            ModelError: the model failed, or a server tells no log-probabilities.
        """
        yes, no = self._words
        asked = self.messages(question, document, prediction)
        (row,), (most,) = self.llm.score_next_bounded([asked], [*yes, *no], cancelled=cancelled)
        return log_odds(row[: len(yes)], row[len(yes) :], most=most)


def log_odds(yes: NDArray[np.float32], no: NDArray[np.float32], *, most: float = 0.0) -> Judgement:
    """The judgement that log-probabilities of the spellings of Yes and of No make; `-inf` for what was not told.

    A word of which no spelling was told is less likely than the other one, than all that the other one leaves, and than
    its spellings would be if each had `most`, which none of them exceeds: the lowest of these takes its place, so that
    the score says rather too little than too much.

    ```python
    import numpy as np
    from ragloom.agents.judge import log_odds

    print(round(log_odds(np.log([0.4, 0.2]), np.log([0.3])).score, 3))  # -> 0.693
    ```
    """
    words = np.array([np.logaddexp.reduce(np.asarray(each, np.float64)) for each in (yes, no)])
    spellings = np.array([len(yes), len(no)])
    told = np.isfinite(words)
    said = float(min(np.exp(words).sum(), 1.0))
    if not told.any():
        return Judgement(0.0, 0.0, 0)
    if not told.all():
        known = float(words[told][0])
        left = np.log1p(-min(np.exp(known), 1 - 1e-9))
        words[~told] = np.minimum(min(known, float(left)), most + np.log(spellings[~told]))
    return Judgement(float(words[0] - words[1]), said, int(told.sum()))
