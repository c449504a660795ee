"""The tables of `rerank.py`, from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ir_measures
import numpy as np
from ir_measures import nDCG
from ragloom.rag.rerank.fusing import fuse, with_first_stage
from report import interval
from rerank_checks import tau
from rerank_data import Asked, QuerySet
from rerank_methods import CACHED, COLD, FIRST, GENERATION, HEADS, ICR, LAYERS, TRANSFORMERS, WEIGHTS, Method
from rerank_state import State

AT, RECALL_AT = 10, 5
FIRST_STAGE = "first stage"
BESIDE = ((FIRST, GENERATION), (HEADS, ICR), (LAYERS, ICR), (CACHED, ICR))
ALL_WEIGHTS = [weight / 10 for weight in range(11)]

Rankings = Mapping[str, Sequence[str]]
"""Document ids, best first, by query."""


def quality(asked: QuerySet, rankings: Rankings) -> dict[str, float]:
    """For each query nDCG@10, or recall@5 of the supporting paragraphs of a question."""
    relevant = {each.id: each.relevant for each in asked.asked}
    if asked.task == "question":
        return {
            key: sum(document in relevant[key] for document in order[:RECALL_AT]) / len(relevant[key])
            for key, order in rankings.items()
        }
    run = {key: {document: -float(at) for at, document in enumerate(order)} for key, order in rankings.items()}
    judged = {key: dict(relevant[key]) for key in rankings}
    return {found.query_id: found.value for found in ir_measures.iter_calc([nDCG @ AT], judged, run)}


def ordered(scores: Mapping[str, float]) -> list[str]:
    """Best first; between equals the first stage decides, in whose order the scores are."""
    return sorted(scores, key=lambda document: -scores[document])


def fused(scores: Mapping[str, float], weight: float) -> dict[str, float]:
    return dict(zip(scores, with_first_stage(list(scores.values()), weight), strict=True))


def _by_rank(scores: Mapping[str, float]) -> list[str]:
    """Fused with the first stage by reciprocal ranks."""
    ways = {"own": ordered(scores), FIRST_STAGE: list(scores)}
    return [key for key, _ in fuse({name: [(each, 0.0) for each in way] for name, way in ways.items()}, method="rrf")]


def rows(state: State, asked: QuerySet, methods: Sequence[Method]) -> Iterator[dict[str, Any]]:
    """The first stage, every method, and every method fused with the first stage."""
    everything = {each.id: each.ids for each in asked.asked}
    yield _row(asked, FIRST_STAGE, "", everything)
    baseline = _baseline(state, asked)
    for method in methods:
        found = _scores(state, asked, method)
        if not found:
            continue
        costs = _costs(state, asked, method, baseline)
        yield _row(asked, method.name, method.setting, {key: ordered(each) for key, each in found.items()}) | costs
        weight = WEIGHTS[method.name]
        setting = ", ".join(filter(None, (method.setting, f"weight={weight}")))
        together = {key: ordered(fused(each, weight)) for key, each in found.items()}
        yield _row(asked, f"{method.name} + {FIRST_STAGE}", setting, together)
    cold = next((method for method in methods if method.name == CACHED), None)
    for name, setting in [(COLD, cold.setting if cold else ""), *((name, "") for name in TRANSFORMERS)]:
        if times := state.of("times", asked.name, name, setting):
            median = float(np.median([each["ms"] for each in times.values()]))
            yield {"set": asked.name, "method": name, "queries": len(times), "ms p50": round(median)}


def weights(state: State, asked: QuerySet, methods: Sequence[Method]) -> Iterator[dict[str, Any]]:
    """Each method fused with each weight of the first stage, to choose from."""
    for method in methods:
        found = _scores(state, asked, method)
        if found:
            row: dict[str, Any] = {"set": asked.name, "method": method.name, "setting": method.setting}
            by_rank = {key: _by_rank(each) for key, each in found.items()}
            row["rrf"] = float(np.mean([*quality(asked, by_rank).values()]))
            for weight in ALL_WEIGHTS:
                together = {key: ordered(fused(each, weight)) for key, each in found.items()}
                row[str(weight)] = float(np.mean([*quality(asked, together).values()]))
            yield row


def checks(state: State, asked: QuerySet, methods: Sequence[Method]) -> Iterator[dict[str, Any]]:
    """Whether what should be the same is the same."""
    for method in methods:
        timed = state.of("times", asked.name, method.name, method.setting)
        read = state.of("quality", asked.name, method.name, method.setting)
        both = [key for key in timed if key in read]
        if both:
            same = [ordered(timed[key]["scores"]) == ordered(read[key]["scores"]) for key in both]
            taus = [tau(timed[key]["scores"], read[key]["scores"]) for key in both]
            yield _check(asked, "measured twice, same order", method.name, same, min(taus))
        moved = state.of("permutation", asked.name, method.name, method.setting)
        if moved:
            values = [value for row in moved.values() for value in row["tau"]]
            yield _check(asked, "shuffled, Kendall's tau", method.name, values, min(values))
        named = state.of("words", asked.name, method.name, method.setting)
        if lower := [value for row in named.values() for value in row["lower"].values()]:
            of_queries = [np.mean([*row["lower"].values()]) for row in named.values() if row["lower"]]
            low, high = interval(of_queries)  # the documents of one query are not independent
            row = _check(asked, "without the words it names, lower than without others", method.name, lower)
            yield row | {"low": low, "high": high, "left out": sum(each["short"] for each in named.values())}
        if cost := [(row["filling ms"] - row["ms"]) / row["filled"] for row in timed.values() if row.get("filled")]:
            yield _check(asked, "KV of a document, ms", method.name, cost, max(cost))
    yield from _differences(state, asked, methods)
    published = state.of("times", asked.name, ICR, "")
    for name in TRANSFORMERS:
        theirs = state.of("times", asked.name, name, "")
        if taus := [tau(row["scores"], published[key]["scores"]) for key, row in theirs.items() if key in published]:
            yield _check(asked, f"Kendall's tau with {name}", ICR, taus, min(taus))


def _differences(state: State, asked: QuerySet, methods: Sequence[Method]) -> Iterator[dict[str, Any]]:
    """Of what a method costs in quality, or gains, beside the one that it should stand for; and the ratio of times."""
    found = {method.name: method for method in methods if method.setting == _chosen(method, methods)}
    for name, other in BESIDE:
        if name not in found or other not in found:
            continue
        one, two = (_scores(state, asked, found[each]) for each in (name, other))
        both = one.keys() & two.keys()
        if both:
            own, its = (
                quality(asked, {key: ordered(scores[key]) for key in scores if key in both}) for scores in (one, two)
            )
            differences = [own[key] - its[key] for key in own]
            low, high = interval(differences)
            yield _check(asked, f"quality less that of {other}", name, differences) | {"low": low, "high": high}
        ms = [state.of("times", asked.name, each, found[each].setting) for each in (name, other)]
        if ratios := [ms[1][key]["ms"] / row["ms"] for key, row in ms[0].items() if key in ms[1]]:
            low, high = interval(ratios, of=np.median)
            row = _check(asked, f"times as fast as {other} (median)", name, ratios) | {"mean": float(np.median(ratios))}
            yield row | {"low": low, "high": high}


def _chosen(method: Method, methods: Sequence[Method]) -> str:
    """The first setting of a method is the chosen one."""
    return next(each.setting for each in methods if each.name == method.name)


def _check(
    asked: QuerySet, what: str, method: str, values: Sequence[float], worst: float | None = None
) -> dict[str, Any]:
    found = {"set": asked.name, "check": what, "method": method, "mean": float(np.mean(values)), "of": len(values)}
    return found if worst is None else found | {"worst": float(worst)}


def _row(asked: QuerySet, name: str, setting: str, rankings: Rankings) -> dict[str, Any]:
    """Quality, with the interval of the difference to the first stage on the same queries."""
    first = quality(asked, {each.id: each.ids for each in asked.asked if each.id in rankings})
    found = quality(asked, rankings)
    measure = f"recall@{RECALL_AT}" if asked.task == "question" else f"nDCG@{AT}"
    row: dict[str, Any] = {"set": asked.name, "method": name, "setting": setting, "queries": len(rankings)}
    row[measure] = float(np.mean([*found.values()]))
    if name != FIRST_STAGE:
        low, high = interval([found[key] - first[key] for key in found])
        row |= {"low": low, "high": high}
    if asked.task == "question":
        row |= _by_hop(asked, found)
    return row


def _by_hop(asked: QuerySet, found: Mapping[str, float]) -> dict[str, float]:
    def mean(wanted: Callable[[Asked], bool]) -> float:
        return float(np.mean([found[each.id] for each in asked.asked if each.id in found and wanted(each)]))

    hops = sorted({len(each.relevant) for each in asked.asked if each.id in found})
    return {f"{hop} hops": mean(lambda each, hop=hop: len(each.relevant) == hop) for hop in hops}


def _scores(state: State, asked: QuerySet, method: Method) -> dict[str, dict[str, float]]:
    """By query, in the order of the first stage; what was timed is as good as what was not."""
    found = {
        **state.of("times", asked.name, method.name, method.setting),
        **state.of("quality", asked.name, method.name, method.setting),
    }
    return {each.id: found[each.id]["scores"] for each in asked.asked if each.id in found}


def _baseline(state: State, asked: QuerySet) -> dict[str, float]:
    """Milliseconds by query of the number type that is faster here."""
    found = [state.of("times", asked.name, name, "") for name in TRANSFORMERS]
    times = [{key: float(row["ms"]) for key, row in each.items()} for each in found if each]
    return min(times, key=lambda each: float(np.median([*each.values()])), default={})


def _costs(state: State, asked: QuerySet, method: Method, baseline: Mapping[str, float]) -> dict[str, Any]:
    times = state.of("times", asked.name, method.name, method.setting)
    if not times:
        return {}
    found: dict[str, Any] = {"ms p50": round(float(np.median([row["ms"] for row in times.values()])))}
    if ratios := [ms / times[key]["ms"] for key, ms in baseline.items() if key in times]:
        found["x faster"] = round(float(np.median(ratios)), 2)
    for name in ("evaluated", "reused", "decoded"):
        found[name] = round(float(np.mean([row.get(name, 0) for row in times.values()])))
    for row in state.of("memory", asked.name, method.name, method.setting).values():
        found["RSS MB"] = row["mb"] and round(row["mb"])
    return found
