"""What a run does that is not the first: it finds what has changed, and makes nothing else again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import CountingEmbedder, HashingEmbedder, ShortSightedEmbedder
from ingested import counts
from ragloom.rag.ingest import IngestError, Loaded, Section, ingest
from ragloom.stores.corpus import Corpus
from ragloom.stores.types import Chunk, Source
from tokenizers.pre_tokenizers import Punctuation


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A document of two chunks."""
    long = " ".join(["Sentences fill the room that a chunk has, one after the other."] * 4)
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "page.md"
    page.write_text(f"# A\n\n{long}\n\n# B\n\n{long}\n")
    return page


def test_a_second_run_reads_bytes_and_nothing_more(corpus: Corpus, embedder: CountingEmbedder, folder: Path) -> None:
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


def test_a_change_embeds_only_the_chunks_that_differ(corpus: Corpus, embedder: CountingEmbedder, page: Path) -> None:
    ingest(page, corpus)
    embedder.embedded = 0
    page.write_text(page.read_text().replace("# B", "# C"))
    assert ingest(page, corpus).embedded == embedder.embedded == 1


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


def test_a_document_that_was_deleted_comes_back(corpus: Corpus, folder: Path) -> None:
    ingest(folder, corpus)
    corpus.delete(sources=[f"{(folder / 'facts.jsonl').as_posix()}#a"])
    assert counts(ingest(folder, corpus)) == (1, 0, 3, 0)
    assert counts(ingest(folder, corpus)) == (0, 0, 4, 0)


def test_a_chunk_that_was_deleted_comes_back_with_its_document(
    corpus: Corpus, embedder: CountingEmbedder, page: Path
) -> None:
    ingest(page, corpus)
    ids = corpus.ids()
    corpus.delete(ids[1:])
    embedder.embedded = 0
    assert counts(ingest(page, corpus)) == (0, 1, 0, 0)
    assert embedder.embedded == 1
    assert corpus.ids() == ids
    assert counts(ingest(page, corpus)) == (0, 0, 1, 0)


def test_what_is_left_of_a_document_goes_with_its_file(corpus: Corpus, page: Path) -> None:
    ingest(page.parent, corpus)
    corpus.delete(corpus.ids()[1:])
    page.unlink()
    assert counts(ingest(page.parent, corpus)) == (0, 0, 0, 1)
    assert corpus.files.fingerprint(page.as_posix()) is None


def test_a_document_that_was_replaced_by_hand_is_replaced_again(corpus: Corpus, folder: Path) -> None:
    ingest(folder, corpus)
    corpus.add([Chunk(Source((folder / "travel.md").as_posix(), "By air."), 0, 7)])
    assert counts(ingest(folder, corpus)) == (0, 1, 3, 0)
    assert corpus.search("rail", mode="lexical")


def test_a_file_that_nothing_is_noted_of_is_read_again_and_nothing_more(
    corpus: Corpus, embedder: CountingEmbedder, folder: Path
) -> None:
    ingest(folder, corpus)
    files = [path.as_posix() for path in folder.iterdir()]
    corpus.files.forget(files)
    embedder.asked = 0
    assert counts(ingest(folder, corpus)) == (0, 0, 4, 0)
    assert embedder.asked == 0
    assert all(map(corpus.files.fingerprint, files))


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


def test_chunks_that_another_embedder_cuts_off_are_split_by_the_next_run(tmp_path: Path, folder: Path) -> None:
    (folder / "long.txt").write_text(" ".join(f"Sentence {n} has-five-words." for n in range(60)))
    index = tmp_path / "index"
    coarse, fine = ShortSightedEmbedder(64, "coarse"), ShortSightedEmbedder(64, "fine")
    assert fine.tokenizer is not None
    fine.tokenizer.pre_tokenizer = Punctuation()
    with Corpus(index, embedder=coarse) as corpus:
        ingest(folder, corpus)
    with Corpus(index, embedder=fine) as corpus:
        assert corpus.repair(reembed=True).cut > 0
        assert ingest(folder, corpus).changed > 0
        assert corpus.repair(reembed=True).cut == 0
        assert ingest(folder, corpus).changed == 0


def test_a_row_that_cannot_be_read_this_time_keeps_its_document(corpus: Corpus, folder: Path) -> None:
    facts = folder / "facts.jsonl"
    facts.write_text('{"id": "a", "text": "Rain is wet."}\n{"id": "b", "text": "Snow is cold."}\n')
    ingest(folder, corpus)
    facts.write_text('{"id": "a", "text": "Rain is wet."}\n{"id": "b", "te')
    report = ingest(folder, corpus)
    assert (report.removed, len(report.skipped)) == (0, 1)
    assert corpus.search("snow", mode="lexical")
    facts.write_text('{"id": "a", "text": "Rain is wet."}\n')
    assert ingest(folder, corpus).removed == 1


@pytest.mark.parametrize("front", ["title:\nsource: 2021\n", "source:\n"])
def test_front_matter_that_names_nothing_hides_no_name(corpus: Corpus, tmp_path: Path, front: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"---\n{front}---\n# Leave\n\nSixteen weeks of leave.\n")
    ingest(page, corpus)
    (hit,) = corpus.search("weeks", k=1, mode="lexical")
    assert (hit.document.metadata["source"], hit.document.metadata["title"]) == (page.as_posix(), "Leave")


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


def test_a_table_that_has_become_empty_goes_and_is_told(corpus: Corpus, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("id,text\n1,Toad steals a motor-car.\n")
    ingest(table, corpus)
    table.write_text("")
    report = ingest(table, corpus)
    assert (report.removed, len(corpus)) == (1, 0)
    assert [skipped.reason for skipped in report.skipped] == ["no text in it"]
