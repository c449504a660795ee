"""Evaluation and tuning: which graph is better, by how much, and at what cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .errors import DatasetError as DatasetError
    from .errors import EvaluateError as EvaluateError
    from .errors import SpaceError as SpaceError
    from .evaluating import evaluate as evaluate
    from .graphs import Given as Given
    from .indexing import index_documents as index_documents
    from .progress import Progress as Progress
    from .reading import read_dataset as read_dataset
    from .record import Found as Found
    from .record import Record as Record
    from .result import Estimate as Estimate
    from .result import Outcome as Outcome
    from .result import Result as Result
    from .tuning.search import Search as Search
    from .tuning.tuner import Tuned as Tuned
    from .tuning.tuner import tune as tune
    from .types import Dataset as Dataset
    from .types import Question as Question
    from .types import Relevant as Relevant

__all__ = [
    "Dataset",
    "DatasetError",
    "Estimate",
    "EvaluateError",
    "Found",
    "Given",
    "Outcome",
    "Progress",
    "Question",
    "Record",
    "Relevant",
    "Result",
    "Search",
    "SpaceError",
    "Tuned",
    "evaluate",
    "index_documents",
    "read_dataset",
    "tune",
]

_HOMES = {
    "Dataset": ".types",
    "DatasetError": ".errors",
    "Estimate": ".result",
    "EvaluateError": ".errors",
    "Found": ".record",
    "Given": ".graphs",
    "Outcome": ".result",
    "Progress": ".progress",
    "Question": ".types",
    "Record": ".record",
    "Relevant": ".types",
    "Result": ".result",
    "Search": ".tuning.search",
    "SpaceError": ".errors",
    "Tuned": ".tuning.tuner",
    "evaluate": ".evaluating",
    "index_documents": ".indexing",
    "read_dataset": ".reading",
    "tune": ".tuning.tuner",
}
__getattr__ = lazy(__name__, _HOMES)
