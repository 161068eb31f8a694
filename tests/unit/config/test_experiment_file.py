from pathlib import Path

import pytest

from squadron.config import Contender, Data, Experiment, Splits, Train, load_experiment
from squadron.errors import InputError
from tests.unit.config.experiment_texts import SMALLEST, load, refusal


def test_a_file_states_only_what_differs_from_the_defaults(tmp_path):
    assert load(tmp_path, SMALLEST) == Experiment(
        name="race", data=Data(train=("a.json",)), contenders=(Contender("span"),)
    )


def test_the_name_is_the_files_unless_it_gives_one(tmp_path):
    assert load(tmp_path, SMALLEST).register.model_name == "squadron-race"
    named = load(tmp_path, SMALLEST + "name: mine\n")
    assert (named.name, named.register.model_name) == ("mine", "squadron-mine")
    registered = load(tmp_path, SMALLEST + "register: {model_name: other}\n")
    assert registered.register.model_name == "other"


def test_a_byte_order_mark_is_no_fault(tmp_path):
    assert load(tmp_path, "\ufeff" + SMALLEST) == load(tmp_path, SMALLEST)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("", "nothing"), ("[a]", "a list"), ("a", "text"), ("3", "a whole number")],
)
def test_a_file_that_is_no_mapping_is_refused(text, kind, tmp_path):
    assert refusal(tmp_path, text) == (
        f"The experiment file {tmp_path / 'race.yaml'} holds {kind}; "
        "a mapping such as 'data:' is needed"
    )


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\ta: 1", "a: *b", "a: !!python/name:os.system", "a: 2001-99-99"]
)
def test_a_file_that_is_no_yaml_is_refused_in_one_line(text, tmp_path):
    start = f"The experiment file {tmp_path / 'race.yaml'} is not valid YAML: "
    assert refusal(tmp_path, text).startswith(start)


def test_a_file_that_does_not_exist_is_refused_with_those_there_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        load_experiment(tmp_path / "x.yaml")
    assert str(caught.value) == (
        f"The experiment file {tmp_path / 'x.yaml'} does not exist; there are: none"
    )
    (tmp_path / "experiments").mkdir()
    for name in ("b", "a"):
        (tmp_path / "experiments" / f"{name}.yaml").touch()
    with pytest.raises(InputError, match=r"there are: experiments/a\.yaml, experiments/b\.yaml$"):
        load_experiment(tmp_path / "x.yaml")


def test_a_folder_or_a_file_that_is_no_text_can_not_be_read(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        load_experiment(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="can't be read"):
        load_experiment(tmp_path / "x.yaml")


PROFILES = """
data: {train: a.json, test: t.json, splits: {tune: 4}}
train: {epochs: 6, batch_size: 8}
contenders: [span, {variant: crf, train: {epochs: 9}}]
profiles:
  cpu:
    backbone: small
    data: {max_train_examples: 100}
    train: {epochs: 1}
  one: {contenders: [pretrained]}
  empty:
"""


def load_profile(folder, text, profile, *overrides):
    (folder / "race.yaml").write_text(text)
    return load_experiment(folder / "race.yaml", overrides, profile)


def test_a_profile_is_laid_over_the_file(tmp_path):
    loaded = load_profile(tmp_path, PROFILES, "cpu")
    assert loaded.data == Data(
        ("a.json",), ("t.json",), splits=Splits(tune=4), max_train_examples=100
    )
    one, two = loaded.contenders
    assert (one.backbone, one.train) == ("small", Train(epochs=1, batch_size=8))
    assert (two.backbone, two.train) == ("small", Train(epochs=9, batch_size=8))
    assert loaded.name == "race"


def test_contenders_of_a_profile_replace_those_of_the_file(tmp_path):
    (only,) = load_profile(tmp_path, PROFILES, "one").contenders
    assert (only.variant, only.train.epochs) == ("pretrained", 6)


@pytest.mark.parametrize("profile", ["", "empty"])
def test_without_a_profile_or_with_an_empty_one_the_file_stands(profile, tmp_path):
    loaded = load_profile(tmp_path, PROFILES, profile)
    assert loaded == load(tmp_path, PROFILES.partition("profiles:")[0])


def test_overrides_win_over_a_profile(tmp_path):
    words = ("train.epochs=3", "contenders.1.variant=lora")
    (only,) = load_profile(tmp_path, PROFILES, "one", *words).contenders
    assert (only.variant, only.train.epochs) == ("lora", 3)


@pytest.mark.parametrize(
    ("profiles", "profile", "message"),
    [
        ("{cpu: {}, gpu: {}}", "tpu", "'tpu' is not a profile; there are: cpu, gpu"),
        ("", "cpu", "'cpu' is not a profile; there are: none"),
        ("[cpu]", "", "profiles: ['cpu'] is a list; a mapping is needed"),
        ("{cpu: 3}", "", "profiles -> cpu: 3 is a whole number; a mapping is needed"),
        (
            "{cpu: {train: {epoch: 1}}}",
            "",
            "profiles -> cpu -> train -> epoch is not a setting; did you mean 'epochs'?",
        ),
        ("{a: {}, b: {trains: {}}}", "a", "profiles -> b -> trains is not a setting"),
        ("{a: {contenders: []}}", "", "profiles -> a -> contenders: [] is not allowed"),
    ],
)
def test_a_bad_profile_is_refused_whether_it_is_chosen_or_not(profiles, profile, message, tmp_path):
    with pytest.raises(InputError) as caught:
        load_profile(tmp_path, f"{SMALLEST}profiles: {profiles}\n", profile)
    assert str(caught.value).startswith(f"{tmp_path / 'race.yaml'}: {message}")


def test_a_fault_of_the_file_is_not_blamed_on_a_profile(tmp_path):
    text = "train: {epoch: 1}\n" + SMALLEST + "profiles: {cpu: {}}\n"
    with pytest.raises(InputError, match=r"race\.yaml: train -> epoch is not a setting"):
        load_profile(tmp_path, text, "")


def test_a_file_that_needs_an_override_may_have_profiles(tmp_path):
    text = "contenders: [span]\nprofiles: {cpu: {train: {epochs: 1}}}\n"
    loaded = load_profile(tmp_path, text, "cpu", "data.train=b.json")
    assert loaded.contenders[0].train.epochs == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 493 + "]" * 493, "it is nested"),
        ("{a: " * 5000 + "1" + "}" * 5000, "it is nested too deeply"),
        (SMALLEST + "train: {seed: 0x" + "f" * 5000 + "}", "number of more than 4096 bits"),
        (SMALLEST + "train: {epochs: " + "9" * 5000 + "}", "a number of more than 4,300 digits"),
        (SMALLEST.replace("a.json", '"a\\ud800.json"'), "half a surrogate pair in 'a"),
    ],
    ids=["493 levels", "5,000 levels", "hexadecimal", "decimal", "surrogate"],
)
def test_yaml_that_breaks_python_is_refused_in_one_sentence(tmp_path, text, words):
    with pytest.raises(InputError, match="is not valid YAML") as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_an_override_that_breaks_python_is_refused(tmp_path):
    with pytest.raises(InputError, match="has a value that is not valid YAML"):
        load(tmp_path, SMALLEST, f"train.seed={'[' * 5000}")


@pytest.mark.parametrize("name", ["a\ud800.yaml", "a\0.yaml"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(InputError, match="can't be read") as caught:
        load_experiment(Path(name))
    str(caught.value).encode()


def test_a_key_that_stands_twice_is_refused_with_its_lines(tmp_path):
    text = SMALLEST + "train: {epochs: 3}\nwindows: {stride: 9}\ntrain: {seed: 1}\n"
    assert refusal(tmp_path, text) == (
        f"The experiment file {tmp_path / 'race.yaml'} is not valid YAML: "
        "the key 'train' stands twice, in lines 3 and 5; keep one of them"
    )
    for value in ("{epochs: 1, epochs: 2}", '{"epochs": 1, "epochs": 2}'):
        assert refusal(tmp_path, SMALLEST, f"train={value}") == (
            f"The override {f'train={value}'!r} has a value that is not valid YAML: "
            "the key 'epochs' stands twice, in line 1; keep one of them"
        )
