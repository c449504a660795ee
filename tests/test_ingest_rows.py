from __future__ import annotations

from pathlib import Path

import pytest
from ragloom.rag.ingest.errors import LoadError
from ragloom.rag.ingest.loaders.rows import load_csv, load_jsonl
from ragloom.rag.ingest.types import Loaded, Skipped


def split(items: list[Loaded | Skipped]) -> tuple[list[Loaded], list[str]]:
    loaded = [item for item in items if isinstance(item, Loaded)]
    return loaded, [item.reason for item in items if isinstance(item, Skipped)]


def test_each_json_object_is_a_document_with_its_other_fields_as_metadata(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text('{"_id": 7, "title": "Sky", "text": "It is blue.", "year": 2024}\n\n{"text": "Grass is green."}\n')
    loaded, faults = split(list(load_jsonl(path)))
    assert [(one.source.id, one.source.title, one.source.text) for one in loaded] == [
        (f"{path}#7", "Sky", "It is blue."),
        (f"{path}#3", "", "Grass is green."),
    ]
    assert loaded[0].source.metadata == {"_id": 7, "year": 2024}
    assert faults == []


def test_faulty_lines_are_named_once_per_fault_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    lines = [
        b'{"text": "Good."}',
        b"{not json",
        b"[1]",
        b'{"text": 5}',
        b'{"body": "x"}',
        b'{"text": " "}',
        b'{"text": "caf\xe9"}',
        b"nor this",
        b'{"id": "1", "text": "Taken."}',
        b'{"id": "z", "text": "Last."}',
    ]
    path.write_bytes(b"\n".join(lines))
    loaded, faults = split(list(load_jsonl(path)))
    assert [one.source.text for one in loaded] == ["Good.", "Last."]
    assert faults == [
        "not valid JSON: lines 2, 8",
        "not a JSON object: line 3",
        "field 'text' is not a text: line 4",
        "no field 'text': line 5",
        "field 'text' is empty: line 6",
        "not UTF-8 text: line 7",
        "its id came before: line 9",
    ]


@pytest.mark.parametrize("id_", [r"\ud83d", r"a\u0000"])
def test_an_id_that_cannot_be_stored_costs_only_its_row(tmp_path: Path, id_: str) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text(f'{{"id": "{id_}", "text": "Bad."}}\n{{"id": "b", "text": "Good."}}\n')
    loaded, faults = split(list(load_jsonl(path)))
    assert [one.source.text for one in loaded] == ["Good."]
    assert faults == ["its id contains NUL or a lone surrogate: line 1"]


def test_many_faults_of_a_kind_stay_one_line(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text("oops\n" * 2000)
    _, faults = split(list(load_jsonl(path)))
    assert faults == ["not valid JSON: lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,990 more"]


@pytest.mark.parametrize(("name", "mark"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t")])
def test_a_table_is_read_by_its_header_whatever_separates_the_cells(tmp_path: Path, name: str, mark: str) -> None:
    path = tmp_path / name
    header = mark.join(["id", "text", "team"])
    first = mark.join(["a", '"Two\nlines, or; so."', "red"])
    path.write_text(f"\ufeff{header}\n{first}\n{mark.join(['b', 'One.', 'blue'])}\n")
    loaded, faults = split(list(load_csv(path)))
    assert [(one.source.id, one.source.text) for one in loaded] == [
        (f"{path}#a", "Two\nlines, or; so."),
        (f"{path}#b", "One."),
    ]
    assert loaded[1].source.metadata == {"id": "b", "team": "blue"}
    assert faults == []


def test_a_table_names_its_columns_when_the_text_is_not_among_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,body\n1,Words.\n")
    with pytest.raises(LoadError, match=r"no column 'text'; it has id, body: .*text_field"):
        list(load_csv(path))
    loaded, _ = split(list(load_csv(path, text_field="body")))
    assert [one.source.text for one in loaded] == ["Words."]


def test_rows_with_too_many_or_too_few_cells_are_told_by_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,text\n1,Good.\n2,Bad,cell\n3\n4,Fine.\n")
    loaded, faults = split(list(load_csv(path)))
    assert [one.source.text for one in loaded] == ["Good.", "Fine."]
    assert faults == ["more cells than columns: line 3", "no field 'text': line 4"]


def test_a_long_cell_of_many_lines_is_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    article = "A line of a long article.\n" * 8_000
    path.write_text(f'id,text\n1,"{article}"\n2,Fine.\n')
    loaded, faults = split(list(load_csv(path)))
    assert [one.source.text.strip() for one in loaded] == [article.strip(), "Fine."]
    assert faults == []


def test_a_quotation_mark_that_has_no_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('id\ttext\n1\tOne.\n2\t"Unbalanced\n3\tThree.\n')
    loaded, faults = split(list(load_csv(path)))
    assert [one.source.text for one in loaded] == ["One."]
    assert len(faults) == 1


def test_an_empty_table_has_no_documents(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("")
    assert list(load_csv(path)) == []


def test_a_row_that_cannot_be_read_does_not_keep_a_column_from_being_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,text,year\n1,One.,2019\n2,Two.,never,more\n")
    loaded, faults = split(list(load_csv(path)))
    assert [one.source.metadata["year"] for one in loaded] == [2019]
    assert len(faults) == 1


def test_columns_of_numbers_become_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "id,text,year,price,postcode,code,title\n1,One.,2019,1.5,01234,A1,7\n2,Two.,,-2,56789,12,8\n3,Three.,2021,0,1,3,9\n"
    )
    loaded, faults = split(list(load_csv(path)))
    assert faults == []
    assert [one.source.metadata for one in loaded] == [
        {"id": "1", "year": 2019, "price": 1.5, "postcode": "01234", "code": "A1"},
        {"id": "2", "price": -2, "postcode": "56789", "code": "12"},
        {"id": "3", "year": 2021, "price": 0, "postcode": "1", "code": "3"},
    ]
    assert [one.source.title for one in loaded] == ["7", "8", "9"]
