"""Which attention heads rank best: found once per model, kept by the hash of its file.

Few heads look for what a query is about; most look at the beginning of the text, the last sentence, punctuation. The
sum over all of them ranks as published, the sum over the best ones ranks better and needs fewer layers ("retrieval
heads": Wu et al. 2024; for reranking: Zhang et al. 2025, "Query-Focused Retrieval Heads", QRHead).

A head that is good where the model has read all passages in one go need not be good where each was read on its own
(`cached`), so there is an order of the heads for each.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..._explain import first_problem
from ...settings import read_settings
from ..llm.attention.flash import Head
from ..llm.digest import file_digest
from ..llm.models import ModelFile
from .errors import RerankError

_ENDING = ".heads.json"
_DIGITS = 12  # of the hash, in a file's name


class HeadScore(BaseModel):
    """A head, and the mean nDCG@10 of the order that its calibrated attention alone makes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer: int
    head: int
    ndcg: float


class HeadScores(BaseModel):
    """How well each head of a model ranks.

    Attributes:
        model: the model's name.
        sha256: hash of the file, for a requantised model of the one that it was made from.
        data: what was ranked.
        queries: how many queries that were.
        together: the heads, best first, where passages are read in one go.
        apart: the heads, best first, where each passage is read on its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str
    sha256: str
    data: str
    queries: int
    together: tuple[HeadScore, ...]
    apart: tuple[HeadScore, ...]

    def best(self, count: int, *, layers: int | None = None, apart: bool) -> tuple[Head, ...]:
        """The best `count` heads of the first `layers` layers, best first.

        Raises:
            RerankError: there are not so many.
        """
        order = self.apart if apart else self.together
        usable = [Head(each.layer, each.head) for each in order if layers is None or each.layer < layers]
        if not 1 <= count <= len(usable):
            where = "" if layers is None else f" in its first {layers} layers"
            raise RerankError(f"heads={count} is out of range; {self.model} has 1 to {len(usable)}{where}")
        return tuple(usable[:count])

    def save(self) -> Path:
        """Write it where `load_heads` finds it; the file's path."""
        path = _folder() / f"{self.model}-{self.sha256[:_DIGITS]}{_ENDING}"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        part.replace(path)
        return path


def load_heads(file: ModelFile) -> HeadScores:
    """What is known of a model's heads: the user's own finding, else the one that comes with ragloom.

    Raises:
        RerankError: nothing is known, or the file is damaged.
    """
    digest = model_digest(file)
    ending = f"-{digest[:_DIGITS]}{_ENDING}"
    places: list[Traversable] = [_folder(), files(__package__) / "head_scores"]
    found = [each for place in places if place.is_dir() for each in place.iterdir() if each.name.endswith(ending)]
    if not found:
        raise RerankError(
            f"nobody knows the best heads of {file.name} yet; find them with "
            "'ragloom heads find --model ... --data ...', or name heads yourself: heads=[(layer, head), ...]"
        )
    try:
        scores = HeadScores.model_validate_json(found[0].read_text(encoding="utf-8"))
    except ValidationError as error:
        raise RerankError(f"{found[0]} is damaged ({first_problem(error, 'key')}); remove it") from error
    return scores


def model_digest(file: ModelFile) -> str:
    """SHA-256 of the model's file; of a requantised one, that of the file it was made from."""
    return file_digest(file.made_from or file.path, _folder())


def _folder() -> Path:
    return read_settings().cache / "models"


def as_heads(value: Any) -> Any:
    """Heads as YAML and JSON have them, as pairs; anything else as it is."""
    return tuple(Head(*each) for each in value) if isinstance(value, list | tuple) else value
