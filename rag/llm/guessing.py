"""How many tokens a text is, where the model's tokenizer is not known: rather too many than too few."""

from __future__ import annotations

import re
from math import ceil

_ALONE = re.compile(r"[0-9!-/:-@\[-`{-~]")
"""Digits, and the other signs of ASCII."""

_BYTES_PER_TOKEN = 3  # of English words, which have over 4
_FOREIGN_BYTES_PER_TOKEN = 1.5  # two tokens for a Chinese character, as vocabularies made for English have it


def guess_tokens(text: str) -> int:
    """About how many tokens `text` is.

    Many tokenizers give each digit and each sign a token of its own, and know few words of scripts other than Latin.

    ```python
    from ragloom.rag.llm.guessing import guess_tokens

    print(guess_tokens("Toad steals a motor-car."), guess_tokens("1,908"), guess_tokens("東京"))  # -> 10 5 4
    ```
    """
    encoded = text.encode("utf-8", "replace")
    foreign = sum(1 for byte in encoded if byte >= 0x80)
    alone = len(_ALONE.findall(text))
    words = len(encoded) - foreign - alone
    return alone + ceil(foreign / _FOREIGN_BYTES_PER_TOKEN) + ceil(words / _BYTES_PER_TOKEN)
