"""`ragloom chat`: a conversation with a graph, in the terminal.

Ctrl-C ends the answer and not the chat; at the prompt it ends the chat, as Ctrl-D does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._explain import count, unknown
from ..errors import RagloomError
from .cli_parts import make_display, open_graph, was_given
from .options import AllowImports, GpuLayers, OwnIndex, OwnModel, Trace

if TYPE_CHECKING:
    from .chat import Conversation
    from .display import Display
    from .graph import RagState

CHATS = Path("ragloom-chats.sqlite")
"""Where conversations are kept if no file is named, in the folder that the command is started in."""

PROMPT = "> "
HELP = "/new forgets what was said, /sources shows what the answer cites, /quit or Ctrl-D leaves; Ctrl-C ends an answer"


def chat_command(
    context: typer.Context,
    graph: Annotated[str, typer.Option("--graph", "-g", help="A preset or a YAML file.")] = "chat",
    index: OwnIndex = None,
    model: OwnModel = None,
    gpu_layers: GpuLayers = 0,
    thread: Annotated[
        str | None, typer.Option("--thread", help="Keep the conversation under this name, or go on with it.")
    ] = None,
    checkpoints: Annotated[
        Path, typer.Option("--checkpoints", help="The file that conversations are kept in.")
    ] = CHATS,
    trace: Trace = False,
    allow_imports: AllowImports = False,
) -> None:
    """Talk with an index: each question is understood by what was said before."""
    from .chat import Conversation
    from .graph.reading import load_spec

    if thread is None and was_given(context, "checkpoints"):
        raise RagloomError("--checkpoints keeps nothing without --thread; name the conversation")
    display = make_display(as_json=False)
    with open_graph(
        load_spec(graph),
        index=index,
        model=model,
        gpu_layers=gpu_layers,
        allow_imports=allow_imports,
        checkpoints=None if thread is None else checkpoints,
    ) as opened:
        conversation = Conversation(opened, thread=thread)
        _greet(display, conversation, f"{thread!r} in {checkpoints}" if thread else "")
        Chat(display, conversation, with_trace=trace).run(_lines())


def _greet(display: Display, conversation: Conversation, kept: str) -> None:
    if sys.stdin.isatty():
        display.note(HELP)
    if conversation.turns:
        display.note(f"going on after {count(len(conversation.turns) // 2, 'question')}")
    elif kept and not conversation.unanswered:
        display.note(f"a new conversation, kept as {kept}")
    if conversation.unanswered:
        display.note(f"not answered: {conversation.unanswered}")


def _lines() -> Iterator[str]:
    """What is typed, line by line, until Ctrl-D or Ctrl-C."""
    while True:
        try:
            yield input(PROMPT if sys.stdin.isatty() else "")
        except (EOFError, KeyboardInterrupt):
            if sys.stdin.isatty():
                print()
            return


class Chat:
    """Answers lines."""

    def __init__(self, display: Display, conversation: Conversation, *, with_trace: bool) -> None:
        """Talk in `conversation`, shown on `display`."""
        self._display = display
        self._conversation = conversation
        self._with_trace = with_trace
        self._last: RagState | None = None
        self._commands: Mapping[str, Callable[[], None]] = {"/new": self._forget, "/sources": self._show_sources}

    def run(self, lines: Iterator[str]) -> None:
        """Answer each of the lines."""
        for line in lines:
            asked = line.strip()
            if asked == "/quit":
                return
            if asked and sys.stdin.isatty():
                self._heed(asked)
            elif asked:  # nobody has seen it typed
                self._display.line(f"{PROMPT}{asked}")
                self._heed(asked)
                self._display.line()

    def _heed(self, asked: str) -> None:
        try:
            if asked.startswith("/"):
                self._command(asked)()
            else:
                self._answer(asked)
        except RagloomError as error:
            self._display.note(f"ragloom: {' '.join(str(error).split())}")
        except KeyboardInterrupt:
            self._display.line()
            self._display.note("interrupted")

    def _command(self, name: str) -> Callable[[], None]:
        if name not in self._commands:
            raise RagloomError(unknown("command", name, [*self._commands, "/quit"]))
        return self._commands[name]

    def _answer(self, question: str) -> None:
        """Ask; what the LLM writes is shown as it comes, and then, if that is something else, what became of it."""
        from .graph.events import NodeStarted
        from .graph.state import RagState

        conversation, display = self._conversation, self._display
        drafts = [""]
        with closing(conversation.stream(question)) as events:
            with display.working() as tell:
                for first in events:
                    if isinstance(first, RagState) or conversation.drafted(first):
                        break
                    tell(first)
            for event in chain([first], events):
                if isinstance(event, NodeStarted) and drafts[-1]:
                    drafts.append("")
                    display.draft("\n")
                drafts[-1] += conversation.drafted(event)
                display.draft(conversation.drafted(event))
                self._last = event if isinstance(event, RagState) else self._last
        self._show(next(filter(None, reversed(drafts)), "") if display.terminal else "")

    def _show(self, drafted: str) -> None:
        state, display = self._last, self._display
        assert state is not None
        stands = state.answer is not None and drafted.strip() == state.answer.text
        if drafted:
            display.line()
            display.note("" if stands else "That was a draft. What stands:")
        if state.query != state.question:
            display.note(f"understood as: {state.query}")
        display.state(state, without_text=stands)
        if self._with_trace:
            display.trace(state.trace, milliseconds=sum(step.milliseconds for step in state.trace))

    def _forget(self) -> None:
        self._conversation.forget()
        self._last = None
        self._display.note("a new conversation")

    def _show_sources(self) -> None:
        if self._last is None or not self._last.citations:
            raise RagloomError("there is no answer with sources yet; ask something")
        self._display.citations(self._last.citations)
