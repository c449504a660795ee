"""A conversation with a graph: each question is asked with what was said before it."""

from __future__ import annotations

from collections.abc import Generator

from .graph.errors import ThreadError
from .graph.events import Event, Token
from .graph.rag_graph import RagGraph
from .graph.state import RagState, Turn


class Conversation:
    """Asks a graph one question after the other, each with the turns before it.

    ```python
    from ragloom import Corpus, RagGraph
    from ragloom.rag.chat import Conversation

    corpus = Corpus("./index")
    corpus.add(["Parents get sixteen weeks of leave.", "Travel is approved by the head of the department."])
    chat = Conversation(RagGraph("quick", corpus=corpus, checkpoints="chats.sqlite"), thread="monday")
    print(chat.ask("How many weeks of leave do parents get?").answer)  # -> Parents get sixteen weeks of leave. [1]
    print([turn.role for turn in chat.turns])                          # -> ['user', 'assistant']

    again = Conversation(RagGraph("quick", corpus=corpus, checkpoints="chats.sqlite"), thread="monday")
    print(again.turns == chat.turns)  # -> True
    ```

    A graph looks back if one of its nodes reads `history`: the preset `chat` does, by `rewrite`.

    Attributes:
        turns: what was said, oldest first.
        unanswered: the last question, if it was being answered when the thread broke off; else empty.
    """

    def __init__(self, graph: RagGraph, *, thread: str | None = None) -> None:
        """Begin, or go on where the `thread` ended, if the graph keeps threads.

        Raises:
            ThreadError: there is a thread, but the graph has no checkpoints; or its name is empty.
        """
        if thread is not None and not thread:
            raise ThreadError("the thread's name is empty")
        self._graph = graph
        self._thread = thread
        self.turns: list[Turn] = []
        self.unanswered = ""
        self._go_on()

    def _go_on(self) -> None:
        """From where the thread is now; somebody else may have asked there."""
        if self._thread:
            turns = self._graph.conversation(self._thread)
            self.unanswered = turns.pop().text if turns and turns[-1].role == "user" else ""
            self.turns = turns

    def ask(self, question: str) -> RagState:
        """Ask, and wait for the end; see `stream`."""
        *_, state = self.stream(question)
        assert isinstance(state, RagState)
        return state

    def stream(self, question: str) -> Generator[Event | RagState, None, None]:
        """Ask, and tell what happens: events as they come, and at last the state.

        What is not read to its end, or fails, was never said. What others have said in the thread since was said, too;
        of two who ask there at the same time, the one whose answer comes first is forgotten.

        Raises:
            NodeError: a node failed.
            GraphError: the question is empty.
        """
        self._go_on()
        asked = {"question": question, "history": self.turns}
        for event in self._graph.stream(asked, thread=self._thread):
            if isinstance(event, RagState):
                said = str(event.answer) if event.answer else ""
                self.turns = [*self.turns, Turn("user", question), Turn("assistant", said)]
                self.unanswered = ""
            yield event

    def drafted(self, event: Event | RagState) -> str:
        """The piece of an answer that an event brings, as the LLM writes it; nodes after it may change the answer."""
        if not isinstance(event, Token):
            return ""
        kind = self._graph.plan.nodes[event.node].type
        return event.text if kind is not None and "answer" in kind.writes else ""

    def forget(self) -> None:
        """Begin anew: the next question has nothing before it, and of the thread nothing is kept."""
        if self._thread:
            self._graph.forget(self._thread)
        self.turns, self.unanswered = [], ""
