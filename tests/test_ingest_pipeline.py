from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import HashingEmbedder, ShortSightedEmbedder
from numpy.typing import NDArray
from ragloom.rag.ingest import IngestError, IngestReport, Loaded, LoadError, Section, Skipped, check_paths, ingest
from ragloom.rag.ingest.types import IngestProgress
from ragloom.stores.corpus import Corpus
from ragloom.stores.embedder import Fingerprint
from ragloom.stores.errors import CorpusLockedError
from ragloom.stores.types import Source


class CountingEmbedder:
    """Gives every text the same vector, and tells how often it was needed."""

    fingerprint = Fingerprint("counting", 4, "")
    model = "counting"

    def __init__(self) -> None:
        self.embedded = 0
        self.asked = 0

    @property
    def max_tokens(self) -> int:
        self.asked += 1
        return 256

    @property
    def tokenizer(self) -> None:
        self.asked += 1

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        return np.full((len(texts), 4), 0.5, np.float32)

    def encode_query(self, text: str) -> NDArray[np.float32]:
        return np.full(4, 0.5, np.float32)


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def corpus(tmp_path: Path, embedder: CountingEmbedder) -> Iterator[Corpus]:
    with Corpus(tmp_path / "index", embedder=embedder) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "leave.md").write_text("---\nteam: people\n---\n# Leave\n\nAsk your lead two weeks ahead.\n")
    (docs / "travel.md").write_text("# Travel\n\nBook by rail where you can.\n")
    (docs / "facts.jsonl").write_text('{"id": "a", "text": "Rain is wet."}\n{"id": "b", "text": "Snow is cold."}\n')
    return docs


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.changed, report.unchanged, report.removed


def stored(corpus: Corpus) -> list[str]:
    return [Path(id_).name for id_ in corpus.fingerprints()]


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


def test_a_second_run_reads_bytes_and_nothing_more(
    corpus: Corpus, embedder: CountingEmbedder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest([folder, "pydoc:"], corpus)
    embedder.asked = embedder.embedded = 0
    report = ingest([folder, "pydoc:"], corpus)
    assert counts(report)[:2] == (0, 0)
    assert report.unchanged == len(corpus.fingerprints())
    assert (report.chunks, report.embedded, embedder.asked, embedder.embedded) == (0, 0, 0, 0)


def test_a_date_is_no_change_and_a_byte_is_one(corpus: Corpus, folder: Path) -> None:
    ingest(folder, corpus)
    os.utime(folder / "travel.md", (0, 0))
    assert counts(ingest(folder, corpus)) == (0, 0, 4, 0)
    (folder / "travel.md").write_text("# Travel\n\nBook by rail wherever you can.\n")
    assert counts(ingest(folder, corpus)) == (0, 1, 3, 0)
    assert len(corpus) == 4


def test_a_change_embeds_only_the_chunks_that_differ(corpus: Corpus, embedder: CountingEmbedder, folder: Path) -> None:
    long = " ".join(["Sentences fill the room that a chunk has, one after the other."] * 4)
    page = f"# A\n\n{long}\n\n# B\n\n{long}\n"
    (folder / "page.md").write_text(page)
    ingest(folder, corpus)
    embedder.embedded = 0
    (folder / "page.md").write_text(page.replace("# B", "# C"))
    assert ingest(folder, corpus).embedded == embedder.embedded == 1


@pytest.mark.parametrize("options", [{"max_tokens": 64}, {"text_field": "title"}])
def test_other_settings_are_a_change(corpus: Corpus, folder: Path, options: dict[str, int]) -> None:
    (folder / "facts.jsonl").write_text('{"id": "a", "text": "Rain is wet.", "title": "Rain"}\n')
    ingest(folder, corpus)
    assert ingest(folder, corpus, **options).changed > 0


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_only_the_rows_that_differ_are_cut_and_embedded_again(
    corpus: Corpus, embedder: CountingEmbedder, tmp_path: Path, name: str
) -> None:
    def write(*rows: tuple[str, str, int]) -> None:
        lines = [json.dumps({"id": id_, "text": text, "year": year}) for id_, text, year in rows]
        table = ["id,text,year", *(f"{id_},{text},{year}" for id_, text, year in rows)]
        (tmp_path / name).write_text("\n".join(table if name.endswith("csv") else lines) + "\n")

    def told() -> tuple[tuple[int, int, int, int], int, int]:
        report = ingest(tmp_path / name, corpus)
        return counts(report), report.chunks, report.embedded

    rain, snow, hail = ("a", "Rain is wet.", 1), ("b", "Snow is cold.", 1), ("c", "Hail is hard.", 1)
    write(rain, snow)
    assert told() == ((2, 0, 0, 0), 2, 2)
    write(rain, snow, hail)
    assert told() == ((1, 0, 2, 0), 1, 1)
    write(("a", "Rain is wet.", 2), snow, hail)
    assert told()[0] == (0, 1, 2, 0), "its metadata differ"
    assert corpus.search("rain", mode="lexical")[0].document.metadata["year"] in {2, "2"}
    write(("a", "Rain is wet.", 2), snow)
    assert told()[0] == (0, 0, 2, 1)
    embedder.asked = 0
    assert told() == ((0, 0, 2, 0), 0, 0)
    assert embedder.asked == 0


def test_a_file_that_went_back_in_the_middle_of_a_run_is_what_it_was(corpus: Corpus, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"

    def write(word: str) -> None:
        rows.write_text("".join(json.dumps({"text": f"Row {n} is {word}."}) + "\n" for n in range(700)))

    def cut_off(path: Path) -> Iterator[Loaded]:
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if number == 600:
                raise KeyboardInterrupt
            text = json.loads(line)["text"]
            yield Loaded(Source(f"{path.as_posix()}#{number}", text), (Section(0, len(text)),))

    write("old")
    ingest(rows, corpus)
    write("new")
    with pytest.raises(KeyboardInterrupt):
        ingest(rows, corpus, loaders={".jsonl": cut_off})
    assert corpus.search("new", mode="lexical")
    write("old")
    ingest(rows, corpus)
    assert not corpus.search("new", mode="lexical")


def test_a_document_that_was_deleted_comes_back(corpus: Corpus, folder: Path) -> None:
    ingest(folder, corpus)
    corpus.delete(sources=[f"{(folder / 'facts.jsonl').as_posix()}#a"])
    assert counts(ingest(folder, corpus)) == (1, 0, 3, 0)
    assert counts(ingest(folder, corpus)) == (0, 0, 4, 0)


def test_an_embedder_that_reads_less_gets_chunks_that_fit(tmp_path: Path, folder: Path) -> None:
    (folder / "long.txt").write_text(" ".join(f"Sentence {n} has five words." for n in range(60)))
    index = tmp_path / "index"
    with Corpus(index, embedder=HashingEmbedder()) as corpus:
        ingest(folder, corpus)
        ingest(folder, corpus, max_tokens=200)
    short = ShortSightedEmbedder(64)
    with Corpus(index, embedder=short) as corpus:
        corpus.repair(reembed=True)
        with pytest.raises(IngestError, match="max_tokens is 200, but the embedder reads only 64"):
            ingest(folder, corpus, max_tokens=200)
        assert ingest(folder, corpus).changed > 0
        assert short.tokenizer is not None
        assert max(len(short.tokenizer.encode(document.page_content)) for document in corpus.get(corpus.ids())) <= 64
        assert ingest(folder, corpus).changed == 0


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
        "latin.txt": "not valid UTF-8 (byte 0xe9 at offset 3)",
        "bad.jsonl": "not valid JSON: line 2",
        "docs": "no loader for .png (1)",
    }
    assert report.added == 5


def test_what_is_left_out_is_told_by_every_run_and_embeds_nothing(
    corpus: Corpus, embedder: CountingEmbedder, folder: Path
) -> None:
    (folder / "facts.jsonl").write_text('{"text": "Fine."}\nnot json\n')
    (folder / "leave.md").write_text("---\nteam: [people\n---\n# Leave\n\nAsk your lead two weeks ahead.\n")
    first = ingest(folder, corpus)
    assert [Path(skipped.path).name for skipped in first.skipped] == ["facts.jsonl", "leave.md"]
    embedder.asked = embedder.embedded = 0
    again = ingest(folder, corpus)
    assert again.skipped == first.skipped
    assert (counts(again), embedder.asked, embedder.embedded) == ((0, 0, 3, 0), 0, 0)
    (folder / "facts.jsonl").write_text('{"text": "Fine."}\n')
    (folder / "leave.md").write_text("---\nteam: [people]\n---\n# Leave\n\nAsk your lead two weeks ahead.\n")
    assert ingest(folder, corpus).skipped == ()


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


def test_nothing_to_read_is_no_crash(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    report = ingest(tmp_path / "bare", corpus)
    assert (report.files, counts(report), report.skipped) == (0, (0, 0, 0, 0), ())
    assert report.summary().startswith("0 files")


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

    loaders = {
        ".shout": shout,
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
    assert reasons[".locked"] == "cannot be read: Permission denied"
    assert report.added == 5


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


def test_a_run_that_was_stopped_in_the_middle_of_a_file_is_finished_by_the_next(corpus: Corpus, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"text": f"Row number {n} of many."}) + "\n" for n in range(700)))

    def lines(path: Path) -> Iterator[Loaded]:
        for number, line in enumerate(path.read_text().splitlines()):
            if number == 600 and not (tmp_path / "go on").exists():
                raise KeyboardInterrupt
            text = json.loads(line)["text"]
            yield Loaded(Source(f"{path.as_posix()}#{number}", text), (Section(0, len(text)),))

    with pytest.raises(KeyboardInterrupt):
        ingest(rows, corpus, loaders={".jsonl": lines})
    committed = len(corpus)
    assert 0 < committed < 600
    (tmp_path / "go on").touch()
    report = ingest(rows, corpus, loaders={".jsonl": lines})
    assert counts(report) == (700 - committed, 0, committed, 0)
    assert counts(ingest(rows, corpus, loaders={".jsonl": lines})) == (0, 0, 700, 0)


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
        ("a.odd#\ufffd", "its id holds NUL or half a character and cannot be stored"),
        ("facts.jsonl", "its id holds NUL or half a character: line 1"),
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
    with pytest.raises(IngestError, match="no valid Unicode"):
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
        Corpus(corpus.path, embedder=CountingEmbedder()) as second,
        corpus.writing(),
        pytest.raises(CorpusLockedError),
    ):
        ingest(folder, second)
