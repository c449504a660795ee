"""What a corpus holds already of the files and schemes that are ingested, and what of it is gone."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...stores.corpus import Corpus


@dataclass(frozen=True, slots=True)
class Stored:
    """Documents by the file or scheme they came from.

    Attributes:
        documents: origin of a job to its documents, id to fingerprint.
        others: ids in the folders walked that belong to no job.
    """

    documents: Mapping[str, Mapping[str, str]]
    others: Collection[str]

    @classmethod
    def read(cls, corpus: Corpus, *, jobs: Sequence[str], folders: Sequence[Path]) -> Stored:
        """Ask the corpus for what lies in `folders` and belongs to `jobs`."""
        roots = [f"{folder.as_posix().rstrip('/')}/" for folder in folders]
        outside = [origin for origin in jobs if not origin.startswith(tuple(roots))]
        fingerprints: dict[str, str] = {}
        for prefix in (*roots, *outside):
            fingerprints |= corpus.fingerprints(prefix)
        documents: dict[str, dict[str, str]] = {origin: {} for origin in jobs}
        others = []
        for id_, fingerprint in fingerprints.items():
            owner = next((origin for origin in owners(id_) if origin in documents), None)
            if owner is not None:
                documents[owner][id_] = fingerprint
            elif fingerprint and id_.startswith(tuple(roots)):
                others.append(id_)
        return cls(documents, others)

    def vanished(self) -> set[str]:
        """The others whose file is gone; one that is only left out this time, or cannot be reached, is not."""
        return {id_ for id_ in self.others if not any(map(_is_there, owners(id_)))}


def owners(source_id: str) -> Iterator[str]:
    """The files and the scheme that a document of this id may have come from; a file's own name may hold a `#`."""
    yield source_id
    at = source_id.find("#")
    while at >= 0:
        yield source_id[:at]
        at = source_id.find("#", at + 1)
    yield source_id.partition(":")[0] + ":"


def _is_there(path: str) -> bool:
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
