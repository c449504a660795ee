"""The embedded model, requantised once: Q4_1 as shipped is small, Q8_0 evaluates a prompt 1.7 times as fast.

Where the CPU multiplies bfloat16, BF16 reads 3,000 tokens in 8.4 s instead of 13, but, being larger, writes an answer a
sixth more slowly. So attention, for which nothing is written, is read from a form of its own.

A prepared file lives in the user's cache folder under the hash of its source. It is written beside its place and moved
there in one step, under a lock, so neither a killed run nor a second process can leave half a model. Where that cannot
be done, the file that is there serves as it is.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from ...settings import read_settings
from .cpu import multiplies_bfloat16
from .digest import file_digest
from .errors import ModelError
from .models import ModelFile

_log = logging.getLogger(__name__)

Form = Literal["Q8_0", "BF16"]
"""How numbers are written, as llama.cpp calls it."""

_LOCK = ".lock"
_WAIT = 120  # seconds for another process to finish; it needs one or two
_OWN = re.compile(rf"{re.escape(_LOCK)}|[0-9a-f]{{16}}\.sha256|.+-[0-9a-f]{{12}}-(Q8_0|BF16)\.(gguf|part)")
"""Names of what is made here: the lock, notes of hashes, models and what a killed run leaves of one."""

_FAILURES = (OSError, Timeout, ModelError)


def requantize(source: ModelFile, folder: Path) -> ModelFile:
    """The `source` as Q8_0 in `folder`, made there if it is not; the `source` itself where that fails."""
    try:
        return _prepared(source, folder, "Q8_0")
    except _FAILURES as error:
        _log.warning("using %s as shipped, which is slower; cannot prepare it in %s: %s", source.name, folder, error)
        return source


def for_reading(model: ModelFile) -> ModelFile:
    """What reads the `model`'s attention fastest on this CPU, if the model was requantised: else it stays as it is."""
    if model.made_from is None or not multiplies_bfloat16():
        return model
    folder = model.path.parent
    try:
        return _prepared(ModelFile(model.made_from.stem, model.made_from), folder, "BF16")
    except _FAILURES as error:
        _log.warning("reading attention more slowly; cannot prepare %s as BF16 in %s: %s", model.name, folder, error)
        return model


def _prepared(source: ModelFile, folder: Path, form: Form) -> ModelFile:
    base = source.name.rsplit(".", 1)[0]
    prepared = folder / f"{base}-{file_digest(source.path, folder)[:12]}-{form}.gguf"
    if not prepared.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, timeout=_WAIT):
            if not prepared.is_file():
                _write(source.path, prepared, form)
    return ModelFile(f"{base}-{form}", prepared, source.path)


def prepared_files(folder: Path) -> list[Path]:
    """What was made in `folder`: prepared models (`.gguf`) and the small files beside them."""
    files = folder.iterdir() if folder.is_dir() else ()
    return [file for file in files if _OWN.fullmatch(file.name) and file.is_file() and not file.is_symlink()]


def _write(source: Path, prepared: Path, form: Form) -> None:
    """Requantise under the lock; whatever a killed run left half-written is removed first."""
    for left in prepared.parent.glob("*.part"):
        left.unlink()
    _log.info("preparing %s, once", prepared)
    part = prepared.with_suffix(".part")
    try:
        _quantize(source, part, form)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(prepared)
    finally:
        part.unlink(missing_ok=True)


def _quantize(source: Path, target: Path, form: Form) -> None:
    import llama_cpp

    from .logs import collect_errors, reason, route_logs

    route_logs()
    params = llama_cpp.llama_model_quantize_default_params()
    params.allow_requantize = True
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{form}")
    params.nthread = read_settings().threads
    with collect_errors() as errors:
        code = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    if code:
        raise ModelError(f"llama.cpp failed to write {target.name} ({reason(errors)}); is the disk full?")
