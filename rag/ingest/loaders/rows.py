"""JSONL, CSV and TSV: every row is a document, with a text field and metadata.

A document's id is `path#<id>`, by the row's `id` or `_id`, else by its number, counted from 1. What is wrong with rows
is told once per kind of fault, with the lines it was found on; the other rows are read.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from ..decode import decode, read_text
from ..errors import LoadError
from ..storable import is_storable
from ..types import Loaded, Skipped
from .text import plain_document

_IDS = ("id", "_id")
_LINES_NAMED = 10
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?")


class _Row(NamedTuple):
    """A row: its number, the line it ends on, and its fields, or the fault that keeps it from having any."""

    number: int
    line: int
    fields: Mapping[str, Any]
    fault: str = ""


def load_jsonl(path: Path, *, text_field: str = "text") -> Iterator[Loaded | Skipped]:
    """Load a file with one JSON object per line, in UTF-8, line by line.

    Raises:
        OSError: it cannot be read.
    """
    yield from _documents(path, _json_rows(path), text_field)


def load_csv(path: Path, *, text_field: str = "text") -> Iterator[Loaded | Skipped]:
    """Load a table whose first row names the columns, separated by commas, semicolons or tabs.

    A column whose cells are numbers, all but those that are empty, becomes numbers in the metadata.

    Raises:
        LoadError: the file is not text, or has no column `text_field`.
        OSError: it cannot be read.
    """
    rows = list(_csv_rows(read_text(path), text_field))
    yield from _documents(path, _with_numbers(rows, {text_field, "title", *_IDS}), text_field)


def _with_numbers(rows: Sequence[_Row], texts: Set[str]) -> Iterator[_Row]:
    """The rows with numbers in the columns that have nothing else, but for those that are `texts` in any case.

    What has a zero in front, such as a postcode, is no number.
    """
    whole = [row.fields for row in rows if not row.fault]
    columns = {name: [row[name] for row in whole if row.get(name)] for name in (whole[0] if whole else ())}
    numbers = {name for name, cells in columns.items() if cells and all(map(_NUMBER.fullmatch, cells))} - texts
    for row in rows:
        if row.fault:
            yield row
            continue
        fields = {name: cell for name, cell in row.fields.items() if cell or name not in numbers}
        yield row._replace(
            fields={name: json.loads(cell) if name in numbers else cell for name, cell in fields.items()}
        )


def _documents(path: Path, rows: Iterator[_Row], text_field: str) -> Iterator[Loaded | Skipped]:
    faults: dict[tuple[str, bool], list[int]] = {}
    seen: set[str] = set()
    for row in rows:
        id_ = next((str(row.fields[name]) for name in _IDS if row.fields.get(name) not in (None, "")), str(row.number))
        fault = row.fault or _fault(row.fields.get(text_field), text_field) or _fault_of_id(id_, seen)
        if fault:
            faults.setdefault((fault, bool(row.fault)), []).append(row.line)
            continue
        seen.add(id_)
        metadata = {name: value for name, value in row.fields.items() if name not in (text_field, "title")}
        yield plain_document(
            f"{path.as_posix()}#{id_}", row.fields[text_field], str(row.fields.get("title") or ""), metadata
        )
    for (fault, is_unread), lines in faults.items():
        yield Skipped(path.as_posix(), f"{fault}: {_named(lines)}", is_unread)


def _fault(text: Any, text_field: str) -> str:
    if text is None:
        return f"no field {text_field!r}"
    if not isinstance(text, str):
        return f"field {text_field!r} is not a text"
    return "" if text.strip() else f"field {text_field!r} is empty"


def _fault_of_id(id_: str, seen: Set[str]) -> str:
    if not is_storable(id_):
        return "its id contains NUL or a lone surrogate"
    return "its id came before" if id_ in seen else ""


def _named(lines: list[int]) -> str:
    named = ", ".join(map(str, lines[:_LINES_NAMED]))
    more = f" and {len(lines) - _LINES_NAMED:,} more" if len(lines) > _LINES_NAMED else ""
    return f"line{'s' * (len(lines) > 1)} {named}{more}"


def _json_rows(path: Path) -> Iterator[_Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                fields = json.loads(decode(line))
            except LoadError:
                yield _Row(number, number, {}, "not UTF-8 text")
            except (ValueError, RecursionError):
                yield _Row(number, number, {}, "not valid JSON")
            else:
                is_object = isinstance(fields, dict)
                yield _Row(number, number, fields if is_object else {}, "" if is_object else "not a JSON object")


def _csv_rows(text: str, text_field: str) -> Iterator[_Row]:
    delimiter = _delimiter(text, text_field)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # or a long cell would end within itself
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    if reader.fieldnames is None:
        return
    if text_field not in reader.fieldnames:
        columns = ", ".join(reader.fieldnames)
        told = f"no column {text_field!r}; it has {columns}"
        raise LoadError(f"{told}: name the one with the text by text_field, --text-field")
    number = 0
    while True:
        number += 1
        try:
            fields: dict[Any, Any] = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _Row(number, reader.line_num, {}, str(error))
        else:
            fault = "more cells than columns" if None in fields else ""
            yield _Row(number, reader.line_num, fields, fault)


def _delimiter(text: str, text_field: str) -> str:
    """The delimiter that makes `text_field` one of the first line's cells."""
    header = text.partition("\n")[0]
    return next((mark for mark in ",;\t" if text_field in next(csv.reader([header], delimiter=mark), [])), ",")
