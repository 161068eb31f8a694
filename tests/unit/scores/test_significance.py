import itertools
import math

import numpy as np
import pytest

from squadron.scores import significance


def simulate(random, paragraphs=60, per_paragraph=5, spread=0.15):
    """Right or wrong answers whose chance differs between paragraphs, around one half."""
    clusters = np.repeat(np.arange(paragraphs), per_paragraph)
    chance = np.clip(random.normal(0.5, spread, paragraphs), 0, 1)
    return (random.random(len(clusters)) < chance[clusters]) * 100.0, clusters


def simulate_equals(random, contenders, paragraphs):
    """(answers of equally good contenders, paragraphs); some suit one contender, some another."""
    clusters = np.repeat(np.arange(paragraphs), random.integers(4, 15, paragraphs))
    chance = random.uniform(0.35, 0.65, paragraphs)
    chances = np.clip(chance + random.normal(0, 0.15, (contenders, paragraphs)), 0, 1)
    return 100.0 * (random.random((contenders, len(clusters))) < chances[:, clusters]), clusters


# The interval of a mean


def wilson(share, size, quantile):
    """Wilson's interval of a share of `size` independent questions, in percent."""
    middle = share + quantile**2 / (2 * size)
    half = quantile * math.sqrt(share * (1 - share) / size + quantile**2 / (4 * size**2))
    return tuple(100 * (middle + side * half) / (1 + quantile**2 / size) for side in (-1, 1))


def test_the_interval_of_unequal_paragraphs_by_hand():
    # 10 questions, 6 right: 1 of 1, 0 of 4 and 5 of 5. What paragraphs have beyond their share:
    # 1 - 0.6 = 0.4, 0 - 2.4 = -2.4, 5 - 3 = 2; the squares add up to 0.16 + 5.76 + 4 = 9.92.
    # Variance of the mean: 3 / 2 * 9.92 / 10^2 = 0.1488; of independent questions 0.24 / 9 = 0.027.
    # The larger one counts: 0.6 * 0.4 / 0.1488 = 1.6129 questions. Student's t for 2 degrees of
    # freedom at 97.5 % is 4.302653.
    values = 100.0 * np.array([1, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    clusters = np.array([0, 1, 1, 1, 1, 2, 2, 2, 2, 2])
    expected = wilson(0.6, 0.24 / 0.1488, 4.302653)
    assert significance.interval(values, clusters) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 100.0])
def test_none_of_eight_right_is_not_an_interval_without_width(value):
    # t for 7 degrees of freedom is 2.364624; 8 questions allow 41.1 %.
    low, high = significance.interval(np.full(8, value), np.arange(8))
    edge = 100 * 2.364624**2 / (8 + 2.364624**2)
    assert (low, high) == pytest.approx((0.0, edge) if not value else (100 - edge, 100.0), abs=1e-3)
    # The same eight in two paragraphs say no more than two questions would.
    low, high = significance.interval(np.full(8, value), np.arange(8) // 4)
    assert high - low > 98


def test_paragraphs_that_happen_to_be_alike_leave_a_width():
    # Each of two paragraphs has one of two right; by paragraph the variance is 0.
    low, high = significance.interval(np.array([0.0, 100.0] * 2), np.array([0, 0, 1, 1]))
    assert low < 5
    assert high > 95


def test_one_paragraph_says_nothing():
    assert significance.interval(np.array([0.0, 100.0]), np.array([3, 3])) == (0.0, 100.0)


def test_the_interval_holds_the_truth_at_about_its_rate():
    # 97.7 and 96.7 % of the sets; with questions for clusters 72.7 and 70.7 %.
    for paragraphs in (5, 60):
        random = np.random.default_rng(1)
        hits = 0
        for _ in range(300):
            values, clusters = simulate(random, paragraphs, per_paragraph=10, spread=0.3)
            low, high = significance.interval(values, clusters)
            hits += low <= 50.0 <= high
        assert 0.91 <= hits / 300 <= 0.99


def test_questions_of_a_paragraph_are_not_taken_for_independent():
    clusters = np.repeat(np.arange(40), 10)
    same = np.repeat(np.random.default_rng(2).integers(0, 2, 40), 10) * 100.0
    widths = []
    for groups in (clusters, np.arange(400)):
        low, high = significance.interval(same, groups)
        widths.append(high - low)
    assert widths[0] > 2.5 * widths[1]


def test_a_higher_level_is_a_wider_interval():
    values, clusters = simulate(np.random.default_rng(3))
    low, high = significance.interval(values, clusters)
    wide_low, wide_high = significance.interval(values, clusters, level=0.99)
    assert wide_low < low < values.mean() < high < wide_high


# Comparisons


def brute_force(scores, winner, clusters):
    """p of the winner's pairs, by each sign pattern and each pair of contenders in turn."""
    count = clusters.max() + 1
    sums = [[values[clusters == c].sum() for c in range(count)] for values in scores]
    pairs = [
        [a - b for a, b in zip(sums[i], sums[j], strict=True)]
        for i, j in itertools.combinations(range(len(scores)), 2)
    ]

    def statistic(leads):
        root = math.sqrt(sum(lead**2 for lead in leads))
        return abs(sum(leads)) / root if root else 0.0

    highest = [
        max(statistic([s * lead for s, lead in zip(signs, leads, strict=True)]) for leads in pairs)
        for signs in itertools.product((1, -1), repeat=count)
    ]
    found = []
    for other, values in enumerate(sums):
        if other != winner:
            own = statistic([a - b for a, b in zip(sums[winner], values, strict=True)])
            found.append(sum(each >= own - 1e-9 for each in highest) / len(highest))
    return found


@pytest.mark.parametrize("winner", [0, 2])
def test_p_is_the_share_of_all_sign_patterns_in_which_any_pair_leads_as_clearly(winner):
    scores, clusters = simulate_equals(np.random.default_rng(4), 4, 9)
    scores[winner][: len(clusters) // 2] = 100.0
    found = significance.compare_all(list(scores), winner, clusters)
    assert [each.p for each in found] == pytest.approx(brute_force(scores, winner, clusters))
    expected = [scores[winner].mean() - each.mean() for each in np.delete(scores, winner, axis=0)]
    # Of questions, not of paragraphs, which have 4 to 14 of them.
    assert [each.difference for each in found] == pytest.approx(expected)


def test_drawn_sign_patterns_give_the_p_of_all_of_them(monkeypatch):
    scores, clusters = simulate_equals(np.random.default_rng(5), 3, 13)
    scores[0][: len(clusters) // 3] = 100.0
    exact = [each.p for each in significance.compare_all(list(scores), 0, clusters)]
    monkeypatch.setattr(significance, "RESAMPLES", 4000)  # fewer than the 4,096 patterns
    drawn = [each.p for each in significance.compare_all(list(scores), 0, clusters)]
    assert drawn == pytest.approx(exact, abs=0.03)
    assert drawn != exact


def test_the_size_of_a_block_changes_no_draw(monkeypatch):
    scores, clusters = simulate_equals(np.random.default_rng(6), 3, 70)
    whole = significance.compare_all(list(scores), 0, clusters)
    monkeypatch.setattr(significance, "CHUNK", 1000)
    assert significance.compare_all(list(scores), 0, clusters) == whole
    assert significance.compare_all(list(scores), 0, clusters) == whole


def test_a_winner_chosen_among_equals_on_the_same_questions_is_rarely_certain():
    # 4.3 % of 300 races; 37 % with each pair of the winner on its own.
    random = np.random.default_rng(7)
    wrong = 0
    for _ in range(300):
        scores, clusters = simulate_equals(random, 8, 12)
        winner = int(scores.mean(axis=1).argmax())
        found = significance.compare_all(list(scores), winner, clusters)
        wrong += min(each.p for each in found) < significance.SIGNIFICANT
    assert wrong / 300 <= 0.07


def test_more_contenders_make_the_same_lead_less_certain():
    scores, clusters = simulate_equals(np.random.default_rng(8), 12, 20)
    alone = significance.compare_all(list(scores[:2]), 0, clusters)[0]
    among = significance.compare_all(list(scores), 0, clusters)[0]
    assert among.difference == alone.difference
    assert among.p > alone.p
    assert among.low < alone.low < alone.difference < alone.high < among.high


def test_p_and_interval_never_contradict():
    random = np.random.default_rng(9)
    seen = set()
    for paragraphs in (8, 9, 15, 40):
        for _ in range(30):
            scores, clusters = simulate_equals(random, 3, paragraphs)
            scores[0][random.random(len(clusters)) < random.uniform(0.1, 0.6)] = 100.0
            for each in significance.compare_all(list(scores), 0, clusters):
                is_certain = each.p < significance.SIGNIFICANT
                assert is_certain == (not each.low <= 0.0 <= each.high)
                assert each.low <= each.difference <= each.high
                seen.add(is_certain)
    assert seen == {True, False}


def test_the_ends_of_the_interval_are_the_differences_that_are_just_possible():
    scores, clusters = simulate_equals(np.random.default_rng(10), 2, 10)
    scores[0][: len(clusters) // 2] = 100.0
    (found,) = significance.compare_all(list(scores), 0, clusters)
    sizes = np.bincount(clusters)
    # Wider than independent questions would make it, or another rule would set the ends.
    assert found.high - found.low > 40
    lead = np.bincount(clusters, scores[0] - scores[1])
    critical = []
    for end in (found.low, found.high):
        rest = lead - end * sizes
        critical.append(abs(rest.sum()) / math.sqrt((rest**2).sum()))
    assert critical[0] == pytest.approx(critical[1])
    signs = np.array(list(itertools.product((1, -1), repeat=10)))
    reached = np.abs(signs @ lead) / math.sqrt((lead**2).sum()) >= critical[0] - 1e-6
    assert 0.05 <= reached.mean() < 0.06


def test_too_few_paragraphs_compare_nothing():
    first, second = np.full(70, 100.0), np.zeros(70)
    (found,) = significance.compare_all([first, second], 0, np.arange(70) % 7)
    assert found == significance.Comparison(100.0, None, None, 1.0)
    (found,) = significance.compare_all([first, second], 0, np.arange(70) % 8)
    # Of 2^8 sign patterns two are as one-sided as this.
    assert found.p == 2 / 2**8
    assert 50 < found.low < 90 < found.difference == found.high == 100.0


def test_paragraphs_with_one_and_the_same_lead_leave_a_width():
    # In each of 8 paragraphs the winner has 6 and the other 4 of 10: by paragraph nothing varies.
    first = np.tile([100.0] * 6 + [0.0] * 4, 8)
    second = np.tile([0.0] * 4 + [100.0] * 4 + [0.0] * 2, 8)
    (found,) = significance.compare_all([first, second], 0, np.repeat(np.arange(8), 10))
    assert found.p == 2 / 2**8
    # 32 times only the winner is right, 16 times only the other one: if questions were independent,
    # the error would be 100 * sqrt(49 - 16^2 / 82) / 82 = 8.26, and nothing would be certain.
    assert found.difference == 20.0
    assert 0 < found.low < 4 < 36 < found.high
    (behind,) = significance.compare_all([first, second], 1, np.repeat(np.arange(8), 10))
    assert (behind.low, behind.high) == pytest.approx((-found.high, -found.low))


def test_equal_contenders_are_never_told_apart():
    values, clusters = simulate(np.random.default_rng(11))
    (found,) = significance.compare_all([values, values.copy()], 0, clusters)
    assert (found.difference, found.p) == (0.0, 1.0)
    third = np.roll(values, 7)
    assert significance.compare_all([values, values, third], 0, clusters)[0].p == 1.0


def test_one_contender_has_nobody_to_be_compared_with():
    values, clusters = simulate(np.random.default_rng(12))
    assert significance.compare_all([values], 0, clusters) == []


def test_a_clear_lead_is_certain_and_turns_with_the_order():
    random = np.random.default_rng(13)
    weak, clusters = simulate(random)
    strong = np.where(random.random(len(weak)) < 0.4, 100.0, weak)
    (ahead,) = significance.compare_all([strong, weak], 0, clusters)
    (behind,) = significance.compare_all([strong, weak], 1, clusters)
    assert ahead.p < 0.01
    assert ahead.low > 0
    assert (behind.difference, behind.low, behind.high) == pytest.approx(
        (-ahead.difference, -ahead.high, -ahead.low)
    )
    assert behind.p == ahead.p


def test_one_paragraph_by_design_leaves_questions_to_draw():
    assert significance.cluster_numbers(["a", "b", "a"]).tolist() == [0, 1, 0]
    assert significance.cluster_numbers(["a", "a", "a"]).tolist() == [0, 1, 2]
    assert significance.cluster_numbers([]).tolist() == []
    assert significance.number_groups(["b", "a", "b"]).tolist() == [1, 0, 1]
    assert significance.number_groups(["a", "a"]).tolist() == [0, 0]
