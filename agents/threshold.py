"""MAIN-RAG's threshold, which a question's own documents set: tau = mean - n * sigma.

A question whose documents are all good has a high mean, one whose documents are all noise a low one; so no number has
to be chosen that fits both (Chang et al., ACL 2025, "adaptive judge bar"). With n above 0 it is relaxed, and the more
so the further the scores lie apart.

What the paper leaves open, and what is done here:

- sigma is the *population's* standard deviation: the documents are all there are, not a sample of others.
- A document at the threshold is kept. So documents with equal scores are all kept, and a single one is.
- The result is not empty: n is never below 0, so the best document is at the threshold or above it. `min_keep` takes
  more than that, the best first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, pstdev


@dataclass(frozen=True, slots=True)
class Decision:
    """Which documents are kept.

    Attributes:
        threshold: mean - n * sigma.
        mean: of the scores.
        sigma: their population standard deviation.
        kept: places of the documents that are kept, best first; equals in their order.
        dropped: of the others.
    """

    threshold: float
    mean: float
    sigma: float
    kept: tuple[int, ...]
    dropped: tuple[int, ...]


def decide(scores: Sequence[float], *, n: float = 0.0, min_keep: int = 1) -> Decision:
    """Decide by at least one score.

    ```python
    from ragloom.agents.threshold import decide

    decision = decide([0.0, 3.0, 2.0, -1.0])
    print(decision.threshold, decision.kept, decision.dropped)  # -> 1.0 (1, 2) (0, 3)
    ```

    Args:
        scores: one of each document, higher is better.
        n: how many standard deviations below the mean the threshold is, 0 or more.
        min_keep: how many documents are kept at least, as far as there are so many.
    """
    average = mean(scores)  # exact: documents with equal scores are not below it by a rounding error
    sigma = pstdev(scores)
    threshold = average - n * sigma
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    number = max(sum(score >= threshold for score in scores), min_keep)
    return Decision(threshold, average, sigma, tuple(order[:number]), tuple(order[number:]))
