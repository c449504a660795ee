"""The installed script as users run it: real processes, the embedded models, signals and pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import SCRIPT, SCRIPTED_MAIN, process
from fakes import HashingEmbedder
from ragloom.rag.ingest import ingest
from ragloom.stores import Corpus

HEAVY = {"torch", "chromadb", "llama_cpp", "transformers", "sentence_transformers", "langchain_core"}

RUN = """
import sys
from ragloom.rag.cli import main
sys.argv = ["ragloom", *{args!r}]
try:
    main()
except SystemExit as end:
    code = end.code
print("loaded:", *sorted({heavy!r} & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index that only words can search: no model of that name exists."""
    folder = tmp_path_factory.mktemp("index")
    with Corpus(folder, embedder=HashingEmbedder()) as corpus:
        corpus.add([f"Paragraph {i} speaks of leave and of {'much else, ' * 20}and ends." for i in range(300)])
    return folder


def loaded(*args: str, code: int = 0) -> set[str]:
    """Which heavy packages a command has imported when it is done."""
    done = process("-c", RUN.format(args=args, heavy=HEAVY))
    assert done.code == code, done
    return set(done.err.splitlines()[-1].split()[1:])


def test_importing_ragloom_loads_nothing_heavy() -> None:
    code = f"import sys, ragloom, ragloom.rag.cli; print(*({HEAVY!r} & set(sys.modules)))"
    assert process("-c", code).out.split() == []


def test_help_and_the_cache_load_nothing_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAGLOOM_CACHE", str(tmp_path))
    assert loaded("--help") == set()
    assert loaded("cache", "info") == set()


def test_what_needs_no_model_loads_none(index: Path) -> None:
    models = {"torch", "llama_cpp", "transformers", "sentence_transformers"}
    assert not {"chromadb", *models} & loaded("search", "leave", "--index", str(index), "--mode", "lexical")
    assert not models & loaded("corpus", "stats", str(index))
    assert not models & loaded("ask", "", "--index", str(index), code=2)
    assert not models & loaded("ask", "leave", "--index", str(index / "absent"), code=2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that tells of a closed pipe")
def test_a_reader_that_stops_early_hears_no_complaint(index: Path) -> None:
    command = [str(SCRIPT), "search", "leave", "--index", str(index), "--mode", "lexical", "-k", "300"]
    for options in ([], ["--json"]):
        searching = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        assert searching.stdout is not None
        assert searching.stderr is not None
        searching.stdout.read(10)
        searching.stdout.close()
        assert searching.stderr.read() == b""
        assert searching.wait() == 1
        searching.stderr.close()


@pytest.mark.kill
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_ends_an_ingest_and_keeps_what_was_committed(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for i in range(1500):
        (pages / f"{i:04}.txt").write_text(f"Page {i} is about the number {i * i} and nothing else.")
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPTED_MAIN, "ingest", str(pages), "--into", str(tmp_path / "index")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stderr is not None
    for line in run.stderr:
        if " 600/1500 " in line:
            run.send_signal(signal.SIGINT)
            break
    out, err = run.communicate()
    assert (run.returncode, out) == (130, "")
    assert "Traceback" not in err
    with Corpus(tmp_path / "index", embedder=HashingEmbedder()) as corpus:
        kept = len(corpus)
        assert 0 < kept < 1500
        report = ingest([pages], corpus)
        assert (report.unchanged, report.added) == (kept, 1500 - kept)
        assert corpus.inconsistencies() == ()


def test_an_encoding_that_lacks_a_letter_is_no_fault(tmp_path: Path) -> None:
    with Corpus(tmp_path, embedder=HashingEmbedder()) as corpus:
        corpus.add(["Crème brûlée, 5 €"])
    search = ["search", "5", "--index", str(tmp_path), "--mode", "lexical"]
    assert "Cr\\xe8me" in process(*search, PYTHONIOENCODING="ascii").out
    assert process(*search, "--json", PYTHONIOENCODING="ascii").document[0]["text"] == "Crème brûlée, 5 €"


@pytest.mark.model
def test_the_embedded_models_answer_over_a_folder(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "leave.md").write_text("# Leave\n\nParents get sixteen weeks of paid leave.\n")
    cache = {"RAGLOOM_CACHE": os.environ.get("RAGLOOM_CACHE") or str(tmp_path / "cache")}
    over = ["--over", str(pages)]
    answer = process("ask", "How many weeks of leave do parents get?", *over, "--json", **cache)
    assert answer.code == 0, answer
    (citation,) = {c["text"] for c in answer.document["citations"]}
    assert citation == "Parents get sixteen weeks of paid leave."

    long = process("ask", "How many weeks of leave do parents get? " * 1200, *over, **cache)
    long.check_fault("tokens", "the embedder reads 256", "shorten it")

    with Corpus(tmp_path / "index", embedder=HashingEmbedder()) as corpus:  # the LLM is loading when this is noticed
        corpus.add(["Parents get sixteen weeks of paid leave."])
    process("ask", "leave", "--index", str(tmp_path / "index"), **cache).check_fault("hashing")
