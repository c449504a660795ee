"""Readers of the conversations (LoCoMo) and the questions about time (TimeQA) that the memory is measured on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ragloom.rag.evaluate import Question
from ragloom.rag.evaluate.formats.timeqa import read_timeqa
from report import need

TUNED = ("conv-26", "conv-30")
"""The conversations that settings are chosen on; the others are for the report."""

_ADVERSARIAL = 5


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody said; the caption of a picture that was sent is part of it."""

    id: str
    session: int
    speaker: str
    said_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about a conversation, and the turns that prove the answer."""

    question: str
    answer: str
    category: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Two people over several months; `malformed` counts evidence that names no turn."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Asked, ...]
    malformed: int


def locomo(data: Path, *, tune: bool) -> list[Conversation]:
    """The conversations for choosing or those for the report, with the questions of categories 1 to 4."""
    samples = json.loads(need(data / "locomo" / "locomo_dev5.json").read_text(encoding="utf-8"))
    return [_conversation(sample) for sample in samples if (sample["sample_id"] in TUNED) == tune]


def _conversation(sample: dict[str, Any]) -> Conversation:
    turns = tuple(_turns(sample["conversation"]))
    known = {turn.id for turn in turns}
    questions, malformed = [], 0
    for row in sample["qa"]:
        if row["category"] == _ADVERSARIAL:
            continue
        evidence = tuple(each for each in row["evidence"] if each in known)
        malformed += len(row["evidence"]) - len(evidence)
        if evidence:
            questions.append(Asked(row["question"], str(row["answer"]), row["category"], evidence))
    return Conversation(sample["sample_id"], turns, tuple(questions), malformed)


def _turns(conversation: dict[str, Any]) -> Iterator[Turn]:
    """The turns of all sessions; each is a second after the one before, for only sessions have a time."""
    sessions = sorted(int(name.removeprefix("session_")) for name in conversation if re.fullmatch(r"session_\d+", name))
    for session in sessions:
        began = datetime.strptime(conversation[f"session_{session}_date_time"], "%I:%M %p on %d %B, %Y")
        for place, turn in enumerate(conversation[f"session_{session}"]):
            caption = f" [shares {turn['blip_caption']}]" if turn.get("blip_caption") else ""
            said_at = began.replace(tzinfo=UTC) + timedelta(seconds=place)
            yield Turn(turn["dia_id"], session, turn["speaker"], said_at, turn["text"] + caption)


def timeqa(data: Path, level: str, *, tune: bool) -> list[Question]:
    """The questions with an answer, about articles A to F or the others; `level`: `hard`, or `easy` with intervals."""
    file = need(data / "timeqa" / f"human_train.{level}.jsonl.gz")
    split = "train" if tune else "test"
    return [each for each in read_timeqa(file).questions if each.answerable and each.split == split]


def about(asked: Question) -> tuple[str, str]:
    """What a question of TimeQA is about, as identifiers: an article's subject, and a relation."""
    subject, relation, _ = asked.id.partition(" ")[2].removeprefix("/wiki/").split("#")
    return subject, relation
