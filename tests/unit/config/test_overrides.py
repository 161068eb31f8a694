import pytest

from squadron.config import Data, Register, Splits, Train
from tests.unit.config.experiment_texts import SMALLEST, load, refusal


def test_overrides_win_over_the_file(tmp_path):
    text = SMALLEST + "train: {epochs: 3}\n"
    loaded = load(
        tmp_path,
        text,
        "train.epochs=4",
        "train.learning_rate=3e-4",
        "data.train=[b.json, c.json]",
        "data.splits.test=0",
        "register.demo=true",
        "attempt=again",
        "name=other",
    )
    assert loaded.contenders[0].train == Train(epochs=4, learning_rate=3e-4)
    assert loaded.data == Data(train=("b.json", "c.json"), splits=Splits(test=0))
    assert loaded.register == Register("squadron-other", demo=True)
    assert loaded.attempt == "again"


def test_overrides_reach_a_contender_by_its_number(tmp_path):
    text = "data: {train: a}\ncontenders: [span, {variant: pretrained}]\n"
    one, two = load(
        tmp_path, text, "contenders.1.train.epochs=7", "contenders.2.label=base"
    ).contenders
    assert (one.variant, one.train.epochs) == ("span", 7)
    assert (two.variant, two.label, two.train.epochs) == ("pretrained", "base", Train().epochs)


def test_the_last_of_two_overrides_wins(tmp_path):
    loaded = load(tmp_path, SMALLEST, "data.seed=1", "data.seed=2")
    assert loaded.data.seed == 2


def test_an_override_may_hold_an_equals_sign_and_reach_an_empty_section(tmp_path):
    loaded = load(tmp_path, SMALLEST + "resources:\n", "resources.cpu=a=b")
    assert loaded.resources.cpu == "a=b"


def test_a_bad_override_is_refused_like_a_line_of_the_file(tmp_path):
    message = refusal(tmp_path, SMALLEST, "train.epoch=3")
    assert message.startswith("train -> epoch is not a setting; did you mean 'epochs'?")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "The override 'train.epochs' is not of the form section.key=value"),
        ("=3", "The override '=3' is not of the form section.key=value"),
        ("train.epochs=[", "The override 'train.epochs=[' has a value that is not valid YAML"),
        (
            "a=2001-99-99",
            "The override 'a=2001-99-99' has a value that is not valid YAML: "
            "month must be in 1..12",
        ),
        (
            "contenders.2.label=x",
            "The override 'contenders.2.label=x' leads nowhere: '2' is no section",
        ),
        (
            "contenders.0.label=x",
            "The override 'contenders.0.label=x' leads nowhere: '0' is no section",
        ),
        (
            "contenders.first.label=x",
            "The override 'contenders.first.label=x' leads nowhere: 'first' is no section",
        ),
        (
            "contenders.1=x",
            "The override 'contenders.1=x' leads nowhere: its parent is a list",
        ),
        (
            "data.train.x.y=1",
            "The override 'data.train.x.y=1' leads nowhere: 'x' is no section",
        ),
        (
            "data.train.x=1",
            "The override 'data.train.x=1' leads nowhere: its parent is text",
        ),
    ],
)
def test_an_override_that_leads_nowhere_is_refused(override, message, tmp_path):
    assert refusal(tmp_path, SMALLEST, override) == message
