"""The base of every error that ragloom raises on purpose.

Each subpackage keeps its own errors in its `errors.py`; all of them derive from `RagloomError`, so one `except`
at the edge of an application (the `ragloom` command has it) can show the message and leave out the traceback.
"""

from __future__ import annotations


class RagloomError(Exception):
    """Something a user can act on: the message says what was wrong, with the value, and what to do next."""


class Unwanted(RagloomError):  # noqa: N818 - it is no fault
    """What is under way was given up, for nobody waits for it any longer: whoever collects faults lets it through."""


class MissingExtraError(RagloomError, ImportError):
    """An optional dependency is needed for what was asked."""

    def __init__(self, what: str, extra: str) -> None:
        """Name `what` is missing and the `extra` that brings it."""
        super().__init__(f"{what} is not installed; install it with: pip install 'ragloom[{extra}]'")
