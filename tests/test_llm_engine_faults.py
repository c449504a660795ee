"""What goes wrong around `LlamaEngine` is one clear error, and the process lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ragloom.rag.llm import LlamaEngine, ModelError
from ragloom.rag.llm.models import find_model

pytestmark = pytest.mark.model


def in_a_new_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_a_truncated_file_is_one_error_and_the_next_model_loads(tmp_path: Path) -> None:
    whole = find_model("embedded").path.read_bytes()
    for size in (3, 100, 10_000, len(whole) // 2, len(whole) - 1):
        part = tmp_path / f"{size}.gguf"
        part.write_bytes(whole[:size])
        with pytest.raises(ModelError, match=part.name) as caught:
            LlamaEngine(part)
        assert "\n" not in str(caught.value)
    with LlamaEngine(n_ctx=256) as engine:
        assert engine.generate(["Hi"], max_tokens=1)[0].tokens == 1


def test_an_architecture_that_llama_cpp_does_not_know_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(find_model("embedded").path.read_bytes().replace(b"llama", b"lambs"))
    with pytest.raises(ModelError, match=r"cannot load .*other\.gguf: .*unknown model architecture: 'lambs'"):
        LlamaEngine(other)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory as Linux does")
@pytest.mark.parametrize("megabytes", [20, 200, 360, 400])
def test_without_enough_memory_there_is_one_error_and_the_process_lives(megabytes: int) -> None:
    done = in_a_new_process(
        "import resource; from pathlib import Path\n"
        "from ragloom.rag.llm import LlamaEngine, ModelError\n"
        "import ragloom.rag.llm.engine\n"
        f"room = int(Path('/proc/self/statm').read_text().split()[0]) * 4096 + ({megabytes} << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (room, room))\n"
        "try: LlamaEngine()\n"
        "except ModelError as error: print(error)\n"
        "print('alive')\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    error, alive = done.stdout.splitlines()
    assert "memory" in error
    assert alive == "alive"


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "; engine.close()",
        "; del engine",
        "; stream = engine.stream('Once upon a time', max_tokens=500); next(stream)",
        "; streams = [engine.stream('Once', max_tokens=500) for _ in range(40)]; raise SystemExit(0)",
        "; engine.score_next(['a'] * 20, [1]); other = LlamaEngine(n_ctx=256)",
    ],
)
def test_a_process_ends_without_a_crash(ending: str) -> None:
    done = in_a_new_process(f"from ragloom.rag.llm import LlamaEngine; engine = LlamaEngine(n_ctx=1024){ending}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_process_ends_without_a_crash_while_a_thread_waits_for_answers() -> None:
    done = in_a_new_process(
        "import threading; from ragloom.rag.llm import LlamaEngine; engine = LlamaEngine(n_ctx=1024)\n"
        "threading.Thread(target=engine.generate, args=(['Once'] * 40,), daemon=True).start()"
    )
    assert done.returncode == 0
