"""What starting costs: `import ragloom` and `ragloom --help`, in fresh processes, and what they must not import."""

from __future__ import annotations

import subprocess
import sys
import time

from report import write

HEAVY = ("torch", "chromadb", "llama_cpp", "transformers", "langchain_core")


def main() -> None:
    rows = []
    for name, code, limit in (
        ("import ragloom", "import ragloom", 100),
        (
            "ragloom --help",
            "import sys; sys.argv = ['ragloom', '--help']; from ragloom.rag.cli import main; main()",
            400,
        ),
        ("python alone", "pass", 0),
    ):
        times = []
        for _ in range(11):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
            times.append((time.perf_counter() - started) * 1000)
        rows.append({"what": name, "ms median": sorted(times)[5], "limit ms": limit or "-", "imports": _heavy(code)})
    write("startup", rows)


def _heavy(code: str) -> str:
    probe = f"import sys, atexit; atexit.register(lambda: print(*[m for m in {HEAVY!r} if m in sys.modules]))\n{code}"
    out = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout
    return out.splitlines()[-1] or "none of " + ", ".join(HEAVY)


if __name__ == "__main__":
    main()
