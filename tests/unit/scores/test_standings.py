import pytest

from squadron.scores.standings import explain, explain_tie, rank_contenders


def row(label, exact, f1, size=1.0, disqualified="", forced=0.0):
    select = {"exact": exact, "f1": f1, "answerable_f1": forced}
    splits = {} if disqualified else {"select": select}
    training = {"trainable_parameters": size}
    return {
        "label": label, "disqualified": disqualified, "splits": splits, "training": training
    }  # fmt: skip


def test_a_champion_stays_at_a_tie_and_the_reason_says_so():
    rows = [row("a", 20, 40, 0.0), row("z", 20, 40, 0.0) | {"variant": "champion"}]
    assert rank_contenders(rows) == [1, 0]
    assert explain(rows, [1, 0]) == "highest EM on select, 20.00"
    assert explain_tie(rows, [1, 0]) == (
        "z shares this EM with a; it is ahead of a because a champion stays at a tie."
    )
    rows[0]["splits"]["select"]["f1"] = 40.5
    assert rank_contenders(rows) == [0, 1]


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
    order = rank_contenders(rows)
    assert [rows[n]["label"] for n in order] == [
        "base", "span", "crf", "pretrained", "lora", "prompt", "far"
    ]  # fmt: skip
    assert explain_tie(rows, order) == (
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
        told = explain_tie(rows, [1, 0])
        assert said in told, rule
        assert bool(told) == bool(said), rule


def make(label, about):
    made = row(label, about["exact"], about["f1"], about["size"], forced=about["forced"])
    return made | {"variant": "champion" if about["champion"] else "span"}


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
    racing = [n for n in order if not rows[n]["disqualified"]]
    assert explain(rows, racing) == words
    assert explain_tie(rows, racing) == tie
