"""What the command prints: one JSON document on request, plain text in a pipe, tables and a bar on a terminal."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import typer
from command import SCRIPTED_MAIN, here
from fakes import HashingEmbedder
from numpy.typing import NDArray
from ragloom import Corpus, ask, ingest
from ragloom.rag.cli import app
from ragloom.rag.demo import QUESTIONS

pytestmark = pytest.mark.usefixtures("scripted_command")

QUESTION = "How many weeks of leave do parents get?"


def test_every_command_prints_one_json_document(index: Path, pages: Path) -> None:
    assert here("ingest", pages, "--into", index, "--json").document["unchanged"] == 2
    (hit,) = here("search", "parents", "--index", index, "-k", 1, "--json").document
    assert hit["rank"] == 1
    assert "sixteen weeks" in hit["text"]
    reply = here("ask", QUESTION, "--index", index, "--quote", "--json").document
    assert {"answer", "statements", "citations", "how", "trace"} <= reply.keys()
    assert here("corpus", "stats", index, "--json").document["chunks"] == 2
    assert here("corpus", "repair", index, "--json").document["inconsistencies"] == []
    (entry,) = here("cache", "info", "--json").document["entries"]
    assert here("cache", "clear", "--json").document == {"freed_bytes": entry["bytes"]}


@pytest.mark.parametrize(
    ("command", "function", "names"),
    [("ask", ask, ["k", "mode"]), ("search", Corpus.search, ["k", "mode"]), ("ingest", ingest, ["text_field"])],
)
def test_a_command_has_the_defaults_of_its_function(
    command: str, function: Callable[..., object], names: list[str]
) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    options = {option.name: option.default for option in group.commands[command].params}
    parameters = inspect.signature(function).parameters
    assert {name: options[name] for name in names} == {name: parameters[name].default for name in names}


def test_the_demo_with_several_questions_is_one_json_document(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = {"try": "The else clause runs when the try clause raises nothing.\n"}
    monkeypatch.setattr("pydoc_data.topics.topics", topics)
    replies = here("demo", "--quote", "--json").document
    assert [reply["question"] for reply in replies] == QUESTIONS
    second = here("demo", "--quote", "--json", "else clause?")
    assert second.document["question"] == "else clause?"
    assert second.err == "", "the reference is indexed once, so there is no progress to show"


def test_json_is_readable_where_the_encoding_allows_it(index: Path) -> None:
    assert "Crème brûlée" in here("search", "brûlée", "--index", index, "--mode", "lexical", "--json").out


def test_an_answer_comes_first_then_its_places_then_the_trace_if_asked(index: Path) -> None:
    done = here("ask", QUESTION, "--index", index, "--quote", "--trace")
    answer, passage, *trace = [row for row in done.out.splitlines() if row]
    assert answer == "Parents get sixteen weeks of leave. [1]"
    assert passage == f"[1] {Path('pages/leave.md')} (Leave > Parents) [21:56]"
    assert [row.split()[0] for row in trace] == ["node", "retrieve", "evidence", "quote", "total"]
    assert here("ask", QUESTION, "--index", index, "--quote").out.splitlines()[-1].startswith("[1]")
    assert "\x1b" not in done.out


def test_a_pipe_gets_plain_lines_and_progress_on_standard_error(index: Path, pages: Path) -> None:
    (pages / "third.txt").write_text("A third page.")
    done = here("ingest", pages, "--into", index)
    assert done.out.splitlines() == [
        "3 files; documents: 1 added, 0 changed, 2 unchanged, 0 removed; 1 chunks made, 1 embedded; 0 skipped"
    ]
    assert [row.split()[:2] for row in done.err.splitlines()][-1] == ["indexing:", "3/3"]
    assert "\x1b" not in done.out + done.err


def test_what_is_skipped_is_told_one_by_one(index: Path, pages: Path) -> None:
    (pages / "empty.md").write_text("")
    (pages / "broken.pdf").write_bytes(b"%PDF-1.4 not really")
    done = here("ingest", pages, "--into", index)
    assert done.code == 0
    assert sorted(Path(row.split()[1]).name for row in done.err.splitlines() if row.startswith("skipped")) == [
        "broken.pdf:",
        "empty.md:",
    ]


def test_ask_over_a_folder_indexes_it_once_and_forgets_what_vanished(pages: Path, tmp_path: Path) -> None:
    first = here("ask", QUESTION, "--over", pages, "--quote", "--json")
    assert first.document["citations"][0]["source"] == (pages / "leave.md").as_posix()
    (index,) = (tmp_path / "cache" / "over").iterdir()
    generation = here("corpus", "stats", index, "--json").document["generation"]
    assert here("ask", QUESTION, "--over", pages, "--quote").code == 0
    assert here("corpus", "stats", index, "--json").document["generation"] == generation, "nothing was written"
    (pages / "leave.md").unlink()
    here("ask", QUESTION, "--over", pages, "--quote")
    assert here("corpus", "stats", index, "--json").document["sources"] == 1
    assert "leave" not in here("search", "leave", "--index", index, "--mode", "lexical").out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_gets_a_bar_and_tables_that_fit(columns: int, index: Path, pages: Path) -> None:
    (pages / "third.txt").write_text("A third page that is new, so there is something to index. " * 20)
    shown = on_terminal(columns, "ingest", str(pages), "--into", str(index))
    assert "━" in shown
    assert "indexing" in shown
    shown = on_terminal(columns, "search", "third page", "--index", str(index))
    assert "\x1b[" in shown
    assert max(map(len, plain(shown).splitlines())) <= columns
    stats = plain(on_terminal(columns, "corpus", "stats", str(index)))
    assert "─" in stats
    assert max(map(len, stats.splitlines())) <= columns


def on_terminal(columns: int, *args: str) -> str:
    """Run the command in a process whose three streams are a pseudo-terminal of that width; what it shows."""
    import pty
    import termios

    terminal, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    command = [sys.executable, "-c", SCRIPTED_MAIN, *args]
    child = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm-256color"}
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(terminal, 4096):
            shown += block
    except OSError:  # the child is gone, and its end of the terminal with it
        pass
    os.close(terminal)
    assert child.wait() == 0, shown.decode()
    return shown.decode()


def plain(shown: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "")


def test_an_interrupt_that_python_drops_still_ends_an_ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = HashingEmbedder.encode

    def interrupted(self: HashingEmbedder, texts: Sequence[str]) -> NDArray[np.float32]:
        with suppress(KeyboardInterrupt):  # what Python does in a finalizer
            signal.raise_signal(signal.SIGINT)
        return encode(self, texts)

    monkeypatch.setattr(HashingEmbedder, "encode", interrupted)
    pages = tmp_path / "many"
    pages.mkdir()
    for i in range(600):
        (pages / f"{i:03}.txt").write_text(f"Page {i} is about nothing else.")
    done = here("ingest", pages, "--into", tmp_path / "interrupted")
    assert (done.code, done.out) == (130, "")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_folder_whose_documents_are_gone_empties_its_index_and_says_so(index: Path, pages: Path) -> None:
    for page in pages.iterdir():
        page.unlink()
    done = here("ingest", pages, "--into", index, "--json")
    assert (done.code, done.document["removed"] > 0, done.document["added"]) == (0, True, 0)
    assert f"the index is empty now: nothing is left in {pages}" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_gets_no_control_characters_of_documents(tmp_path: Path) -> None:
    (tmp_path / "z.md").write_text("# Z\n\nThe zebra \x1b]0;OWNED\x07\x1b[31msleeps\x1b[0m all \x9b31mday\r\nlong.\n")
    on_terminal(100, "ingest", str(tmp_path / "z.md"), "--into", str(tmp_path / "index"))
    shown = on_terminal(100, "search", "zebra", "--index", str(tmp_path / "index"))
    assert "zebra ␛]0;OWNED␇␛[31msleeps␛[0m all" in shown
    assert not any(each in shown for each in ("\x1b]", "\x1b[31m", "\x07", "\x9b"))
