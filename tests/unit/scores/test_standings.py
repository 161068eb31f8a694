from dataclasses import replace

import pytest

from squadron.data.contamination import Shared
from squadron.models.training_summary import TrainingSummary
from squadron.scores.race_result import SelectSplit, Standing
from squadron.scores.standings import (
    describe_select,
    describe_standing,
    explain,
    explain_tie,
    rank_contenders,
    version_tags,
)
from tests.results import make_figures, make_open_domain, make_result


def row(label, exact, f1, size=1.0, disqualified="", forced=0.0, **changes):
    select = make_figures(exact_match=exact, f1=f1, answerable_f1=forced)
    return make_result(
        label,
        disqualified=disqualified,
        splits={} if disqualified else {"select": select},
        training=TrainingSummary(trainable_parameters=size),
        **changes,
    )


def rank(rows):
    return [rows[number] for number in rank_contenders(rows)]


def test_a_champion_stays_at_a_tie_and_the_reason_says_so():
    new, champion = row("a", 20, 40, 0.0), row("z", 20, 40, 0.0, variant="champion")
    assert rank_contenders([new, champion]) == [1, 0]
    assert explain(champion) == "highest EM on select, 20.00"
    assert explain_tie([champion, new]) == (
        "z shares this EM with a; it is ahead of a because a champion stays at a tie."
    )
    assert rank_contenders([row("a", 20, 40.5, 0.0), champion]) == [0, 1]


def test_the_reason_of_a_tie_names_the_rule_that_decided_against_each_contender():
    """The fault that this holds: a contender that trains nothing was last by "fewest trained"."""
    rows = [
        row("pretrained", 20, 40, 0.0, forced=10.0),
        row("crf", 20, 40, 9e6, forced=31.0),
        row("span", 20, 40, 5e6, forced=31.0),
        row("lora", 20, 30, 5.0, forced=31.0),
        row("prompt", 20, 20, 5.0, forced=31.0),
        row("base", 20, 40, 5e6, forced=31.0),
        row("far", 10, 90, 0.0),
    ]
    ranked = rank(rows)
    assert [each.label for each in ranked] == [
        "base", "span", "crf", "pretrained", "lora", "prompt", "far"
    ]  # fmt: skip
    assert explain_tie(ranked) == (
        "base shares this EM with span, crf, pretrained, lora and prompt; it is ahead of lora and "
        "prompt by F1 (40.00), of pretrained by F1 if every answerable question were answered "
        "(31.00), of crf by fewer trained parameters (5,000,000) and of span by nothing but the "
        "order of labels."
    )


def test_the_rules_that_are_named_are_those_that_order_the_contenders():
    """Each rule in turn decides between two contenders, against all that come after it."""
    better = {"exact": 20, "f1": 40, "forced": 30, "size": 1.0, "champion": True}
    worse = {"exact": 10, "f1": 30, "forced": 20, "size": 2.0, "champion": False}
    words = [
        "", "by F1 (40.00)", "by F1 if every answerable", "by fewer trained parameters (1)",
        "because a champion stays at a tie",
    ]  # fmt: skip
    for place, (rule, said) in enumerate(zip(better, words, strict=True)):
        equal = dict(list(better.items())[:place])
        rest = list(better)[place + 1 :]
        # What comes later speaks for the loser.
        first = {**equal, rule: better[rule], **{name: worse[name] for name in rest}}
        second = {**equal, rule: worse[rule], **{name: better[name] for name in rest}}
        rows = [make("a", second), make("z", first)]
        assert rank_contenders(rows) == [1, 0], rule
        told = explain_tie(rank(rows))
        assert said in told, rule
        assert bool(told) == bool(said), rule


def make(label, about):
    made = row(label, about["exact"], about["f1"], about["size"], forced=about["forced"])
    return replace(made, variant="champion" if about["champion"] else "span")


@pytest.mark.parametrize(
    ("rows", "order", "words", "tie"),
    [
        ([row("a", 10, 90), row("b", 20, 30)], [1, 0], "highest EM on select, 20.00", ""),
        (
            [row("a", 20, 30), row("b", 20, 40)],
            [1, 0],
            "highest EM on select, 20.00",
            "b shares this EM with a; it is ahead of a by F1 (40.00).",
        ),
        (
            [row("b", 20, 40), row("a", 20, 40)],
            [1, 0],
            "highest EM on select, 20.00",
            "a shares this EM with b; it is ahead of b by nothing but the order of labels.",
        ),
        (
            [row("a", 0, 0, disqualified="nan"), row("b", 0, 0)],
            [1, 0],
            "highest EM on select, 0.00",
            "",
        ),
    ],
)
def test_the_order_and_its_reason(rows, order, words, tie):
    assert rank_contenders(rows) == order
    racing = [each for each in rank(rows) if not each.disqualified]
    assert explain(racing[0]) == words
    assert explain_tie(racing) == tie


def test_a_contender_that_trains_nothing_counts_as_one_without_trained_parameters():
    small, none = row("a", 20, 40, 5.0), row("z", 20, 40, None)
    assert rank_contenders([small, none]) == [1, 0]
    assert "by fewer trained parameters (0)" in explain_tie([none, small])


def test_a_standing_has_the_figures_and_the_training_of_its_contender():
    select, test, tune = (make_figures(f1=f1) for f1 in (70.0, 60.0, 80.0))
    shared = {"test": Shared("paragraph", 200, 1, 0, 8)}
    found = make_open_domain()
    result = make_result(
        "a-s1",
        group="a",
        trained_on="clean",
        shared_with_train=shared,
        splits={"tune": tune, "select": select, "test": test},
        open_domain=found,
        training=TrainingSummary(
            seconds=5.0, seconds_train=9.0, examples_per_second=2.0, trainable_parameters=7.0
        ),
    )
    expected = Standing(
        "a-s1", "version 3", "a", "", "clean", shared, select, test, None, found, 9.0, 2.0, 7.0
    )
    assert describe_standing(result, "version 3") == expected
    assert (expected.name, describe_standing(result).name) == ("a-s1 (version 3)", "a-s1")
    # A registered model of an early version knows no time of its whole step.
    early = replace(result, training=TrainingSummary(seconds=5.0))
    assert describe_standing(early).seconds == 5.0


def test_a_disqualified_contender_stands_without_figures():
    found = describe_standing(row("a", 0, 0, disqualified="nan"))
    assert (found.disqualified, found.select, found.test, found.train) == ("nan", None, None, None)


def test_the_select_split_is_described_by_what_the_winner_was_judged_on():
    figures = make_figures(total=90, paragraphs=12, titles=4)
    winner = make_result("a", splits={"select": figures}, digests={"select": "d"})
    assert describe_select(winner, 2) == SelectSplit("d", 90, 12, 4, 8, 2)
    assert describe_select(winner, None).chosen_before is None


def test_a_version_has_the_figures_of_the_splits_that_were_judged_as_tags():
    figures = make_figures(exact_match=12.34567, f1=2 / 3, total=1200)
    winner = make_result("a", splits={"select": figures}, digests={"select": "d", "test": "e"})
    assert version_tags(winner, "passed", run="r") == {
        "validation_status": "passed",
        "contender": "a",
        "variant": "span",
        "trained_on": "unknown",
        "select_exact_match": "12.3457",
        "select_f1": "0.6667",
        "select_examples": "1200",
        "select_digest": "d",
        "run": "r",
    }
    with_test = replace(winner, splits={"select": figures, "test": figures})
    assert version_tags(with_test, "demo")["test_digest"] == "e"
