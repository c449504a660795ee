"""Which attention heads rank best: found once per model, kept by the hash of its file.

Few heads look for what a query is about; most look at the beginning of the text, the last sentence, punctuation. The
sum over all of them ranks as published, the sum over the best ones ranks better and needs fewer layers ("retrieval
heads": Wu et al. 2024; for reranking: Zhang et al. 2025, "Query-Focused Retrieval Heads", QRHead).

A head that is good where the model has read all passages in one go need not be good where each was read on its own
(`cached`), so there is an order of the heads for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..._explain import count, first_problem
from ...settings import read_settings
from ..llm.attention.flash import Head
from ..llm.digest import file_digest
from ..llm.models import ModelFile
from .errors import RerankError

Way = Literal["together", "apart"]
"""How passages are read: in one go, or each on its own."""

_ENDING = ".heads.json"
_DIGITS = 12  # of the hash, in a file's name


class HeadScore(BaseModel):
    """A head, and the mean nDCG@10 of the order that its calibrated attention alone makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer: int
    head: int
    ndcg: float


class Gain(BaseModel):
    """Cross-validated nDCG@10 of so many of the best heads; None: of all, which need not be chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heads: int | None
    ndcg: float


class HeadScores(BaseModel):
    """How well each head of a model ranks.

    Attributes:
        model: the model's name.
        sha256: hash of the file, for a requantised model of the one that it was made from.
        data: what was ranked.
        task: what the prompt asked for: `search` or `question`.
        queries: how many queries that were.
        documents: how many documents each of them had, at most.
        tokens: how many of a document were read at most; None: what the context had room for.
        cut: how many of all documents were cut.
        layers: how many layers were looked at, from the first one on.
        together: their heads, best first, where passages are read in one go.
        apart: their heads, best first, where each passage is read on its own.
        gains: what taking the best ones brings, for each of these ways; empty where nobody has measured it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str
    sha256: str
    data: str
    task: str
    queries: int
    documents: int
    tokens: int | None = None
    cut: int = 0
    layers: int
    together: tuple[HeadScore, ...]
    apart: tuple[HeadScore, ...]
    gains: Mapping[Way, tuple[Gain, ...]] = Field(default_factory=dict)

    def best(self, count: int, *, layers: int | None = None, apart: bool) -> tuple[Head, ...]:
        """The best `count` heads of the first `layers` layers, best first.

        Raises:
            RerankError: there are not so many.
        """
        order = self.apart if apart else self.together
        usable = [Head(each.layer, each.head) for each in order if layers is None or each.layer < layers]
        if not 1 <= count <= len(usable):
            looked_at = min(layers or self.layers, self.layers)
            raise RerankError(
                f"heads={count} is out of range; {len(usable)} of {self.model} were looked at, those of its first "
                f"{looked_at} layers"
            )
        return tuple(usable[:count])

    def save(self) -> Path:
        """Write it where `load_heads` finds it; the file's path."""
        path = _folder() / _name(self.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        part.replace(path)
        return path


def own_finding(file: ModelFile) -> Path:
    """Where the user's own finding about a model's heads is, if there is one."""
    return _folder() / _name(model_digest(file))


def shipped_finding(file: ModelFile) -> Traversable:
    """Where the one that comes with ragloom is, if there is one."""
    return files(__package__) / "head_scores" / _name(model_digest(file))


def load_heads(file: ModelFile) -> HeadScores:
    """What is known of a model's heads: the user's own finding, else the one that comes with ragloom.

    Raises:
        RerankError: nothing is known, or the file is damaged.
    """
    places: list[Traversable] = [own_finding(file), shipped_finding(file)]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise RerankError(
            f"nobody knows the best heads of {file.name} yet; find them with "
            "'ragloom heads find --model ... --data ...', or name heads yourself: heads=[(layer, head), ...]"
        )
    try:
        return HeadScores.model_validate_json(found.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise RerankError(f"{found} is damaged ({first_problem(error, 'key')}); remove it") from error


def choose_heads(
    file: ModelFile,
    metadata: Callable[[str], object],
    heads: int | tuple[Head, ...] | None,
    *,
    layers: int | None,
    apart: bool,
) -> tuple[Head, ...] | None:
    """Which heads to read of a model; None: all.

    Args:
        file: the model.
        metadata: gives a value of the file's metadata; None: it has none, or a list.
        heads: which ones, or how many of the best.
        layers: of the first ones only.
        apart: whether each passage is read on its own.

    Raises:
        RerankError: the model has no such heads or layers, or nobody knows its best heads.
    """
    if layers is not None or isinstance(heads, tuple):
        _Shape.of(metadata).check(file.name, heads if isinstance(heads, tuple) else (), layers)
    if isinstance(heads, int):
        return load_heads(file).best(heads, layers=layers, apart=apart)
    return heads


@dataclass(frozen=True, slots=True)
class _Shape:
    """How many layers a model has, and heads in each; None: they differ, or its file does not say."""

    layers: int | None
    heads: int | None

    @classmethod
    def of(cls, metadata: Callable[[str], object]) -> Self:
        family = metadata("general.architecture")
        return cls(*(_number(metadata(f"{family}.{key}")) for key in ("block_count", "attention.head_count")))

    def check(self, model: str, heads: Sequence[Head], layers: int | None) -> None:
        if layers and self.layers and layers > self.layers:
            raise RerankError(f"layers={layers} is out of range; {model} has {count(self.layers, 'layer')}")
        if len(set(heads)) < len(heads):
            raise RerankError("heads names one twice")
        most = layers or self.layers
        for head in heads:
            if most and not 0 <= head.layer < most:
                raise RerankError(f"{head} is in no layer that is read; layers of {model} go from 0 to {most - 1}")
            if self.heads and not 0 <= head.head < self.heads:
                raise RerankError(f"there is no {head}; heads of {model} go from 0 to {self.heads - 1} in each layer")


def _number(value: object) -> int | None:
    return int(str(value)) if str(value).isdecimal() else None


def model_digest(file: ModelFile) -> str:
    """SHA-256 of the model's file; of a requantised one, that of the file it was made from."""
    return file_digest(file.made_from or file.path, _folder())


def _folder() -> Path:
    return read_settings().cache / "models"


def _name(digest: str) -> str:
    return digest[:_DIGITS] + _ENDING


def as_heads(value: Any) -> Any:
    """Heads as YAML and JSON have them, as pairs; anything else as it is.

    Raises:
        ValueError: they are not pairs, or there is none.
    """
    if not isinstance(value, list | tuple):
        return value
    if not value or not all(isinstance(each, list | tuple) and len(each) == 2 for each in value):
        raise ValueError(f"heads should be pairs of layer and head, such as [[8, 0], [7, 7]], not {value}")
    return tuple(Head(*each) for each in value)
