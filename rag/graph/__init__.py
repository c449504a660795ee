"""RAG graphs: written in YAML or Python, and checked before anything is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .checking import check as check
    from .context import Context as Context
    from .errors import ConditionError as ConditionError
    from .errors import FlowError as FlowError
    from .errors import GraphError as GraphError
    from .errors import NodeTypeError as NodeTypeError
    from .errors import SpecError as SpecError
    from .node_type import NodeType as NodeType
    from .node_type import node as node
    from .predicates import Predicate as Predicate
    from .predicates import predicate as predicate
    from .problem import Problem as Problem
    from .reading import load_spec as load_spec
    from .reading import presets as presets
    from .registry import Registry as Registry
    from .schema import json_schema as json_schema
    from .spec import CorpusSpec as CorpusSpec
    from .spec import DecisionSpec as DecisionSpec
    from .spec import GraphSpec as GraphSpec
    from .spec import LlmSpec as LlmSpec
    from .spec import NodeSpec as NodeSpec
    from .state import NodeTrace as NodeTrace
    from .state import RagState as RagState
    from .state import Turn as Turn
    from .state import Update as Update
    from .state import Verdict as Verdict

__all__ = [
    "ConditionError",
    "Context",
    "CorpusSpec",
    "DecisionSpec",
    "FlowError",
    "GraphError",
    "GraphSpec",
    "LlmSpec",
    "NodeSpec",
    "NodeTrace",
    "NodeType",
    "NodeTypeError",
    "Predicate",
    "Problem",
    "RagState",
    "Registry",
    "SpecError",
    "Turn",
    "Update",
    "Verdict",
    "check",
    "json_schema",
    "load_spec",
    "node",
    "predicate",
    "presets",
]

_HOMES = {
    "ConditionError": ".errors",
    "Context": ".context",
    "CorpusSpec": ".spec",
    "DecisionSpec": ".spec",
    "FlowError": ".errors",
    "GraphError": ".errors",
    "GraphSpec": ".spec",
    "LlmSpec": ".spec",
    "NodeSpec": ".spec",
    "NodeTrace": ".state",
    "NodeType": ".node_type",
    "NodeTypeError": ".errors",
    "Predicate": ".predicates",
    "Problem": ".problem",
    "RagState": ".state",
    "Registry": ".registry",
    "SpecError": ".errors",
    "Turn": ".state",
    "Update": ".state",
    "Verdict": ".state",
    "check": ".checking",
    "json_schema": ".schema",
    "load_spec": ".reading",
    "node": ".node_type",
    "predicate": ".predicates",
    "presets": ".reading",
}
__getattr__ = lazy(__name__, _HOMES)
