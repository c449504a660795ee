"""A process that is killed with -9 while a node runs loses no node that was done."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from graph_child import SLOW, running
from kittens import cats, graph, way
from ragloom.rag.graph import Turn

pytestmark = [pytest.mark.kill, pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")]

HERE = Path(__file__).parent
CHILD = [sys.executable, str(HERE / "graph_child.py"), str(HERE)]


def killed_at(node: str, nth: int, file: Path) -> list[str]:
    """Start a child, let it run until `node` has begun for the `nth` time, and kill it; the nodes that had begun."""
    child = subprocess.Popen([*CHILD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin
    assert child.stdout
    begun: list[str] = []
    with child:
        while begun.count(node) < nth:
            begun.append(child.stdout.readline().strip())
            assert begun[-1], "the child ended by itself"
            if begun[-1] in SLOW and begun.count(node) < nth:
                child.stdin.write("go on\n")
                child.stdin.flush()
        child.kill()
        assert child.wait() == -signal.SIGKILL
    return begun


@pytest.mark.parametrize(("node", "nth", "resumed"), [("d", 1, "async"), ("b2", 2, "sync")])
def test_no_node_that_was_done_runs_again(node: str, nth: int, resumed: str, tmp_path: Path) -> None:
    begun = killed_at(node, nth, tmp_path / "runs.sqlite")
    ran: list[str] = []
    again = running(tmp_path / "runs.sqlite", ran, waits=False)
    state = again.resume("t") if resumed == "sync" else asyncio.run(again.aresume("t"))
    whole: list[str] = []
    expected = running(tmp_path / "other.sqlite", whole, waits=False).invoke("Who?", thread="t")
    assert sorted(begun[:-1] + ran) == sorted(whole)
    assert ran[0] == node
    assert (state.extra, sorted(way(state))) == (expected.extra, sorted(way(expected)))


DIES = """
import asyncio, os, signal, sys
sys.path.insert(0, sys.argv[1])
from kittens import cats, graph
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

saver, name = (SqliteSaver, "put") if sys.argv[3] == "sync" else (AsyncSqliteSaver, "aput")
put, moment = getattr(saver, name), sys.argv[4]


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


async def put_and_die(*given):
    await put(*given)
    die()


setattr(saver, name, die if moment == "before" else put_and_die if name == "aput" else lambda *given: die(put(*given)))
running = graph("start -> a -> end", *cats("a"), checkpoints=sys.argv[2])
if name == "put":
    running.invoke("And then?", thread="t")
else:
    asyncio.run(running.ainvoke("And then?", thread="t"))
"""


@pytest.mark.parametrize("way_to_call", ["sync", "async"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_who_is_killed_while_a_thread_begins_anew_loses_nothing_that_was_said(
    way_to_call: str, moment: str, tmp_path: Path
) -> None:
    file = tmp_path / "runs.sqlite"
    thread = graph("start -> a -> end", *cats("a"), checkpoints=file)
    asked: Any = {"question": "And now?", "history": [Turn("user", "Who?"), Turn("assistant", "Toad.")]}
    thread.invoke(asked, thread="t")
    said = thread.conversation("t")
    child = subprocess.run([sys.executable, "-c", DIES, str(HERE), str(file), way_to_call, moment], check=False)
    assert child.returncode == -signal.SIGKILL
    assert [turn.text for turn in thread.conversation("t")] == (
        [turn.text for turn in said] if moment == "before" else ["And then?"]
    )
    thread.invoke("At last?", thread="t")
    with sqlite3.connect(file) as kept:
        assert kept.execute("SELECT count(*) FROM checkpoints").fetchone()[0] <= 4  # of the last run alone
