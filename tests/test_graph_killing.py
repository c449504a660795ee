"""A process that is killed with -9 while a node runs loses no node that was done."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from graph_child import SLOW, running
from kittens import way

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
    graph = running(tmp_path / "runs.sqlite", ran, waits=False)
    state = graph.resume("t") if resumed == "sync" else asyncio.run(graph.aresume("t"))
    whole: list[str] = []
    expected = running(tmp_path / "other.sqlite", whole, waits=False).invoke("Who?", thread="t")
    assert sorted(begun[:-1] + ran) == sorted(whole)
    assert ran[0] == node
    assert (state.extra, sorted(way(state))) == (expected.extra, sorted(way(expected)))
