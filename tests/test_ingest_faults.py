from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ingested import counts, stored
from ragloom.rag.ingest import Loaded, LoadError, Section, ingest
from ragloom.stores.corpus import Corpus
from ragloom.stores.types import Source


def test_faults_are_reported_one_by_one_and_cost_nothing_else(corpus: Corpus, folder: Path) -> None:
    (folder / "empty.md").write_text("")
    (folder / "bare.md").write_text("---\ntitle: Only front matter\n---\n")
    (folder / "binary.txt").write_bytes(b"\x00\x01")
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (folder / "scan.pdf").write_bytes(b"%PDF-1.4 cut")
    (folder / "bad.jsonl").write_text('{"text": "Fine."}\nnot json\n')
    (folder / "image.png").write_bytes(b"\x89PNG")
    report = ingest(folder, corpus)
    reasons = {Path(skipped.path).name: skipped.reason for skipped in report.skipped}
    assert reasons.pop("scan.pdf").startswith("not a readable PDF")
    assert reasons == {
        "empty.md": "no text in it",
        "bare.md": "no text in it",
        "binary.txt": "binary (a NUL character at offset 0)",
        "latin.txt": "not valid UTF-8 (byte 0xe9 at offset 3); convert it, for example: iconv -f latin1 -t utf8",
        "bad.jsonl": "not valid JSON: line 2",
        "docs": "no loader for .png (1)",
    }
    assert report.added == 5


def test_what_cannot_be_read_now_keeps_the_chunks_it_had(corpus: Corpus, folder: Path) -> None:
    ingest(folder, corpus)
    (folder / "travel.md").write_bytes(b"\xff\x00\xff")
    report = ingest(folder, corpus)
    assert counts(report) == (0, 0, 3, 0)
    assert len(report.skipped) == 1
    assert "travel.md" in stored(corpus)


def test_a_file_that_was_emptied_loses_its_chunks(corpus: Corpus, folder: Path) -> None:
    ingest(folder, corpus)
    (folder / "travel.md").write_text("\n")
    report = ingest(folder, corpus)
    assert counts(report) == (0, 0, 3, 1)
    assert [skipped.reason for skipped in report.skipped] == ["no text in it"]


def test_loaders_of_the_caller_are_used_and_their_failures_are_the_files(corpus: Corpus, folder: Path) -> None:
    def shout(path: Path) -> Iterator[Loaded]:
        text = path.read_text().upper()
        yield Loaded(Source(path.as_posix(), text, metadata={"when": path.stat}), (Section(0, len(text)),))

    def crash(path: Path) -> Iterator[Loaded]:
        raise KeyError("oops")

    def stray(path: Path) -> Iterator[Loaded]:
        yield Loaded(Source("elsewhere", "Text."), (Section(0, 5),))

    def overlapping(path: Path) -> Iterator[Loaded]:
        yield Loaded(Source(path.as_posix(), "Text."), (Section(0, 4), Section(3, 5)))

    def refuses(path: Path) -> Iterator[Loaded]:
        raise LoadError("not today")

    def locked(path: Path) -> Iterator[Loaded]:
        raise PermissionError(13, "Permission denied")

    def twice(path: Path) -> Iterator[Loaded]:
        for text in ("Text.", "Other."):
            yield Loaded(Source(path.as_posix(), text), (Section(0, len(text)),))

    def wrong(path: Path) -> Iterator[Any]:
        yield "Text."

    loaders = {
        ".shout": shout,
        ".twice": twice,
        ".wrong": wrong,
        ".crash": crash,
        ".stray": stray,
        ".over": overlapping,
        ".no": refuses,
        ".locked": locked,
    }
    for suffix in loaders:
        (folder / f"file{suffix}").write_text("hear, hear")
    report = ingest(folder, corpus, loaders=loaders)
    assert corpus.search("HEAR", k=1, mode="lexical")[0].document.page_content == "HEAR, HEAR"
    reasons = {Path(skipped.path).suffix: skipped.reason for skipped in report.skipped}
    assert reasons[".crash"] == "its loader failed (KeyError: 'oops')"
    assert "must be" in reasons[".stray"]
    assert "overlap" in reasons[".over"]
    assert reasons[".no"] == "not today"
    assert reasons[".twice"].endswith("file.twice' twice")
    assert reasons[".wrong"] == "its loader gives str, which is neither Loaded nor Skipped"
    assert reasons[".locked"] == "cannot be read: Permission denied"
    assert report.added == 6


def test_a_document_that_cannot_be_split_costs_only_itself_and_is_tried_again(corpus: Corpus, folder: Path) -> None:
    def astray(path: Path) -> Iterator[Loaded]:
        good = (Section(0, 8, ("Guide",)),)
        bad = (Section(0, 3, ("Guide", "A"), opening=999), Section(4, 8, ("Guide", "B")))
        for name, sections in (("bad", bad), ("good", good), ("worse", bad)):
            yield Loaded(Source(f"{path.as_posix()}#{name}", f"One two {name}."), sections)

    (folder / "a.odd").write_text("odd")
    for expected in ((5, 0, 0, 0), (0, 0, 5, 0)):
        report = ingest(folder, corpus, loaders={".odd": astray})
        assert [Path(skipped.path).name for skipped in report.skipped] == ["a.odd#bad", "a.odd#worse"]
        assert all("cannot be split (ValueError: chunk" in skipped.reason for skipped in report.skipped)
        assert counts(report) == expected
    assert "a.odd#good" in stored(corpus)


def test_ids_and_headings_that_cannot_be_stored_cost_nothing_else(corpus: Corpus, folder: Path) -> None:
    def broken(path: Path) -> Iterator[Loaded]:
        for id_ in ("fine", "\ud83d"):
            yield Loaded(Source(f"{path.as_posix()}#{id_}", "Text."), (Section(0, 5, ("half \ud83d",)),))

    (folder / "a.odd").write_text("odd")
    (folder / "facts.jsonl").write_text('{"id": "\\ud83d", "text": "Bad."}\n{"id": "b", "text": "Snow is cold."}\n')
    report = ingest(folder, corpus, loaders={".odd": broken})
    assert [(Path(skipped.path).name, skipped.reason) for skipped in report.skipped] == [
        ("a.odd#\ufffd", "its id contains NUL or a lone surrogate and cannot be stored"),
        ("facts.jsonl", "its id contains NUL or a lone surrogate: line 1"),
    ]
    assert report.added == 4


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="file names are Unicode there")
def test_a_file_whose_name_is_no_text_is_skipped_and_the_rest_is_read(corpus: Corpus, folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.md")
    (folder / name).write_text("Text.")
    (folder / os.fsdecode(b"d\xe9p")).mkdir()
    (folder / os.fsdecode(b"d\xe9p") / "a.md").write_text("Text.")
    for paths in ([folder], [folder, folder / name, folder / os.fsdecode(b"d\xe9p")]):
        report = ingest(paths, corpus)
        names = {Path(skipped.path).name for skipped in report.skipped}
        assert names == {"caf\ufffd.md", "a.md"}
        assert all("rename it" in skipped.reason for skipped in report.skipped)
    assert len(stored(corpus)) == 4


def test_a_field_whose_name_cannot_be_encoded_is_only_absent(corpus: Corpus, folder: Path) -> None:
    file = folder / "facts.jsonl"
    file.write_text('{"text": "Rain is wet."}\n')
    ingest(file, corpus)
    report = ingest(file, corpus, text_field="\udcff")  # what a shell makes of a byte that is not UTF-8
    assert [Path(skipped.path).name for skipped in report.skipped] == ["facts.jsonl"]
