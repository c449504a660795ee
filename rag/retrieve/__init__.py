"""What happens to a question before the search, and to hits after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from ...stores.diversity import mmr as mmr
    from .decomposing import Decomposed as Decomposed
    from .decomposing import Decomposer as Decomposer
    from .errors import QueryVectorError as QueryVectorError
    from .errors import RewritingError as RewritingError
    from .errors import RoutingError as RoutingError
    from .errors import SelfQueryError as SelfQueryError
    from .expansion import expand as expand
    from .feedback import Feedback as Feedback
    from .feedback import RerankerFeedback as RerankerFeedback
    from .feedback import Rocchio as Rocchio
    from .feedback_retriever import FeedbackRetriever as FeedbackRetriever
    from .filtering import Filtered as Filtered
    from .filtering import keep_hits as keep_hits
    from .hyde import Hyde as Hyde
    from .query_vector import QueryVector as QueryVector
    from .rewriting import Rewriter as Rewriter
    from .rewriting import Rewritten as Rewritten
    from .routing import Route as Route
    from .routing import route as route
    from .self_querying import Conditions as Conditions
    from .self_querying import self_query as self_query

__all__ = [
    "Conditions",
    "Decomposed",
    "Decomposer",
    "Feedback",
    "FeedbackRetriever",
    "Filtered",
    "Hyde",
    "QueryVector",
    "QueryVectorError",
    "RerankerFeedback",
    "Rewriter",
    "RewritingError",
    "Rewritten",
    "Rocchio",
    "Route",
    "RoutingError",
    "SelfQueryError",
    "expand",
    "keep_hits",
    "mmr",
    "route",
    "self_query",
]

_HOMES = {
    "Conditions": ".self_querying",
    "Decomposed": ".decomposing",
    "Decomposer": ".decomposing",
    "Feedback": ".feedback",
    "FeedbackRetriever": ".feedback_retriever",
    "Filtered": ".filtering",
    "Hyde": ".hyde",
    "QueryVector": ".query_vector",
    "QueryVectorError": ".errors",
    "RerankerFeedback": ".feedback",
    "Rewriter": ".rewriting",
    "RewritingError": ".errors",
    "Rewritten": ".rewriting",
    "Rocchio": ".feedback",
    "Route": ".routing",
    "RoutingError": ".errors",
    "SelfQueryError": ".errors",
    "expand": ".expansion",
    "keep_hits": ".filtering",
    "mmr": "...stores.diversity",
    "route": ".routing",
    "self_query": ".self_querying",
}
__getattr__ = lazy(__name__, _HOMES)
