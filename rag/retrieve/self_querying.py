"""Self-query: conditions on metadata, taken from the question.

"What did Ada Meyer write since 2020?" asks for documents by Ada Meyer, from 2020 on, and a search that only looks at
meaning would find what others wrote before. An LLM turns such words into conditions; Gao et al., "Modular RAG", 2024,
list it among the ways to construct queries. A small LLM invents values and mixes up comparisons, so here it does
neither: `mentions` finds the values of the corpus' own metadata in the question, `readings` says what each can mean,
and the LLM chooses among those readings, or null, in JSON that it cannot leave (constrained decoding). So a condition
always is valid, about a field that there is, and about a value that the question names.

What is left to the LLM is to tell what documents are asked for from what they are asked about: "Who studied French?"
wants no documents in French. The embedded model hardly can: it takes the first reading, null almost never.

The question keeps its words: without "since" and "by" what is left of it would hardly be a sentence.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.exceptions import OutputParserException

from ..._explain import unknown
from ...prompts import load_prompt
from ...stores.corpus import Corpus
from ...stores.where import joined
from ..llm.json_asking import ask_json
from .errors import SelfQueryError
from .mentions import mentions
from .readings import Readings, readings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a question asks for besides its subject.

    Attributes:
        where: conditions for `Corpus.search`; empty where there are none.
        notes: what they are, in words, and what was left out and why.
        has_failed: whether the LLM has, so that another time something else may come of it.
    """

    where: Mapping[str, Any]
    notes: tuple[str, ...]
    has_failed: bool = False


def self_query(
    question: str,
    corpus: Corpus,
    llm: BaseChatModel,
    *,
    fields: Sequence[str] | None = None,
    relax: bool = True,
    cancelled: threading.Event | None = None,
) -> Conditions:
    """Take conditions on a corpus' metadata from a question; the LLM is only asked if the question mentions a value.

    Args:
        question: what was asked.
        corpus: what will be searched.
        llm: any LangChain chat model. ragloom's own are held to the choices by constrained decoding, others by their
            `with_structured_output`; one that has none is trusted to answer in JSON.
        fields: the fields that may become conditions; by default all that the corpus has.
        relax: leave out a condition if, with those before it, no chunk meets it.
        cancelled: may be set from any thread when nobody waits any longer, which ends what the LLM does.

    Raises:
        Cancelled: `cancelled` was set.
        SelfQueryError: the corpus has no such field.
    """
    known = [field.name for field in corpus.fields()]
    for name in fields or ():
        if name not in known:
            raise SelfQueryError(f"{unknown('field', name, known)} (of the metadata in {corpus.path})")
    choices = {
        field.name: readings(question, field, found, language=corpus.language)
        for field, found in mentions(question, corpus)
        if fields is None or field.name in fields
    }
    choices = {name: possible for name, possible in choices.items() if possible}
    if not choices:
        return Conditions({}, ("the question mentions no value of the metadata",))
    try:
        chosen, notes = _choose(question, choices, llm, cancelled)
    except _UnreadableError as error:
        return Conditions({}, ("no conditions", str(error)), has_failed=True)
    if relax:
        chosen, dropped = _relax(chosen, corpus)
        notes += dropped
    words = " and ".join(f"{name}: {words}" for name, (words, _) in chosen.items())
    where = joined([condition for _, condition in chosen.values()])
    return Conditions(where, (words or "no conditions", *notes))


class _UnreadableError(Exception):
    """The LLM's answer is not in the form that was asked for."""


_Chosen = dict[str, tuple[str, Mapping[str, Any]]]
"""Field to its condition, in words and in the language of `where`."""


def _choose(
    question: str, choices: Mapping[str, Readings], llm: BaseChatModel, cancelled: threading.Event | None
) -> tuple[_Chosen, list[str]]:
    shown = json.dumps({name: [*possible, None] for name, possible in choices.items()}, ensure_ascii=False)
    prompt = load_prompt("self_query").render(question=question, choices=shown)
    try:
        reply = ask_json(llm, prompt, schema(choices), max_tokens=len(shown.encode()) + 16, cancelled=cancelled)
    except OutputParserException as error:
        raise _UnreadableError(f"the LLM's answer cannot be read: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(reply, Mapping):
        raise _UnreadableError(f"the LLM's answer cannot be read: {reply!r:.80}")
    chosen: _Chosen = {}
    notes = []
    for name, possible in choices.items():
        words = reply.get(name)
        if words is None:
            notes.append(f"{name}: {' or '.join(possible)}, but the LLM wants no condition of it")
        elif isinstance(words, str) and words in possible:
            chosen[name] = (words, possible[words])
        else:
            notes.append(f"{name}: the LLM wants {words!r:.80}, which the question does not say")
    return chosen, notes


def schema(choices: Mapping[str, Readings]) -> dict[str, Any]:
    """The JSON Schema of an answer: each field with one of its readings or null."""
    return {
        "title": "conditions",
        "description": "The conditions that documents must meet; null where there is none.",
        "type": "object",
        "properties": {name: {"enum": [*possible, None]} for name, possible in choices.items()},
        "required": list(choices),
        "additionalProperties": False,
    }


def _relax(chosen: _Chosen, corpus: Corpus) -> tuple[_Chosen, list[str]]:
    kept: _Chosen = {}
    notes = []
    for name, (words, condition) in chosen.items():
        before = [each for _, each in kept.values()]
        if corpus.count(joined([*before, condition])):
            kept[name] = (words, condition)
        else:
            those = f", together with {' and '.join(kept)}" if kept else ""
            notes.append(f"{name}: {words} left out: nothing meets it{those}")
    return kept, notes
