"""What a memory may be given to ask: an LLM, or rules of the caller's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .types import Fact


class Judge(Protocol):
    """Decides what spelling and structure cannot; `agents.MemoryJudge` is one by an LLM."""

    def same_entity(self, name: str, said: str, others: Sequence[str]) -> int | None:
        """Which of the other names stands for the same as `name` does in the text `said`; None: none of them."""

    def contradicted(self, fact: Fact, others: Sequence[Fact]) -> Sequence[int]:
        """Which of the other facts cannot hold any longer once `fact` holds; all have their dates."""


class Summarizer(Protocol):
    """Writes a summary; `agents.EntitySummarizer` does it with an LLM."""

    def summarize(self, name: str, statements: Sequence[str]) -> str:
        """A few sentences about `name`, by what is known of it and when that held."""
