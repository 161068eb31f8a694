"""How sure the winner's lead in EM is, over each of the other contenders."""

from dataclasses import asdict, dataclass

import pyarrow as pa

from squadron.scores import significance
from squadron.wording import Estimate


@dataclass(frozen=True)
class Lead:
    """The winner's lead over one contender, in points of EM on the select split."""

    label: str
    """The other contender."""
    difference: float
    """EM of the winner minus EM of the other."""
    low: float | None
    """Start of the 95 % interval of the difference for more paragraphs of these titles. It holds
    for all pairs of the race at once. None where there are too few paragraphs."""
    high: float | None
    p: float
    """Two-sided, by paragraph, corrected for all pairs of the race."""
    significant: bool
    """Whether the lead is more than chance, for these titles."""
    title_low: float | None
    """The same interval for other titles; None where there are too few titles."""
    title_high: float | None

    def estimate(self, by: str = "") -> Estimate:
        """Returns the lead with its interval: by paragraph, or by "title"."""
        low, high = (self.title_low, self.title_high) if by else (self.low, self.high)
        return Estimate(self.difference, low, high)


def compare_with_winner(winner: pa.Table, others: dict[str, pa.Table]) -> list[Lead]:
    """Compares the winner with each of the others.

    p and the intervals are corrected for all pairs of the race (`significance.compare_all`).

    Args:
        winner: Its scores on the select split, of schema `artifacts.SCORES`.
        others: The scores of the other contenders by label, on the same questions in the same
            order.

    Raises:
        ValueError: If another contender was judged on other questions.
    """
    ids = winner["id"]
    for label, scores in others.items():
        if not scores["id"].equals(ids):
            raise ValueError(f"{label} was judged on other questions than the winner")
    exact = [100 * table["exact_match"].to_numpy() for table in (winner, *others.values())]
    by_paragraph, by_title = (
        significance.compare_all(exact, 0, winner[unit].to_numpy())
        for unit in ("paragraph", "title")
    )
    return [
        Lead(
            label=label,
            **asdict(found),
            significant=found.p < significance.SIGNIFICANT,
            title_low=elsewhere.low,
            title_high=elsewhere.high,
        )
        for label, found, elsewhere in zip(others, by_paragraph, by_title, strict=True)
    ]
