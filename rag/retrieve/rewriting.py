"""A question that follows others, rewritten so that it can be searched for alone.

"And for how long?" finds nothing; "For how long do parents get leave?" does. An LLM rewrites the last question of a
conversation, the "rewrite" of Modular RAG (Gao et al. 2024) and of conversational search (Elgohary, Peskov and
Boyd-Graber, "Can You Unpack That? Learning to Rewrite Questions-in-Context", EMNLP 2019). What it writes is taken only
if its words are those of the question and the conversation, and none of the question's is lost (see `wording`);
otherwise the question stays as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, MessageLikeRepresentation, convert_to_messages
from pydantic import Field

from ...prompts import load_prompt
from ..llm.asked import asked_for
from ..llm.replying import reply
from ..llm.step import Step
from .errors import RewritingError
from .wording import first_line, is_about, keeps

MESSAGES = 6
"""How many messages are looked back: three questions with their answers."""

MAX_CHARACTERS = 300
"""What the LLM reads of a message: an answer by quotes may be long, and names stand at its beginning."""

LABELS = ("User:", "Last question:", "Rewritten:")
"""What a small LLM copies from the prompt before the question."""

MAX_TOKENS = 64
"""Where a rewritten question is cut off."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A question that can be searched for alone.

    Attributes:
        query: the rewritten question, or the question as it was.
        notes: what became of it, in words.
        has_failed: whether the LLM has, so that another time something else may come of it.
    """

    query: str
    notes: tuple[str, ...]
    has_failed: bool = False


class Rewriter(Step[Mapping[str, Any], Rewritten]):
    """Rewrites the last question of a conversation; a LangChain Runnable of `{"question": ..., "history": [...]}`.

    The history is messages, or what LangChain takes for them; those of a system or a tool are not read. An empty
    question is refused: `RewritingError`.

    ```python
    from ragloom import load
    from ragloom.rag.retrieve import Rewriter

    with load("embedded", n_ctx=2048) as llm:
        rewriter = Rewriter(llm=llm)
        talk = [("user", "How long is parental leave?"), ("assistant", "It is sixteen weeks.")]
        rewritten = rewriter.invoke({"question": "Who approves it?", "history": talk})
        print(rewritten.query, rewritten.notes)
        print(rewriter.invoke({"question": "Who approves travel?", "history": []}).query)  # no LLM is asked
    ```

    Attributes:
        llm: any LangChain chat model; without a conversation it is not asked.
        messages: how many of the last messages it reads.
        max_characters: so much of each; what is longer is cut, and "…" says so.
        language: of the conversation, in which words are compared: a code such as `en`, or `other`.
    """

    llm: BaseChatModel
    messages: int = Field(default=MESSAGES, ge=1)
    max_characters: int = Field(default=MAX_CHARACTERS, ge=10)
    language: str = "en"

    def _make(self, asked: Mapping[str, Any], cancelled: threading.Event) -> Rewritten:
        question = str(*asked_for(asked, "question"))
        if not question.strip():
            raise RewritingError("the question is empty; ask something")
        given: Sequence[MessageLikeRepresentation] = asked.get("history") or []
        turns = [each for each in convert_to_messages(given) if isinstance(each, HumanMessage | AIMessage)]
        talk = self._told(turns[-self.messages :])
        if not talk:
            return Rewritten(question, ("nothing was said before",))
        prompt = load_prompt("rewrite").render(conversation=talk, question=question)
        try:
            said = reply(self.llm, prompt, max_tokens=MAX_TOKENS, stop=["\n"], cancelled=cancelled).text
        except Exception as error:  # whatever the LLM may raise, the question can be asked as it is
            if cancelled.is_set():
                raise
            why = " ".join(str(error).split()) or type(error).__name__
            return Rewritten(question, (f"the LLM failed ({why}): the question as it is",), has_failed=True)
        written = first_line(said, labels=LABELS)
        if not written:
            return Rewritten(question, ("the LLM wrote nothing: the question as it is",))
        if not is_about(written, question, talk, language=self.language):
            return Rewritten(question, (f"the LLM wrote something else ({written:.80}): the question as it is",))
        if not keeps(written, question, language=self.language):
            return Rewritten(question, (f"the LLM left out what was asked ({written:.80}): the question as it is",))
        return Rewritten(written, (written,))

    def _told(self, messages: Sequence[BaseMessage]) -> str:
        """The conversation as the prompt shows it; messages that say nothing are left out."""
        lines = [
            f"{'User' if isinstance(each, HumanMessage) else 'Assistant'}: {_cut(each.text, self.max_characters)}"
            for each in messages
            if each.text.strip()
        ]
        return "\n".join(lines)


def _cut(text: str, characters: int) -> str:
    """So many characters of a text in one line, between words where there are blanks."""
    line = " ".join(text.split())
    if len(line) <= characters:
        return line
    cut = line[: characters - 2]
    return (cut if line[len(cut)] == " " else cut[: cut.rfind(" ") + 1] or cut).rstrip() + " …"
