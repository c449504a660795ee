"""LLM agents with a role.

MAIN-RAG's Predictor, Judge and Final-Predictor, with the filter that they make together; and for a memory, reading
facts out of messages and judging what it cannot decide by rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .entity_summarizer import EntitySummarizer as EntitySummarizer
    from .errors import AgentError as AgentError
    from .fact_extractor import FactExtractor as FactExtractor
    from .final_predictor import FinalPredictor as FinalPredictor
    from .judge import Judge as Judge
    from .main_rag import MainRagFilter as MainRagFilter
    from .memory_judge import MemoryJudge as MemoryJudge
    from .predictor import Predictor as Predictor
    from .types import Filtered as Filtered
    from .types import Judged as Judged
    from .types import Judgement as Judgement

__all__ = [
    "AgentError",
    "EntitySummarizer",
    "FactExtractor",
    "Filtered",
    "FinalPredictor",
    "Judge",
    "Judged",
    "Judgement",
    "MainRagFilter",
    "MemoryJudge",
    "Predictor",
]

_HOMES = {
    "AgentError": ".errors",
    "EntitySummarizer": ".entity_summarizer",
    "FactExtractor": ".fact_extractor",
    "Filtered": ".types",
    "FinalPredictor": ".final_predictor",
    "Judge": ".judge",
    "Judged": ".types",
    "Judgement": ".types",
    "MainRagFilter": ".main_rag",
    "MemoryJudge": ".memory_judge",
    "Predictor": ".predictor",
}
__getattr__ = lazy(__name__, _HOMES)
