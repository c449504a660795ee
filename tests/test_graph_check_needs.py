"""Checking what a graph needs: models that give what nodes look into, files, imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cats import CATS
from checked import problems
from ragloom import Corpus
from ragloom.rag.graph import check

pytestmark = pytest.mark.usefixtures("in_a_folder")


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
