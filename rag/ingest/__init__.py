"""Documents in: load, split, index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazy

if TYPE_CHECKING:
    from .errors import IngestError as IngestError
    from .errors import LoadError as LoadError
    from .pipeline import check_paths as check_paths
    from .pipeline import ingest as ingest
    from .split import Splitter as Splitter
    from .types import IngestProgress as IngestProgress
    from .types import IngestReport as IngestReport
    from .types import Loaded as Loaded
    from .types import Loader as Loader
    from .types import SchemeLoader as SchemeLoader
    from .types import Section as Section
    from .types import Skipped as Skipped

__all__ = [
    "IngestError",
    "IngestProgress",
    "IngestReport",
    "LoadError",
    "Loaded",
    "Loader",
    "SchemeLoader",
    "Section",
    "Skipped",
    "Splitter",
    "check_paths",
    "ingest",
]

_HOMES = {
    "IngestError": ".errors",
    "IngestProgress": ".types",
    "IngestReport": ".types",
    "LoadError": ".errors",
    "Loaded": ".types",
    "Loader": ".types",
    "SchemeLoader": ".types",
    "Section": ".types",
    "Skipped": ".types",
    "Splitter": ".split",
    "check_paths": ".pipeline",
    "ingest": ".pipeline",
}
__getattr__ = lazy(__name__, _HOMES)
