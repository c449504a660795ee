"""The report is one file that stands alone, whatever questions, answers and names hold."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from asked import DATASET as WILLOWS
from asked import fill, quick
from kittens import cat
from ragloom.rag.evaluate import Dataset, Given, Question, Result, evaluate
from ragloom.rag.evaluate.report.cases import worst_cases
from ragloom.rag.evaluate.report.markup import Markup, element, table
from ragloom.rag.evaluate.report.page import main_measures
from ragloom.rag.evaluate.report.plots import _figure, distributions, quality_and_latency
from ragloom.stores import Corpus

pytest.importorskip("matplotlib", reason="the extra 'eval' is not installed")

NASTY = '<script>alert("x")</script> $1 & $2'

DATASET = Dataset(
    NASTY,
    (
        Question("1", "What does Toad steal?", ("a motor-car",)),
        Question("2", f"Who says {NASTY}?", (NASTY,)),
        Question("3", "What does Mole paint?", ("his little house",)),
    ),
)

VOID = {"meta"}


class Page(HTMLParser):
    """What a page holds: tags, text, and whatever it would load; every tag must be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []
        self.loaded: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        self.loaded += [f"{name}={value}" for name, value in attrs if name in ("src", "href") or name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def result(corpus: Corpus) -> Result:
    return evaluate({NASTY: quick(), "strict": quick(quote={"min_confidence": 0.4})}, DATASET, Given(fill(corpus)))


def test_the_report_loads_nothing_and_runs_nothing(result: Result, tmp_path: Path) -> None:
    page = Page(result.write_report(tmp_path / "new" / "report.html").read_text("utf-8"))
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert [each for each in page.loaded if "#" not in each] == []  # clip paths within the page
    assert page.tags.count("svg") == 3


def test_questions_answers_and_names_are_shown_as_they_are(result: Result, tmp_path: Path) -> None:
    page = Page(result.write_report(tmp_path / "report.html").read_text("utf-8"))
    shown = "".join(page.text)
    assert f"Who says {NASTY}?" in shown
    assert shown.count(NASTY) > 10


def test_the_worst_questions_come_first_with_what_each_node_did(corpus: Corpus) -> None:
    def trip(state: object, context: object) -> None:
        if "Mole" in getattr(state, "question", ""):
            raise ValueError("no moles")

    graph = quick()
    graph["nodes"]["trip"] = "trip"
    graph["flow"] = ["start -> trip -> retrieve -> evidence -> quote -> end"]
    outcome = evaluate({"a": graph}, DATASET, Given(fill(corpus), types=[cat("trip", trip)]))["a"]
    told = worst_cases(outcome, "F1", 3)
    assert told.index("failed: ") < told.index("Who says") < told.index("Toad steal")
    assert " confidence 0." in told
    assert worst_cases(outcome, "F1", 1).count("<details>") == 1


def test_an_answer_to_what_cannot_be_answered_is_among_the_worst(corpus: Corpus) -> None:
    asked = Dataset("asked", (*DATASET.questions, Question("4", "Where does Rat row?", answerable=False)))
    told = worst_cases(evaluate({"a": quick()}, asked, Given(fill(corpus)))["a"], "F1", 9)
    assert "declined 0.000</b> Where does Rat row?" in told
    assert told.index("Where does Rat row?") < told.index("Mole paint")


def test_plots_show_a_measure_of_retrieval_and_one_of_answers(result: Result, corpus: Corpus, tmp_path: Path) -> None:
    assert main_measures(result) == ["F1"]
    with_evidence = evaluate({"a": quick(), "b": quick(retrieve={"k": 1})}, WILLOWS, Given(corpus))
    assert main_measures(with_evidence) == ["nDCG@10", "F1"]
    page = Page(with_evidence.write_report(tmp_path / "report.html").read_text("utf-8"))
    assert page.tags.count("svg") == 5
    assert "in: " in page.text
    assert "toad.md" in page.text


def test_a_shared_node_stands_in_the_trace_of_each_case_with_what_it_cost(corpus: Corpus) -> None:
    result = evaluate({"a": quick(), "b": quick()}, WILLOWS, Given(fill(corpus)))
    for name in result:
        told = worst_cases(result[name], "F1")
        assert told.count("chunks -&gt;") == len(WILLOWS)
    assert "; from the cache" in worst_cases(result["b"], "F1")


def test_many_plots_stand_in_rows() -> None:
    figure, plots = _figure(7)
    assert (len(plots), tuple(figure.get_size_inches())) == (7, (3 * 4.6, 3 * 3.4))


def test_text_is_escaped_and_markup_is_not() -> None:
    assert element("p", "<b>", Markup("<i>x</i>"), 3) == "<p>&lt;b&gt;<i>x</i>3</p>"
    assert element("p", title='"') == '<p title="&quot;"></p>'
    assert table(["<"], [["&"]]).count("&lt;") == 1
    assert table(["n"], [["-1,024.5"], ["1 to 2"], [3]]).count('<td class="number">') == 2


def test_intervals_are_worked_out_once(result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = result.table()
    monkeypatch.setattr("ragloom.rag.evaluate.result.draws", lambda _questions: pytest.fail("drawn again"))
    assert result.table() == table
    result.write_report(tmp_path / "report.html")


def test_a_graph_that_only_searches_may_stand_beside_one_that_answers(corpus: Corpus, tmp_path: Path) -> None:
    searching = {"nodes": {"retrieve": {"use": "lexical"}}, "flow": ["start -> retrieve -> end"]}
    result = evaluate({"answering": quick(), "searching": searching}, DATASET, Given(fill(corpus)))
    shown = Page(result.write_report(tmp_path / "report.html").read_text("utf-8"))
    assert "F1" in shown.text
    assert "Question by question" not in shown.text


def test_a_page_without_any_measure_of_quality_has_the_costs(tmp_path: Path) -> None:
    graph = {"nodes": {"rest": "rest"}, "flow": ["start -> rest -> end"]}
    result = evaluate({"a": graph}, DATASET, Given(types=[cat("rest", lambda _state, _context: None)]))
    shown = Page(result.write_report(tmp_path / "report.html").read_text("utf-8"))
    assert "What nodes cost" in shown.text
    assert "Worst cases" not in shown.text


def test_a_graph_whose_name_begins_with_an_underscore_stands_in_the_legend(corpus: Corpus) -> None:
    found = evaluate({"_zero": quick(), "one": quick(retrieve={"k": 1})}, WILLOWS, Given(fill(corpus)))
    assert "_zero" in distributions(found, ["nDCG@10"])
    assert "_zero" in quality_and_latency(found, "nDCG@10")
