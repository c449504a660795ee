"""Datasets are read in the forms they come in; what is wrong with one is told with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from ragloom.rag.evaluate import Dataset, DatasetError, EvaluateError, Question, Relevant, read_dataset


def write(file: Path, *rows: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), "utf-8")
    return file


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_spreadsheet_has_a_question_a_row(tmp_path: Path, mark: str) -> None:
    head = mark.join(["question", "answer", "evidence", "answerable"])
    first = mark.join(['"How long is\nleave?"', "16 weeks | sixteen weeks", "leave.md[10:20] | team.md", ""])
    file = write(tmp_path / "staff.csv", f"\ufeff{head}", first, mark * 3, mark.join(["Who sings?", "", "", "no"]))
    dataset = read_dataset(file)
    assert dataset.name == "staff"
    assert dataset.questions == (
        Question(
            "3",
            "How long is\nleave?",
            ("16 weeks", "sixteen weeks"),
            (Relevant("leave.md", 10, 20), Relevant("team.md")),
        ),
        Question("5", "Who sings?", answerable=False),
    )


def test_json_lines_have_lists_of_answers_and_evidence(tmp_path: Path) -> None:
    row = {"id": 7, "query": "Who?", "answers": ["a|b", "c"], "evidence": "x.md", "answerable": False, "split": "dev"}
    (question,) = read_dataset(write(tmp_path / "own.jsonl", row)).questions
    assert question == Question("7", "Who?", ("a|b", "c"), (Relevant("x.md"),), answerable=False, split="dev")


@pytest.mark.parametrize(
    ("name", "rows", "told"),
    [
        ("a.jsonl", ['{"question": "Who?"}', "{"], ":2: is not JSON"),
        ("a.jsonl", ["[1]"], ":1: should be a JSON object, not [1]"),
        (
            "a.jsonl",
            [{"question": "Who?"}, {"answer": "x"}],
            ":2: has no 'question' or 'query' or 'text'; it has answer",
        ),
        ("a.jsonl", [{"question": "", "answer": "x"}], ":1: 'question' is empty"),
        ("a.csv", ["question,answer,answer", "Who?,Toad,Rat"], ":1: has two columns 'answer'"),
        ("a.csv", [";;", "", "question;answer", "Who?;Toad;Rat"], ":4: has more cells than columns"),
        ("a.jsonl", [{"question": ["Who?"]}], ":1: 'question' should be a text, not ['Who?']"),
        ("a.jsonl", [{"question": "Who?", "answers": [{}]}], ":1: 'answers' should hold texts, not {}"),
        ("a.jsonl", [{"question": "Who?", "answer": [True]}], ":1: 'answer' should hold texts, not True"),
        ("a.jsonl", [{"question": "Who?", "evidence": "a.md[10:5]"}], ":1: the span of 'a.md[10:5]' ends before"),
        ("a.jsonl", [{"question": "Who?", "answerable": "perhaps"}], ":1: 'answerable' should be yes or no"),
        ("a.jsonl", [{"id": 1, "question": "Who?"}, {"id": 1, "question": "What?"}], ":2: repeats the id '1'"),
        ("a.jsonl", [], ": has no questions"),
        ("a.csv", ["question,answer", "Who?,Toad,Rat"], ":2: has more cells than columns"),
        (
            "a.csv",
            ["question,answer", "Who?,Toad", 'What?,"a car', "Where?,here"],
            ":3: a cell is not what its quotes say",
        ),
        ("a.csv", ["question,answer", 'Who?,"Toad" himself'], ":2: a cell is not what its quotes say"),
        ("a.csv", ["answer", "Toad"], ":2: has no 'question' or 'query' or 'text'; it has answer"),
        ("a.xlsx", ["x"], ": should be a .csv, .tsv or .jsonl file"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, rows: list[Any], told: str) -> None:
    file = write(tmp_path / name, *rows)
    with pytest.raises(DatasetError) as caught:
        read_dataset(file)
    assert str(caught.value).startswith(f"{file}{told}")


def test_a_number_is_an_answer(tmp_path: Path) -> None:
    (question,) = read_dataset(write(tmp_path / "own.jsonl", {"question": "How many?", "answer": 1.5})).questions
    assert question.answers == ("1.5",)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.csv: is not there; name a CSV"):
        read_dataset(tmp_path / "nowhere.csv")
    with pytest.raises(DatasetError, match=r"has none of corpus\.jsonl \(BEIR\)"):
        read_dataset(tmp_path)
    (tmp_path / "latin.csv").write_bytes("question\nWho?\ncaf\xe9\n".encode("latin-1"))
    with pytest.raises(DatasetError, match=r"latin\.csv:3: is not UTF-8 text"):
        read_dataset(tmp_path / "latin.csv")


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    write(tmp_path / "corpus.jsonl", {"_id": "d1", "title": "Toad", "text": "Steals."}, {"_id": "d2", "text": "Rows."})
    write(tmp_path / "queries.jsonl", {"_id": "q1", "text": "Who steals?"}, {"_id": "q2", "text": "Who rows?"})
    write(tmp_path / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore", "q1\td1\t2", "q1\td2\t0")
    write(tmp_path / "qrels" / "train.tsv", "query-id\tcorpus-id\tscore", "q2\td2\t1")
    return tmp_path


def test_a_folder_in_beirs_form_has_documents_and_graded_judgments(beir: Path) -> None:
    dataset = read_dataset(beir, split="test")
    assert [(source.id, source.title, source.text) for source in dataset.documents] == [
        ("d1", "Toad", "Steals."),
        ("d2", "", "Rows."),
    ]
    assert dataset.questions == (Question("q1", "Who steals?", relevant=(Relevant("d1", grade=2),), split="test"),)
    assert read_dataset(beir).splits == ("test", "train")
    with pytest.raises(EvaluateError, match="unknown split 'tset'; did you mean 'test'"):
        read_dataset(beir, split="tset")


def test_a_query_that_is_judged_in_two_splits_is_a_question_of_each(beir: Path) -> None:
    write(beir / "qrels" / "dev.tsv", "query-id\tcorpus-id\tscore", "q1\td2\t1")
    assert [(each.id, each.split) for each in read_dataset(beir).questions] == [
        ("q1", "dev"),
        ("test/q1", "test"),
        ("q2", "train"),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("q9\td1\t1", ":2: judges the query 'q9'"),
        ("q1\td9\t1", ":2: judges the document 'd9'"),
        ("q1\td1\tyes", ":2: 'score' should be a whole number, not 'yes'"),
        ("q1\td1", ":2: 'score' is empty"),
    ],
)
def test_a_judgment_of_nothing_known_is_told(beir: Path, row: str, told: str) -> None:
    file = write(beir / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore", row)
    with pytest.raises(DatasetError) as caught:
        read_dataset(beir)
    assert str(caught.value).startswith(f"{file}{told}")


def test_judgments_without_a_header_are_told_and_so_are_none(beir: Path) -> None:
    (beir / "qrels" / "train.tsv").unlink()
    test = write(beir / "qrels" / "test.tsv", "q1\td1\t2")
    with pytest.raises(DatasetError) as caught:
        read_dataset(beir)
    assert str(caught.value) == f"{test}:1: should begin with the columns query-id, corpus-id, score, not q1, d1, 2"
    write(test, "query-id\tcorpus-id\tscore")
    with pytest.raises(DatasetError, match="has no questions"):
        read_dataset(beir)


def test_musiques_paragraphs_are_the_documents(tmp_path: Path) -> None:
    shared = {"title": "A", "text": "One.", "supporting": False}
    rows = [
        {
            "_id": f"q{place}",
            "question": "Who?",
            "answer": "Toad",
            "answer_aliases": ["Mr Toad"],
            "paragraphs": [shared, {"title": "B", "text": f"Two {place}.", "supporting": True}],
        }
        for place in range(31)
    ]
    write(tmp_path / "questions.jsonl", *rows)
    dataset = read_dataset(tmp_path)
    assert (len(dataset.documents), len(dataset.split("train")), len(dataset.split("test"))) == (32, 30, 1)
    question = dataset.questions[0]
    assert question.answers == ("Toad", "Mr Toad")
    by_id = {source.id: source.text for source in dataset.documents}
    assert [by_id[each.document] for each in question.relevant] == ["Two 0."]


def test_clap_nqs_second_file_has_what_cannot_be_answered(tmp_path: Path) -> None:
    passage = {"title": "A", "text": "Toad steals.", "sentences": ["Toad steals."]}
    golds = [{"answer": "Toad does.", "selected_sentences": []}, {"answer": ""}]
    row = {"id": "1", "input": "Who steals?", "passages": [passage], "output": golds}
    write(tmp_path / "clapnq_dev_answerable.jsonl", row)
    write(tmp_path / "clapnq_dev_unanswerable.jsonl", {**row, "id": "2", "input": "Who sings?"})
    yes, no = read_dataset(tmp_path).questions
    assert (yes.answers, len(yes.relevant), yes.answerable) == (("Toad does.",), 1, True)
    assert (no.answers, no.relevant, no.answerable) == ((), (), False)


def test_timeqas_articles_are_the_documents_and_places_of_answers_the_evidence(tmp_path: Path) -> None:
    text = "Toad owned a boat. Rat owned it from 1908."
    easy = {"idx": "/wiki/Boat#P1#0", "question": "Who owned it in 1908?", "context": text}
    known = {**easy, "targets": ["Rat", "Rat"], "from": [19, 19], "end": [22, 22]}
    unknown = {**easy, "idx": "/wiki/Gig_House#P1#0", "targets": [""], "from": [0], "end": [0]}
    for level in ("easy", "hard"):
        file = write(tmp_path / "plain.jsonl", known, unknown)
        (tmp_path / f"human_train.{level}.jsonl.gz").write_bytes(gzip.compress(file.read_bytes()))
    whole = read_dataset(tmp_path)
    assert (len(whole), [(each.id, each.title) for each in whole.documents]) == (
        4,
        [("Boat", "Boat"), ("Gig_House", "Gig House")],
    )
    hard = read_dataset(tmp_path / "human_train.hard.jsonl.gz")
    asked = "Who owned it in 1908?"
    assert hard.questions == (
        Question("hard /wiki/Boat#P1#0", asked, ("Rat",), (Relevant("Boat", 19, 22),), split="train"),
        Question("hard /wiki/Gig_House#P1#0", asked, answerable=False, split="test"),
    )


def test_a_file_that_is_cut_short_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"question": "Who?"}' * 20)
    for written in (whole[:-9], b"no gzip"):
        (tmp_path / "human_train.easy.jsonl.gz").write_bytes(written)
        with pytest.raises(DatasetError, match=r"easy\.jsonl\.gz: cannot be read: "):
            read_dataset(tmp_path)


def test_locomos_sessions_are_documents_and_turns_the_evidence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    turns = [
        {"speaker": "Mole", "dia_id": "D1:1", "text": "I paint."},
        {"speaker": "Rat", "dia_id": "D1:2", "text": "I row.", "blip_caption": "a boat"},
    ]
    asked = [
        {"question": "Who rows?", "answer": "Rat", "evidence": ["D1:2", "D:9"], "category": 4},
        {"question": "When does Mole row?", "evidence": ["D1:2"], "category": 5, "adversarial_answer": "in May"},
    ]
    held = {"speaker_a": "Mole", "session_1_date_time": "1:56 pm on 8 May, 2023", "session_1": turns}
    file = write(tmp_path / "locomo_dev5.json", [{"sample_id": "conv-26", "conversation": held, "qa": asked}])
    dataset = read_dataset(tmp_path)
    (session,) = dataset.documents
    assert (session.id, session.title) == ("conv-26/session_1", "conv-26, 1:56 pm on 8 May, 2023")
    rows, row = dataset.questions
    assert (rows.answers, rows.split, row.answerable, row.answers, row.relevant) == (("Rat",), "train", False, (), ())
    assert [session.text[each.start : each.end] for each in rows.relevant] == ["Rat: I row. [shares a boat]"]
    assert caplog.messages == [f"{file}: evidence that names no turn is left out: 1 piece"]
    write(file, [{"sample_id": "conv-26"}])
    with pytest.raises(DatasetError, match=r"locomo_dev5\.json:1: 'conversation' should be an object, not None"):
        read_dataset(file)


NUMBERS = Dataset("numbers", tuple(Question(str(n), f"What is {n}?") for n in range(100)))


def test_a_sample_is_always_the_same_and_in_order() -> None:
    sample = [int(question.id) for question in NUMBERS.sample(10, seed=1).questions]
    assert sample == sorted(sample)
    assert sample == [int(question.id) for question in NUMBERS.sample(10, seed=1).questions]
    assert sample != [int(question.id) for question in NUMBERS.sample(10, seed=2).questions]
    assert NUMBERS.sample(100) is NUMBERS
    with pytest.raises(EvaluateError, match="at least 1"):
        NUMBERS.sample(0)


def test_without_splits_train_and_test_are_fixed_halves() -> None:
    train, test = (set(NUMBERS.split(name).questions) for name in ("train", "test"))
    assert train | test == set(NUMBERS.questions)
    assert not train & test
    assert 35 < len(train) < 65
    fewer = Dataset("fewer", NUMBERS.questions[:50])
    assert set(fewer.split("train").questions) <= train


def test_neither_ids_nor_case_decide_on_the_half() -> None:
    moved = Dataset("moved", tuple(Question(f"row {each.id}", each.text.upper()) for each in NUMBERS.questions))
    for name in ("train", "test"):
        kept = [each.text.upper() for each in NUMBERS.split(name).questions]
        assert [each.text for each in moved.split(name).questions] == kept


def test_two_questions_of_one_id_are_refused() -> None:
    with pytest.raises(EvaluateError, match="two questions have the id '1'"):
        Dataset("twice", (Question("1", "Who?"), Question("1", "What?")))


def test_a_column_that_is_misspelt_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "asked.csv"
    file.write_text("Question,question,evidences,colour\nWho?,Who?,a.md,red\nWhat?,What?,b.md,blue\n")
    assert len(read_dataset(file)) == 2
    assert caplog.messages == [
        f"{file}: nothing is read from 'Question'; did you mean 'question'?",
        f"{file}: nothing is read from 'evidences'; did you mean 'evidence'?",
    ]


def test_a_table_may_begin_further_down(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", ";;", "", "question;answer", "Who?;Toad", ";", "What?;a car")
    assert [(each.id, each.answers) for each in read_dataset(file).questions] == [("4", ("Toad",)), ("6", ("a car",))]


def test_evidence_is_found_however_it_is_written() -> None:
    for written in ("leave.md[3:9]", " ./leave.md [3:9]", "leave.md [3:9] "):
        assert Relevant.read(written) == Relevant("leave.md", 3, 9)
    assert Relevant.read("pages\\leave.md") == Relevant("pages/leave.md")


def test_what_is_in_no_split_is_told(caplog: pytest.LogCaptureFixture) -> None:
    some = Dataset("some", (Question("1", "a?", split="train"), Question("2", "b?"), Question("3", "c?")))
    assert len(some.split("train")) == 1
    assert caplog.messages == ["some: 2 of 3 questions are in no split, and left out"]


def test_answers_in_one_text_of_json_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path / "own.jsonl", {"question": "Who?", "answer": "a|b"})
    assert read_dataset(file).questions[0].answers == ("a|b",)
    assert caplog.messages == [f"{file}:1: several values are a list in JSON; 'a|b' is one"]
