"""Names of entities in the forms in which they are compared.

`normal` is for the exact comparison: it forgets what typing differs in (case, width, white space, quotes around).
`folded` is for the fuzzy one: it also forgets accents, punctuation and the order that a comma gives (`Smith, Bob`).
"""

from __future__ import annotations

import re
import unicodedata

_AROUND = " \"'`()[]{}«»“”‘’„"
_AFTER = _AROUND + ".,;:!?"
_SMALL = frozenset(
    ("a", "an", "and", "at", "by", "de", "der", "des", "di", "du", "for", "in", "la", "le", "of", "on", "or",
     "the", "to")
)  # fmt: skip
_WORD = re.compile(r"(?<!\w)[-−](?=\d)|[\w+#%$€£¥]+")
"""Letters and digits, and the signs that make another name: `C++`, `C#`, `-5`, `100%`, `€100`."""
_LONGEST_ACRONYM = 8
_LONGEST_TURNED = 5
"""Words of a name that is written with the last one first; longer ones with a comma are lists."""


def normal(name: str) -> str:
    """The form in which equal names are equal.

    ```python
    from ragloom.stores.memory.names import normal

    print(normal(" “ＡＣＭＥ  Corp.” "))  # -> acme corp
    ```
    """
    text = " ".join(unicodedata.normalize("NFKC", name).casefold().split()).lstrip(_AROUND).rstrip(_AFTER)
    return text or " ".join(name.split())


def folded(name: str) -> str:
    """The form whose letters are compared one by one.

    ```python
    from ragloom.stores.memory.names import folded

    print(folded("García Márquez, Gabriel"), "|", folded("Фёдор"))  # -> gabriel garcia marquez | федор
    ```
    """
    before, comma, after = normal(name).partition(", ")
    is_turned = comma and "," not in after and len(name.split()) <= _LONGEST_TURNED
    return " ".join(_plain_words(f"{after} {before}" if is_turned else normal(name)))


def _plain_words(text: str) -> list[str]:
    letters = (char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))
    return _WORD.findall("".join(letters))


def acronyms(name: str) -> frozenset[str]:
    """What a name of several words may be abbreviated to, in lower case, with and without its small words.

    ```python
    from ragloom.stores.memory.names import acronyms

    print(sorted(acronyms("Bank of America")), *acronyms("World Health Organization"))  # -> ['ba', 'boa'] who
    ```
    """
    words = _plain_words(normal(name))
    forms = {"".join(word[0] for word in chosen) for chosen in (words, [word for word in words if word not in _SMALL])}
    return frozenset(form for form in forms if 2 <= len(form) <= _LONGEST_ACRONYM)


def as_acronym(name: str) -> str | None:
    """The letters of a name that looks like an acronym (`WHO`, `U.S.A.`), in lower case, or None."""
    letters = name.strip().replace(".", "")
    is_one = 2 <= len(letters) <= _LONGEST_ACRONYM and letters.isalpha() and letters.isupper()
    return folded(letters) if is_one else None
