"""A conversation: each question has what was said before it, a thread goes on, and Ctrl-C ends an answer alone."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import SCRIPTED_MAIN, Done, here
from langchain_core.language_models import FakeListChatModel
from ragloom import Corpus, RagGraph, load
from ragloom.rag.chat import Conversation
from ragloom.rag.cli_chat import Chat
from ragloom.rag.display import Display
from ragloom.rag.graph import Context, NodeError, RagState, ThreadError, Token, Turn, Update, node

TEXTS = ["Parents get sixteen weeks of leave.", "Travel is approved by the head of the department."]
FIRST, SECOND = "How many weeks of leave do parents get?", "Who approves travel?"
NOTING: dict[str, Any] = {
    "nodes": {"note": "note", "find": {"use": "lexical", "k": 1}, "draft": "cited"},
    "flow": ["start -> note -> find -> draft -> end"],
}


@node("note", reads={"history"}, writes={"extra.said"})
def note(state: RagState, context: Context) -> Update:
    """Keep what was said before."""
    return {"extra": {"said": [turn.text for turn in state.history]}}


@node("stumble", reads={"history"}, writes={"extra.said"})
def stumble(state: RagState, context: Context) -> Update:
    """Fail where something was said before."""
    if state.history:
        raise ValueError("a stone")
    return {"extra": {"said": []}}


@pytest.fixture
def full(corpus: Corpus) -> Corpus:
    corpus.add(TEXTS)
    return corpus


def graph(corpus: Corpus, *replies: str, kept: Path | None = None, noting: Any = note) -> RagGraph:
    llm = FakeListChatModel(responses=list(replies))
    nodes = {**NOTING["nodes"], "note": noting.name}
    return RagGraph({**NOTING, "nodes": nodes}, corpus=corpus, llm=llm, checkpoints=kept, types=[noting])


def test_each_question_has_what_was_said_before(full: Corpus) -> None:
    chat = Conversation(graph(full, "Sixteen weeks. [1]", "The head. [1]", "So it is. [1]"))
    assert chat.ask(FIRST).extra["said"] == []
    assert chat.ask(SECOND).extra["said"] == [FIRST, "Sixteen weeks. [1]"]
    assert [turn.role for turn in chat.turns] == ["user", "assistant"] * 2
    chat.forget()
    assert chat.ask("Really, travel?").extra["said"] == []


def test_a_thread_goes_on_after_a_restart(full: Corpus, tmp_path: Path) -> None:
    kept = tmp_path / "chats.sqlite"
    before = Conversation(graph(full, "Sixteen weeks. [1]", "The head. [1]", kept=kept), thread="monday")
    before.ask(FIRST)
    before.ask(SECOND)
    after = Conversation(graph(full, "Yes. [1]", kept=kept), thread="monday")
    assert after.turns == before.turns
    assert after.ask("Really, travel?").extra["said"] == [turn.text for turn in before.turns]
    assert Conversation(graph(full, "", kept=kept), thread="tuesday").turns == []


def test_a_question_that_was_not_answered_was_not_said_but_is_told(full: Corpus, tmp_path: Path) -> None:
    kept = tmp_path / "chats.sqlite"
    chat = Conversation(graph(full, "Sixteen weeks. [1]", kept=kept, noting=stumble), thread="monday")
    chat.ask(FIRST)
    with pytest.raises(NodeError, match="a stone"):
        chat.ask(SECOND)
    assert len(chat.turns) == 2
    again = Conversation(graph(full, "", kept=kept, noting=stumble), thread="monday")
    assert (again.turns, again.unanswered) == (chat.turns, SECOND)


def test_what_was_forgotten_is_not_back_after_a_restart(full: Corpus, tmp_path: Path) -> None:
    kept = tmp_path / "chats.sqlite"
    chat = Conversation(graph(full, "Sixteen weeks. [1]", kept=kept), thread="monday")
    chat.ask(FIRST)
    chat.forget()
    assert Conversation(graph(full, "", kept=kept), thread="monday").turns == []


def test_an_answer_that_is_left_was_not_said(full: Corpus) -> None:
    chat = Conversation(graph(full, "Sixteen weeks. [1]"))
    events = chat.stream(FIRST)
    next(events)
    events.close()
    assert chat.turns == []


def test_a_thread_needs_a_place_to_be_kept_in(full: Corpus) -> None:
    with pytest.raises(ThreadError, match="there is nowhere to find the thread 'monday'"):
        Conversation(graph(full, ""), thread="monday")


def test_pieces_of_the_answer_are_told_from_what_an_llm_writes_elsewhere(full: Corpus) -> None:
    chat = Conversation(RagGraph("chat", corpus=full, llm=FakeListChatModel(responses=[""])))
    assert chat.drafted(Token("draft", "Six")) == "Six"
    assert chat.drafted(Token("rewrite", "How")) == ""
    assert chat.drafted(RagState(question="Who?")) == ""


def talked(chat: Conversation, lines: Iterator[str] | list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    Chat(Display(), chat, with_trace=False).run(iter(lines))
    return capsys.readouterr()


def test_the_command_answers_shows_sources_and_forgets(full: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    chat = Conversation(graph(full, "Sixteen weeks. [1]", "The head. [1]"))
    shown = talked(chat, ["/sources", FIRST, "", "/sources", "/new", SECOND, "/quit", "never"], capsys)
    assert shown.out.count("Sixteen weeks. [1]") == 1, "what was streamed is not said again"
    assert f"    {TEXTS[0]}" in shown.out
    assert "there is no answer with sources yet" in shown.err
    assert "a new conversation" in shown.err
    assert [turn.text for turn in chat.turns] == [SECOND, "The head. [1]"]


def test_the_command_tells_how_it_understood_a_question(full: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    asked = "Who approves travel for parents?"
    llm = FakeListChatModel(responses=["Sixteen weeks. [1]", asked, "The head. [1]"])
    spec = {
        "nodes": {"rewrite": "rewrite", "find": {"use": "lexical", "k": 1}, "draft": "cited"},
        "flow": ["start -> rewrite -> find -> draft -> end"],
    }
    shown = talked(Conversation(RagGraph(spec, corpus=full, llm=llm)), [FIRST, SECOND], capsys)
    assert shown.err.count("understood as") == 1
    assert f"understood as: {asked}" in shown.err


def test_what_is_wrong_is_told_and_the_chat_goes_on(full: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    chat = Conversation(graph(full, "Sixteen weeks. [1]", noting=stumble))
    shown = talked(chat, ["/nwe", FIRST, SECOND, "/new", FIRST], capsys)
    assert "ragloom: unknown command '/nwe'; did you mean '/new'?" in shown.err
    assert "a stone" in shown.err
    assert shown.out.count("Sixteen weeks. [1]") == 2


def test_ctrl_c_ends_the_answer_and_not_the_chat(full: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    @node("interrupt", reads={"question"}, writes={"extra.said"})
    def interrupt(state: RagState, context: Context) -> Update:
        """Press Ctrl-C at the first question."""
        asked.append(state.question)
        if len(asked) == 1:
            signal.raise_signal(signal.SIGINT)
            context.cancelled.wait(60)
        return {"extra": {"said": []}}

    chat = Conversation(graph(full, "The head. [1]", noting=interrupt))
    shown = talked(chat, [FIRST, SECOND], capsys)
    assert asked == [FIRST, SECOND]
    assert "interrupted" in shown.err
    assert [turn.text for turn in chat.turns] == [SECOND, "The head. [1]"]


QUICK_CHAT = "nodes: {find: {use: lexical, k: 1}, weigh: gather, quote: {use: quote, min_confidence: 0}}\n"
QUICK_CHAT += "flow: [start -> find -> weigh -> quote -> end]\n"


def piped(folder: Path, lines: str, *options: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPTED_MAIN, "chat", "--graph", "own.yaml", "--index", "index", *options],
        input=lines, capture_output=True, encoding="utf-8", cwd=folder, check=False, timeout=200,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def test_the_chat_of_another_process_goes_on(index: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(QUICK_CHAT, "utf-8")
    first = piped(tmp_path, f"{FIRST}\n", "--thread", "monday")
    assert (first.code, "sixteen weeks of leave" in first.out) == (0, True), first
    assert "a new conversation, kept as 'monday' in ragloom-chats.sqlite" in first.err
    assert first.out.startswith(f"> {FIRST}\n")  # nobody has seen it typed
    assert "Ctrl-D" not in first.err
    second = piped(tmp_path, "/quit\n", "--thread", "monday")
    assert "going on after 1 question" in second.err
    assert (tmp_path / "ragloom-chats.sqlite").is_file()


def test_an_index_that_is_not_there_is_told(scripted_command: None, tmp_path: Path) -> None:
    here("chat", "--index", tmp_path / "none").check_fault("none")


@pytest.mark.model
def test_the_chatbot_streams_remembers_and_cites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with Corpus(tmp_path / "index") as corpus, load("embedded", n_ctx=2048) as llm:
        corpus.add(TEXTS)
        graph = RagGraph("chat", corpus=corpus, llm=llm, checkpoints=tmp_path / "chats.sqlite")
        chat = Conversation(graph, thread="t")
        pieces = [chat.drafted(event) for event in chat.stream(FIRST)]
        assert len(list(filter(None, pieces))) > 3
        shown = talked(chat, ["And who approves travel?"], capsys)
        assert "head of the department" in shown.out
        assert "[1] " in shown.out
        assert chat.turns[0] == Turn("user", FIRST)
        assert Conversation(graph, thread="t").turns == chat.turns


def test_two_conversations_in_one_thread_know_what_the_other_one_said(full: Corpus, tmp_path: Path) -> None:
    running = graph(full, "Sixteen weeks. [1]", "The head. [1]", "So it is. [1]", kept=tmp_path / "chats.sqlite")
    one, other = Conversation(running, thread="shared"), Conversation(running, thread="shared")
    one.ask(FIRST)
    assert other.ask(SECOND).extra["said"] == [FIRST, "Sixteen weeks. [1]"]
    assert one.ask("Is it so?").extra["said"] == [FIRST, "Sixteen weeks. [1]", SECOND, "The head. [1]"]
    assert len(running.conversation("shared")) == 6
