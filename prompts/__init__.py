"""Every prompt of ragloom, a YAML file each, and what loads and fills them in."""

from __future__ import annotations

from .errors import PromptError
from .loader import load_prompt
from .prompt import Prompt

__all__ = ["Prompt", "PromptError", "load_prompt"]
