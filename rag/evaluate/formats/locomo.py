"""LoCoMo: questions about long conversations, with the turns that prove the answers.

Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", ACL 2024. Each session is a document,
each turn a line of it: `Speaker: words`; the turns that prove an answer are spans. Adversarial questions (category 5)
cannot be answered. Questions about `conv-26` and `conv-30` are `train`, the rest `test`. Its licence is for measuring
only.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from ...._explain import count
from ....stores.types import Source
from ..types import Dataset, Question, Relevant
from .lines import Row, json_list

_log = logging.getLogger(__name__)

FILES = "locomo*.json"

_TRAIN = frozenset({"conv-26", "conv-30"})
_ADVERSARIAL = "5"
_SESSION = re.compile(r"session_\d+")

_Places = dict[str, Relevant]
"""Where each turn of a conversation stands, by the turn's id."""


def read_locomo(file: Path) -> Dataset:
    """Read the conversations; evidence that names no turn is left out, and a warning says how much.

    Raises:
        DatasetError: it is missing or malformed.
    """
    documents: list[Source] = []
    questions: list[Question] = []
    malformed = 0
    for conversation in json_list(file):
        sessions, places = _sessions(conversation)
        documents += sessions
        for number, row in enumerate(conversation.several("qa"), start=1):
            question = _question(row, f"{conversation.text('sample_id')}/{number}", places)
            questions.append(question)
            malformed += sum(turn not in places for turn in row.texts("evidence"))
    if malformed:
        _log.warning("%s: evidence that names no turn is left out: %s", file, count(malformed, "piece"))
    return Dataset("locomo", tuple(questions), tuple(documents))


def _sessions(conversation: Row) -> tuple[list[Source], _Places]:
    name, held = conversation.text("sample_id"), conversation.inner("conversation")
    documents, places = [], {}
    for session in filter(_SESSION.fullmatch, held.fields):
        document, text = f"{name}/{session}", ""
        for turn in held.several(session):
            caption = f" [shares {turn.text('blip_caption')}]" if turn.first("blip_caption") else ""
            line = f"{turn.text('speaker')}: {turn.text('text')}{caption}\n"
            places[turn.text("dia_id")] = Relevant(document, len(text), len(text) + len(line) - 1)
            text += line
        documents.append(Source(document, text, f"{name}, {held.text(f'{session}_date_time')}"))
    return documents, places


def _question(row: Row, key: str, places: _Places) -> Question:
    answerable = row.text("category") != _ADVERSARIAL
    proofs = [places[turn] for turn in row.texts("evidence") if turn in places]
    return Question(
        id=key,
        text=row.text("question"),
        answers=(row.text("answer"),) if answerable else (),
        relevant=tuple(dict.fromkeys(proofs)) if answerable else (),
        answerable=answerable,
        split="train" if key.partition("/")[0] in _TRAIN else "test",
    )
