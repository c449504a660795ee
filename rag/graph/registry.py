"""Which node types and predicates there are.

They come from ragloom itself, from plug-ins (the entry-point groups `ragloom.nodes` and `ragloom.predicates`, whose
names are those of the types), from the modules that a graph imports, and from the caller; of equal names the later one
holds, but a plug-in does not hide what is ragloom's own, which every preset means. It is imported when a graph uses it.
"""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from types import ModuleType
from typing import Generic, Self, TypeVar

from ..._explain import unknown
from . import predicates
from .errors import NodeTypeError
from .node_type import NodeType
from .nodes import (
    answering,
    expanding,
    fusing,
    judging,
    moving,
    narrowing,
    remembering,
    reranking,
    retrieving,
    rewording,
    routing,
)
from .predicates import Predicate

GROUP = "ragloom.nodes"
PREDICATES_GROUP = "ragloom.predicates"

_log = logging.getLogger(__name__)

Value = TypeVar("Value", bound=NodeType | Predicate)


class Catalogue(Mapping[str, Value], Generic[Value]):
    """Values by name; those of plug-ins are imported when they are asked for."""

    def __init__(self, kind: type[Value], values: Iterable[Value], plug_ins: Iterable[EntryPoint] = ()) -> None:
        """Hold `values` of a `kind`, and those that `plug_ins` give under other names."""
        self._kind = kind
        self._entries: dict[str, Value | EntryPoint] = {value.name: value for value in values}
        for plug_in in plug_ins:
            if self._entries.setdefault(plug_in.name, plug_in) is not plug_in:
                _log.warning("the plug-in %s is left out: %r is taken", plug_in.value, plug_in.name)

    def __getitem__(self, name: str) -> Value:
        """The value of that name.

        Raises:
            KeyError: there is none.
            NodeTypeError: the plug-in that has it cannot be imported, or has something else.
        """
        entry = self._entries[name]
        return self._load(entry) if isinstance(entry, EntryPoint) else entry

    def _load(self, plug_in: EntryPoint) -> Value:
        try:
            loaded = plug_in.load()
        except Exception as error:
            package = f" of {plug_in.dist.name}" if plug_in.dist else ""
            raise NodeTypeError(f"cannot import the plug-in {plug_in.value}{package}: {_said(error)}") from error
        if not isinstance(loaded, self._kind):
            raise NodeTypeError(
                f"the plug-in {plug_in.value} is a {type(loaded).__name__}, not a {self._kind.__name__}"
            )
        return loaded

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def usable(self) -> Iterator[tuple[str, Value]]:
        """All that can be had, by name; a plug-in that cannot be imported is left out with a warning."""
        for name in self:
            try:
                yield name, self[name]
            except NodeTypeError as error:
                _log.warning("%s", error)

    def loaded(self) -> list[Value]:
        """All but those of plug-ins."""
        return [entry for entry in self._entries.values() if not isinstance(entry, EntryPoint)]

    def with_types(self, values: Iterable[Value]) -> Catalogue[Value]:
        """These and `values`, which hide those of equal names."""
        more = Catalogue(self._kind, ())
        more._entries = {**self._entries, **{value.name: value for value in values}}
        return more


@dataclass(frozen=True, slots=True)
class Registry:
    """Node types and predicates, by name."""

    nodes: Catalogue[NodeType]
    predicates: Catalogue[Predicate]

    @classmethod
    def installed(cls) -> Self:
        """Ragloom's own, and those of plug-ins."""
        modules = (
            rewording, routing, narrowing, moving, retrieving,
            reranking, fusing, judging, expanding, answering, remembering,
        )  # fmt: skip
        own = [value for module in modules for value in _declared(module, NodeType)]
        return cls(
            Catalogue(NodeType, own, _plug_ins(GROUP)),
            Catalogue(Predicate, _declared(predicates, Predicate), _plug_ins(PREDICATES_GROUP)),
        )

    def with_types(self, values: Iterable[NodeType | Predicate]) -> Self:
        """These and `values`, which hide those of equal names.

        Raises:
            NodeTypeError: one is neither, or there is one where several can stand.
        """
        if not isinstance(values, Iterable):
            raise NodeTypeError(f"types is a list of node types and predicates, not {values!r}; write types=[...]")
        values = list(values)
        for value in values:
            if not isinstance(value, NodeType | Predicate):
                raise NodeTypeError(f"{value!r} is no node type; make it one with @node(NAME), or @predicate(NAME)")
        return type(self)(
            self.nodes.with_types(value for value in values if isinstance(value, NodeType)),
            self.predicates.with_types(value for value in values if isinstance(value, Predicate)),
        )

    def with_module(self, module: str, folder: Path | None = None) -> Self:
        """These and what a module has; it is imported, so whoever calls this trusts it.

        Raises:
            NodeTypeError: it cannot be imported, has neither node type nor predicate, or is another one than that in
                the `folder`.
        """
        try:
            imported = importlib.import_module(module)
        except Exception as error:
            raise NodeTypeError(f"cannot import {module!r}: {_said(error)}") from error
        top = module.partition(".")[0]
        if folder is not None and (others := _taken(top, folder)):
            raise NodeTypeError(
                f"cannot import {module!r} from {folder}: this process has the {top!r} of {others}; rename one"
            )
        found: list[NodeType | Predicate] = [*_declared(imported, NodeType), *_declared(imported, Predicate)]
        if not found:
            raise NodeTypeError(f"{module!r} has no node type; make one with @node(NAME)")
        return self.with_types(found)

    def node(self, name: str) -> NodeType:
        """The node type of that name.

        Raises:
            NodeTypeError: there is none, or its plug-in cannot be imported.
        """
        if name not in self.nodes:
            raise NodeTypeError(unknown("node type", name, sorted(self.nodes)))
        return self.nodes[name]


def _said(error: Exception) -> str:
    """An error of an import, and where in a module it was raised."""
    *_, last = traceback.extract_tb(error.__traceback__)
    if isinstance(error, ImportError):
        return str(error)
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"


@cache
def _plug_ins(group: str) -> EntryPoints:
    """The entry points of a group: that looks at each installed distribution, so it is done once."""
    return entry_points(group=group)


def _taken(module: str, folder: Path) -> Path | None:
    """Where a module comes from that has been imported, if another one of its name lies in the folder."""
    found, have = PathFinder.find_spec(module, [str(folder)]), sys.modules[module].__spec__
    beside = _folder(found)
    its = _folder(have)
    return its if beside and its and beside.resolve() != its.resolve() else None


def _folder(spec: ModuleSpec | None) -> Path | None:
    """The folder that a module, or the folder of a package, lies in."""
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).parent
    return Path(spec.origin).parent if spec.origin else None


def _declared(module: ModuleType, kind: type[Value]) -> list[Value]:
    return [value for value in vars(module).values() if isinstance(value, kind)]
