"""HTML pages, by way of Markdown (markdownify on beautifulsoup4).

What a reader doesn't read goes: scripts, styles, navigation, images but for their alternative text, and links that
lead nowhere outside the page's own site. Text is not escaped as strict Markdown would have it, for a backslash in a
quotation is worse than an asterisk that could be taken for emphasis.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..decode import decode
from ..errors import LoadError
from ..types import Loaded
from .extra import parser
from .markdown import document

if TYPE_CHECKING:
    from bs4 import Tag

_UNREAD = [
    *("head", "script", "style", "nav", "noscript", "template", "svg", "iframe"),
    *("button", "input", "select", "textarea", "datalist"),  # of a form, which some pages have around all of their text
]
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_RAISED = re.compile(r"[-+−]?[\w.,+−-]*\d[\w.,+−-]*|[-+−]")
"""What changes a number or a unit if it is raised: the 6 of 10⁶, the -1 of s⁻¹."""

_OPENS = re.compile("<")
"""What Markdown would take for the beginning of a tag, which is no part of a heading's words."""

_AS_BROWSERS = {
    **dict.fromkeys(["iso-8859-1", "iso8859-1", "latin-1", "latin1", "ascii", "us-ascii"], "windows-1252"),
    **dict.fromkeys(["gb2312", "gb_2312-80", "gbk", "x-gbk"], "gb18030"),
    **dict.fromkeys(["shift_jis", "shift-jis", "sjis", "x-sjis"], "cp932"),
    **dict.fromkeys(["euc-kr", "ks_c_5601-1987", "ksc5601"], "cp949"),
    **dict.fromkeys(["iso-8859-9", "latin5"], "cp1254"),
    "big5": "big5hkscs",
}
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
    yield html_document(path, decode(data, declared=declared, read_as=_AS_BROWSERS.get(declared)))


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
    parser("html5lib")  # reads tags that have no end as browsers do
    soup = parser("bs4").BeautifulSoup(html, "html5lib")
    title = soup.title.get_text() if soup.title else ""
    for tag in soup(_UNREAD):
        if tag.name == "button" and tag.find_parent(_HEADINGS):
            tag.unwrap()
        else:
            tag.decompose()
    for raised in soup("sup"):
        before = raised.previous_sibling
        if _RAISED.fullmatch(raised.get_text().strip()) and str(before or " ")[-1:].isalnum():
            raised.insert(0, "^")
    for heading in soup(_HEADINGS):
        _tidy(heading)
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


def _tidy(heading: Tag) -> None:
    """Leave a heading's words, and those as Markdown takes them for words."""
    for anchor in heading.select("a[href^='#']"):
        if not any(character.isalnum() for character in anchor.get_text()):  # ¶, with which a page links to itself
            anchor.decompose()
    for words in heading.find_all(string=_OPENS):
        if not words.find_parent("code"):
            words.replace_with(words.replace("<", r"\<"))
