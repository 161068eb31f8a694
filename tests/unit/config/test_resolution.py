import dataclasses

import pytest

from squadron.config import Contender, Predict, Train, Windows, build_experiment
from squadron.errors import InputError
from tests.unit.config.experiment_texts import SMALLEST, load, refusal


def test_sections_at_the_top_are_defaults_of_every_contender(tmp_path):
    text = """
        data: {train: [a.json, b.json]}
        backbone: org/one
        windows: {max_length: 256}
        train: {epochs: 3, seed: 1}
        contenders:
          - span
          - {variant: span, label: other, backbone: org/two, train: {epochs: 5}}
          - {variant: pretrained, windows: {stride: 64}, predict: {n_best: 3}}
    """
    one, two, three = load(tmp_path, text).contenders
    assert one == Contender(
        "span", "span", "org/one", windows=Windows(256), train=Train(epochs=3, seed=1)
    )
    assert two == dataclasses.replace(
        one, label="other", backbone="org/two", train=Train(epochs=5, seed=1)
    )
    assert three == dataclasses.replace(
        one,
        variant="pretrained",
        label="pretrained",
        windows=Windows(256, 64),
        predict=Predict(n_best=3),
    )


def test_a_contender_does_not_change_the_next_one(tmp_path):
    text = SMALLEST.replace("[span]", "[{variant: span, train: {epochs: 9}}, pretrained]")
    first, second = load(tmp_path, text + "train: {batch_size: 4}\n").contenders
    assert first.train == Train(epochs=9, batch_size=4)
    assert second.train == Train(batch_size=4)


@pytest.mark.parametrize("empty", ["{}", "", "null"])
@pytest.mark.parametrize(
    "section", ["windows", "train", "predict", "evaluate", "register", "resources"]
)
def test_an_empty_section_is_the_same_as_none(section, empty, tmp_path):
    assert load(tmp_path, f"{SMALLEST}{section}: {empty}\n") == load(tmp_path, SMALLEST)


@pytest.mark.parametrize("empty", ["{}", "null"])
@pytest.mark.parametrize("section", ["windows", "train", "predict", "options"])
def test_an_empty_section_of_a_contender_is_the_same_as_none(section, empty, tmp_path):
    shared = "data: {train: a.json}\nwindows: {stride: 9}\ntrain: {epochs: 9}\n"
    plain = load(tmp_path, shared + "contenders: [span]\n")
    text = f"{shared}contenders: [{{variant: span, {section}: {empty}}}]\n"
    assert load(tmp_path, text) == plain


def test_empty_splits_are_the_default_splits(tmp_path):
    for empty in ("{}", "null"):
        text = f"data: {{train: a.json, splits: {empty}}}\ncontenders: [span]\n"
        assert load(tmp_path, text) == load(tmp_path, SMALLEST)


def test_a_bad_value_at_the_top_is_named_there_and_not_at_a_contender(tmp_path):
    text = "contenders: [{variant: span, train: {seed: 1}}, pretrained]\ntrain: {epochs: 0}\n"
    message = refusal(tmp_path, "data: {train: a}\n" + text)
    assert message == "train -> epochs: 0 is not allowed; 1 or more"


def test_a_section_at_the_top_need_not_be_right_where_every_contender_mends_it(tmp_path):
    text = "data: {train: a}\nwindows: {max_length: 96}\n"
    loaded = load(tmp_path, text + "contenders: [{variant: span, windows: {stride: 8}}]\n")
    assert loaded.contenders[0].windows == Windows(96, 8)
    assert refusal(tmp_path, text + "contenders: [span]\n").startswith("windows -> stride: 128")


def test_missing_sections_are_named(tmp_path):
    assert refusal(tmp_path, "contenders: [span]\n") == "data is missing; it has no default"
    message = refusal(tmp_path, "data: {train: a}\n")
    assert message == "contenders: None is not allowed; list at least one variant"


def test_seeds_make_a_contender_each():
    sweep = {"variant": "span", "seeds": [1, 5], "train": {"epochs": 3}}
    found = build_experiment({"name": "x", "data": {"train": "a"}, "contenders": [sweep, "span"]})
    assert [(c.label, c.group, c.train.seed, c.train.epochs) for c in found.contenders] == [
        ("span-seed1", "span", 1, 3),
        ("span-seed5", "span", 5, 3),
        ("span", "", 13, 2),
    ]


@pytest.mark.parametrize("seeds", [[], 3, [1.5], [True], [-1], ["1"], None])
def test_seeds_that_are_no_list_of_whole_numbers_are_refused(seeds):
    raw = {"name": "x", "data": {"train": "a"}, "contenders": [{"variant": "span", "seeds": seeds}]}
    with pytest.raises(InputError, match=r"contenders -> 1 -> seeds: .* list whole numbers"):
        build_experiment(raw)


def test_a_seed_is_named_once():
    raw = {"name": "x", "data": {"train": "a"}}
    with pytest.raises(InputError, match=r"seeds: \[1, 1\] is not allowed; name each seed once"):
        build_experiment(raw | {"contenders": [{"variant": "span", "seeds": [1, 1]}]})
