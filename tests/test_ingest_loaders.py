from __future__ import annotations

import io
import sys
from pathlib import Path

import docx
import pypdf
import pytest
from ragloom.errors import MissingExtraError
from ragloom.rag.ingest.decode import decode
from ragloom.rag.ingest.errors import IngestError, LoadError
from ragloom.rag.ingest.loaders.docx import load_docx
from ragloom.rag.ingest.loaders.html import load_html
from ragloom.rag.ingest.loaders.pdf import load_pdf
from ragloom.rag.ingest.loaders.text import load_text
from ragloom.rag.ingest.registry import find_loaders
from ragloom.rag.ingest.storable import jsonable, storable_text, storable_title
from ragloom.rag.ingest.types import Loaded


def pdf(*pages: str) -> bytes:
    """A PDF with one line of text on each page; an empty one stays blank."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for page in pages:
        content = f"BT /F1 12 Tf 72 720 Td ({page}) Tj ET" if page else ""
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
        resources = "/Resources << /Font << /F1 3 0 R >> >>"
        contents = f"/Contents {len(objects)} 0 R"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] {resources} {contents} >>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    body = "%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


def texts(loaded: Loaded) -> list[str]:
    return [loaded.source.text[section.start : section.end] for section in loaded.sections]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf8_and_marked_utf16_are_read_and_line_ends_are_one_character(encoding: str) -> None:
    assert decode("Zoë\r\nsays 你好\rtoo\n".encode(encoding)) == "Zoë\nsays 你好\ntoo\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            b"caf\xe9 au lait",
            "not valid UTF-8 (byte 0xe9 at offset 3); convert it, for example: iconv -f latin1 -t utf8",
        ),
        (b"\xef\xbb\xbfcaf\xe9!", "not valid UTF-8 (byte 0xe9 at offset 6)"),
        (b"\x7fELF\x00\x01", "binary (a NUL character at offset 4)"),
        (b"\xff\xfea\x00b", "not valid UTF-16-LE (byte 0x62 at offset 4)"),
    ],
)
def test_anything_else_is_refused_by_the_byte_that_is_in_the_way(data: bytes, reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        decode(data)
    assert str(caught.value) == reason


def test_a_text_file_is_one_section_named_after_the_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("\n\n# not a heading here\n\nText.\n")
    (loaded,) = load_text(path)
    assert (loaded.source.id, loaded.source.title) == (path.as_posix(), "notes")
    assert texts(loaded) == ["# not a heading here\n\nText."]


def test_html_is_read_without_what_no_reader_reads(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(
        "<html><head><title>The  page</title><style>p {}</style></head><body><nav>Menu</nav><h1>Big</h1>"
        "<p>Wrapped\nover lines, snake_case * <b>bold</b>.</p><script>alert(1)</script>"
        "<ul><li>One <a href='#x'>here</a><li>Two <a href='https://example.org/'>there</a></ul>"
        "<img src='data:image/png;base64,AAAA' alt='a cat'><pre>def f():\n    pass</pre></body></html>"
    )
    (loaded,) = load_html(path)
    assert loaded.source.title == "The page"
    (text,) = texts(loaded)
    assert loaded.sections[0].heading == ("Big",)
    assert "Wrapped over lines, snake_case * **bold**." in text
    assert "- One here\n- Two [there]" in text
    assert "[there](https://example.org/)" in text
    assert "a cat" in text
    assert "def f():\n    pass" in text
    assert not any(unread in text for unread in ("Menu", "alert", "base64", "p {}"))


def test_signs_of_a_tag_that_a_page_shows_stay_in_its_headings(tmp_path: Path) -> None:
    loaded = read_html(
        tmp_path, "<h1>The &lt;div&gt; element</h1><h2><code>&lt;a&gt;</code>, a &lt; b</h2><p>Text.</p>"
    )
    assert loaded.sections[-1].heading == ("The <div> element", "<a>, a < b")


def read_html(tmp_path: Path, html: str, encoding: str = "utf-8") -> Loaded:
    path = tmp_path / "page.html"
    path.write_bytes(html.encode(encoding))
    (loaded,) = load_html(path)
    return loaded


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>It weighs 10<sup>6</sup> kg at 3 m s<sup>-1</sup>.</p>", "It weighs 10^6 kg at 3 m s^-1."),
        ("<p>The 1<sup>st</sup> of H<sub>2</sub>O.</p>", "The 1st of H2O."),
        ("<head><title>T</title><p>No end of the head.</p>", "No end of the head."),
        ("<table><tr><td>1<td>2<tr><td>3<td>4</table>", "| 1 | 2 |\n| 3 | 4 |"),
        ('<?xml version="1.0" encoding="UTF-8"?><html><body><p>Prolog.</p></body></html>', "Prolog."),
        ("<form id=all><h1>Leave</h1><p>26 days.</p><input value=x><select><option>y</select></form>", "26 days."),
    ],
)
def test_html_says_what_a_browser_shows(tmp_path: Path, html: str, text: str) -> None:
    (found,) = texts(read_html(tmp_path, html))
    assert found.replace("| --- | --- |\n", "").replace("|  |  |\n", "") == text


def test_the_headings_of_a_page_are_its_words_alone(tmp_path: Path) -> None:
    loaded = read_html(
        tmp_path,
        "<h1>Handbook<a class=headerlink href='#handbook'>¶</a></h1><p>One.</p>"
        "<h2><button>How do I <a href='#x'>reset</a> it?</button></h2><p>Two.</p><button>Buy</button>",
    )
    assert [section.heading for section in loaded.sections] == [("Handbook",), ("Handbook", "How do I reset it?")]
    assert texts(loaded) == ["One.", "Two."]


@pytest.mark.parametrize(
    ("declared", "encoding", "words"),
    [("gb2312", "gb18030", "朱镕基"), ("shift_jis", "cp932", "①㈱"), ("euc-kr", "cp949", "똠방각하")],
)
def test_pages_are_decoded_as_browsers_decode_them(tmp_path: Path, declared: str, encoding: str, words: str) -> None:
    loaded = read_html(tmp_path, f"<meta charset={declared}><p>{words}</p>", encoding)
    assert texts(loaded) == [words]


def test_a_page_that_says_utf_8_and_is_not_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(b"<meta charset=utf-8><p>caf\xe9</p>")
    with pytest.raises(LoadError, match=r"not valid UTF-8 \(byte 0xe9 at offset 26\)"):
        list(load_html(path))


def test_word_documents_keep_headings_lists_and_tables(tmp_path: Path) -> None:
    path = tmp_path / "report.docx"
    document = docx.Document()
    document.add_heading("Annual report", level=1)
    document.add_paragraph("Sales rose by 4 %.")
    document.add_heading("Outlook", level=2)
    document.add_paragraph("Stable", style="List Bullet")
    table = document.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Region", "North"
    document.save(str(path))
    (loaded,) = load_docx(path)
    assert loaded.source.title == "Annual report"
    assert [section.heading for section in loaded.sections] == [("Annual report",), ("Annual report", "Outlook")]
    assert texts(loaded)[0] == "Sales rose by 4 %."
    assert "- Stable" in texts(loaded)[1]
    assert "North" in texts(loaded)[1]


def test_a_damaged_word_document_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.docx"
    path.write_bytes(b"PK\x03\x04 nothing more")
    with pytest.raises(LoadError, match="not a readable Word document"):
        list(load_docx(path))


def test_a_pdf_has_a_section_per_page_that_knows_its_number(tmp_path: Path) -> None:
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdf("First page here.", "", "Third page here."))
    (loaded,) = load_pdf(path)
    assert texts(loaded) == ["First page here.", "Third page here."]
    assert [section.metadata for section in loaded.sections] == [{"page": 1}, {"page": 3}]
    assert loaded.source.metadata == {"pages": 3}
    assert loaded.source.title == "paper"


def test_a_pdf_without_a_text_layer_asks_for_ocr(tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(pdf("", ""))
    with pytest.raises(LoadError, match=r"no text on its pages \(2\).*OCR"):
        list(load_pdf(path))


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
@pytest.mark.parametrize(("password", "readable"), [("", True), ("secret", False)])
def test_an_encrypted_pdf_is_read_only_if_it_needs_no_password(
    tmp_path: Path, password: str, readable: bool, algorithm: str
) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf("Locked words.")))
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    path = tmp_path / "locked.pdf"
    writer.write(path)
    if readable:
        (loaded,) = load_pdf(path)
        assert texts(loaded) == ["Locked words."]
    else:
        with pytest.raises(LoadError, match="encrypted"):
            list(load_pdf(path))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4 cut off", pdf("Page.")[:200]])
def test_a_damaged_pdf_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(data)
    with pytest.raises(LoadError):
        list(load_pdf(path))


def test_a_missing_parser_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdf("Page."))
    with pytest.raises(MissingExtraError, match=r"pip install 'ragloom\[files\]'"):
        list(load_pdf(path))


def test_metadata_becomes_json_and_text_becomes_storable() -> None:
    value = {1: {"b"}, "nan": float("nan"), "path": Path("x"), "lone": "a\ud800b", "deep": [(1, None, True)]}
    assert jsonable(value) == {"1": ["b"], "nan": "nan", "path": "x", "lone": "a\ufffdb", "deep": [[1, None, True]]}
    assert storable_text("a\0b\udfff") == "a\ufffdb\ufffd"
    assert storable_title("  two\n words ") == "two words"
    assert len(storable_title("long " * 100)) <= 160


@pytest.mark.parametrize("key", ["epub", ".", "", ":", ".wiki:"])
def test_a_loader_is_named_by_suffix_or_scheme(key: str) -> None:
    with pytest.raises(IngestError, match="suffix"):
        find_loaders({key: load_text})


def test_the_callers_loader_goes_before_ragloom_s_own() -> None:
    assert find_loaders({".MD": load_text})[".md"].load is load_text


def test_a_plug_in_is_found_by_its_entry_point_and_imported_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "shouting-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[ragloom.loaders]\n.shout = shouting_loader:load\n")
    (tmp_path / "shouting_loader.py").write_text(
        "from ragloom.rag.ingest import Loaded, Section\n"
        "from ragloom.stores import Source\n"
        "def load(path):\n"
        "    text = path.read_text().upper()\n"
        "    yield Loaded(Source(path.as_posix(), text), (Section(0, len(text)),))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    loader = find_loaders()[".shout"]
    assert loader.name == "shouting_loader:load/1.2"
    assert "shouting_loader" not in sys.modules
    (tmp_path / "a.shout").write_text("hear, hear")
    (loaded,) = loader.load(tmp_path / "a.shout")
    assert isinstance(loaded, Loaded)
    assert loaded.source.text == "HEAR, HEAR"


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="windows-1252">', "cp1252"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1">', "cp1252"),
        ('<meta charset="koi8-r">', "koi8-r"),
        ('<meta charset="windows-1252">', "utf-8"),
    ],
)
def test_a_page_that_is_not_utf8_is_in_what_it_declares(tmp_path: Path, head: str, encoding: str) -> None:
    said = "Кафе открыто." if encoding == "koi8-r" else "The “café” opens."
    path = tmp_path / "old.html"
    path.write_bytes(f"<html><head>{head}</head><body><p>{said}</p></body></html>".encode(encoding))
    (page,) = load_html(path)
    assert page.source.text.strip() == said


@pytest.mark.parametrize("declared", ["no-such", "koi8-u-and-more", "shift_jis"])
def test_a_page_that_is_not_what_it_declares_is_refused(tmp_path: Path, declared: str) -> None:
    path = tmp_path / "old.html"
    path.write_bytes(f'<html><head><meta charset="{declared}"></head>'.encode() + b"<body>caf\xe9</body></html>")
    with pytest.raises(LoadError, match=f"neither valid UTF-8 nor {declared}"):
        list(load_html(path))
