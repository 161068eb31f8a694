"""The upper bound of EM and F1 that any choice among the candidates could reach."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from squadron.scores.metrics import Rule, normalize_all, token_f1


def oracle_scores(
    golds: Sequence[Sequence[str]],
    candidates: Sequence[Sequence[str]],
    rule: Rule = "v2",
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The best scores that any choice among the candidates could reach: an upper bound.

    Each question is scored as if someone who knows the gold answers had picked the candidate, so
    these are no scores of a model and nothing may be chosen by them. They tell what ranking and
    abstaining lose from what the spans at hand would allow. The empty answer is always among the
    candidates, so a question without gold answers is always right.

    Args:
        golds: As for `score_answers`.
        candidates: The texts of each example's candidates, E sequences, in any order.
        rule: "v2" or "v1.1".

    Returns:
        Highest exact match (E,), 0 or 1, and highest F1 (E,), 0 to 1; not always of one candidate.
    """
    texts = {text for answers in golds for text in answers}
    # What stands against a question without gold answers changes nothing.
    pairs = zip(golds, candidates, strict=True)
    texts.update(text for answers, some in pairs if answers for text in some)
    normalized = normalize_all(texts)
    scores = np.zeros((2, len(golds)))
    for row, (answers, some) in enumerate(zip(golds, candidates, strict=True)):
        targets = {normalized[text] for text in answers}
        if rule == "v2":
            targets = targets - {""} or {""}
        found = {normalized[text] for text in some} if answers else set()
        found.add("")
        right = found & targets
        scores[0, row] = bool(right)
        if right and (rule == "v2" or right != {""}):
            scores[1, row] = 1.0
            continue
        # Most candidates share no token with any gold answer: F1 is 0.
        kinds = {token for target in targets for token in target.split()}
        near = [text for text in found if not kinds.isdisjoint(text.split(" "))]
        f1s = (token_f1(text, target, 0.0) for text in near for target in targets)
        scores[1, row] = max(f1s, default=0.0)
    return scores[0], scores[1]
