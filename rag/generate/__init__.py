"""Answers: gather the evidence, let an LLM cite or quote exactly, ground what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .citing import cited as cited
    from .errors import GenerateError as GenerateError
    from .errors import PassageTooLongError as PassageTooLongError
    from .evidence import Evidence as Evidence
    from .evidence import gather as gather
    from .grounding import ground as ground
    from .iterating import IterRetGen as IterRetGen
    from .notes import ChainOfNote as ChainOfNote
    from .notes import Note as Note
    from .notes import take_notes as take_notes
    from .quoting import quote as quote
    from .types import Answer as Answer
    from .types import Citation as Citation
    from .types import Statement as Statement

__all__ = [
    "Answer",
    "ChainOfNote",
    "Citation",
    "Evidence",
    "GenerateError",
    "IterRetGen",
    "Note",
    "PassageTooLongError",
    "Statement",
    "cited",
    "gather",
    "ground",
    "quote",
    "take_notes",
]

_HOMES = {
    "Answer": ".types",
    "ChainOfNote": ".notes",
    "Citation": ".types",
    "Evidence": ".evidence",
    "GenerateError": ".errors",
    "IterRetGen": ".iterating",
    "Note": ".notes",
    "PassageTooLongError": ".errors",
    "Statement": ".types",
    "cited": ".citing",
    "gather": ".evidence",
    "ground": ".grounding",
    "quote": ".quoting",
    "take_notes": ".notes",
}
__getattr__ = lazy(__name__, _HOMES)
