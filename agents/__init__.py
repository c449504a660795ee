"""LLM agents with a role: reading facts out of messages, and judging what a memory cannot decide by rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .entity_summarizer import EntitySummarizer as EntitySummarizer
    from .fact_extractor import FactExtractor as FactExtractor
    from .memory_judge import MemoryJudge as MemoryJudge

__all__ = ["EntitySummarizer", "FactExtractor", "MemoryJudge"]

_HOMES = {
    "EntitySummarizer": ".entity_summarizer",
    "FactExtractor": ".fact_extractor",
    "MemoryJudge": ".memory_judge",
}
__getattr__ = lazy(__name__, _HOMES)
