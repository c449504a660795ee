"""Checking a graph: all that is wrong with it, each in one line with its path, its line and what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from cats import CATS
from ragloom import Corpus
from ragloom.rag.graph import GraphSpec, Registry, check

NODES = """\
nodes:
  find: prowl
  other: prowl
  rest: nap
  more: nap
flow:
"""


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def problems(text: str, registry: Registry = CATS, *, allow_imports: bool = False) -> list[str]:
    Path("graph.yaml").write_text(dedent(text), "utf-8")
    found = check("graph.yaml", registry=registry, allow_imports=allow_imports)
    return [str(problem).removeprefix("graph.yaml:") for problem in found]


def flow_problems(*lines: str) -> list[str]:
    """Of a flow that begins in line 7."""
    return problems(NODES + "".join(f"  - {line}\n" for line in lines))


def test_a_graph_built_in_python_has_paths_and_no_lines() -> None:
    spec = GraphSpec(nodes={"find": {"use": "hybird"}}, flow=["start -> find -> end"])  # type: ignore[dict-item]
    assert [str(problem) for problem in check(spec)] == [
        "nodes.find.use: unknown node type 'hybird'; did you mean 'hybrid'?"
    ]


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    assert problems("""\
        nmae: cats
        llm: {model: embedded, temprature: 1}
        nodes:
          find: {use: prowll}
          say: {use: purr, volume: loud, sound: meow}
          rest: {use: nap, timeout: 0}
        flow:
          - start -> find -> say -> rest
          - rest -> edn
          - {from: rest, when: hugry, then: find, else: end}
    """) == [
        "1: nmae: unknown key 'nmae'; did you mean 'name'?",
        "2: llm.temprature: unknown key 'temprature'; did you mean 'temperature'?",
        "4: nodes.find.use: unknown node type 'prowll'; did you mean 'prowl'?",
        "5: nodes.say.volume: should be a valid integer, unable to parse string as an integer, not 'loud'",
        "5: nodes.say.sound: unknown key 'sound'; expected one of: volume, cache, corpus, llm, "
        "on_error, retries, timeout, use",
        "6: nodes.rest.timeout: should be greater than 0, not 0",
        "9: flow[1]: unknown node 'edn'; did you mean 'end'?",
        "10: flow[2].from: 'rest' has an edge to 'edn' too; a node goes on by edges or by decisions",
        "10: flow[2].when: unknown predicate 'hugry'; did you mean 'hungry'?",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b\n", "1: graph: a graph is a mapping with the keys nodes and flow"),
        ("nodes: {a: [}\n", "1: graph: not valid YAML: did not find expected node content"),
        (
            "flow: !!python/object:os.system []\n",
            "1: graph: not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object:os.system'",
        ),
        ("nodes: {}\nflow: []\n", "2: flow: is empty; write a line such as: start -> NODE -> end"),
        ("nodes: 3\nflow: []\n", "1: nodes: should be a mapping, not 3"),
        (
            "nodes: {a: nap}\nflow: [start -> a -> end, 3]\n",
            "2: flow[1]: should be FROM -> TO, or {from: ..., when: ..., then: ..., else: ...}, not 3",
        ),
        (
            "nodes: {a: nap}\nflow:\n  - start -> a -> end\n  - [start, a]\n",
            "4: flow[1]: should be FROM -> TO, or {from: ..., when: ..., then: ..., else: ...}, not ['start', 'a']",
        ),
        (
            "nodes: {a: nap}\nflow: start -> a -> end\n",
            "2: flow: should be a list, with a - before each item, not 'start -> a -> end'",
        ),
        (
            "nodes: {a: nap}\nflow:\n  from: a\n",
            "2: flow: should be a list, with a - before each item, not {'from': 'a'}",
        ),
        (
            "nodes: {a: nap}\nflow:\n  - start -> a\n  - {from: a, when: hungry, then: [3], else: end}\n",
            "4: flow[1].then[0]: should be a valid string, not 3",
        ),
        (
            "nodes: {a: nap}\nflow:\n  - start -> a\n  - {from: a, when: hungry, then: [], else: end}\n",
            "4: flow[1].then: is empty",
        ),
        (
            "nodes: {a: {use: nap, on_error: fallback zzz}}\nflow: [start -> a -> end]\n",
            "1: nodes.a.on_error: unknown node 'zzz'; there are none to choose from",
        ),
    ],
)
def test_what_cannot_be_read_as_a_graph_is_told_in_one_line(text: str, expected: str) -> None:
    assert problems(text) == [expected]


def test_a_file_that_is_not_there() -> None:
    assert [str(problem) for problem in check("none.yaml")] == [
        "graph: cannot read none.yaml: No such file or directory"
    ]


def test_an_unknown_preset() -> None:
    assert [str(problem) for problem in check("quik")] == [
        "graph: unknown preset 'quik'; did you mean 'quick'? (a file of your own ends in .yaml)"
    ]


def test_a_key_that_stands_twice() -> None:
    assert problems("nodes:\n  a: nap\n  a: nap\nflow:\n  - start -> a -> end\n") == [
        "3: nodes.a: repeats the key of line 2"
    ]


def test_names_that_a_flow_cannot_spell() -> None:
    found = problems("nodes: {start: nap, a b: nap, a: nap}\nflow: [start -> a -> end]\n")
    assert found[:2] == [
        "1: nodes.start: 'start' is reserved; rename the node",
        "1: nodes.a b: a node cannot be called 'a b'; a name has letters, digits, _ and -, and no digit first",
    ]


def test_parameters_are_checked_by_the_type() -> None:
    assert problems("""\
        nodes:
          a: {use: prowl, nights: 0}
          b: {use: purr}
          c: {use: dense, where: {year: {$gtt: 3}}}
        flow:
          - start -> a -> b -> end
          - start -> c -> end
    """)[:3] == [
        "2: nodes.a.nights: should be greater than or equal to 1, not 0",
        "3: nodes.b.volume: is missing; 'purr' needs it",
        "4: nodes.c.where: unknown operator '$gtt'; did you mean '$gt'?",
    ]


def test_a_node_says_what_it_uses() -> None:
    assert problems("nodes:\n  a: {nights: 3}\nflow:\n  - start -> a -> end\n") == ["2: nodes.a.use: is missing"]


def test_parameters_that_name_nodes() -> None:
    assert problems("""\
        nodes:
          find: prowl
          rest: nap
          pile: {use: pile, of: [find, rest, fnid]}
        flow:
          - start -> [find, rest] -> pile -> end
    """) == [
        "4: nodes.pile.of[1]: the node 'rest' finds no candidates",
        "4: nodes.pile.of[2]: unknown node 'fnid'; did you mean 'find'?",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("find", "7: flow[0]: 'find' leads nowhere; write FROM -> TO"),
        ("start -> -> find", "7: flow[0]: a name is missing in 'start -> -> find'; write FROM -> TO"),
        (
            "start -> find other",
            "7: flow[0]: cannot read 'find other'; write a node's name, or several as [dense, lexical]",
        ),
        (
            "start -> [find, other -> end",
            "7: flow[0]: cannot read '[find'; write a node's name, or several as [dense, lexical]",
        ),
        ("start -> [find, find] -> end", "7: flow[0]: 'find' is repeated in [find, find]"),
        ("start -> find -> [rest, end]", "7: flow[0]: 'end' cannot be in a list"),
        ("start -> end -> find", "7: flow[0]: nothing comes after 'end'; it stands last"),
        ("find -> start", "7: flow[0]: nothing leads to 'start'; it stands first"),
        ("start -> fidn -> end", "7: flow[0]: unknown node 'fidn'; did you mean 'find'?"),
        (
            "{from: start, when: hungry, then: find}",
            "7: flow[0].else: is missing; say where to go from 'start' when 'hungry' does not hold",
        ),
        ("{from: start, when: hungry, else: find}", "7: flow[0].then: is missing"),
        ("{from: start, when: hungry, than: find}", "7: flow[0].than: unknown key 'than'; did you mean 'then'?"),
        ("{from: end, when: hungry, then: find, else: end}", "7: flow[0].from: nothing comes after 'end'"),
        ("{from: start, when: hungry, then: start, else: end}", "7: flow[0].then: nothing leads to 'start'"),
        (
            "{from: start, when: hungry, then: [find, end], else: end}",
            "7: flow[0].then: 'end' cannot be in a list",
        ),
        (
            "{from: start, when: hungry, then: find, at_most: 0, else: end}",
            "7: flow[0].at_most: should be greater than or equal to 1, not 0",
        ),
    ],
)
def test_lines_of_the_flow_that_cannot_be_read(line: str, problem: str) -> None:
    assert problem in flow_problems(line)


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        (
            "__import__('os')",
            "cannot read \"__import__('os')\"; write a condition such as answered, not answered, or documents < 3",
        ),
        ("docments < 3", "unknown predicate 'docments'; did you mean 'documents'?"),
        ("documents", "'documents' is a number; compare it with one, such as documents < 3"),
        ("documents > many", "'documents' is a number; compare it with one, such as documents > 3"),
        ("documents < nan", "'documents' is a number; compare it with one, such as documents < 3"),
        ("hungry < 3", "'hungry' is true or false; write hungry, or not hungry"),
        ("how < 3", "'how' is a word; write how == cited"),
        ("how == quotd", "unknown how 'quotd'; did you mean 'quoted'?"),
    ],
)
def test_conditions_that_cannot_be_read(condition: str, problem: str) -> None:
    line = f'{{from: rest, when: "{condition}", then: find, else: end}}'
    found = flow_problems("start -> other -> rest", line, "find -> more -> end")
    assert found == [f"8: flow[1].when: {problem}"]


def test_decisions_from_one_node_are_tried_in_turn() -> None:
    assert flow_problems(
        "start -> find",
        "{from: find, when: documents > 3, then: other, else: end}",
        "{from: find, when: hungry, then: [rest, more], else: end}",
        "rest, more -> end",
        "other -> end",
    ) == ["9: flow[2].when: is never asked: the decision flow[1] from 'find' has an else already"]
    assert (
        flow_problems(
            "start -> find",
            "{from: find, when: documents > 3, then: other}",
            "{from: find, when: hungry, then: [rest, more], else: end}",
            "rest, more -> end",
            "other -> end",
        )
        == []
    )


def test_nodes_that_no_way_leads_to() -> None:
    assert flow_problems("start -> find -> rest -> end", "other -> more -> end") == [
        "3: nodes.other: 'other' cannot be reached from 'start'; add an edge to it, or delete the node",
        "5: nodes.more: 'more' cannot be reached from 'start'; add an edge to it, or delete the node",
    ]


def test_nothing_leads_from_the_start() -> None:
    assert flow_problems("find -> end") == ["6: flow: nothing leads from 'start'; begin a line with: start ->"]


def test_no_way_leads_to_the_end() -> None:
    assert flow_problems("start -> [find, rest]", "rest -> more -> end", "rest -> other") == [
        "2: nodes.find: nothing follows 'find'; write find -> end, or what comes next",
        "3: nodes.other: nothing follows 'other'; write other -> end, or what comes next",
    ]


def test_loops_without_a_bound() -> None:
    assert flow_problems(
        "start -> find -> rest",
        "{from: rest, when: hungry, then: find, else: more}",
        "more -> other -> end",
    ) == ["8: flow[1].at_most: is missing; the loop find -> rest -> find needs a bound, such as at_most: 3"]
    assert flow_problems(
        "start -> find -> rest",
        "{from: rest, when: not hungry, then: more, at_most: 3, else: find}",
        "more -> other -> end",
    ) == [
        "8: flow[1].else: the loop find -> rest -> find is not bounded; only 'then' can be: invert the condition "
        "and write when: hungry, then: find, at_most: 3, else: more"
    ]
    assert flow_problems("start -> find -> other -> rest -> more -> rest", "more -> end") == [
        "7: flow[0]: the loop rest -> more -> rest never ends; make the step back a decision with at_most"
    ]


def test_a_bounded_loop_is_fine() -> None:
    assert (
        flow_problems(
            "start -> find -> other -> rest",
            "{from: rest, when: hungry, then: find, at_most: 2, else: more}",
            "more -> end",
        )
        == []
    )


def test_a_join_of_nodes_that_never_both_run() -> None:
    assert flow_problems(
        "start -> find",
        "{from: find, when: hungry, then: rest, else: more}",
        "rest, more -> other -> end",
    ) == [
        "9: flow[2]: 'other' waits for 'rest' and 'more', but a run takes one or the other; "
        "write rest -> other and more -> other, a line each"
    ]


@pytest.mark.parametrize(
    "flow",
    [
        ["start -> find -> rest -> more", "find, more -> other -> end"],
        ["start -> find", "{from: find, when: hungry, then: [rest, more], else: other}", "rest, more -> other -> end"],
    ],
)
def test_joins_that_can_happen(flow: list[str]) -> None:
    assert flow_problems(*flow) == []


def test_a_read_of_what_nothing_writes() -> None:
    assert problems("""\
        nodes:
          find: prowl
          check: ground
          rest: nap
        flow:
          - start -> rest -> check
          - {from: check, when: best_verdict < 0, then: find, else: end}
          - find -> end
    """) == [
        "3: nodes.check.use: 'ground' reads answer, which nothing writes on the way start -> rest -> check; "
        "a node of type 'quote' or 'cited' or 'notes' writes it",
        "3: nodes.check.use: 'ground' reads evidence, which nothing writes on the way start -> rest -> check; "
        "a node of type 'gather' or 'gather-memory' writes it",
        "3: nodes.check.use: 'ground' reads quotes, which nothing writes on the way start -> rest -> check; "
        "a node of type 'quote' writes it",
        "7: flow[1].when: 'best_verdict < 0' reads verdicts, which nothing writes on the way start -> rest -> check; "
        "a node of type 'main-rag' or 'weigh' writes it",
    ]


def test_a_read_of_what_one_of_two_ways_writes() -> None:
    text = """\
        nodes:
          rest: nap
          find: prowl
          say: {{use: purr, volume: 1}}
        flow:
          - start -> rest
          - {decision}
          - find -> say -> end
    """
    assert problems(text.format(decision="{from: rest, when: hungry, then: find, else: say}")) == [
        "4: nodes.say.use: 'purr' reads documents, which nothing writes on the way start -> rest -> say; "
        "'find' writes it elsewhere"
    ]
    assert problems(text.format(decision="{from: rest, when: hungry, then: find, else: end}")) == []


def test_a_join_has_what_any_of_its_branches_wrote() -> None:
    text = """\
        nodes: {{rest: nap, find: prowl, say: {{use: purr, volume: 1}}}}
        flow:
          - start -> [rest, find]
          - {join}
          - say -> end
    """
    assert problems(text.format(join="'[rest, find] -> say'")) == []
    assert problems(text.format(join="'rest -> say'\n          - find -> say")) == [
        "1: nodes.say: runs after 'rest' and again after 'find', which run in parallel; "
        "to let it wait for both write [rest, find] -> say",
        "1: nodes.say.use: 'purr' reads documents, which nothing writes on the way start -> rest -> say; "
        "'find' writes it elsewhere",
    ]


def test_a_node_that_may_be_skipped_has_written_nothing() -> None:
    text = "nodes: {{find: {{use: prowl, on_error: {0}}}, spare: {1}, say: {{use: purr, volume: 1}}}}\n"
    flow = "flow: [start -> find -> say -> end]\n"
    assert problems(text.format("fallback spare", "prowl") + flow) == []
    for on_error in ("skip", "fallback spare"):
        found = problems(text.format(on_error, "nap") + flow)
        assert found[-1] == (
            "1: nodes.say.use: 'purr' reads documents, which nothing writes on the way start -> find -> say; "
            "'find' writes it elsewhere"
        )


def test_fallbacks() -> None:
    assert problems("""\
        nodes:
          find: {use: prowl, on_error: fallback othr}
          other: {use: nap, on_error: fallback more}
          more: {use: nap, on_error: fallback other}
          rest: {use: nap, on_error: retry}
        flow:
          - start -> find -> other -> more -> rest -> end
    """) == [
        "2: nodes.find.on_error: unknown node 'othr'; did you mean 'other'?",
        "3: nodes.other.on_error: 'other' falls back on itself",
        "4: nodes.more.on_error: 'more' falls back on itself",
        "5: nodes.rest.on_error: should be fail, skip or fallback NODE, not 'retry'",
    ]


def test_a_line_that_begins_with_a_list_needs_quotes() -> None:
    flow = "start -> [rest, more]", "find -> other -> end"
    assert flow_problems(flow[0], "'[rest, more] -> find'", flow[1]) == []
    assert flow_problems(flow[0], "rest, more -> find", flow[1]) == []
    assert flow_problems(flow[0], "[rest, more] -> find", flow[1]) == [
        "8: graph: not valid YAML: did not find expected '-' indicator; "
        "a line of the flow that begins with [ needs quotes around it"
    ]


def test_a_node_reads_what_another_branch_writes() -> None:
    assert problems("""\
        nodes: {find: prowl, more: prowl, say: {use: purr, volume: 1}}
        flow:
          - start -> find -> [more, say] -> end
    """) == [
        "1: nodes.say.use: reads documents while 'more', on another branch, may be writing it; "
        "let one come after the other"
    ]


def test_what_branches_write_side_by_side_has_to_be_fused() -> None:
    text = """\
        nodes:
          dense: dense
          lexical: lexical
          fuse: rrf
          say: {{use: purr, volume: 1}}
        flow:
          - {0}
    """
    assert problems(text.format("start -> [dense, lexical] -> fuse -> say -> end")) == []
    assert problems(text.format("start -> [dense, lexical] -> say -> fuse -> end")) == [
        "5: nodes.say.use: 'dense' and 'lexical' write documents in parallel, and 'say' may find either's; "
        "fuse them first, with a node of type 'rrf'"
    ]
    assert problems(text.format("start -> fuse -> [dense, lexical] -> end\n          - start -> say -> end"))[-1] == (
        "6: flow: 'dense' and 'lexical' write documents in parallel, and whoever asked may find either's; "
        "fuse them first, with a node of type 'rrf'"
    )


def test_branches_may_be_run_again() -> None:
    assert (
        problems("""\
        nodes: {dense: dense, lexical: lexical, fuse: {use: rrf, of: [dense, lexical]}, filter: weigh, again: nap}
        flow:
          - start -> [dense, lexical] -> fuse -> filter
          - {from: filter, when: "best_verdict < 0", then: again, at_most: 2, else: end}
          - again -> [dense, lexical]
    """)
        == []
    )


def test_a_server_gives_neither_attention_nor_logits() -> None:
    assert problems("""\
        llm: http://here:8080/v1
        nodes:
          find: prowl
          stare: stare
          weigh: weigh
          near: {use: weigh, llm: {model: model.gguf, model_name: big}}
          far: {use: nap, llm: {model: https://far.example, n_gpu_layers: 3}}
        flow:
          - start -> find -> stare -> weigh -> near -> far -> end
    """) == [
        "4: nodes.stare.use: 'stare' needs the LLM's attention, which the server http://here:8080/v1 does not give; "
        "give the node a model on this machine, such as llm: embedded",
        "5: nodes.weigh.use: 'weigh' needs the LLM's logits, which the server http://here:8080/v1 does not give; "
        "give the node a model on this machine, such as llm: embedded, or a server of which continues: true says that "
        "it goes on with an answer that the request begins",
        "6: nodes.near.llm.model_name: is for servers; a local model is named by its file",
        "6: nodes.near.llm.model: there is no model file model.gguf",
        "7: nodes.far.llm.n_gpu_layers: is for local models; a server decides that itself",
    ]


def test_a_server_that_goes_on_with_an_answer_gives_logits_and_still_no_attention() -> None:
    assert problems("""\
        llm: {model: "http://here:8080/v1", continues: true}
        nodes:
          find: prowl
          stare: stare
          weigh: weigh
          near: {use: nap, llm: {model: embedded, continues: true}}
        flow:
          - start -> find -> stare -> weigh -> near -> end
    """) == [
        "4: nodes.stare.use: 'stare' needs the LLM's attention, which the server http://here:8080/v1 does not give; "
        "give the node a model on this machine, such as llm: embedded",
        "6: nodes.near.llm.continues: is for servers; a local model goes on with any answer",
    ]


def test_missing_files() -> None:
    Path("broken.gguf").write_bytes(b"PK")
    assert problems("""\
        corpus: ./index
        llm: broken.gguf
        nodes:
          find: {use: prowl, corpus: {path: other}}
          rest: {use: nap, llm: smolm}
          more: {use: nap, llm: "hf:owner/file.gguf"}
        flow:
          - start -> find -> rest -> more -> end
    """) == [
        "1: corpus.path: there is no index at index; make one with: ragloom ingest FOLDER --into index",
        "2: llm.model: broken.gguf is not a GGUF file (it begins with b'PK'); models for llama.cpp end in .gguf",
        "4: nodes.find.corpus.path: there is no index at other; make one with: ragloom ingest FOLDER --into other",
        "5: nodes.rest.llm.model: unknown model 'smolm'; a model is 'embedded', the path of a .gguf file, "
        "'hf:owner/repo/file.gguf', or the URL of an OpenAI-compatible server",
        "6: nodes.more.llm.model: cannot read 'hf:owner/file.gguf'; write hf:owner/repo/file.gguf",
    ]


def test_paths_are_relative_to_the_file(corpus: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(b"GGUF")
    file = folder / "graph.yaml"
    file.write_text(
        "corpus: ../index\nllm: ./model.gguf\nnodes: {find: hybrid, look: {use: weigh}}\n"
        "flow: [start -> find -> look -> end]\n"
    )
    assert check(file, registry=CATS) == []


def test_imports_have_to_be_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("my_mice.py").write_text(
        "from ragloom.rag.graph import node, predicate\n"
        "@node('hide', writes={'query'})\ndef hide(state, context):\n    'Hide.'\n"
        "@predicate('afraid')\ndef afraid(state) -> bool:\n    'Whether it is afraid.'\n"
    )
    Path("my_empty.py").write_text("")
    text = "imports: [{}]\nnodes: {{a: hide, b: nap}}\nflow:\n  - start -> a\n"
    text += "  - {{from: a, when: afraid, then: b, else: end}}\n  - b -> end\n"
    assert problems(text.format("my_mice")) == [
        "1: imports[0]: may not import 'my_mice'; allow it (--allow-imports) if you trust whoever wrote this graph"
    ]
    assert "my_mice" not in sys.modules
    assert problems(text.format("my_mice"), allow_imports=True) == []
    assert problems(text.format("my_mcie, my_empty"), allow_imports=True) == [
        "1: imports[0]: cannot import 'my_mcie': No module named 'my_mcie'",
        "1: imports[1]: 'my_empty' has no node type; make one with @node(NAME)",
    ]


def test_importing_and_checking_load_no_model_library() -> None:
    program = (
        "import sys; from ragloom.rag.graph import check, json_schema; "
        "assert check('default') == []; json_schema(); "
        "assert {'torch', 'chromadb', 'llama_cpp', 'sentence_transformers'}.isdisjoint(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
