"""How honest is the demo? Forty questions about Python's reference, ten of which it does not answer.

The questions (`questions/python_reference.jsonl`) were written and committed before any answer existed. Each answer is
printed and judged: right if an expected wording stands anywhere in it, however long it is, else abstained or wrong.
So the length of the answers is told too, and how often the first citation alone is right. `--dev` runs the
development questions instead.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from ragloom.rag.ask import ask
from ragloom.rag.demo import open_reference
from ragloom.rag.generate.evidence import MIN_CONFIDENCE
from ragloom.rag.llm import load
from report import table, write

QUESTIONS = Path(__file__).parent / "questions"


def judge(question: dict[str, Any], text: str, known: bool) -> str:
    """Whether an answer is right, abstained or wrong; see `questions/README.md`."""
    if not known:
        return "right" if not question.get("answerable", True) else "abstained"
    plain = re.sub(r"\s+", " ", re.sub(r"""["*`“”]""", "", text)).lower()
    return "right" if any(re.search(pattern, plain) for pattern in question.get("expects", ())) else "wrong"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="the development questions")
    parser.add_argument("--quote", action="store_true", help="without the LLM")
    parser.add_argument("--sweep", action="store_true", help="what each threshold of confidence would do")
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args()
    file = QUESTIONS / ("python_reference.dev.jsonl" if options.dev else "python_reference.jsonl")
    questions = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    corpus = open_reference()
    llm = None if options.quote else load(options.model)
    least = 0.0 if options.sweep else MIN_CONFIDENCE
    answers = []
    for question in questions:
        started = time.perf_counter()
        answer = ask(question["question"], corpus, llm=llm, min_confidence=least).answer
        seconds = time.perf_counter() - started
        verdict = judge(question, answer.text, answer.known)
        first = judge(question, answer.citations[0].text, known=True) if answer.known else ""
        answers.append({**question, "verdict": verdict, "first": first, "answer": answer.text, "how": answer.how,
                        "confidence": answer.confidence, "seconds": seconds})  # fmt: skip
        print(f"\n{verdict.upper():9} {question['question']}  ({answer.how}, {answer.confidence:.2f})")
        print(textwrap.indent(textwrap.fill(" ".join(answer.text.split()), 100), "          "))
    print()
    if options.sweep:
        print(table(sweep(answers)))
        return
    model = "" if options.quote else options.model
    chosen = {"dev": options.dev, "model": model, "min_confidence": MIN_CONFIDENCE}
    write("demo_questions_dev" if options.dev else "demo_questions", summary(answers), answers=answers, options=chosen)


def sweep(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What thresholds would do to 30 answerable and 10 unanswerable questions like these."""
    halves = [[a for a in answers if a.get("answerable", True) is wanted] for wanted in (True, False)]
    rows = []
    for least in [0.0, *np.arange(0.45, 0.71, 0.01)]:
        asked, others = ([a for a in half if a["confidence"] >= least] for half in halves)
        right = sum(a["verdict"] == "right" for a in asked)
        shares = {"right": right, "wrong": len(asked) - right, "abstained": len(halves[0]) - len(asked)}
        row = {"least confidence": float(least)} | {k: v / len(halves[0]) * 30 for k, v in shares.items()}
        row["answered though unanswerable"] = len(others) / len(halves[1]) * 10
        rows.append(row | {"wrong in all": row["wrong"] + row["answered though unanswerable"]})
    return rows


def summary(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Counts of verdicts and of kinds of answers, for the answerable questions, the others and all."""
    rows = []
    for name, wanted in {"answerable": (True,), "unanswerable": (False,), "all": (True, False)}.items():
        group = [answer for answer in answers if answer.get("answerable", True) in wanted]
        shown = [answer for answer in group if answer["how"] != "unknown"]
        verdicts = Counter(answer["verdict"] for answer in group)
        rows.append(
            {"questions": f"{len(group)} {name}"}
            | {verdict: verdicts[verdict] for verdict in ("right", "abstained", "wrong")}
            | {"first citation right": sum(answer["first"] == "right" for answer in group)}
            | {how: sum(answer["how"] == how for answer in group) for how in ("grounded", "quoted", "unknown")}
            | {"words": sum(len(answer["answer"].split()) for answer in shown) // max(1, len(shown))}
        )
    return rows


if __name__ == "__main__":
    main()
