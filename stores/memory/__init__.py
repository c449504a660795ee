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
    from .mapping import FactTemplate as FactTemplate
    from .mapping import RecordMapping as RecordMapping
    from .memory import Memory as Memory
    from .merging import MergeRecord as MergeRecord
    from .remembering import Remembered as Remembered
    from .types import Entity as Entity
    from .types import EntityRecord as EntityRecord
    from .types import Episode as Episode
    from .types import EpisodeRecord as EpisodeRecord
    from .types import Fact as Fact
    from .types import FactRecord as FactRecord

__all__ = [
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
    "MemoryStoreError",
    "MemoryValueError",
    "MergeRecord",
    "NaiveDatetimeError",
    "RecordMapping",
    "Remembered",
]

_HOMES = {
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
