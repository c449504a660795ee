"""The node cache: what a node with `cache: true` gave for the same input is not made again.

The input is all that its result depends on: its type and parameters, the file that a type of the user's own is written
in, ragloom's version and prompts, the generation and embedder of its corpus or of those that it names, the LLM with its
settings, and the fields of the state that the node reads. langgraph's SQLite cache keeps the results.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import marshal
import sqlite3
from collections.abc import Callable, Hashable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import CellType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from langchain_core.language_models import BaseChatModel
from langgraph.cache.sqlite import SqliteCache

from ....prompts.loader import prompts_fingerprint
from ..context import Context
from ..errors import GraphError
from ..plan import PlannedNode
from ..state import RagState
from .channels import serializer

if TYPE_CHECKING:
    from ....stores.corpus import Corpus

_NAMESPACE = ("ragloom-nodes",)


@runtime_checkable
class ResultCache(Protocol):
    """What keeps results of nodes; safe to share between threads."""

    def keeps(self, node: PlannedNode) -> bool:
        """Whether results of this node are kept."""

    def key(self, node: PlannedNode, state: RagState, context: Context) -> Hashable:
        """What the result of `node` depends on."""

    def get(self, key: Any) -> dict[str, Any] | None:
        """The result for a key, if there is one."""

    def put(self, key: Any, update: dict[str, Any]) -> None:
        """Keep a result."""

    def close(self) -> None:
        """Let go of what was opened."""


class NodeCache:
    """Results of nodes in a file; safe to share between threads and processes."""

    def __init__(self, file: Path) -> None:
        """Keep results in `file`.

        Raises:
            GraphError: it cannot be written, or is no database.
        """
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._cache: SqliteCache[dict[str, Any]] = SqliteCache(path=str(file), serde=serializer())
        except (OSError, sqlite3.Error) as error:
            raise GraphError(
                f"cannot keep results of nodes in {file}: {error}; name a file that can be written"
            ) from error

    def keeps(self, node: PlannedNode) -> bool:
        """Whether the graph says so: `cache: true`."""
        return node.spec.cache

    def key(self, node: PlannedNode, state: RagState, context: Context) -> str:
        """What the result of `node` depends on."""
        parts = {
            **made_with(node, context),
            "ragloom": release(),
            "state": state.model_dump(mode="json", include=set(read_fields(node))),
        }
        return digest(parts)

    def get(self, key: str) -> dict[str, Any] | None:
        """The result for a key, if there is one."""
        return self._cache.get([(_NAMESPACE, key)]).get((_NAMESPACE, key))

    def close(self) -> None:
        """Close the file."""
        self._cache._conn.close()  # langgraph closes it when nothing refers to the cache any more, which may be late

    def put(self, key: str, update: dict[str, Any]) -> None:
        """Keep a result."""
        self._cache.set({(_NAMESPACE, key): (update, None)})


def made_with(node: PlannedNode, context: Context) -> dict[str, Any]:
    """What a node's results depend on besides the state and ragloom: type, parameters, corpora, language, LLM."""
    assert node.type is not None and node.params is not None  # noqa: PT018 - a plan without problems has them
    return {
        "node": [context.node, node.type.name, node.params.model_dump(mode="json"), code_of(node.type.call)],
        "models": [_folder(context.locate_model(str(getattr(node.params, name)))) for name in node.type.names_models],
        "corpus": _corpus(context.corpus) if node.needs_corpus else None,
        "corpora": [_corpus(context.corpus_of(name)) for name in node.named_corpora],
        "language": context.language,  # of prompts, in nodes that need no corpus, too
        "llm": _llm(context.llm) if node.type.needs_llm else None,
    }


@lru_cache(maxsize=256)
def code_of(call: Callable[..., Any]) -> list[str]:
    """Which function or class it is, and of one that is not ragloom's, whose version tells, its code.

    That is the file it stands in, and the plain values that it was made with where another function has made it. One
    that was typed into a notebook stands in no file: then it is what Python has made of it.
    """
    name = [str(call.__module__), getattr(call, "__qualname__", "")]
    if name[0].partition(".")[0] == __name__.partition(".")[0]:
        return name
    run = call.__call__ if isinstance(call, type) else call
    cells = getattr(run, "__closure__", None) or ()
    made_with = repr([each.cell_contents for each in cells if _is_filled(each) and _is_plain(each.cell_contents)])
    try:
        code = Path(inspect.getsourcefile(call) or "").read_bytes()
    except (OSError, TypeError):
        given = (getattr(run, name, None) for name in ("__defaults__", "__kwdefaults__"))
        code = marshal.dumps(run.__code__) + repr([*given]).encode() if hasattr(run, "__code__") else b""
    return [*name, hashlib.sha256(code + made_with.encode()).hexdigest()]


def _is_plain(value: object) -> bool:
    """Whether a value says all of itself."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | bytes | int | float)


def _is_filled(cell: CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # a name that is not set yet
        return False
    return True


def release() -> list[str]:
    """Ragloom's version and prompts, on which all results depend."""
    return [version("ragloom"), prompts_fingerprint()]


def read_fields(node: PlannedNode) -> frozenset[str]:
    """The fields of the state that a node reads."""
    reads = node.type.reads if node.type else ()
    return frozenset(key.split("[")[0].split(".")[0] for key in reads) | {"question"}


def digest(parts: Any) -> str:
    """A short text that is another one where `parts`, which go into JSON, are others."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _corpus(corpus: Corpus) -> list[Any]:
    return [str(corpus.path), corpus.version, corpus.embedder_fingerprint, corpus.language]


def _folder(model: str) -> list[Any]:
    """A model's name, or its folder, with the state of its files."""
    files = sorted(Path(model).rglob("*")) if Path(model).is_dir() else []
    return [model, [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]]


def _llm(llm: BaseChatModel) -> list[Any]:
    """What an LLM says of itself, its plain fields, such as a server's URL, and the state of its files."""
    fields = {name: getattr(llm, name) for name in type(llm).model_fields}
    own = dict(llm._identifying_params)
    telling = str if own else str | int | float | list | dict  # a server's URL is a text
    plain = {name: value for name, value in fields.items() if isinstance(value, telling)}
    states = [(file.stat().st_size, file.stat().st_mtime_ns) for file in _files(llm) if file.is_file()]
    return [type(llm).__name__, llm._llm_type, own, plain, states]


def _files(llm: BaseChatModel) -> list[Path]:
    """The weights of an LLM in this process, and what the user has found out about its heads."""
    from ...llm.chat import ChatLocal
    from ...rerank.heads import own_finding

    if not isinstance(llm, ChatLocal):
        return []
    return [llm.engine.file.path, own_finding(llm.engine.file)]
