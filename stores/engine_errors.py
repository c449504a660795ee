"""What the engines beneath the indexes raise, as errors that a user can act on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RagloomError
from .errors import CorpusCorruptError, CorpusFullError, from_os_error

_FULL_SIGNS = ("no space left", "disk is full", "os error 27", "os error 28", "os error 122", "(code: 778)")
_LITTLE_ROOM = 4 << 20


class EngineErrors:
    """Explains the errors of one index."""

    def __init__(self, root: Path, name: str) -> None:
        """Explain for the index `name` of the corpus at `root`."""
        self._root = root
        self._name = name

    @contextmanager
    def explained(self, place: Path) -> Iterator[None]:
        """Turn what is raised inside into an error that a user can act on; `place` is what is being read."""
        try:
            yield
        except (RagloomError, MemoryError):
            raise
        except OSError as error:
            raise from_os_error(error, self._root) from error
        except BaseException as error:
            # Rust panics reach Python as a BaseException of a type that cannot be imported.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise self._explain(error, place) from error

    def damaged(self, place: Path, reason: str) -> CorpusCorruptError:
        """The error that names a damaged file and the command that makes the index again."""
        return CorpusCorruptError(
            f"{place} is damaged ({reason}); make the {self._name} index again with: ragloom corpus repair {self._root}"
        )

    def _explain(self, error: BaseException, place: Path) -> RagloomError:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        little_room = shutil.disk_usage(self._root).free < _LITTLE_ROOM  # engines do not always say why they failed
        if little_room or any(sign in reason.lower() for sign in _FULL_SIGNS):
            return CorpusFullError(self._root, reason)
        return self.damaged(place, reason)
