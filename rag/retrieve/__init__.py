"""What happens to a question before the search, and to hits after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from ...stores.diversity import mmr as mmr
    from .errors import RoutingError as RoutingError
    from .errors import SelfQueryError as SelfQueryError
    from .expansion import expand as expand
    from .filtering import Filtered as Filtered
    from .filtering import keep_hits as keep_hits
    from .routing import Route as Route
    from .routing import route as route
    from .self_querying import Conditions as Conditions
    from .self_querying import self_query as self_query

__all__ = [
    "Conditions",
    "Filtered",
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
    "Filtered": ".filtering",
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
