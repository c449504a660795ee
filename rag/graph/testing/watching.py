"""A state and a context that notice what a node looks at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..context import Context
from ..state import RagState

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from ....stores.corpus import Corpus

_FIELDS = frozenset(RagState.model_fields)
_BY_KEY = {"extra": "extra.{}", "candidates": "candidates[{}]"}


def watched(state: RagState, seen: set[str]) -> RagState:
    """The same state; the fields that are looked at go into `seen`, spelt as a node type declares them."""

    class Watched(RagState):
        def __getattribute__(self, name: str) -> Any:
            if name in _FIELDS and name not in _BY_KEY:
                seen.add(name)
            return super().__getattribute__(name)

    fields = {name: getattr(state, name) for name in RagState.model_fields}
    return Watched.model_construct(**fields | {name: _WatchedDict(fields[name], name, seen) for name in _BY_KEY})


class _WatchedDict(dict[str, Any]):
    """Notices which keys are looked at; what goes through all of them looks at the whole."""

    def __init__(self, values: Mapping[str, Any], name: str, seen: set[str]) -> None:
        super().__init__(values)
        self._name, self._seen = name, seen

    def _see(self, key: object) -> None:
        self._seen.add(_BY_KEY[self._name].format(key))

    def __getitem__(self, key: str) -> Any:
        self._see(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._see(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._see(key)
        return super().get(key, default)

    def __iter__(self) -> Iterator[str]:
        self._seen.add(self._name)
        return super().__iter__()

    def keys(self) -> Any:
        self._seen.add(self._name)
        return super().keys()

    def values(self) -> Any:
        self._seen.add(self._name)
        return super().values()

    def items(self) -> Any:
        self._seen.add(self._name)
        return super().items()


@dataclass(frozen=True, slots=True)
class WatchedContext(Context):
    """Notices what is needed.

    Attributes:
        needed: `corpus` and `llm`, where they were asked for.
    """

    needed: set[str] = field(default_factory=set)

    @property
    def corpus(self) -> Corpus:
        """The corpus; see `Context`."""
        self.needed.add("corpus")
        return Context.corpus.fget(self)  # type: ignore[attr-defined, no-any-return]

    @property
    def llm(self) -> BaseChatModel:
        """The LLM; see `Context`."""
        self.needed.add("llm")
        return Context.llm.fget(self)  # type: ignore[attr-defined, no-any-return]
