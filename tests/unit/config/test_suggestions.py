import pytest

from tests.unit.config.experiment_texts import SMALLEST, refusal

SEVERAL_SEEDS = "; for several, list `seeds` in a contender, such as {variant: span, seeds: [1, 2]}"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            "train: {seed: [1, 2]}",
            f"train -> seed: [1, 2] is a list; a whole number is needed{SEVERAL_SEEDS}",
        ),
        (
            "seed: [1, 2]",
            f"seed is not a setting; one whole number is 'data.seed' or 'train.seed'"
            f"{SEVERAL_SEEDS}",
        ),
        (
            "seeds: [1, 2]",
            f"seeds is not a setting; one whole number is 'data.seed' or 'train.seed'"
            f"{SEVERAL_SEEDS}",
        ),
    ],
)
def test_several_seeds_are_pointed_to_where_they_stand(tmp_path, more, sentence):
    assert refusal(tmp_path, f"{SMALLEST}{more}\n") == sentence


def test_several_seeds_of_a_contender_are_pointed_to_where_they_stand(tmp_path):
    text = SMALLEST.replace("[span]", "[{variant: span, seed: [1, 2]}]")
    assert refusal(tmp_path, text) == (
        f"contenders -> 1 -> seed is not a setting; one whole number is 'train.seed'{SEVERAL_SEEDS}"
    )
    text = SMALLEST.replace("[span]", "[{variant: span, train: {seed: [1, 2]}}]")
    assert refusal(tmp_path, text) == (
        "contenders -> 1 -> train -> seed: [1, 2] is a list; a whole number is needed"
        f"{SEVERAL_SEEDS}"
    )


def test_several_seeds_of_the_split_are_several_experiments(tmp_path):
    text = SMALLEST.replace("a.json", "a.json, seed: [1, 2]")
    assert refusal(tmp_path, text) == (
        "data -> seed: [1, 2] is a list; a whole number is needed; "
        "for several, run one experiment for each"
    )


@pytest.mark.parametrize(
    ("more", "path", "places"),
    [
        ("learning_rate: 1.0e-4", "learning_rate", "'train.learning_rate'"),
        ("stride: 64", "stride", "'windows.stride'"),
        ("bertscore: true", "bertscore", "'evaluate.bertscore'"),
        ("tune: 2", "tune", "'data.splits.tune'"),
        ("batch_size: 2", "batch_size", "'train.batch_size' or 'predict.batch_size'"),
        ("train: {stride: 64}", "train -> stride", "'windows.stride'"),
        ("train: {n_best: 2}", "train -> n_best", "'predict.n_best'"),
    ],
)
def test_a_setting_in_the_wrong_place_is_pointed_to_its_section(tmp_path, more, path, places):
    message = refusal(tmp_path, f"{SMALLEST}{more}\n")
    assert message.startswith(f"{path} is not a setting; did you mean {places}? known: ")


def test_a_contenders_setting_in_the_wrong_place_is_pointed_to_its_section(tmp_path):
    text = SMALLEST.replace("[span]", "[{variant: span, learning_rate: 1}]")
    message = refusal(tmp_path, text)
    assert message.startswith(
        "contenders -> 1 -> learning_rate is not a setting; did you mean 'train.learning_rate'? "
    )
    # The list of known names has what the loader itself takes.
    assert "seeds" in message
