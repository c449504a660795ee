"""The examples run, offline, and print what their reader expects."""

from __future__ import annotations

import io
import re
import runpy
import sys
from pathlib import Path

import pytest
import yaml
from ragloom import RagGraph
from ragloom.agents.threshold import decide
from ragloom.rag.chat import Conversation

EXAMPLES = Path(__file__).parents[1] / "examples"

pytestmark = pytest.mark.model


def printed(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that an example prints, without what varies: runs of spaces, milliseconds."""
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return [re.sub(r"\s+(\d+ ms\b\s*)?", " ", line).strip() for line in capsys.readouterr().out.splitlines()]


def test_the_first_answer_comes_from_the_folder(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["first_answer.py", str(pages), "How many weeks of leave do parents get?"])
    lines = printed("first_answer.py", capsys)
    assert any("sixteen weeks" in line for line in lines)
    assert lines[-1].startswith("[1] ")


def test_the_linear_graph_says_each_thing_once(capsys: pytest.CaptureFixture[str]) -> None:
    answer, *steps = printed("graph_linear.py", capsys)
    assert answer.count("thirty days") == 1
    assert all(said in answer for said in ("is lost. [2]", "two weeks ahead. [3]"))
    assert steps == [
        "search 0 -> 6 documents",
        "varied 6 -> 3 documents",
        "weigh 3 -> 3 documents",
        "quote 3 -> 3 documents",
    ]


def test_the_conditional_graph_searches_by_meaning_only_where_words_are_not_enough(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = printed("graph_conditional.py", capsys)
    assert [line for line in lines if line.startswith(">") or "[1]" in line] == [
        "> Who approves travel?",
        "Travel is approved by the head of the department. [1]",
        "> How many days may I work remotely?",
        "Working from home is possible up to three times a week. [1]",
    ]
    assert [line.split()[0] for line in lines[2:5]] == ["words", "weigh", "quote"]
    assert [line.split()[0] for line in lines[7:]] == ["words", "weigh", "meaning", "weigh-again", "quote"]
    assert lines[3].endswith(">= 0.5 -> quote")
    assert lines[8].endswith(", not >= 0.5 -> meaning")


def test_the_branching_graph_answers_from_both_corpora(capsys: pytest.CaptureFixture[str]) -> None:
    answer, *rest = printed("graph_branching.py", capsys)
    assert "need two signatures." in answer
    assert "scroll down." in answer
    assert [line.split(" ")[0] for line in rest] == [
        *("handbook", "tickets"),
        *("handbook", "tickets", "fuse", "weigh", "quote"),
    ]
    assert rest[-1] == "quote 3 documents"


def test_the_looping_graph_goes_back_until_it_is_sure_or_may_not(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed("graph_looping.py", capsys)
    rounds = re.split("^> ", "\n".join(lines), flags=re.MULTILINE)[1:]
    assert [text.count("search minutes of") for text in rounds] == [1, 3, 3]
    assert "The board elects Ines Duarte as its chair. [1]" in rounds[0]
    assert "The roof of the library is repaired for 9,000 euros. [1]" in rounds[1]
    assert "I don't know" in rounds[2]
    assert "< 0.6, but at most 2 -> quote" in rounds[2]


def test_the_langchain_app_has_the_best_document_first_after_three_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed("rerank_existing_langchain_app.py", capsys)
    before, after = lines[:5], lines[5:]
    assert before[0] != "The cat sleeps all day."
    assert after[0] == "The cat sleeps all day."
    assert len(after) == 2


def test_the_qa_agent_cites_what_it_knows_and_does_not_know_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["qa_agent.py"])
    answers = "\n".join(printed("qa_agent.py", capsys)).split("> ")[1:]
    assert "sixteen weeks" in answers[0]
    assert "[1] leave.md, characters " in answers[0]
    assert "head of the department" in answers[1]
    assert "I don't know" in answers[2]


def test_the_qa_agent_answers_what_is_asked_of_other_documents(
    pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["", "How many weeks of leave do parents get?"]
    monkeypatch.setattr(sys, "argv", ["qa_agent.py", "--documents", str(pages), *asked])
    lines = printed("qa_agent.py", capsys)
    assert [line for line in lines if line.startswith(">")] == [f"> {asked[1]}"]
    assert any(line.startswith("[1] leave.md") for line in lines)


def test_the_chatbot_goes_on_with_a_conversation(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def talked(typed: str, *arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["chatbot.py", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        return printed("chatbot.py", capsys)

    first = talked("How many weeks of leave do parents get?\n", str(pages))
    (answer,) = [line for line in first if line.startswith("=") and "sixteen weeks" in line]
    assert any(line.startswith("[1] ") and "leave.md" in line for line in first)
    second = talked("And what is served on Fridays?\n")
    assert second[:2] == ["> How many weeks of leave do parents get?", answer]
    assert any(line.startswith("=") and "brûlée" in line for line in second[2:])
    with RagGraph("quick", corpus="chatbot/index", checkpoints="chatbot/chats.sqlite") as graph:
        left = Conversation(graph, thread="chat").stream("Who is the cook?")
        next(left)
        left.close()
    assert talked("")[-1] == "(not answered: Who is the cook?)"


def test_the_research_agent_divides_iterates_and_cites(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["research_agent.py"])
    lines = printed("research_agent.py", capsys)
    steps = [line.split()[0] for line in lines[1:] if re.match(r"[a-z]+( |$)", line)]
    assert steps[0] == "divide"
    assert set(steps[1:5]) == {"whole", "first", "second", "third"}
    assert steps[5:8] == ["pool", "attempt", "again"]
    assert steps[-5:] == ["filter", "evidence", "quote", "draft", "ground"]
    cited = " ".join(line for line in lines if re.match(r"\[\d\] ", line))
    assert "2,850" in cited
    assert "1,230" in cited


def test_the_research_agent_can_drop_one_of_its_documents() -> None:
    documents = len(runpy.run_path(str(EXAMPLES / "research_agent.py"))["RIVERS"])
    options = yaml.safe_load((EXAMPLES / "research_agent.yaml").read_text())["nodes"]["filter"]
    assert decide([1.0] * (documents - 1) + [0.0], n=options["n"]).dropped == (documents - 1,)


def test_the_chatbot_knows_what_was_true_when_and_forgets_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed("chatbot_with_memory.py", capsys)
    assert "- Where does Ann live? Berlin" in lines
    assert "- Where did Ann live before? Lyon (“before” was read as what had ended by now)" in lines
    assert "- What is Ann's PIN? I don't know." in lines
    timeline = lines[lines.index("The timeline of Ann:") + 1 :]
    assert timeline[:3] == [
        "- 2024-01-08 to 2024-05-31: Ann lives in Lyon",
        "- 2024-03-04 to now: Ann has sister Zoe",
        "- 2024-05-31 to now: Ann lives in Berlin",
    ]
    assert not any("4711" in line for line in timeline)
