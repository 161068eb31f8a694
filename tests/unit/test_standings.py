import pytest

from squadron.standings import explain, rank_contenders


def row(label, exact, f1, size=1.0, disqualified=""):
    splits = {} if disqualified else {"select": {"exact": exact, "f1": f1}}
    training = {"trainable_parameters": size}
    return {
        "label": label, "disqualified": disqualified, "splits": splits, "training": training
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "order", "words"),
    [
        ([row("a", 10, 90), row("b", 20, 30)], [1, 0], "highest EM on select, 20.00"),
        ([row("a", 20, 30), row("b", 20, 40)], [1, 0], "of those the highest F1, 40.00"),
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
