"""Prompts from files: the package's own by name, a user's by path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from pydantic import ValidationError

from .._explain import first_problem, unknown
from .errors import PromptError
from .prompt import Prompt


def load_prompt(prompt: str | Path) -> Prompt:
    """Load a prompt of the package by name, or a YAML file by its `Path`.

    ```python
    from ragloom.prompts import load_prompt

    print(sorted(load_prompt("cited").variables))  # -> ['passages', 'question']
    ```

    Raises:
        PromptError: there is none, or it is not a valid prompt.
    """
    if isinstance(prompt, Path):
        return _parse(prompt.stem, prompt, str(prompt))
    own = own_prompts()
    if prompt not in own:
        raise PromptError(f"{unknown('prompt', prompt, own)} (a file of your own is given as a pathlib.Path)")
    return _parse(prompt, own[prompt], prompt)


def own_prompts() -> dict[str, Traversable]:
    """The package's prompts, by name; those in a folder have it before their own: `hyde/web`."""
    return dict(sorted(_within(files(__package__), "")))


def _within(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _within(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield prefix + entry.name.removesuffix(".yaml"), entry


def prompts_fingerprint() -> str:
    """Another one when any of the package's prompts changes; for caches."""
    texts = [file.read_bytes() for file in own_prompts().values()]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _parse(name: str, file: Traversable, shown: str) -> Prompt:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PromptError(f"cannot read the prompt {shown}: {cause}") from error
    except yaml.YAMLError as error:
        raise PromptError(f"the prompt {shown} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, Mapping):
        raise PromptError(f"the prompt {shown} must have the keys description, system (optional) and user")
    if "name" in content:
        raise PromptError(f"the prompt {shown} has an unknown key 'name'; a prompt is named by its file")
    try:
        return Prompt.model_validate({**content, "name": name})
    except ValidationError as error:
        keys = [field for field in Prompt.model_fields if field != "name"]
        raise PromptError(f"the prompt {shown}: {first_problem(error, 'key', keys)}") from None
