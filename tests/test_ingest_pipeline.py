from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import HashingEmbedder
from ingested import counts, stored
from ragloom.rag.ingest import IngestError, Loaded, Section, Skipped, check_paths, ingest
from ragloom.rag.ingest.types import IngestProgress
from ragloom.stores.corpus import Corpus
from ragloom.stores.errors import CorpusLockedError
from ragloom.stores.types import Source


def test_documents_are_found_with_their_place_and_metadata(corpus: Corpus, folder: Path) -> None:
    report = ingest(folder, corpus)
    assert (report.files, counts(report), report.chunks, report.embedded) == (3, (4, 0, 0, 0), 4, 4)
    assert report.skipped == ()
    (hit,) = corpus.search("when to ask for leave", k=1, mode="lexical")
    path = (folder / "leave.md").as_posix()
    assert hit.document.metadata["source"] == path
    assert hit.document.metadata["team"] == "people"
    source = corpus.source(path)
    assert source is not None
    start, end = hit.document.metadata["start"], hit.document.metadata["end"]
    assert source.text[start:end] == hit.document.page_content == "Ask your lead two weeks ahead."


def test_what_is_gone_is_deleted_and_what_lies_elsewhere_stays(corpus: Corpus, folder: Path) -> None:
    other = folder.parent / "docs2"
    other.mkdir()
    (other / "note.md").write_text("A note.")
    corpus.add(["A text that no file holds."])
    ingest([folder, other], corpus)
    (folder / "travel.md").unlink()
    (folder / "facts.jsonl").write_text('{"id": "b", "text": "Snow is cold."}\n')
    report = ingest(folder, corpus)
    assert counts(report) == (0, 0, 2, 2)
    assert {"facts.jsonl#b", "leave.md", "note.md"} < set(stored(corpus))
    assert len(stored(corpus)) == 4
    assert len(corpus) == 4


def test_files_that_the_globs_leave_out_stay_as_they_are(corpus: Corpus, folder: Path) -> None:
    ingest(folder, corpus)
    assert counts(ingest(folder, corpus, include=["travel.md"])) == (0, 0, 1, 0)
    assert len(stored(corpus)) == 4


def test_a_name_with_a_number_sign_is_a_name(corpus: Corpus, folder: Path) -> None:
    (folder / "C#").mkdir()
    (folder / "C#" / "rows#1.jsonl").write_text('{"id": "x#y", "text": "Odd names are names."}\n')
    ingest(folder, corpus)
    assert counts(ingest(folder, corpus)) == (0, 0, 5, 0)
    (folder / "C#" / "rows#1.jsonl").unlink()
    assert counts(ingest(folder, corpus)) == (0, 0, 4, 1)


def test_nothing_to_read_is_no_crash(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    report = ingest(tmp_path / "bare", corpus)
    assert (report.files, counts(report), report.skipped) == (0, (0, 0, 0, 0), ())
    assert report.summary().startswith("0 files")


def test_a_scheme_has_documents_of_its_own_and_drops_those_it_has_no_more(corpus: Corpus) -> None:
    pages = {"one": "First page here.", "two": "Second page here."}

    def wiki(rest: str) -> Iterator[Loaded | Skipped]:
        for name, text in pages.items():
            yield Loaded(Source(f"wiki:{rest}#{name}", text), (Section(0, len(text)),))

    assert ingest("wiki:handbook", corpus, loaders={"wiki:": wiki}).added == 2
    pages["one"] = "First page, changed."
    del pages["two"]
    assert counts(ingest("wiki:handbook", corpus, loaders={"wiki:": wiki})) == (0, 1, 0, 1)
    assert list(corpus.fingerprints()) == ["wiki:handbook#one"]


def test_progress_tells_each_file_and_the_end(corpus: Corpus, folder: Path) -> None:
    told: list[IngestProgress] = []
    ingest(folder, corpus, on_progress=told.append)
    assert [(one.done, one.total, Path(one.path).name) for one in told] == [
        (0, 3, "facts.jsonl"),
        (1, 3, "leave.md"),
        (2, 3, "travel.md"),
        (3, 3, ""),
    ]
    assert told[-1].chunks == 4


def test_the_report_has_a_json_form_with_every_stage(corpus: Corpus, folder: Path) -> None:
    report = ingest(folder, corpus)
    data = json.loads(json.dumps(report.as_dict()))
    assert data["added"] == 4
    assert list(data["seconds"]) == ["walk", "read", "split", "embed", "store", "lexical", "dense"]


def test_wrong_options_change_nothing(corpus: Corpus, folder: Path) -> None:
    with pytest.raises(IngestError, match="nowhere does not exist"):
        ingest([folder, folder / "nowhere"], corpus)
    with pytest.raises(IngestError, match="at least 32, not 3"):
        ingest(folder, corpus, max_tokens=3)
    with pytest.raises(IngestError, match="max_tokens is 9999, but the embedder reads only 256"):
        ingest(folder, corpus, max_tokens=9999)
    with pytest.raises(IngestError, match="list of globs"):
        ingest(folder, corpus, include="*.md")
    with pytest.raises(IngestError, match="'pydoc:for' is not known"):
        ingest([folder, "pydoc:", "pydoc:for"], corpus)
    with pytest.raises(IngestError, match="not valid Unicode"):
        ingest([folder, "pydoc:\udce9"], corpus)
    assert len(corpus) == 0


def test_paths_can_be_checked_before_an_index_is_made(folder: Path) -> None:
    check_paths([folder, "pydoc:"])
    with pytest.raises(IngestError, match="wiki:x does not exist"):
        check_paths([folder, "wiki:x"])
    with pytest.raises(IngestError, match="'pydoc:for' is not known"):
        check_paths([folder, "pydoc:for"])
    with pytest.raises(IngestError, match="exclude has an empty glob"):
        check_paths(folder, exclude=["/"])


def test_a_second_writer_is_told_who_holds_the_corpus(corpus: Corpus, folder: Path) -> None:
    with (
        Corpus(corpus.path, embedder=HashingEmbedder()) as second,
        corpus.writing(),
        pytest.raises(CorpusLockedError),
    ):
        ingest(folder, second)
