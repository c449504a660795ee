"""What a caller tells of an entity itself: types, attributes, other names, a summary."""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from ..._explain import short
from .checks import check_text, several
from .entities import EntityWriter, by_name, roots
from .errors import MemoryValueError, NotInGroupError
from .file import Writing
from .labels import Label, write_labels
from .names import normal
from .parts import Parts
from .types import Entity
from .vectors import ENTITY


def describe(parts: Parts, group: str, entity: Entity) -> int:
    """Add what is told to an entity, which is made where there is none of this name; its id.

    Raises:
        MemoryValueError: an attribute is not JSON-serialisable, a name is empty, cannot be stored or is another
            entity's, or aliases or types are one text.
    """
    names = [entity.name, *several("aliases", entity.aliases)]
    for text in (*names, *several("types", entity.types), entity.summary):
        check_text("an entity's text", text)
    if not all(map(normal, names)):
        raise MemoryValueError(f"an entity has a name without a letter: {entity!r:.160}")
    with parts.file.reading(group) as reading:
        is_known = bool(by_name(reading, [normal(entity.name)]))
    vectors = {} if is_known else parts.embedder.texts([entity.name])  # before the transaction: it takes long
    with parts.file.writing(group) as writing:
        return _describe(writing, parts, entity, vectors)


def _describe(writing: Writing, parts: Parts, entity: Entity, vectors: dict[str, NDArray[np.float32]]) -> int:
    writer = EntityWriter(writing, parts.words)
    found = by_name(writing.reading, [normal(name) for name in (entity.name, *entity.aliases)])
    own = found.get(normal(entity.name))
    if own is None:
        own = writer.add([entity.name], {})[entity.name]
        parts.embedder.store(writing, ENTITY, [(own, entity.name)], vectors)
    root = roots(writing.reading, [own, *found.values()])
    for name in entity.aliases:
        other = found.get(normal(name), own)
        if root[other] != root[own]:
            raise MemoryValueError(f"{name!r:.80} is the name of another entity; merge the two instead")
    writer.revive([own], {root[own]: entity.types})
    write_labels(writing, [Label(root[own], label, None) for label in entity.types])
    fresh = {normal(name): name for name in entity.aliases if normal(name) not in found}
    writer.name([(root[own], name) for form, name in fresh.items() if form != normal(entity.name)])
    sql = "SELECT * FROM entity_versions WHERE entity = ? AND recorded_to IS NULL"
    row = writing.file.one(sql, root[own])
    if row is None:
        raise NotInGroupError(f"the entity {entity.name!r:.80} was erased meanwhile")
    attributes = _json(json.loads(row["attributes"]) | dict(entity.attributes))
    writer.replace(row, attributes=attributes, summary=entity.summary or row["summary"], described=1)
    return root[own]


def _json(attributes: dict[str, object]) -> str:
    try:
        text = json.dumps(attributes, ensure_ascii=False, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise MemoryValueError(f"attributes must be JSON-serialisable ({error}): {short(attributes)}") from None
    return check_text("attributes", text)
