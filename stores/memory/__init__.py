"""A temporal knowledge graph: what was true when, and what was believed when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .errors import MemoryStoreError as MemoryStoreError
    from .errors import MemoryValueError as MemoryValueError
    from .errors import NaiveDatetimeError as NaiveDatetimeError
    from .group import Group as Group
    from .interval import Interval as Interval
    from .memory import Memory as Memory
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
    "Fact",
    "FactRecord",
    "Group",
    "Interval",
    "Memory",
    "MemoryStoreError",
    "MemoryValueError",
    "NaiveDatetimeError",
    "Remembered",
]

_HOMES = {
    "Entity": ".types",
    "EntityRecord": ".types",
    "Episode": ".types",
    "EpisodeRecord": ".types",
    "Fact": ".types",
    "FactRecord": ".types",
    "Group": ".group",
    "Interval": ".interval",
    "Memory": ".memory",
    "MemoryStoreError": ".errors",
    "MemoryValueError": ".errors",
    "NaiveDatetimeError": ".errors",
    "Remembered": ".remembering",
}
__getattr__ = lazy(__name__, _HOMES)
