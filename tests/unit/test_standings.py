import pytest

from squadron.standings import explain, rank_contenders


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
    assert explain(rows, [1, 0]) == (
        "highest EM on select, 20.00; a tie in EM and F1 with a: fewest trained parameters, then "
        "the champion"
    )
    rows[0]["splits"]["select"]["f1"] = 40.5
    assert rank_contenders(rows) == [0, 1]


@pytest.mark.parametrize(
    ("rows", "order", "words"),
    [
        ([row("a", 10, 90), row("b", 20, 30)], [1, 0], "highest EM on select, 20.00"),
        ([row("a", 20, 30), row("b", 20, 40)], [1, 0], "of those the highest F1, 40.00"),
        (
            [row("a", 20, 20, 0.0, forced=7.0), row("b", 20, 20, 9.0, forced=31.0)],
            [1, 0],
            "with a: highest F1 if every answerable question were answered, 31.00",
        ),
        ([row("a", 20, 40, 9.0), row("b", 20, 40, 5.0)], [1, 0], "a tie in EM and F1 with a"),
        ([row("b", 20, 40), row("a", 20, 40)], [1, 0], "a tie in EM and F1 with b"),
        (
            [row("a", 0, 0, disqualified="nan"), row("b", 0, 0)],
            [1, 0],
            "highest EM on select, 0.00",
        ),
    ],
)
def test_the_order_and_its_reason(rows, order, words):
    assert rank_contenders(rows) == order
    racing = [n for n in order if not rows[n]["disqualified"]]
    assert words in explain(rows, racing)
