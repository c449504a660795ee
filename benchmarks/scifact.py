"""Quality of retrieval: nDCG@10 and R@100 of the three search modes on SciFact.

The corpus is built once into `--index` (minutes, for embedding) and reused. Report on `test`; choose on `train`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import data
from ragloom import Corpus
from ragloom.rag.evaluate import Given, evaluate, read_dataset
from ragloom.stores.types import Chunk
from report import need, write

MODES = ("lexical", "dense", "hybrid")
GRAPHS = {mode: {"nodes": {"find": {"use": mode, "k": 100}}, "flow": ["start -> find -> end"]} for mode in MODES}


def main() -> None:
    parser = data.parser(__doc__)
    parser.add_argument("--split", default="test", choices=("train", "test"))
    parser.add_argument("--index", type=Path, default=Path(tempfile.gettempdir()) / "ragloom-scifact")
    options = parser.parse_args()
    dataset = read_dataset(need(options.data / "scifact"), split=options.split)
    corpus = Corpus(options.index)
    if len(corpus) != len(dataset.documents):
        corpus.add([Chunk.from_text(f"{each.title}\n{each.text}", id=each.id) for each in dataset.documents])
    result = evaluate(GRAPHS, dataset, Given(corpus), retrieval=("nDCG@10", "R@100"))
    rows = []
    for mode, outcome in result.items():
        gain = outcome.estimate("nDCG@10")
        row = {"mode": mode, "queries": len(dataset), "nDCG@10": gain.value, "low": gain.low, "high": gain.high}
        rows.append({**row, "R@100": outcome.mean("R@100")})
    write(f"scifact_{options.split}", rows)


if __name__ == "__main__":
    main()
