"""A memory: groups of episodes, entities and facts in one SQLite file."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from langchain_core.embeddings import Embeddings

from ..._explain import unknown
from ..analysis import check_language
from ..embedder import TextEmbedder
from .checks import check_text, relation_name, several
from .erasing import erase_group, scrub
from .errors import MemoryFullError, MemoryLockedError, NotInGroupError
from .extracting import Extractor
from .file import MemoryFile, Now
from .group import Group
from .judging import Judge, Summarizer
from .parts import Parts
from .settling import SINGLE_VALUED
from .vectors import MemoryEmbedder
from .words import Words

_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Memory:
    """A temporal knowledge graph in one file; safe to use from several threads and processes.

    ```python
    from datetime import datetime, timezone
    from ragloom.stores.memory import Fact, Memory

    with Memory("memory.sqlite3") as memory:
        group = memory.group("user-7")
        group.remember_facts([
            Fact("Ann", "lives_in", "Paris", valid_from=datetime(2019, 5, 1, tzinfo=timezone.utc)),
            Fact("Ann", "lives_in", "Berlin", valid_from=datetime(2021, 3, 1, tzinfo=timezone.utc)),
        ])
        print(memory.groups())  # -> ['user-7']
    ```
    """

    def __init__(  # noqa: PLR0913 - all but the first by keyword
        self,
        path: str | Path,
        *,
        embedder: TextEmbedder | Embeddings | str | Path = "embedded",
        language: str = "en",
        single_valued: Iterable[str] = SINGLE_VALUED,
        extractor: Extractor | None = None,
        judge: Judge | None = None,
        summarizer: Summarizer | None = None,
        create: bool = True,
        now: Now = _now,
    ) -> None:
        """Open the memory at `path`, or begin one.

        Args:
            path: of the file; SQLite puts two more beside it while it is open.
            embedder: makes the vectors; the same one each time.
            language: of the texts of a new memory: a key of `STEMMERS`, or `other`; one that exists keeps its own.
            single_valued: relations of which a subject has one object at a time: a new one ends the old one.
            extractor: makes facts of episodes; without one they are kept and found, and no more.
            judge: decides what rules cannot: whether two names are one entity, and whether a fact ends another.
            summarizer: writes what `Group.summarize` stores; without one, summaries are sentences of the facts.
            create: whether to begin a memory where there is none.
            now: the clock of record time.

        Raises:
            MemoryNotFoundError: there is none, and `create` is false.
            MemoryVersionError: the file is no memory, or one of another version of ragloom.
            MemoryCorruptError: the file is damaged.
            MemoryStoreError: it cannot be opened or made.
            MemoryValueError: `single_valued` is no collection of texts.
            QueryError: there is no such language.
        """
        self.path = Path(path)
        single = frozenset(relation_name(relation) for relation in several("single_valued", single_valued))
        self._file = MemoryFile(self.path, language=check_language(language), create=create, now=now)
        try:
            words = Words(self._file.meta("language") or language)
            self._parts = Parts(
                self._file, words, MemoryEmbedder(embedder, self._file), single, extractor, judge, summarizer, now
            )
            scrub(self._file)
        except (MemoryFullError, MemoryLockedError) as error:
            _log.info("an erasure is still to be finished: %s", error)
        except BaseException:
            self._file.close()
            raise

    def group(self, name: str) -> Group:
        """The part of the memory that has this name, apart from all others; it begins with its first write.

        Raises:
            MemoryValueError: the name is no text, or cannot be stored.
        """
        return Group(check_text("group", name), self._parts)

    def groups(self) -> list[str]:
        """Names of the groups that were written to, oldest first."""
        return self._file.groups()

    def erase(self, group: str) -> None:
        """Remove a group with all that it holds, for good: from the file's free space and log too.

        The whole file is rewritten.

        Raises:
            NotInGroupError: there is no such group.
            MemoryLockedError: it is deleted, but a reader keeps the log that still holds it.
        """
        if group not in self.groups():
            raise NotInGroupError(unknown("group", group, self.groups()))
        with self._file.reading(group) as reading:
            key = reading.group
        try:
            erase_group(self._parts, group)
        finally:
            self._parts.kept.drop(key)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._parts.beside.shutdown()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
