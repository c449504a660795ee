"""Prompts from files: the package's own by name, a user's by path."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml
from pydantic import ValidationError

from .errors import PromptError
from .prompt import Prompt


def load_prompt(prompt: str | Path) -> Prompt:
    """Load a prompt of the package by name, or a YAML file by its `Path`.

    Raises:
        PromptError: there is none, or it is not a valid prompt.

    Example:
        >>> sorted(load_prompt("cited").variables)
        ['passages', 'question']
    """
    if isinstance(prompt, Path):
        return _parse(prompt.stem, prompt, str(prompt))
    own = _own()
    if prompt not in own:
        close = get_close_matches(str(prompt), own, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(own))}."
        raise PromptError(f"unknown prompt {prompt!r}; {hint} Give a file of your own as a pathlib.Path.")
    return _parse(prompt, own[prompt], prompt)


def _own() -> dict[str, Traversable]:
    """The package's prompts by name; those in a folder are called `folder/name`."""
    found: dict[str, Traversable] = {}
    for entry in files(__package__).iterdir():
        if entry.is_dir():
            found |= {f"{entry.name}/{_stem(file)}": file for file in entry.iterdir() if _is_prompt(file)}
        elif _is_prompt(entry):
            found[_stem(entry)] = entry
    return found


def _is_prompt(entry: Traversable) -> bool:
    return entry.name.endswith(".yaml")


def _stem(entry: Traversable) -> str:
    return entry.name.removesuffix(".yaml")


def _parse(name: str, file: Traversable, shown: str) -> Prompt:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PromptError(f"cannot read the prompt {shown}: {cause}") from error
    except yaml.YAMLError as error:
        raise PromptError(f"the prompt {shown} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, Mapping):
        raise PromptError(f"the prompt {shown} must hold the keys description, system (optional) and user")
    if "name" in content:
        raise PromptError(f"the prompt {shown} has an unknown key 'name'; a prompt is named by its file")
    try:
        return Prompt.model_validate({**content, "name": name})
    except ValidationError as error:
        raise PromptError(f"the prompt {shown}: {_problem(error)}") from None


def _problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    key = str(problem["loc"][0])
    keys = [field for field in Prompt.model_fields if field != "name"]
    if problem["type"] == "extra_forbidden":
        close = get_close_matches(key, keys, n=1)
        return f"unknown key {key!r}; " + (f"did you mean {close[0]!r}?" if close else f"known are {', '.join(keys)}")
    if problem["type"] == "missing":
        return f"the key {key!r} is missing"
    return f"{key!r} {problem['msg'].removeprefix('Value error, ').removeprefix('Input ')}"
