"""PDF files by pypdf: the text layer, one section per page, so that a citation can name the page."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....errors import MissingExtraError
from ....stores.types import Source
from ..errors import LoadError
from ..storable import storable_text, storable_title
from ..types import Loaded, Section
from .extra import parser


def load_pdf(path: Path) -> Iterator[Loaded]:
    """Load a PDF; its title is the one in its metadata, else the file's name.

    Raises:
        LoadError: it is damaged, encrypted, or has images only.
        MissingExtraError: the extra `[files]` is not installed.
        OSError: it cannot be read.
    """
    pypdf = parser("pypdf")
    logging.getLogger("pypdf").addHandler(logging.NullHandler())  # or Python prints what it says, without the file
    content = io.BytesIO(path.read_bytes())
    try:
        reader = pypdf.PdfReader(content)
        if reader.is_encrypted and not reader.decrypt(""):
            raise LoadError("encrypted; save it without a password first")
        pages = [storable_text(page.extract_text()).strip() for page in reader.pages]
        title = reader.metadata.title if reader.metadata else None
    except (LoadError, OSError):
        raise
    except pypdf.errors.DependencyError as error:
        raise MissingExtraError("cryptography, which reads encrypted PDFs,", "files") from error
    except Exception as error:
        # pypdf fails on damaged files wherever it happens to be: KeyError, TypeError, RecursionError, its own errors.
        raise LoadError(f"not a readable PDF ({type(error).__name__}: {error})") from error
    if not any(pages):
        raise LoadError(f"no text on its pages ({len(pages)}), only images; run an OCR program over it first")
    yield _document(path.as_posix(), pages, str(title or "").strip() or path.stem)


def _document(source_id: str, pages: list[str], title: str) -> Loaded:
    text = ""
    sections = []
    for number, page in enumerate(pages, start=1):
        if page:
            metadata: dict[str, Any] = {"page": number}
            sections.append(Section(len(text), len(text) + len(page), metadata=metadata))
            text += f"{page}\n\n"
    source = Source(source_id, text, storable_title(title), {"pages": len(pages)})
    return Loaded(source, tuple(sections))
