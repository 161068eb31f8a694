"""Simulates races against a champion to find how often the gate `not_worse_than_champion` errs.

    python benchmarks/simulate_champion.py [--races 1000] [--output FILE.json]

A race has a champion and some challengers. Whether a contender is right on a question depends on
how hard the question is, which all contenders share, on an effect of the contender on the
paragraph, and on noise. Two equal contenders then agree on about 76 of 100 questions, as real
models do (`simulate_significance.py` has the source). Questions of one paragraph are alike. The
contender with the highest EM wins, and the champion wins ties.

Each row of the table is one kind of race: the number of paragraphs with 5 questions each, the
number of challengers, and the true lead in points of EM that the first challenger has over the
champion; the other challengers equal the champion. The columns are percentages of races:

- ahead: a challenger has the highest EM, so that it would replace the champion without the gate;
- margin 0, 1, 2: it passes the gate with this margin and replaces the champion.

A race takes 1,000 sign patterns here instead of 10,000, which changes no error rate.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import ndtr

from benchmarks.measure import describe_environment
from squadron.registry import gates
from squadron.scores import significance
from squadron.scores.contender_result import ContenderResult
from squadron.scores.leads import compare_with_winner

Floats = npt.NDArray[np.float64]
QUESTIONS = 5
"""Questions of each paragraph."""
CLARITY, SPREAD = 1.2, 0.5
"""As in `simulate_significance.py`."""
SHARE = 0.7
"""How many questions the real model behind the simulation answers right, and"""
ALIKE = 0.35
"""the standard deviation of that share between paragraphs."""
MARGINS = (0.0, 1.0, 2.0)
ROWS = (
    *((paragraphs, 1, lead) for paragraphs in (40, 120, 400) for lead in (-4, 0, 2, 4, 8)),
    *((paragraphs, 4, lead) for paragraphs in (120, 400) for lead in (0, 4, 8)),
)
"""Paragraphs, challengers, true lead of the first challenger."""
SEED = 2026


def mean_exact_match(shift: Floats) -> Floats:
    """Returns the true EM, 0 to 100, of a contender for each shift by which it is ahead."""
    wide = np.hypot(1.0, SPREAD)
    right, wrong = (ndtr((side * CLARITY + shift) / wide) for side in (1, -1))
    return np.asarray(100 * (SHARE * right + (1 - SHARE) * wrong))


def find_shift(lead: float) -> float:
    """Returns the shift that raises the true EM by a lead in points."""
    shifts = np.linspace(-3.0, 3.0, 6001)
    gains = mean_exact_match(shifts) - mean_exact_match(np.zeros(1))
    return float(np.interp(lead, gains, shifts))


def simulate_race(
    random: np.random.Generator, paragraphs: int, challengers: int, lead: float
) -> Floats:
    """Draws scores, 0 or 1, of shape (1 + challengers, N). The champion comes first."""
    contenders = 1 + challengers
    # A Beta distribution with the mean SHARE and the standard deviation ALIKE.
    weight = SHARE * (1 - SHARE) / ALIKE**2 - 1
    share = random.beta(SHARE * weight, (1 - SHARE) * weight, paragraphs)
    real = random.random((paragraphs, QUESTIONS)) < share[:, None]
    effects = random.normal(0, SPREAD, (contenders, paragraphs))
    effects[1] += find_shift(lead)
    noise = random.normal(0, 1, (contenders, paragraphs, QUESTIONS))
    latent = CLARITY * (2.0 * real - 1) + effects[:, :, None] + noise
    return (latent > 0).astype(np.float64).reshape(contenders, -1)


def judge_race(scores: Floats, margins: Sequence[float]) -> list[bool]:
    """Returns whether a challenger is ahead, and for each margin whether it passes the gate."""
    winner = int(scores.mean(axis=1).argmax())  # the first one at a tie, so the champion
    if not winner:
        return [False] * (1 + len(margins))
    numbers = np.arange(scores.shape[1])
    tables = [
        pa.table(
            {
                "id": numbers,
                "paragraph": numbers // QUESTIONS,
                "title": np.zeros_like(numbers),
                "exact_match": each,
            }
        )
        for each in scores
    ]
    others = {str(n): table for n, table in enumerate(tables) if n != winner}
    leads = compare_with_winner(tables[winner], others)
    results = [
        ContenderResult("m", str(n), "champion" if not n else "span", digests={"select": "d"})
        for n in (winner, 0)
    ]
    verdicts = [
        gates.not_worse_than_champion(results[0], results[1:], leads, margin) for margin in margins
    ]
    return [True, *(verdict.passed for verdict in verdicts)]


def measure(
    races: int, paragraphs: int, challengers: int, lead: float, margins: Sequence[float] = MARGINS
) -> dict[str, float]:
    """Returns the percentages of one row."""
    random = np.random.default_rng([SEED, paragraphs, challengers, int(10 * lead) + 1000])
    names = ["ahead", *(f"margin {margin:g}" for margin in margins)]
    counts: Counter[str] = Counter()
    for _ in range(races):
        found = judge_race(simulate_race(random, paragraphs, challengers, lead), margins)
        counts.update(name for name, holds in zip(names, found, strict=True) if holds)
    return {name: 100 * counts[name] / races for name in names}


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulates, prints the table in Markdown and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--races", type=int, default=1000, help="of each row, now 1000")
    parser.add_argument("--small", action="store_true", help="two rows of 20 races")
    parser.add_argument("--output", type=Path, help="write the report to this JSON file")
    options = parser.parse_args(arguments)
    races = 20 if options.small else options.races
    significance.RESAMPLES = 1000
    rows: list[dict[str, Any]] = []
    for paragraphs, challengers, lead in ROWS[:2] if options.small else ROWS:
        row = {"paragraphs": paragraphs, "challengers": challengers, "lead": lead}
        rows.append(row | measure(races, paragraphs, challengers, lead))
    heads = list(rows[0])
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(f'{value:g}' for value in row.values())} |")
    if options.output:
        report = {"races": races, "rows": rows, "environment": describe_environment()}
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
