"""Bytes to text: UTF-8, UTF-16 with a byte order mark, or what a file says. All else is refused rather than guessed.

A wrong guess would be indexed, quoted and cited; a refusal is one line that says which byte is in the way.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from .errors import LoadError


def read_text(path: Path) -> str:
    r"""Read a text file; line ends become `\n`, a byte order mark is dropped.

    Raises:
        LoadError: the file is binary or in another encoding.
        OSError: it cannot be read.
    """
    return decode(path.read_bytes())


def decode(data: bytes, *, declared: str | None = None, read_as: str | None = None) -> str:
    r"""Decode `data`; line ends become `\n`, a byte order mark is dropped.

    Args:
        data: the bytes.
        declared: an encoding that they say themselves they are in, which counts where they are not UTF-8.
        read_as: which one is meant by that.

    Raises:
        LoadError: the bytes are binary or in another encoding.
    """
    encoding, mark = _encoding(data)
    try:
        text = data[mark:].decode(encoding)
    except UnicodeDecodeError as error:
        at = mark + error.start
        if declared is None or mark or declared.lower().replace("_", "-") in ("utf-8", "utf8"):
            why = f"not valid {encoding.upper()} (byte 0x{data[at]:02x} at offset {at})"
            raise LoadError(why if mark else f"{why}; convert it, for example: iconv -f latin1 -t utf8") from None
        try:
            text = data.decode(read_as or declared)
        except (UnicodeDecodeError, LookupError):
            raise LoadError(f"neither valid UTF-8 nor {declared}, which it says that it is") from None
    if "\0" in text:
        raise LoadError(f"binary (a NUL character at offset {text.index(chr(0))})")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes) -> tuple[str, int]:
    """The encoding and the length of the byte order mark that says so."""
    if data.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", len(codecs.BOM_UTF16_LE)
    if data.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be", len(codecs.BOM_UTF16_BE)
    return "utf-8", len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
