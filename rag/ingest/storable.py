"""Make what loaders and parsers give storable: text that is valid Unicode, metadata that is JSON, titles that fit."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_TITLE_CHARACTERS = 160


def storable_text(text: str) -> str:
    """Replace what SQLite cannot keep (NUL, lone surrogates, which PDFs and JSON escapes bring) by U+FFFD.

    One character stands for one, so offsets stay.
    """
    return _UNSTORABLE.sub("\ufffd", text)


def is_storable(text: str) -> bool:
    """Whether SQLite can keep the text as it is: for names, of which two must not become one."""
    return not _UNSTORABLE.search(text)


def jsonable(value: Any) -> Any:
    """Turn metadata into values that a corpus has: dates into ISO strings, sets into lists, the rest into its `str`."""
    if isinstance(value, str):
        return storable_text(value)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {storable_text(str(key)): jsonable(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [jsonable(item) for item in value]
    return storable_text(str(value))


def storable_title(text: str) -> str:
    """One line that a citation can show: white space folded, cut at 160 characters, for every chunk repeats it."""
    line = " ".join(storable_text(text).split())
    return line if len(line) <= _TITLE_CHARACTERS else line[: _TITLE_CHARACTERS - 1].rstrip() + "…"
