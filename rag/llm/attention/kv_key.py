"""The key of a document's KV: everything that its numbers depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import llama_cpp

from ..weights import Weights


@dataclass(frozen=True, slots=True)
class Origin:
    """What computes KV.

    Attributes:
        model: SHA-256 of the model's file.
        version: of llama-cpp-python, whose llama.cpp says how KV is laid out.
        device: where the layers are; a GPU rounds in another way than a CPU.
        layout: number types and order of keys and values.
        rope: how positions are turned: the kind, and whether the context is beyond what the model was trained for first
            (some models then turn them in another way).
    """

    model: str
    version: str
    device: str
    layout: str
    rope: str

    @classmethod
    def of(cls, weights: Weights, *, n_ctx: int, layout: str) -> Origin:
        """Where KV of `weights` in a context of `n_ctx` tokens comes from.

        Raises:
            ModelError: the model's file cannot be read any longer.
        """
        architecture = weights.metadata("general.architecture")
        original = weights.metadata(f"{architecture}.rope.scaling.original_context_length")
        kind = llama_cpp.llama_model_rope_type(weights.pointer)
        return cls(
            model=weights.digest,
            version=llama_cpp.__version__,
            device=weights.device,
            layout=layout,
            rope=f"{kind} long={original is not None and n_ctx > int(original)}",
        )

    def key(self, preamble: Sequence[int], document: Sequence[int], layers: int) -> str:
        """The key of a document's KV, evaluated after `preamble` and valid in the first `layers` layers."""
        parts = [asdict(self), list(preamble), list(document), layers]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
