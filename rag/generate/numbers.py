"""The numbers of a text, each with what makes another one of it: sign, currency, percent, `million`."""

from __future__ import annotations

import re

_FIGURE = r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+(?:[.,/:]\d+)*"
_IN_WORDS = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    "(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
)
_SCALE = r"[\s-]+(?:hundred|thousand|million|billion|trillion|dozen)s?\b"
_NUMBER = re.compile(
    rf"(?:(?<![\w)])[-−])?(?:[$€£¥]\s?)?(?<![\d.,])(?:{_FIGURE})(?:\s?[%‰$€£¥°])?(?:{_SCALE})*|"
    rf"\b(?:(?:{_IN_WORDS})\b(?:{_SCALE})*|(?:a|an|half|several)(?:{_SCALE})+)",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def numbers(text: str) -> set[str]:
    """The numbers of a text, in figures or in English words, each in one spelling: `1,500` and `1 500` are the same.

    ```python
    from ragloom.rag.generate.numbers import numbers

    print(sorted(numbers("At -5 degrees, 15% of 1,500 people")))  # -> ['-5', '15%', '1500']
    print(numbers("two thousand euros"), numbers("1/2 tablet"))   # -> {'twothousand'} {'1/2'}
    ```
    """
    return {_GROUPED.sub("", re.sub(r"\s", "", match[0])).lower() for match in _NUMBER.finditer(text)}
