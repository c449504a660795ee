"""Files of rows, read so that whatever is wrong is told with its line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...._explain import short
from ..errors import DatasetError

_BOM = "\ufeff"

_EMPTY_ROWS = re.compile(r"(?:[ \t,;]*\r?\n)*")
"""Above a table's header, where a spreadsheet was begun further down."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file, with the line that it stands on, from 1; its fields are checked as they are asked for."""

    file: Path
    line: int
    fields: dict[str, Any]

    def error(self, message: str) -> DatasetError:
        """What is wrong with this row."""
        return DatasetError(self.file, message, self.line)

    def first(self, *names: str) -> Any:
        """The value of the first of these fields that the row has; None: it has none of them."""
        return next((self.fields[name] for name in names if self.fields.get(name) not in (None, "")), None)

    def text(self, *names: str) -> str:
        """A text, in the first of these fields.

        Raises:
            DatasetError: there is no such field, or it is no text.
        """
        value = self.first(*names)
        if value is None and (empty := next((name for name in names if name in self.fields), None)):
            raise self.error(f"{empty!r} is empty")
        if value is None:
            raise self.error(f"has no {' or '.join(map(repr, names))}; it has {', '.join(self.fields) or 'nothing'}")
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise self.error(f"{names[0]!r} should be a text, not {short(value)}")
        return str(value)

    def several(self, name: str) -> list[Row]:
        """The mappings in a list, as rows of their own.

        Raises:
            DatasetError: it is no list of mappings.
        """
        value = self.fields.get(name)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.error(f"{name!r} should be a list of objects, not {short(value)}")
        return [Row(self.file, self.line, each) for each in value]

    def texts(self, *names: str) -> list[str]:
        """The texts in the first of these fields: a list, or one text; none where there is no such field.

        Raises:
            DatasetError: it holds something else.
        """
        name = next((name for name in names if self.first(name) is not None), names[0])
        value = self.first(name)
        values = [] if value is None else value if isinstance(value, list) else [value]
        for each in values:
            if not isinstance(each, str | int | float) or isinstance(each, bool):
                raise self.error(f"{name!r} should hold texts, not {short(each)}")
        return [str(each) for each in values]

    def numbers(self, name: str) -> list[int]:
        """The whole numbers in a list.

        Raises:
            DatasetError: it is no list of whole numbers.
        """
        value = self.fields.get(name)
        if not isinstance(value, list) or not all(type(each) is int for each in value):
            raise self.error(f"{name!r} should be a list of whole numbers, not {short(value)}")
        return value

    def inner(self, name: str) -> Row:
        """The mapping in a field, as a row of its own.

        Raises:
            DatasetError: it is no mapping.
        """
        value = self.fields.get(name)
        if not isinstance(value, dict):
            raise self.error(f"{name!r} should be an object, not {short(value)}")
        return Row(self.file, self.line, value)


def read_text(file: Path) -> str:
    """The text of a file; that of a `.gz` file is what was compressed.

    Raises:
        DatasetError: it cannot be read, or is not UTF-8.
    """
    try:
        written = file.read_bytes()
        return (gzip.decompress(written) if file.suffix == ".gz" else written).decode().removeprefix(_BOM)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(file, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DatasetError(file, "is not UTF-8 text; save it as UTF-8", line) from error


def json_rows(file: Path) -> Iterator[Row]:
    """The objects of a JSON Lines file.

    Raises:
        DatasetError: it cannot be read, or a line is no JSON object.
    """
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DatasetError(file, f"is not JSON: {error}", number) from error
        if not isinstance(fields, dict):
            raise DatasetError(file, f"should be a JSON object, not {short(fields)}", number)
        yield Row(file, number, fields)


def json_list(file: Path) -> list[Row]:
    """The objects of a JSON file that is a list of them; each is told with the file's first line.

    Raises:
        DatasetError: it cannot be read, or is no list of objects.
    """
    try:
        found = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise DatasetError(file, f"is not JSON: {error}", getattr(error, "lineno", None)) from error
    return Row(file, 1, {"the file": found}).several("the file")


def table_rows(file: Path, delimiter: str | None = None, columns: Sequence[str] = ()) -> Iterator[Row]:
    """The rows of a table whose first row names the columns; by default commas, semicolons or tabs separate them.

    Raises:
        DatasetError: it cannot be read, `columns` are not all in its first row, a row has more cells than there are
            columns, or a quote is not closed.
    """
    text = read_text(file)
    above = len(_EMPTY_ROWS.match(text)[0])  # type: ignore[index]  # it matches nothing, too
    skipped, text = text[:above].count("\n"), text[above:]
    header = text.partition("\n")[0]
    delimiter = delimiter or max(",;\t", key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begun = skipped + 1
    try:
        found = reader.fieldnames or ()
        if repeated := [name for name, times in Counter(found).items() if name.strip() and times > 1]:
            raise DatasetError(
                file, f"has two columns {repeated[0]!r}; put what they hold into one, with | between", begun
            )
        if not set(columns) <= set(found):
            raise DatasetError(
                file, f"should begin with the columns {', '.join(columns)}, not {', '.join(found)}", begun
            )
        begun = skipped + reader.line_num + 1
        for fields in reader:
            if None in fields:
                raise DatasetError(
                    file, "has more cells than columns; put quotes around a cell", skipped + reader.line_num
                )
            yield Row(
                file, skipped + reader.line_num, {name.strip(): (cell or "").strip() for name, cell in fields.items()}
            )
            begun = skipped + reader.line_num + 1
    except csv.Error as error:
        message = f"a cell is not what its quotes say ({error}); close them, and write two for one within a cell"
        raise DatasetError(file, message, begun) from error
