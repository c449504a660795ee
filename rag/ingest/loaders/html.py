"""HTML pages, by way of Markdown (markdownify on beautifulsoup4).

What a reader doesn't read goes: scripts, styles, navigation, images but for their alternative text, and links that
lead nowhere outside the page's own site. Text is not escaped as strict Markdown would have it, for a backslash in a
quotation is worse than an asterisk that could be taken for emphasis.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..decode import decode
from ..errors import LoadError
from ..types import Loaded
from .extra import parser
from .markdown import document

_UNREAD = ["head", "script", "style", "nav", "noscript", "template", "svg", "iframe", "button", "form"]
_AS_BROWSERS = dict.fromkeys(["iso-8859-1", "iso8859-1", "latin-1", "latin1", "ascii", "us-ascii"], "windows-1252")
"""What pages that declare one of these are in: https://encoding.spec.whatwg.org/#names-and-labels."""

_OUTSIDE = ("http://", "https://", "mailto:")


def load_html(path: Path) -> Iterator[Loaded]:
    """Load an HTML page; its title is its `<title>`, else its first `<h1>`, else the file's name.

    Raises:
        LoadError: the file is not text, in neither UTF-8 nor what it declares, or nested beyond reason.
        MissingExtraError: the extra `[files]` is not installed.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    declared = parser("bs4").dammit.EncodingDetector.find_declared_encoding(data, is_html=True)
    yield html_document(path, decode(data, declared=_AS_BROWSERS.get(declared, declared)))


def html_document(path: Path, html: str) -> Loaded:
    """Make a document of the HTML that a file holds or was turned into.

    Raises:
        LoadError: it is nested beyond reason.
        MissingExtraError: the extra `[files]` is not installed.
    """
    try:
        title, text = _to_markdown(html)
    except RecursionError as error:
        raise LoadError("its HTML is nested too deeply to read") from error
    return document(path, text, title=title)


def _to_markdown(html: str) -> tuple[str, str]:
    soup = parser("bs4").BeautifulSoup(html, "html.parser")
    title = soup.title.get_text() if soup.title else ""
    for tag in soup(_UNREAD):
        tag.decompose()
    for image in soup("img"):
        image.replace_with(image.get("alt") or "")
    for link in soup("a"):
        if not str(link.get("href") or "").startswith(_OUTSIDE):
            link.unwrap()
    converter = parser("markdownify").MarkdownConverter(
        heading_style="ATX",
        bullets="-",
        escape_asterisks=False,
        escape_underscores=False,
        wrap=True,  # with no width: unwraps
        wrap_width=None,
    )
    return title, f"{converter.convert_soup(soup).strip()}\n"
