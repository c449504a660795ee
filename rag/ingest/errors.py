"""Errors of ingesting."""

from __future__ import annotations

from ...errors import RagloomError


class IngestError(RagloomError):
    """Nothing can be ingested as asked: a path, an option or a loader is wrong."""


class LoadError(RagloomError):
    """One document cannot be read; `ingest` reports the message as the reason and goes on with the next."""
