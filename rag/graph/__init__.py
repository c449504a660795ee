"""RAG graphs: written in YAML or Python, checked before anything loads, visible while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .checking import check as check
    from .context import Context as Context
    from .errors import CancelledError as CancelledError
    from .errors import ConditionError as ConditionError
    from .errors import FlowError as FlowError
    from .errors import GraphError as GraphError
    from .errors import NodeError as NodeError
    from .errors import NodeTimeoutError as NodeTimeoutError
    from .errors import NodeTypeError as NodeTypeError
    from .errors import ResultError as ResultError
    from .errors import SpecError as SpecError
    from .errors import StalledError as StalledError
    from .errors import ThreadError as ThreadError
    from .events import Event as Event
    from .events import NodeEnded as NodeEnded
    from .events import NodeFailed as NodeFailed
    from .events import NodeStarted as NodeStarted
    from .events import Token as Token
    from .node_type import Need as Need
    from .node_type import NodeType as NodeType
    from .node_type import node as node
    from .predicates import Predicate as Predicate
    from .predicates import predicate as predicate
    from .problem import Problem as Problem
    from .rag_graph import GraphInput as GraphInput
    from .rag_graph import RagGraph as RagGraph
    from .reading import Source as Source
    from .reading import load_spec as load_spec
    from .reading import presets as presets
    from .registry import Registry as Registry
    from .retriever import GraphRetriever as GraphRetriever
    from .running.channels import serializer as serializer
    from .running.resources import GivenLlm as GivenLlm
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
    "CancelledError",
    "ConditionError",
    "Context",
    "CorpusSpec",
    "DecisionSpec",
    "Event",
    "FlowError",
    "GivenLlm",
    "GraphError",
    "GraphInput",
    "GraphRetriever",
    "GraphSpec",
    "LlmSpec",
    "Need",
    "NodeEnded",
    "NodeError",
    "NodeFailed",
    "NodeSpec",
    "NodeStarted",
    "NodeTimeoutError",
    "NodeTrace",
    "NodeType",
    "NodeTypeError",
    "Predicate",
    "Problem",
    "RagGraph",
    "RagState",
    "Registry",
    "ResultError",
    "Source",
    "SpecError",
    "StalledError",
    "ThreadError",
    "Token",
    "Turn",
    "Update",
    "Verdict",
    "check",
    "json_schema",
    "load_spec",
    "node",
    "predicate",
    "presets",
    "serializer",
]

_HOMES = {
    "CancelledError": ".errors",
    "ConditionError": ".errors",
    "Context": ".context",
    "CorpusSpec": ".spec",
    "DecisionSpec": ".spec",
    "Event": ".events",
    "FlowError": ".errors",
    "GivenLlm": ".running.resources",
    "GraphError": ".errors",
    "GraphInput": ".rag_graph",
    "GraphRetriever": ".retriever",
    "GraphSpec": ".spec",
    "LlmSpec": ".spec",
    "Need": ".node_type",
    "NodeEnded": ".events",
    "NodeError": ".errors",
    "NodeFailed": ".events",
    "NodeSpec": ".spec",
    "NodeStarted": ".events",
    "NodeTimeoutError": ".errors",
    "NodeTrace": ".state",
    "NodeType": ".node_type",
    "NodeTypeError": ".errors",
    "Predicate": ".predicates",
    "Problem": ".problem",
    "RagGraph": ".rag_graph",
    "RagState": ".state",
    "Registry": ".registry",
    "ResultError": ".errors",
    "Source": ".reading",
    "SpecError": ".errors",
    "StalledError": ".errors",
    "ThreadError": ".errors",
    "Token": ".events",
    "Turn": ".state",
    "Update": ".state",
    "Verdict": ".state",
    "check": ".checking",
    "json_schema": ".schema",
    "load_spec": ".reading",
    "node": ".node_type",
    "predicate": ".predicates",
    "presets": ".reading",
    "serializer": ".running.channels",
}
__getattr__ = lazy(__name__, _HOMES)
