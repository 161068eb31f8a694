"""Simulates races to find how often `squadron.scores.significance` errs, and what it detects.

    python benchmarks/simulate_significance.py DATA.json PREDICTIONS.json [--output FILE.json]

PREDICTIONS.json holds a real model's answers to DATA.json (question id -> text). A simulated race
draws paragraphs of DATA.json with their questions. Whether a contender is right depends on the real
model's score, an effect of the contender on the paragraph, and noise. Contenders then agree as
often as real models do, and questions of one paragraph are alike. The winner is chosen on the same
scores.

Four tables are printed:

- false claims among equal contenders: the share of races that call any lead of the winner certain;
- the same where the first contender is much better on a few paragraphs and a little worse on all
  others, with the same mean as the rest (the two signs are no longer equally likely);
- power: the share of races in which the best contender wins and is certainly ahead of all others,
  and of one other (the share of its leads that are called certain); and coverage of the joint
  95 % intervals of the leads ("leads held");
- coverage of the 95 % intervals of EM.

A race takes 1,000 sign patterns and bootstrap draws here instead of 10,000. That changes no error
rate, and power by very little. "before" is the method that was used until November 2026: percentile
bootstrap over paragraphs, p of the winner's pairs corrected by Holm. "step down" tests again
without the pairs that already differ; it is not used (docs/decisions/significance.md).
"""

import argparse
import functools
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from benchmarks.measure import describe_environment, read_questions
from squadron.scores import metrics, significance

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
CONTENDERS = (2, 3, 5, 8, 12)
PARAGRAPHS = (5, 8, 15, 40, 120)
TITLES = (8, 12, 20, 35)
LEADS = (1.0, 2.0, 4.0, 6.0)
POWER_PARAGRAPHS = (40, 120)
POWER_CONTENDERS = (2, 3, 5, 8)
CLARITY = 1.2
"""Distance of a question from the border between right and wrong, in standard deviations of noise.
With it and SPREAD two equal contenders agree on about 76 of 100 questions."""
SPREAD = 0.5
"""Standard deviation of a contender's effect on a paragraph, in those of noise."""
RARE, BOOST = 0.1, 1.5
"""Share of the paragraphs that suit a specialist, and its effect on them."""
SEED = 2026


class Population:
    """The paragraphs of a data file with the scores of a real model."""

    def __init__(self, data: Path, predictions: Path) -> None:
        """Reads both files and scores the answers as the official evaluation does."""
        examples = read_questions(data)
        said = json.loads(predictions.read_text())
        golds = [[answer["text"] for answer in some] for some in examples["answers"].to_pylist()]
        texts = [said[each] for each in examples["id"].to_pylist()]
        exact, _ = metrics.score_answers(golds, texts, "v2")
        paragraph = significance.number_groups(examples["context"].to_pylist())
        order = np.argsort(paragraph, kind="stable")
        self.exact: Floats = exact[order]
        self.edges: Ints = np.concatenate([[0], np.cumsum(np.bincount(paragraph))])
        titles = significance.number_groups(examples["title"].to_pylist())[order]
        self.titles: Ints = titles[self.edges[:-1]]
        """Returns the number of the title of each paragraph."""
        self.sizes: Ints = np.diff(self.edges)
        shifts = np.linspace(-3.0, 3.0, 6001)
        self._gains = (self.mean(shifts) - self.mean(np.zeros(1)), shifts)

    def draw(self, paragraphs: Ints) -> tuple[Floats, Ints]:
        """Returns real scores of questions of paragraphs, and the paragraph of each question."""
        rows = [np.arange(self.edges[p], self.edges[p + 1]) for p in paragraphs]
        clusters = np.repeat(np.arange(len(paragraphs)), self.sizes[paragraphs])
        return self.exact[np.concatenate(rows)], clusters

    def mean(self, shift: Floats) -> Floats:
        """Returns the EM, 0 to 100, of a contender for each shift by which it is ahead."""
        wide = np.hypot(1.0, SPREAD)
        right, wrong = (ndtr((side * CLARITY + shift) / wide) for side in (1, -1))
        share = self.exact.mean()
        return np.asarray(100 * (share * right + (1 - share) * wrong))

    def shift(self, lead: float) -> float:
        """Returns the shift that raises EM by `lead`."""
        return float(np.interp(lead, *self._gains))


def simulate_race(
    random: np.random.Generator,
    population: Population,
    contenders: int,
    paragraphs: int,
    *,
    lead: float = 0.0,
    is_skewed: bool = False,
) -> tuple[Floats, Ints]:
    """Draws scores, 0 or 100, of shape (K, N), and the paragraph of each question.

    Contender 0 has the lead.
    """
    drawn = random.integers(0, len(population.sizes), paragraphs)
    real, clusters = population.draw(drawn)
    effects = random.normal(0, SPREAD, (contenders, paragraphs))
    if is_skewed:
        # It is better on few paragraphs and worse on the others; the mean stays the same.
        up = population.mean(np.array([BOOST]))[0] - population.mean(np.zeros(1))[0]
        down = population.shift(-up * RARE / (1 - RARE))
        effects[0] += np.where(random.random(paragraphs) < RARE, BOOST, down)
    effects[0] += population.shift(lead)
    noise = random.normal(0, 1, (contenders, len(real)))
    latent = CLARITY * (2 * real - 1) + effects[:, clusters] + noise
    return 100.0 * (latent > 0), clusters


def judge_now(scores: Floats, winner: int, clusters: Ints) -> list[float]:
    """Returns p of the pairs of the winner."""
    return [each.p for each in significance.compare_all(list(scores), winner, clusters)]


def judge_before(scores: Floats, winner: int, clusters: Ints) -> list[float]:
    """Returns p of the pairs of the winner: bootstrap over paragraphs, corrected by Holm."""
    counts_RC = _bootstrap_counts(int(clusters.max()) + 1)
    sizes_R = counts_RC @ np.bincount(clusters)
    sums_CK = np.stack([np.bincount(clusters, each) for each in scores], axis=1)
    drawn_RK = counts_RC @ (sums_CK[:, [winner]] - np.delete(sums_CK, winner, axis=1))
    raw = []
    for means_R in (drawn_RK / sizes_R[:, None]).T:
        tail = min((means_R <= 0).sum(), (means_R >= 0).sum()) + 1
        raw.append(min(1.0, 2.0 * float(tail) / (len(means_R) + 1)))
    corrected, highest = [0.0] * len(raw), 0.0
    for rank, place in enumerate(np.argsort(raw, kind="stable").tolist()):
        highest = max(highest, min(1.0, (len(raw) - rank) * raw[place]))
        corrected[place] = highest
    return corrected


def judge_step_down(scores: Floats, winner: int, clusters: Ints) -> list[float]:
    """Returns p of the pairs of the winner; each is compared with pairs no further apart."""
    sums_CK = np.stack([np.bincount(clusters, each) for each in scores], axis=1)
    if len(sums_CK) < significance.LEAST_CLUSTERS:
        return [1.0] * (len(scores) - 1)
    pairs = [(i, j) for i in range(len(scores)) for j in range(i)]
    leads_CP = np.stack([sums_CK[:, i] - sums_CK[:, j] for i, j in pairs], axis=1)
    roots = np.sqrt((leads_CP**2).sum(axis=0))
    leads_CP = leads_CP / np.where(roots == 0, 1.0, roots)
    found = np.abs(leads_CP.sum(axis=0))
    order = np.argsort(found, kind="stable")
    highest_RP = np.maximum.accumulate(np.abs(_signs(len(sums_CK)) @ leads_CP[:, order]), axis=1)
    raw = (highest_RP >= found[order] - 1e-9).mean(axis=0)
    p = np.maximum.accumulate(raw[::-1])[::-1]
    by_pair = {pairs[place]: float(p[rank]) for rank, place in enumerate(order.tolist())}
    others = [place for place in range(len(scores)) if place != winner]
    return [by_pair[max(winner, other), min(winner, other)] for other in others]


METHODS: dict[str, Callable[[Floats, int, Ints], list[float]]] = {
    "now": judge_now,
    "before": judge_before,
    "step down": judge_step_down,
}


@functools.cache
def _signs(count: int) -> Floats:
    return np.concatenate(list(significance._draw_signs(count)))


@functools.cache
def _bootstrap_counts(count: int) -> Floats:
    """Returns how often each paragraph is in each draw; all races have the same draws."""
    drawn = np.random.default_rng(SEED).integers(0, count, (significance.RESAMPLES, count))
    drawn += np.arange(len(drawn))[:, None] * count
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape).astype(np.float64)


def measure_false_claims(
    population: Population, races: int, contenders: int, paragraphs: int, *, is_skewed: bool
) -> dict[str, float]:
    """Returns for each method the percentage of races of equals with any certain lead."""
    random = np.random.default_rng([SEED, contenders, paragraphs, is_skewed])
    claims = {"now": 0, "before": 0}
    for _ in range(races):
        scores, clusters = simulate_race(
            random, population, contenders, paragraphs, is_skewed=is_skewed
        )
        winner = int(scores.mean(axis=1).argmax())
        for name in claims:
            p = min(METHODS[name](scores, winner, clusters))
            claims[name] += p < significance.SIGNIFICANT
    return {name: 100 * count / races for name, count in claims.items()}


def measure_power(
    population: Population, races: int, contenders: int, paragraphs: int, lead: float
) -> dict[str, float]:
    """Returns for each method how often (%) the best is certainly ahead, and its coverage."""
    random = np.random.default_rng([SEED, contenders, paragraphs, int(10 * lead)])
    found = {f"{name}: {what}": 0.0 for name in METHODS for what in ("of all", "of one")}
    held = 0
    for _ in range(races):
        scores, clusters = simulate_race(random, population, contenders, paragraphs, lead=lead)
        held += all(
            each.low is not None and each.high is not None and each.low <= lead <= each.high
            for each in significance.compare_all(list(scores), 0, clusters)
        )
        if scores.mean(axis=1).argmax() != 0:
            continue
        for name, method in METHODS.items():
            sure = [p < significance.SIGNIFICANT for p in method(scores, 0, clusters)]
            found[f"{name}: of all"] += all(sure)
            found[f"{name}: of one"] += sum(sure) / len(sure)
    return {name: 100 * value / races for name, value in {**found, "leads held": held}.items()}


def measure_coverage(population: Population, races: int, count: int, unit: str) -> dict[str, float]:
    """Returns how often (%) an interval of the real model's EM holds that of the whole file."""
    random = np.random.default_rng([SEED, count, unit == "titles"])
    truth = 100 * population.exact.mean()
    titles = int(population.titles.max()) + 1
    held: Counter[str] = Counter()
    for _ in range(races):
        if unit == "titles":
            some = [
                np.flatnonzero(population.titles == t) for t in random.integers(0, titles, count)
            ]
            drawn = np.concatenate(some)
            title_of = np.repeat(np.arange(count), [len(each) for each in some])
        else:
            drawn = random.integers(0, len(population.sizes), count)
        real, clusters = population.draw(drawn)
        intervals = {"paragraph": significance.interval(100 * real, clusters)}
        if unit == "titles":
            intervals["title"] = significance.interval(100 * real, title_of[clusters])
        else:
            counts_RC = _bootstrap_counts(count)
            means_R = 100 * (counts_RC @ np.bincount(clusters, real))
            low, high = np.quantile(means_R / (counts_RC @ np.bincount(clusters)), [0.025, 0.975])
            intervals["paragraph, before"] = (float(low), float(high))
        for name, (low, high) in intervals.items():
            held[name] += low <= truth <= high
    return {name: 100 * value / races for name, value in held.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulates, prints tables in Markdown and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v2.0 layout")
    parser.add_argument("predictions", type=Path, help="a real model's answers to it")
    parser.add_argument("--races", type=int, default=1000, help="of each cell, now 1000")
    parser.add_argument(
        "--draws", type=int, default=1000, help="sign patterns and bootstrap draws of a race"
    )
    parser.add_argument("--small", action="store_true", help="two cells of each table, 20 races")
    parser.add_argument(
        "--tables",
        nargs="+",
        choices=("equal", "skewed", "power", "coverage"),
        default=["equal", "skewed", "power", "coverage"],
    )
    parser.add_argument("--output", type=Path, help="write the report to this JSON file")
    options = parser.parse_args(arguments)
    races = 20 if options.small else options.races
    significance.RESAMPLES = options.draws
    population = Population(options.data, options.predictions)
    report: dict[str, Any] = {
        "races": races,
        "draws": options.draws,
        "least_clusters": significance.LEAST_CLUSTERS,
    }

    for table in options.tables:
        report[table] = simulate_table(table, population, races, is_small=options.small)
        print_table(table, report[table])
    report["environment"] = describe_environment()
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n")


def simulate_table(
    table: str, population: Population, races: int, *, is_small: bool
) -> list[dict[str, Any]]:
    """Returns the rows of one table.

    Args:
        table: equal, skewed, power or coverage.
        population: The paragraphs.
        races: How many races to simulate for each row.
        is_small: Whether to take only the first two sizes of each kind.
    """

    def cells(*sizes: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return [each[:2] for each in sizes] if is_small else sizes

    if table in ("equal", "skewed"):
        contenders, paragraphs = cells(CONTENDERS, PARAGRAPHS)
        return [
            {
                "contenders": k,
                "paragraphs": c,
                **measure_false_claims(population, races, k, c, is_skewed=table == "skewed"),
            }
            for k in contenders
            for c in paragraphs
        ]
    if table == "power":
        contenders, paragraphs, leads = cells(POWER_CONTENDERS, POWER_PARAGRAPHS, LEADS)
        return [
            {
                "contenders": k,
                "paragraphs": c,
                "lead": lead,
                **measure_power(population, races, k, c, lead),
            }
            for c in paragraphs
            for k in contenders
            for lead in leads
        ]
    return [
        {"drawn": f"{count} {unit}", **measure_coverage(population, races, count, unit)}
        for unit, counts in zip(("paragraphs", "titles"), cells(PARAGRAPHS, TITLES), strict=True)
        for count in counts
    ]


def print_table(name: str, rows: Sequence[dict[str, Any]]) -> None:
    """Prints a table in Markdown. A row without a value for a column has a dash there."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    print(f"\n{name}\n\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for row in rows:
        cells = (row.get(head, "–") for head in heads)
        shown = (f"{each:.1f}" if isinstance(each, float) else str(each) for each in cells)
        print(f"| {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
