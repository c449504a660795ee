"""Where runs are kept, step by step, so that one that broke off can be resumed: a SQLite file, by langgraph's savers.

Each call opens the file anew: that is safe with threads, processes and event loops, and costs about a millisecond. The
disk is not waited for: a killed process loses nothing, a power cut perhaps the last steps, which `resume` does again.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from ..errors import GraphError
from .channels import serializer

_UNHURRIED = "PRAGMA synchronous = NORMAL"
"""With it SQLite, whose journal is a write-ahead log here, leaves it to the system when a step comes to the disk."""


_PATIENCE = 120.0
"""Seconds that one run waits for the others that write into the file: hundreds may run at once."""


_OTHERS = tuple(
    f"DELETE FROM {table} WHERE thread_id = ? AND (checkpoint_ns <> '' OR checkpoint_id <> ?)"
    for table in ("checkpoints", "writes")
)


class _ThreadSaver(SqliteSaver):
    """Lets a thread begin anew with its first checkpoint: whoever is killed before has lost nothing.

    Attributes:
        replaced: the thread that begins anew; None: none, or it has begun.
    """

    replaced: str | None = None

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return None if _thread(config) == self.replaced else super().get_tuple(config)

    def put(self, config: RunnableConfig, *rest: Any) -> RunnableConfig:
        with _storable():
            made = super().put(config, *rest)
        if _thread(made) == self.replaced:
            self.replaced = None
            with self.cursor() as cursor:
                for others in _OTHERS:
                    cursor.execute(others, (_thread(made), made["configurable"]["checkpoint_id"]))
        return made


class _AsyncThreadSaver(AsyncSqliteSaver):
    """The same for async calls."""

    replaced: str | None = None

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return None if _thread(config) == self.replaced else await super().aget_tuple(config)

    async def aput(self, config: RunnableConfig, *rest: Any) -> RunnableConfig:
        with _storable():
            made = await super().aput(config, *rest)
        if _thread(made) == self.replaced:
            self.replaced = None
            async with self.lock:
                for others in _OTHERS:
                    await self.conn.execute(others, (_thread(made), made["configurable"]["checkpoint_id"]))
                await self.conn.commit()
        return made


@contextmanager
def _storable() -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise GraphError(f"the state cannot be kept: {error}; a node has written what has no JSON form") from error


def _thread(config: RunnableConfig) -> str:
    return str(config["configurable"]["thread_id"])


def begin_anew(saver: BaseCheckpointSaver[str], thread: str) -> None:
    """Let a thread begin anew: in a file with its first checkpoint, elsewhere now, for other savers know no better."""
    if isinstance(saver, _ThreadSaver):
        saver.replaced = thread
    else:
        saver.delete_thread(thread)


async def abegin_anew(saver: BaseCheckpointSaver[str], thread: str) -> None:
    """Let a thread begin anew as `begin_anew` does."""
    if isinstance(saver, _AsyncThreadSaver):
        saver.replaced = thread
    else:
        await saver.adelete_thread(thread)


@contextmanager
def open_saver(kept: Path | BaseCheckpointSaver[str] | None) -> Iterator[BaseCheckpointSaver[str] | None]:
    """The saver for sync calls.

    Raises:
        GraphError: the file cannot be written, or is no database of ours; also later, while it is open.
    """
    if not isinstance(kept, Path):
        yield kept and _knowing_states(kept)
        return
    with _explained(kept, OSError, sqlite3.Error):
        kept.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(kept, _PATIENCE, check_same_thread=False)
    try:
        saver = _ThreadSaver(connection, serde=serializer())
        with _explained(kept, sqlite3.Error):
            connection.execute(_UNHURRIED)
            saver.setup()
            yield saver
    finally:
        connection.close()


@asynccontextmanager
async def aopen_saver(kept: Path | BaseCheckpointSaver[str] | None) -> AsyncIterator[BaseCheckpointSaver[str] | None]:
    """The saver for async calls.

    Raises:
        GraphError: the file cannot be written, or is no database of ours; also later, while it is open.
    """
    if not isinstance(kept, Path):
        yield kept and _knowing_states(kept)
        return
    with _explained(kept, OSError, sqlite3.Error):
        kept.parent.mkdir(parents=True, exist_ok=True)
        sqlite3.connect(kept).close()  # where this fails, aiosqlite would leave a thread behind
        connection = await aiosqlite.connect(kept, timeout=_PATIENCE)
    try:
        saver = _AsyncThreadSaver(connection, serde=serializer())
        with _explained(kept, sqlite3.Error):
            await connection.execute(_UNHURRIED)
            await saver.setup()
            yield saver
    finally:
        await connection.close()


def _knowing_states(saver: BaseCheckpointSaver[str]) -> BaseCheckpointSaver[str]:
    """A saver that may read states back; one with a serializer of its own keeps that."""
    if type(saver.serde) is not JsonPlusSerializer:
        return saver
    knowing = copy.copy(saver)
    knowing.serde = serializer()
    return knowing


@contextmanager
def _explained(file: Path, *kinds: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        raise GraphError(f"cannot keep runs in {file}: {error}; name a file that can be written") from error
