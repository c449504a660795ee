"""Instants as whole microseconds since 1970 in UTC, which is what the database holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .errors import MemoryValueError, NaiveDatetimeError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_utc(value: datetime, name: str) -> datetime:
    """The same instant in UTC; `name` is what errors call it.

    ```python
    from datetime import datetime, timedelta, timezone
    from ragloom.stores.memory.instants import to_utc

    paris = timezone(timedelta(hours=2))
    print(to_utc(datetime(2024, 7, 1, 1, tzinfo=paris), "occurred_at"))  # -> 2024-06-30 23:00:00+00:00
    ```

    Raises:
        NaiveDatetimeError: it has no time zone.
        MemoryValueError: it is no datetime, or outside the years 1 to 9999 in UTC.
    """
    if not isinstance(value, datetime):
        raise MemoryValueError(f"{name} must be a datetime with a time zone, not {value!r:.80}")
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise NaiveDatetimeError(name, value)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise MemoryValueError(f"{name}={value!r} lies outside the years 1 to 9999 in UTC") from None


def to_micros(value: datetime) -> int:
    """An aware datetime in microseconds."""
    return (value - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The datetime in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def optional_micros(value: datetime | None) -> int | None:
    """Microseconds, or None for an open end."""
    return None if value is None else to_micros(value)


def optional_instant(micros: int | None) -> datetime | None:
    """The datetime in UTC, or None for an open end."""
    return None if micros is None else from_micros(micros)
