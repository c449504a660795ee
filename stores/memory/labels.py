"""Types of entities, each with what told it: a label goes when nothing that told it is left.

A version of an entity holds its types, so that reading needs nothing else; here is why it holds them. What a fact says
of the types of its ends rests on the fact's support; what a caller tells of an entity itself rests on his word.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from .file import Reading, Writing
from .records import known


class Label(NamedTuple):
    """A type of an entity, and the key in `support` of what told it; None: a caller did."""

    entity: int
    label: str
    support: int | None


def labels_of(reading: Reading, entities: Iterable[int]) -> dict[int, set[str]]:
    """Each entity to its types, as they are told now."""
    sql = "SELECT entity, label FROM labels WHERE recorded_to IS NULL AND entity IN (%s)"
    found: defaultdict[int, set[str]] = defaultdict(set)
    for row in reading.file.among(sql, sorted(set(entities))):
        found[row["entity"]].add(row["label"])
    return found


def as_types(labels: Iterable[str]) -> str:
    """Labels as a version of an entity holds them."""
    return json.dumps(sorted(set(labels)))


def write_labels(writing: Writing, told: Iterable[Label]) -> None:
    """Note what told which label, where that is new; the versions of the entities are not looked at."""
    wanted = {label for label in told if label.label}
    sql = "SELECT entity, label, support FROM labels WHERE recorded_to IS NULL AND entity IN (%s)"
    rows = writing.file.among(sql, sorted({label.entity for label in wanted}))
    fresh = sorted(wanted - {Label(*tuple(row)) for row in rows}, key=lambda label: label[:2])
    writing.file.many(
        "INSERT INTO labels VALUES (?, ?, ?, ?, ?, NULL)",
        ((key, *label, writing.recorded) for key, label in zip(writing.keys(len(fresh)), fresh, strict=True)),
    )


def withdraw_labels(writing: Writing, support: Collection[int]) -> set[int]:
    """End the labels that rested on rows of support which have ended; the entities that had them."""
    sql = "SELECT key, entity FROM labels WHERE recorded_to IS NULL AND support IN (%s)"
    rows = writing.file.among(sql, sorted(support))
    writing.close("labels", [row["key"] for row in rows])
    return {row["entity"] for row in rows}


def delete_labels(writing: Writing, support: Collection[int]) -> None:
    """Remove labels that rested on rows of support, as if nobody had ever told them: from past versions, too."""
    rows = writing.file.among("SELECT key, entity FROM labels WHERE support IN (%s)", sorted(support))
    writing.file.many("DELETE FROM labels WHERE key = ?", ((row["key"],) for row in rows))
    told = f"SELECT label FROM labels WHERE entity = ? AND {known('?2')}"
    versions = writing.file.among(
        "SELECT key, entity, recorded_from FROM entity_versions WHERE entity IN (%s)",
        sorted({row["entity"] for row in rows}),
    )
    for version in versions:
        labels = writing.file.all(told, version["entity"], version["recorded_from"])
        types = as_types(row["label"] for row in labels)
        writing.file.execute("UPDATE entity_versions SET types = ? WHERE key = ?", types, version["key"])
