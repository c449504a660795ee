"""Word documents: mammoth makes HTML of them by their styles (not their looks), which then goes the way of HTML."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import LoadError
from ..types import Loaded
from .extra import parser
from .html import html_document

_STYLES = "p[style-name='Title'] => h1:fresh"


def load_docx(path: Path) -> Iterator[Loaded]:
    """Load a Word document; its title is its first heading of level 1, else the file's name.

    Raises:
        LoadError: it is not a Word document, or damaged.
        MissingExtraError: the extra `[files]` is not installed.
        OSError: it cannot be read.
    """
    mammoth = parser("mammoth")
    content = io.BytesIO(path.read_bytes())
    without_images = mammoth.images.img_element(_no_source)
    try:
        html = mammoth.convert_to_html(content, style_map=_STYLES, convert_image=without_images).value
    except Exception as error:
        # A damaged archive fails wherever mammoth happens to look: BadZipFile, KeyError, expat's error, and others.
        raise LoadError(f"not a readable Word document ({type(error).__name__}: {error})") from error
    yield html_document(path, html)


def _no_source(_: Any) -> dict[str, str]:
    return {}
