"""What node types and predicates declare: their names, and the fields of the state that they read and write."""

from __future__ import annotations

import re
from collections.abc import Collection

from ..._explain import unknown
from .errors import NodeTypeError
from .state import RagState

OF_PARAM = re.compile(r"candidates\[(\w+)\]")
"""The candidates of the nodes that a parameter names."""

_EXTRA = re.compile(r"extra\.\w+")


def check_name(decorator: str, name: object) -> None:
    """Refuse a decorator that was written without a name.

    Raises:
        NodeTypeError: it was.
    """
    if not isinstance(name, str) or not name:
        raise NodeTypeError(f"@{decorator} needs a name, not {name!r}; write @{decorator}(NAME)")


def check_fields(declared: str, verb: str, fields: Collection[str], known: Collection[str]) -> None:
    """Check the fields that `declared` reads or writes.

    Raises:
        NodeTypeError: one is not among those `known`, nor a user's own.
    """
    for field in several(declared, verb, fields):
        if (field in known and (field != "extra" or verb == "reads")) or _EXTRA.fullmatch(field):
            continue
        if field in RagState.model_fields:
            raise NodeTypeError(f"{declared} {verb} {field!r}, which no node changes")
        names = [*sorted(set(known) - {"extra"}), "extra.NAME"]
        raise NodeTypeError(f"{declared} {verb} an {unknown('field', field, names)}")


def several(declared: str, verb: str, names: Collection[str]) -> Collection[str]:
    """The names, unless one text was given, which would be taken for its letters.

    Raises:
        NodeTypeError: it was.
    """
    if isinstance(names, str):
        raise NodeTypeError(f"{declared}: {verb} takes several names; write {{{names!r}}}")
    return names
