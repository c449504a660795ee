"""The conformance kit: one call in a test of yours tells whether your node type keeps the rules that graphs rely on."""

from __future__ import annotations

from .checking import check_node
from .errors import BrokenRulesError

__all__ = ["BrokenRulesError", "check_node"]
