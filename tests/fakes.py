"""Deterministic embedders for tests that are about storage, not about meaning."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from ragloom.stores.embedder import Fingerprint
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit


class HashingEmbedder:
    """Each word has a pseudo-random direction; a text is the sum of its words. Counts what it embeds."""

    max_tokens = 256
    tokenizer: Tokenizer | None = None
    model = "hashing"

    def __init__(self, dimension: int = 32, name: str = "hashing") -> None:
        self.fingerprint = Fingerprint(name, dimension, hashlib.sha256(name.encode()).hexdigest())
        self.embedded = 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        rows = [self._vector(text) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.fingerprint.dimension), np.float32)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        return self._vector(text)

    def _vector(self, text: str) -> NDArray[np.float32]:
        total = np.full(self.fingerprint.dimension, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
            total += np.random.default_rng(seed).normal(size=self.fingerprint.dimension).astype(np.float32)
        unit: NDArray[np.float32] = total / np.linalg.norm(total)
        return unit


class ShortSightedEmbedder(HashingEmbedder):
    """Reads `max_tokens` words of a text, and can count them."""

    def __init__(self, max_tokens: int, name: str = "short-sighted") -> None:
        super().__init__(name=name)
        self.max_tokens = max_tokens
        self.tokenizer = Tokenizer(WordLevel({"": 0}, unk_token=""))
        self.tokenizer.pre_tokenizer = WhitespaceSplit()


class CountingEmbedder(HashingEmbedder):
    """Counts, too, how often it is asked what a real one would have to be loaded for."""

    def __init__(self) -> None:
        super().__init__(4, "counting")
        self.asked = 0

    @property
    def max_tokens(self) -> int:  # type: ignore[override]
        self.asked += 1
        return 256

    @property
    def tokenizer(self) -> None:  # type: ignore[override]
        self.asked += 1
