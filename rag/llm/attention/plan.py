"""What one read computes: which heads, and how deep the pass goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ModelError
from .flash import Head
from .probe import Layout


@dataclass(frozen=True, slots=True)
class Plan:
    """The heads of a read and the layers that it needs.

    Attributes:
        heads: what is reported, in this order.
        layers: how many layers are evaluated; the KV of deeper ones is not valid.
        last: the layer to stop at, or None where the pass cannot be stopped.
    """

    heads: tuple[Head, ...]
    layers: int
    last: int | None

    @classmethod
    def of(cls, layout: Layout, heads: Sequence[Head] | None, layers: int | None) -> Plan:
        """Plan a read of `heads` (default: all) in the first `layers` layers (default: as many as the heads need).

        Raises:
            ModelError: the model has no such heads or layers.
        """
        total = len(layout.heads)
        if layers is not None and not 1 <= layers <= total:
            raise ModelError(f"layers={layers} is out of range; the model has 1 to {total}")
        if heads is None:
            chosen = [Head(at, head) for at in range(layers or total) for head in range(layout.heads[at])]
        else:
            chosen = [_head(head) for head in heads]
            _check(chosen, layout, layers)
        depth = layers or max(head.layer for head in chosen) + 1
        return cls(tuple(chosen), depth, depth - 1) if layout.stops else cls(tuple(chosen), total, None)

    def in_layer(self, layer: int) -> tuple[list[int], list[int]]:
        """The places in `heads` of those in the layer, and their numbers within it."""
        places = [at for at, head in enumerate(self.heads) if head.layer == layer]
        return places, [self.heads[at].head for at in places]


def _head(given: Sequence[int]) -> Head:
    if len(given) != len(Head._fields):
        raise ModelError(f"a head is a pair (layer, head), not {given!r}")
    return Head(*given)


def _check(heads: Sequence[Head], layout: Layout, layers: int | None) -> None:
    if not heads:
        raise ModelError("heads is empty; give at least one (layer, head), or None for all")
    last = (layers or len(layout.heads)) - 1
    for head in heads:
        if not 0 <= head.layer <= last:
            raise ModelError(f"{head} is in no layer that is read; layers go from 0 to {last}")
        if not 0 <= head.head < layout.heads[head.layer]:
            raise ModelError(f"there is no {head}; heads of that layer go from 0 to {layout.heads[head.layer] - 1}")
    if len(set(heads)) < len(heads):
        raise ModelError("heads names one twice")
