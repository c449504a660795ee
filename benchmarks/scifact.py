"""Quality of retrieval: nDCG@10 and R@100 of the three search modes on SciFact.

The corpus is built once into `--index` (minutes, for embedding) and reused. Report on `test`; choose on `train`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import data
import ir_measures
import numpy as np
from ir_measures import R, nDCG
from ragloom import Corpus
from ragloom.stores.types import Chunk
from report import interval, write


def main() -> None:
    parser = data.parser(__doc__)
    parser.add_argument("--split", default="test", choices=("train", "test"))
    parser.add_argument("--index", type=Path, default=Path(tempfile.gettempdir()) / "ragloom-scifact")
    options = parser.parse_args()
    texts, queries, qrels = data.scifact(options.data, options.split)
    corpus = Corpus(options.index)
    if len(corpus) != len(texts):
        corpus.add([Chunk.from_text(text, id=key) for key, text in texts.items()])
    rows = []
    for mode in ("lexical", "dense", "hybrid"):
        run = {}
        for key, query in queries.items():
            hits = corpus.search(query, k=100, mode=mode)
            run[key] = {str(hit.document.id): hit.score for hit in hits}
        per_query = {measure: [] for measure in (nDCG @ 10, R @ 100)}
        for value in ir_measures.iter_calc([nDCG @ 10, R @ 100], qrels, run):
            per_query[value.measure].append(value.value)
        low, high = interval(per_query[nDCG @ 10])
        rows.append(
            {
                "mode": mode,
                "queries": len(queries),
                "nDCG@10": float(np.mean(per_query[nDCG @ 10])),
                "low": low,
                "high": high,
                "R@100": float(np.mean(per_query[R @ 100])),
            }
        )
    write(f"scifact_{options.split}", rows)


if __name__ == "__main__":
    main()
