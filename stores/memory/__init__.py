"""A temporal knowledge graph: what was true when, and what was believed when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .errors import MemoryStoreError as MemoryStoreError
    from .errors import MemoryValueError as MemoryValueError
    from .errors import NaiveDatetimeError as NaiveDatetimeError
    from .extracting import Extraction as Extraction
    from .forgetting import Forgotten as Forgotten
    from .group import Group as Group
    from .interval import Interval as Interval
    from .langchain import MemoryChatHistory as MemoryChatHistory
    from .langchain import MemoryRetriever as MemoryRetriever
    from .mapping import FactTemplate as FactTemplate
    from .mapping import RecordMapping as RecordMapping
    from .memory import Memory as Memory
    from .merging import MergeRecord as MergeRecord
    from .reading.context import Context as Context
    from .reading.history import Diff as Diff
    from .reading.history import Moment as Moment
    from .reading.hits import MemoryHit as MemoryHit
    from .reading.hits import MemoryHits as MemoryHits
    from .remembering import Remembered as Remembered
    from .types import Entity as Entity
    from .types import EntityRecord as EntityRecord
    from .types import Episode as Episode
    from .types import EpisodeRecord as EpisodeRecord
    from .types import Fact as Fact
    from .types import FactRecord as FactRecord

__all__ = [
    "Context",
    "Diff",
    "Entity",
    "EntityRecord",
    "Episode",
    "EpisodeRecord",
    "Extraction",
    "Fact",
    "FactRecord",
    "FactTemplate",
    "Forgotten",
    "Group",
    "Interval",
    "Memory",
    "MemoryChatHistory",
    "MemoryHit",
    "MemoryHits",
    "MemoryRetriever",
    "MemoryStoreError",
    "MemoryValueError",
    "MergeRecord",
    "Moment",
    "NaiveDatetimeError",
    "RecordMapping",
    "Remembered",
]

_HOMES = {
    "Moment": ".reading.history",
    "MemoryRetriever": ".langchain",
    "MemoryHits": ".reading.hits",
    "MemoryHit": ".reading.hits",
    "MemoryChatHistory": ".langchain",
    "Diff": ".reading.history",
    "Context": ".reading.context",
    "Entity": ".types",
    "EntityRecord": ".types",
    "Episode": ".types",
    "EpisodeRecord": ".types",
    "Extraction": ".extracting",
    "Fact": ".types",
    "FactRecord": ".types",
    "FactTemplate": ".mapping",
    "Forgotten": ".forgetting",
    "Group": ".group",
    "Interval": ".interval",
    "Memory": ".memory",
    "MemoryStoreError": ".errors",
    "MemoryValueError": ".errors",
    "MergeRecord": ".merging",
    "NaiveDatetimeError": ".errors",
    "RecordMapping": ".mapping",
    "Remembered": ".remembering",
}
__getattr__ = lazy(__name__, _HOMES)
