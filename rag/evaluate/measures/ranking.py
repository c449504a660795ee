"""How well the documents of a run are ranked, by `ir-measures` (MacAvaney et al., ECIR 2022)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ....errors import MissingExtraError
from ..errors import EvaluateError
from ..record import Found, Record
from ..types import Question

if TYPE_CHECKING:
    from ir_measures import Measure

RETRIEVAL = ("nDCG@10", "R@10", "P@10", "MRR@10", "MAP")
"""What is measured of rankings by default, in the names of `ir-measures`."""


def score_rankings(
    pairs: Sequence[tuple[Question, Record]], names: Sequence[str] = RETRIEVAL
) -> list[dict[str, float]]:
    """Score each run's documents by each measure; nothing for a question of which no relevant document is known.

    Several passages of one relevant document count once, where the first of them stands. A passage that holds several
    relevant spans counts as each of them.

    Raises:
        EvaluateError: there is no such measure.
        MissingExtraError: ir-measures is not installed.
    """
    judged = {str(place): pair for place, pair in enumerate(pairs) if pair[0].relevant}
    scores: list[dict[str, float]] = [{} for _ in pairs]
    if not judged:
        return scores
    measures: dict[Measure, list[str]] = {}
    for name in names:
        measures.setdefault(_parsed(name), []).append(name)  # MRR@10 and RR@10 are one measure
    qrels = {
        key: {f"relevant {number}": each.grade for number, each in enumerate(question.relevant)}
        for key, (question, _) in judged.items()
    }
    runs = {key: ranking(question, record.documents) for key, (question, record) in judged.items()}
    for key in judged:
        scores[int(key)] = dict.fromkeys(names, 0.0)  # an empty ranking is not told of
    for value in _library().iter_calc(list(measures), qrels, runs):
        scores[int(value.query_id)] |= dict.fromkeys(measures[value.measure], float(value.value))
    return scores


def ranking(question: Question, documents: Sequence[Found]) -> Mapping[str, float]:
    """The documents under the names of what they are relevant for, those further up with higher scores."""
    ranked: dict[str, float] = {}
    wants_spans = any(each.start is not None for each in question.relevant)
    for place, found in enumerate(documents):
        matching = [
            f"relevant {number}"
            for number, each in enumerate(question.relevant)
            if each.is_at(found.names, found.start, found.end)
        ]
        other = f"{found.source_id}[{found.start}:{found.end}]" if wants_spans else found.source_id
        for name in matching or [f"other {other}"]:
            ranked.setdefault(name, float(-place))
    return ranked


def check_measures(names: Sequence[str]) -> None:
    """Refuse measures that there are not, or that cannot be calculated here, before anything runs.

    Raises:
        EvaluateError: there is no such measure, or it needs a program or judgments that are not there.
        MissingExtraError: ir-measures is not installed.
    """
    for name in names:
        measure = _parsed(name)
        try:
            list(_library().iter_calc([measure], {"question": {"document": 1}}, {"question": {"document": 1.0}}))
        except Exception as error:  # measures come from many libraries, each with errors of its own
            raise EvaluateError(f"the measure {name!r} cannot be calculated here: {error}") from error


def is_measure(name: str) -> bool:
    """Whether this is a measure of rankings that can be calculated here, such as `nDCG@5`.

    Raises:
        MissingExtraError: ir-measures is not installed.
    """
    try:
        check_measures([name])
    except EvaluateError:
        return False
    return True


def _parsed(name: str) -> Measure:
    library = _library()
    try:
        measure: Measure = library.parse_measure(name)
    except (ValueError, NameError, TypeError) as error:
        raise EvaluateError(f"unknown measure {name!r}; write one such as {', '.join(RETRIEVAL)}") from error
    cutoff = measure.params.get("cutoff", 1)
    if cutoff < 1:  # which the program behind would not survive
        raise EvaluateError(f"{name!r} looks at the first {cutoff} documents; write one such as nDCG@10")
    return measure


def _library() -> Any:
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtraError("ir-measures", "eval") from error
    return ir_measures
