"""The metadata of a GGUF file, read without loading the model.

The format is that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md: `GGUF`, the version, how many tensors
and how many key-value pairs there are, and the pairs, all little-endian. Arrays, such as the vocabulary, are passed
over. A file may come from anywhere, so no size in it is believed: what is longer than the file, or than any honest file
has, is an error.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from .errors import ModelError

Value = str | int | float | bool

_VERSIONS = (2, 3)
_MOST_PAIRS = 10_000
_LONGEST_KEY = 65_535
_LONGEST_TEXT = 16_000_000  # chat templates have thousands of characters
_MOST_TEXTS = 5_000_000  # the largest vocabularies have some 300,000
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9


def read_header(path: Path) -> dict[str, Value]:
    """The keys and values of a GGUF file, arrays left out.

    ```python
    from ragloom.rag.llm.gguf_header import read_header
    from ragloom.rag.llm.models import embedded_file

    print(read_header(embedded_file())["general.architecture"])  # -> llama
    ```

    Raises:
        ModelError: the file cannot be read, ends too early, or is no GGUF file of a version that is known.
    """
    try:
        with path.open("rb") as file:
            return _Header(file, os.fstat(file.fileno()).st_size).pairs()
    except OSError as error:
        raise ModelError(f"cannot read the model {path}: {error.strerror}") from error
    except (_DamagedError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is damaged: {error}; get it again") from error


class _DamagedError(Exception):
    """What is wrong."""


class _Header:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def pairs(self) -> dict[str, Value]:
        if (magic := self._bytes(4)) != b"GGUF":
            raise _DamagedError(f"it begins with {magic!r}, not with b'GGUF'")
        if (version := self._number("<I")) not in _VERSIONS:
            raise _DamagedError(f"it is a GGUF file of version {version}, not of {' or '.join(map(str, _VERSIONS))}")
        self._number("<Q")  # how many tensors
        pairs = {}
        for _ in range(self._count(_MOST_PAIRS, "keys")):
            key = self._text(_LONGEST_KEY)
            kind = int(self._number("<I"))
            if kind == _ARRAY:
                self._pass_array()
            else:
                pairs[key] = self._value(kind)
        return pairs

    def _value(self, kind: int) -> Value:
        if kind == _TEXT:
            return self._text(_LONGEST_TEXT)
        if kind not in _NUMBERS:
            raise _DamagedError(f"it has a value of the unknown type {kind}")
        return self._number(_NUMBERS[kind])

    def _pass_array(self) -> None:
        kind = int(self._number("<I"))
        if kind == _TEXT:
            for _ in range(self._count(_MOST_TEXTS, "texts in a list")):
                self._pass(self._count(_LONGEST_TEXT, "bytes of text"))
        elif kind in _NUMBERS:
            self._pass(self._count(self._size, "values") * struct.calcsize(_NUMBERS[kind]))
        else:  # lists of lists are allowed, and nobody writes them
            raise _DamagedError(f"it has a list of the type {kind}")

    def _text(self, longest: int) -> str:
        return self._bytes(self._count(longest, "bytes of text")).decode("utf-8")

    def _count(self, most: int, things: str) -> int:
        count = int(self._number("<Q"))
        if count > most:
            raise _DamagedError(f"it says that it has {count:,} {things}")
        return count

    def _number(self, form: str) -> int | float | bool:
        number: int | float | bool = struct.unpack(form, self._bytes(struct.calcsize(form)))[0]
        return number

    def _bytes(self, count: int) -> bytes:
        found = self._file.read(min(count, self._size))
        if len(found) < count:
            raise _DamagedError("it ends within its header")
        return found

    def _pass(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise _DamagedError("it ends within its header")
        self._file.seek(count, os.SEEK_CUR)
