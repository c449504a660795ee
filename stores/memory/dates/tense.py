"""Whether a sentence looks ahead, so that a day, month or weekday in it is the next one rather than the last."""

from __future__ import annotations

import re

_AHEAD = re.compile(
    r"\b(?:will|shall|won['’]t|going\s+to|about\s+to|plans?\s+to|planning\s+to|tomorrow|soon)\b|['’]ll\b|"
    r"(?:\b(?:am|is|are)|['’](?:m|s|re))\s+(?:not\s+)?[a-z]+ing\b|"
    r"\b(?:starts?|begins?|ends?|expires?|leaves?|joins?|moves?|retires?)\b",
    re.IGNORECASE,
)
"""Words of what is still to come; in the present tense some tell of a date that is set."""
_PAST = re.compile(
    r"\b(?:since|was|were|had|did|used\s+to|have|has|been|[a-z]+ed|"
    r"became|began|bought|broke|brought|built|came|chose|drove|fell|felt|flew|found|gave|got|grew|held|kept|knew|left|lost|made|"
    r"met|paid|ran|rode|said|sang|sat|saw|sent|slept|sold|spent|spoke|stood|swam|taught|thought|told|took|went|won|wore|wrote)\b",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"\b(?:until|till|by)\b", re.IGNORECASE)


def looks_ahead(text: str) -> bool:
    """Whether an English sentence tells of, or asks for, what is still to come.

    ```python
    from ragloom.stores.memory.dates.tense import looks_ahead

    print(looks_ahead("I will move in March."), looks_ahead("I moved in March."))  # -> True False
    ```
    """
    return not _PAST.search(text) and bool(_AHEAD.search(text) or _UNTIL.search(text))
