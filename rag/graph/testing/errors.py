"""The error of the conformance kit."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import GraphError


class BrokenRulesError(GraphError, AssertionError):
    """A node type breaks rules.

    Attributes:
        findings: what is wrong and what to do about it, a sentence or two each.
    """

    def __init__(self, name: str, findings: Sequence[str]) -> None:
        """Tell all `findings` on the node type `name`, a line each."""
        self.findings = tuple(findings)
        super().__init__("\n".join([f"the node type {name!r}:", *(f"- {finding}" for finding in findings)]))
