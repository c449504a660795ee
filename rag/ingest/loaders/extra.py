"""Import the parsers of the extra `[files]` when a file needs them."""

from __future__ import annotations

import importlib
from typing import Any

from ....errors import MissingExtraError


def parser(module: str) -> Any:
    """Import a parser.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the parser {error.name}", "files") from error
