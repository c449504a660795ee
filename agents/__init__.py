"""LLM agents with a role: MAIN-RAG's Predictor, Judge and Final-Predictor, and the filter that they make together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .errors import AgentError as AgentError
    from .final_predictor import FinalPredictor as FinalPredictor
    from .judge import Judge as Judge
    from .main_rag import MainRagFilter as MainRagFilter
    from .predictor import Predictor as Predictor
    from .types import Filtered as Filtered
    from .types import Judged as Judged
    from .types import Judgement as Judgement

__all__ = [
    "AgentError",
    "Filtered",
    "FinalPredictor",
    "Judge",
    "Judged",
    "Judgement",
    "MainRagFilter",
    "Predictor",
]

_HOMES = {
    "AgentError": ".errors",
    "Filtered": ".types",
    "FinalPredictor": ".final_predictor",
    "Judge": ".judge",
    "Judged": ".types",
    "Judgement": ".types",
    "MainRagFilter": ".main_rag",
    "Predictor": ".predictor",
}
__getattr__ = lazy(__name__, _HOMES)
