"""Globs for choosing files: `*`, `?`, `[…]` within a name, `**` across folders.

A pattern without a slash is tried on the name of a file and of every folder above it (`*.md`, `drafts`); one with a
slash on the path from the folder that is ingested (`docs/**/*.md`). A folder that matches stands for all in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from .errors import IngestError

_SPECIAL = re.compile(r"(\*\*/|\*\*|\*|\?|\[[^\]/]+\])")
_REGEXES = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def matcher(patterns: Iterable[str], option: str) -> Callable[[str], bool]:
    """Tell whether a path, relative and with `/`, matches one of the patterns.

    Raises:
        IngestError: a pattern of `option` is empty or malformed, or there is one text instead of several.
    """
    if isinstance(patterns, str):
        raise IngestError(f"{option} takes a list of globs; put the one {patterns!r} into a list")
    regexes = [_regex(pattern, option) for pattern in patterns]

    def matches(path: str) -> bool:
        names = path.split("/")
        paths = ["/".join(names[:depth]) for depth in range(1, len(names) + 1)]
        return any(regex.fullmatch(upper) for regex in regexes for upper in paths)

    return matches


def _regex(pattern: str, option: str) -> re.Pattern[str]:
    glob = pattern.removeprefix("./").rstrip("/")
    if not glob.strip("/"):
        raise IngestError(f"{option} has an empty glob: {pattern!r}")
    parts = (_translate(part) for part in _SPECIAL.split(glob.removeprefix("/")))
    anywhere = "" if "/" in glob else "(?:.*/)?"
    try:
        return re.compile(anywhere + "".join(parts))
    except re.error as error:
        raise IngestError(f"{option} has a glob that cannot be read: {pattern!r} ({error})") from error


def _translate(part: str) -> str:
    if part in _REGEXES:
        return _REGEXES[part]
    if _SPECIAL.fullmatch(part):
        negated = part[1] in "!^"
        return f"[{'^/' if negated else ''}{part[1 + negated : -1]}]"
    return re.escape(part)
