import dataclasses
import json
import math
import typing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.config import (
    Contender,
    Data,
    Evaluate,
    Experiment,
    Predict,
    Register,
    Resources,
    Splits,
    Train,
    TrainedOn,
    Windows,
    build_experiment,
    digest,
    from_json,
    from_mapping,
    load_experiment,
    to_json,
)
from squadron.errors import InputError

SMALLEST = "data: {train: a.json}\ncontenders: [span]\n"
SECTIONS = [
    Splits,
    Data,
    Windows,
    Train,
    Predict,
    Contender,
    TrainedOn,
    Evaluate,
    Register,
    Resources,
    Experiment,
]


def load(folder, text, *overrides):
    path = folder / "race.yaml"
    path.write_text(text, encoding="utf-8")
    return load_experiment(path, overrides)


def refusal(folder, text, *overrides):
    """The message without the file's name, which has to stand first."""
    with pytest.raises(InputError) as caught:
        load(folder, text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder / 'race.yaml'}: ")


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


@pytest.mark.parametrize("section", SECTIONS)
def test_defaults_stand_in_the_dataclass_alone(section):
    needed = {
        Data: {"train": ["a.json"]},
        Contender: {"variant": "span"},
        Experiment: {"name": "x", "data": {"train": ["a"]}, "contenders": [{"variant": "span"}]},
    }.get(section, {})
    built = from_mapping(section, needed)
    for field in dataclasses.fields(section):
        if field.name in needed or field.name in ("label", "register"):
            continue
        default = field.default
        if default is dataclasses.MISSING:
            default = field.default_factory()
        assert getattr(built, field.name) == default


@pytest.mark.parametrize("number", ["2e-4", "0.0002", "2.0e-4", "2E-4", "'2e-4'", "+2e-4"])
def test_scientific_notation_is_a_number(number, tmp_path):
    loaded = load(tmp_path, f"{SMALLEST}train: {{learning_rate: {number}}}\n")
    assert loaded.contenders[0].train.learning_rate == 2e-4


def test_a_whole_number_passes_as_a_number(tmp_path):
    loaded = load(tmp_path, SMALLEST + "train: {weight_decay: 1, checkpoint_minutes: 5}\n")
    assert loaded.contenders[0].train == Train(weight_decay=1.0, checkpoint_minutes=5.0)


def test_one_file_may_stand_without_a_list(tmp_path):
    assert load(tmp_path, SMALLEST).data.train == ("a.json",)
    text = "data: {train: [a.json, s3://b/c.json], test: t.json}\ncontenders: [span]\n"
    data = load(tmp_path, text).data
    assert (data.train, data.test) == (("a.json", "s3://b/c.json"), ("t.json",))


def test_every_file_of_the_data_is_listed():
    data = Data(train=("a",), test=("b",), train_only=("c", "s3://d/e"))
    assert set(data.files) == {"a", "b", "c", "s3://d/e"}


def test_a_byte_order_mark_is_no_fault(tmp_path):
    assert load(tmp_path, "\ufeff" + SMALLEST) == load(tmp_path, SMALLEST)


TRAIN_KEYS = ", ".join(sorted(field.name for field in dataclasses.fields(Train)))

REFUSALS = [
    (
        "train: {learning_rat: 1}",
        "train -> learning_rat is not a setting; did you mean 'learning_rate'? "
        f"known: {TRAIN_KEYS}",
    ),
    ("train: {colour: 1}", f"train -> colour is not a setting; known: {TRAIN_KEYS}"),
    (
        "windows: {3: 1}",
        "windows -> 3 is not a setting; known: max_length, max_question_length, stride",
    ),
    ("trains: {}", "trains is not a setting; did you mean 'train'? known: attempt, backbone, "),
    ("3: {}", "3 is not a setting; known: attempt, backbone, "),
    ("on: {}", "True is not a setting; known: attempt, "),
    ("train: 3", "train: 3 is not allowed; a mapping is needed"),
    ("train: [epochs]", "train: ['epochs'] is not allowed; a mapping is needed"),
    ("train: {epochs: 2.5}", "train -> epochs: 2.5 is a number; a whole number is needed"),
    ("train: {epochs: '2'}", "train -> epochs: '2' is text; a whole number is needed"),
    ("train: {epochs: true}", "train -> epochs: True is true or false; a whole number is needed"),
    ("train: {epochs: }", "train -> epochs: None is nothing; a whole number is needed"),
    ("train: {epochs: 0}", "train -> epochs: 0 is not allowed; 1 or more"),
    ("train: {batch_size: -1}", "train -> batch_size: -1 is not allowed; 1 or more"),
    ("train: {gradient_accumulation: 0}", "train -> gradient_accumulation: 0 is not allowed"),
    ("train: {learning_rate: fast}", "train -> learning_rate: 'fast' is text; a number is needed"),
    ("train: {learning_rate: yes}", "train -> learning_rate: True is true or false; a number is"),
    ("train: {learning_rate: [1]}", "train -> learning_rate: [1] is a list; a number is needed"),
    ("train: {learning_rate: .nan}", "train -> learning_rate: nan is not allowed; a finite number"),
    ("train: {learning_rate: .inf}", "train -> learning_rate: inf is not allowed; a finite number"),
    ("train: {learning_rate: 1e999}", "train -> learning_rate: '1e999' is not allowed; a finite"),
    (f"train: {{learning_rate: {10**400}}}", "train -> learning_rate: 1000000000000"),
    ("train: {learning_rate: 0}", "train -> learning_rate: 0.0 is not allowed; above 0"),
    ("train: {max_grad_norm: 0}", "train -> max_grad_norm: 0.0 is not allowed; above 0"),
    ("train: {weight_decay: -1}", "train -> weight_decay: -1.0 is not allowed; 0 or more"),
    ("train: {patience: -1}", "train -> patience: -1 is not allowed; 0 or more"),
    ("train: {monitor: loss}", "train -> monitor: 'loss' is not allowed; one of ('exact_match',"),
    ("train: {checkpoint_minutes: -1}", "train -> checkpoint_minutes: -1.0 is not allowed"),
    ("train: {warmup_share: 1}", "train -> warmup_share: 1.0 is not allowed; 0 to below 1"),
    (
        "train: {precision: fp16}",
        "train -> precision: 'fp16' is not allowed; one of ('auto', 'bf16', 'fp32')",
    ),
    ("predict: {precision: 16}", "predict -> precision: 16 is a whole number; text is needed"),
    ("predict: {precision: int8}", "predict -> precision: 'int8' is not allowed; one of ("),
    ("predict: {n_best: 0}", "predict -> n_best: 0 is not allowed; 1 or more"),
    ("predict: {max_answer_tokens: -1}", "predict -> max_answer_tokens: -1 is not allowed"),
    ("train: {max_negative_windows: -1}", "train -> max_negative_windows: -1 is not allowed"),
    ("data: {train: x, split_by: answer}", "data -> split_by: 'answer' is not allowed; one of"),
    ("predict: {batch_size: 0}", "predict -> batch_size: 0 is not allowed; 1 or more"),
    ("windows: {max_length: 15}", "windows -> max_length: 15 is not allowed; 16 or more"),
    ("windows: {stride: -1}", "windows -> stride: -1 is not allowed; 0 or more"),
    ("windows: {max_question_length: 0}", "windows -> max_question_length: 0 is not allowed"),
    (
        "windows: {max_length: 128}",
        "windows -> stride: 128 is not allowed; it must be below max_length - "
        "max_question_length - 4 specials = 60, or windows would not advance",
    ),
    ("windows: {stride: 316}", "windows -> stride: 316 is not allowed; it must be below"),
    ("backbone: ''", "contenders -> 1 -> backbone: '' is not allowed; name a model"),
    ("backbone: 3", "backbone: 3 is a whole number; text is needed"),
    ("name: 3", "name: 3 is a whole number; text is needed"),
    ("name: a b", "name: 'a b' is not allowed; letters, digits, '-' and '_' only"),
    ("name: Zürich", "name: 'Zürich' is not allowed; letters, digits, '-' and '_' only"),
    ("name: ''", "name: '' is not allowed"),
    ("register: {demo: 1}", "register -> demo: 1 is a whole number; true or false is needed"),
    ("register: {model_name: }", "register -> model_name: None is nothing; text is needed"),
    ("resources: {gpu_count: -1}", "resources -> gpu_count: -1 is not allowed; 0 (none) or 1"),
    ("resources: {gpu_count: 2}", "resources -> gpu_count: 2 is not allowed; 0 (none) or 1"),
    ("resources: {cpu: 4}", "resources -> cpu: 4 is a whole number; text is needed"),
    (
        "resources: {node_selector: {disk: 1}}",
        "resources -> node_selector -> disk: 1 is a whole number; text is needed",
    ),
    ("resources: {node_selector: [a]}", "resources -> node_selector: ['a'] is a list; a mapping"),
    ("resources: {tolerations: {a: b}}", "resources -> tolerations: {'a': 'b'} is a mapping; a "),
    ("resources: {tolerations: [a, 2]}", "resources -> tolerations -> 2: 2 is a whole number; "),
    ("data: ", "data -> train: [] is not allowed; name at least one file"),
    ("data: {train: ''}", "data -> train: [''] is not allowed; an empty path names no file"),
    ("data: {train: a, test: ['']}", "data -> test: [''] is not allowed; an empty path names no"),
    ("data: {train: a, train_only: ''}", "data -> train_only: [''] is not allowed; an empty path"),
    ("data: {train: 3}", "data -> train: 3 is a whole number; a list is needed"),
    ("data: {train: [a, 3]}", "data -> train -> 2: 3 is a whole number; text is needed"),
    ("data: {train: a, seed: x}", "data -> seed: 'x' is text; a whole number is needed"),
    ("data: {train: a, max_train_examples: -1}", "data -> max_train_examples: -1 is not allowed"),
    ("data: {train: a, max_tune_examples: -1}", "data -> max_tune_examples: -1 is not allowed"),
    ("data: {train: a, max_rejected_share: 2}", "data -> max_rejected_share: 2.0 is not allowed"),
    (
        "data: {train: a, splits: {tune: 1.5}}",
        "data -> splits -> tune: 1.5 is not allowed; give a share from 0 to below 1, or a whole "
        "number of titles",
    ),
    ("data: {train: a, splits: {test: -0.1}}", "data -> splits -> test: -0.1 is not allowed; give"),
    ("data: {train: a, splits: {test: -2}}", "data -> splits -> test: -2.0 is not allowed; give"),
    (
        "data: {train: a, splits: {tune: 0.5, select: 0.25, test: 0.25}}",
        "data -> splits -> tune + select + test: 1.0 is not allowed; the shares must leave room "
        "for train",
    ),
    ("data: {train: a, splits: {dev: 1}}", "data -> splits -> dev is not a setting; known: select"),
    ("contenders: []", "contenders: [] is not allowed; list at least one variant"),
    ("contenders: span", "contenders: 'span' is not allowed; list at least one variant"),
    ("contenders: ", "contenders: None is not allowed; list at least one variant"),
    (
        "contenders: [span, 3]",
        "contenders -> 2: 3 is not allowed; give a variant's name or a mapping with 'variant:'",
    ),
    ("contenders: [{label: a}]", "contenders -> 1 -> variant is missing; it has no default"),
    ("contenders: [{variant: 3}]", "contenders -> 1 -> variant: 3 is a whole number; text is"),
    (
        "contenders: [span, {varient: span}]",
        "contenders -> 2 -> varient is not a setting; did you mean 'variant'? known: backbone, "
        "group, label, options, predict, seeds, train, trained_on, variant, windows",
    ),
    (
        "contenders: [span, {variant: span, label: b, train: {epochs: 0}}]",
        "contenders -> 2 -> train -> epochs: 0 is not allowed; 1 or more",
    ),
    (
        "contenders: [{variant: span, windows: {max_length: 100}}]",
        "contenders -> 1 -> windows -> stride: 128 is not allowed; it must be below",
    ),
    (
        "contenders: [{variant: span, options: [3]}]",
        "contenders -> 1 -> options: [3] is a list; a mapping is needed",
    ),
    (
        "contenders: [span, pretrained, span]",
        "contenders: ['span'] is not allowed; give each contender its own label",
    ),
    (
        "contenders: [{variant: span, label: a/b}]",
        "contenders -> 1 -> label: 'a/b' is not allowed; letters, digits, '-', '_' and '.' only, "
        "at most 60, as it names files and runs",
    ),
    ("contenders: [{variant: span, label: .a}]", "contenders -> 1 -> label: '.a' is not allowed"),
    ("contenders: [{variant: span, label: ü}]", "contenders -> 1 -> label: 'ü' is not allowed"),
    (f"contenders: [{{variant: s, label: {'a' * 61}}}]", "contenders -> 1 -> label: 'aaa"),
]


@pytest.mark.parametrize(("text", "message"), REFUSALS, ids=[text for text, _ in REFUSALS])
def test_what_can_not_be_right_is_refused_with_its_path(text, message, tmp_path):
    key = text.partition(":")[0]
    rest = [line for line in SMALLEST.splitlines() if not line.startswith(key + ":")]
    assert refusal(tmp_path, "\n".join([*rest, text, ""])).startswith(message)


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


SHARES = st.floats(0, 0.3) | st.integers(0, 9)
POSITIVE = st.floats(1e-8, 1e3) | st.integers(1, 50)
PATHS = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3)
LABELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
OPTIONS = st.dictionaries(
    st.text(max_size=4), st.text(max_size=4) | st.integers() | st.lists(st.booleans()), max_size=3
)


def partly(**fields):
    return st.fixed_dictionaries({}, optional=fields)


WINDOWS = partly(
    max_length=st.integers(300, 512),
    stride=st.integers(0, 150),
    max_question_length=st.integers(1, 2**63 - 1),
).map(lambda raw: raw | {k: min(v, 140) for k, v in raw.items() if k == "max_question_length"})
TRAIN = partly(
    epochs=st.integers(1, 9),
    learning_rate=POSITIVE,
    batch_size=st.integers(1, 64),
    warmup_share=st.floats(0, 0.99),
    weight_decay=st.floats(0, 1) | st.just(-0.0),
    patience=st.integers(0, 3),
    monitor=st.sampled_from(["exact_match", "eval_loss"]),
    precision=st.sampled_from(["auto", "bf16", "fp32"]),
    seed=st.integers(0, 2**63 - 1),
)
PREDICT = partly(n_best=st.integers(1, 99), max_answer_tokens=st.integers(1, 99))
DATA = st.fixed_dictionaries(
    {"train": PATHS},
    optional={
        "test": PATHS,
        "splits": partly(tune=SHARES, select=SHARES, test=SHARES),
        "seed": st.integers(-(2**63), 2**63 - 1),
        "max_tune_examples": st.integers(0, 2**63 - 1),
        "max_rejected_share": st.floats(0, 1) | st.just(-0.0),
    },
)
CONTENDERS = st.lists(
    st.fixed_dictionaries(
        {"variant": st.sampled_from(["span", "pretrained", "anything"]), "label": LABELS},
        optional={
            "backbone": st.text(min_size=1, max_size=5),
            "options": OPTIONS,
            "windows": WINDOWS,
            "train": TRAIN,
            "predict": PREDICT,
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda contender: contender["label"],
)
EXPERIMENTS = st.fixed_dictionaries(
    {"name": st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True), "data": DATA},
    optional={
        "windows": WINDOWS,
        "train": TRAIN,
        "predict": PREDICT,
        "register": partly(model_name=st.text(max_size=5), demo=st.booleans()),
        "resources": partly(
            gpu_count=st.integers(0, 1),
            node_selector=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
            tolerations=st.lists(st.text(max_size=3), max_size=2),
        ),
        "results": st.text(max_size=5),
        "attempt": st.text(max_size=5),
        "evaluate": st.fixed_dictionaries(
            {},
            optional={
                "bertscore": st.booleans(),
                "answer_rule": st.sampled_from(["window", "lowest_null"]),
            },
        ),
    },
).flatmap(lambda raw: CONTENDERS.map(lambda contenders: {**raw, "contenders": contenders}))


def turned(value):
    """The same, every mapping in the opposite order and whole floats as ints."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [turned(item) for item in value]
    if isinstance(value, float) and value.is_integer() and not math.copysign(1, value) < 0:
        return int(value)
    return value


@settings(max_examples=100, deadline=None)
@given(EXPERIMENTS)
def test_json_gives_back_what_it_was_made_from_and_equal_sections_have_equal_text(raw):
    experiment = build_experiment(raw)
    same = build_experiment(turned(raw))
    assert from_json(Experiment, to_json(experiment)) == experiment == same
    assert to_json(experiment) == to_json(same)
    sections = [
        (experiment.data, same.data),
        (experiment.evaluate, same.evaluate),
        (experiment.register, same.register),
        (experiment.resources, same.resources),
        *zip(experiment.contenders, same.contenders, strict=True),
    ]
    for section, other in sections:
        text = to_json(section)
        assert text.isascii()
        assert from_json(type(section), text) == section
        assert to_json(other) == text


@settings(max_examples=50, deadline=None)
@given(EXPERIMENTS)
def test_building_changes_nothing_of_what_it_is_given(raw):
    before = json.dumps(raw)
    build_experiment(raw)
    assert json.dumps(raw) == before


def test_zero_has_no_sign():
    plain = from_mapping(Train, {"weight_decay": 0})
    assert to_json(from_mapping(Train, {"weight_decay": -0.0})) == to_json(plain)


def test_sections_can_not_be_changed():
    for section in SECTIONS:
        assert section.__dataclass_params__.frozen
    with pytest.raises(dataclasses.FrozenInstanceError):
        Train().epochs = 3


def test_a_mapping_is_needed_and_its_path_is_named():
    with pytest.raises(InputError) as caught:
        from_mapping(Train, [1], "contenders -> 1 -> train")
    expected = "contenders -> 1 -> train: [1] is not allowed; a mapping is needed"
    assert str(caught.value) == expected
    with pytest.raises(InputError, match=r"^Train: 3 is not allowed; a mapping is needed$"):
        from_mapping(Train, 3)


def test_every_field_has_a_type_that_is_checked():
    def kinds(hint):
        return [hint, *(kind for part in typing.get_args(hint) for kind in kinds(part))]

    known = {str, int, float, bool, dict, tuple, typing.Any, Ellipsis, *SECTIONS}
    for section in SECTIONS:
        for name, hint in typing.get_type_hints(section).items():
            for kind in kinds(hint):
                plain = typing.get_origin(kind) or kind
                assert plain in known, (section, name)


def test_a_digest_changes_with_every_part_and_with_where_it_ends():
    texts = [("a", "b"), ("ab",), ("a", "b", ""), ("", "a", "b"), ("b", "a"), ("a",)]
    digests = {digest(*parts) for parts in texts}
    assert len(digests) == len(texts)
    assert digest("a", "b") == digest("a", "b")
    assert all(len(found) == 16 and int(found, 16) >= 0 for found in digests)


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


def test_an_unknown_answer_rule_is_refused_with_those_there_are(tmp_path):
    message = refusal(tmp_path, SMALLEST + "evaluate: {answer_rule: lowest}\n")
    assert "evaluate -> answer_rule: 'lowest' is not allowed; one of ('window'" in message


def test_what_a_backbone_was_trained_on_can_be_declared(tmp_path):
    text = """
        data: {train: a.json}
        backbone: org/one
        trained_on: nothing
        contenders:
          - span
          - {variant: span, label: two, trained_on: {files: b.json, titles: [Oxygen]}}
          - {variant: span, label: three, backbone: org/three}
          - {variant: span, label: four, backbone: org/four, trained_on: {files: [c.json]}}
    """
    found = [contender.trained_on for contender in load(tmp_path, text).contenders]
    assert found == [
        TrainedOn(nothing=True),
        TrainedOn(files=("b.json",), titles=("Oxygen",)),
        TrainedOn(),  # What stands beside another backbone says nothing of this one.
        TrainedOn(files=("c.json",)),
    ]
    both = load(tmp_path, SMALLEST, "trained_on=nothing").contenders[0]
    assert both.trained_on == TrainedOn(nothing=True)
    assert from_json(Contender, to_json(both)) == both


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("everything", "trained_on: 'everything' is not allowed; a mapping is needed"),
        ("{file: a}", "trained_on -> file is not a setting; did you mean 'files'?"),
        (
            "{nothing: true, titles: [Oxygen]}",
            "trained_on -> titles: ['Oxygen'] is not allowed; `nothing` leaves no room for titles",
        ),
        ("{files: ['']}", "trained_on -> files: [''] is not allowed; an empty text names nothing"),
        ("{nothing: 1}", "trained_on -> nothing: 1 is a whole number; true or false is needed"),
    ],
)
def test_a_declaration_that_says_nothing_clear_is_refused(tmp_path, value, message):
    assert refusal(tmp_path, f"{SMALLEST}trained_on: {value}\n").startswith(message)


def test_titles_declare_nothing_where_data_are_split_by_question(tmp_path):
    text = SMALLEST.replace("a.json", "a.json, split_by: question")
    message = refusal(tmp_path, text + "trained_on: {titles: [Oxygen]}\n")
    assert message.startswith("contenders -> 1 -> trained_on -> titles: ['Oxygen'] is not allowed")
    assert load(tmp_path, text + "trained_on: {files: [b.json]}\n").data.split_by == "question"


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
    with pytest.raises(InputError, match="has a value that is not valid YAML"):
        load(tmp_path, SMALLEST, f"train.seed={'[' * 5000}")


@pytest.mark.parametrize("name", ["a\ud800.yaml", "a\0.yaml"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(InputError, match="can't be read") as caught:
        load_experiment(Path(name))
    str(caught.value).encode()


def test_a_whole_number_that_no_library_takes_is_refused_with_its_path(tmp_path):
    for value in (2**63, -(2**63) - 1, 10**1000):
        text = SMALLEST.replace("a.json", f"a, seed: {value}")
        message = refusal(tmp_path, text)
        assert message == f"data -> seed: {value} is not allowed; a number of 64 bits is needed"
    assert load(tmp_path, f"{SMALLEST}train: {{seed: {2**63 - 1}}}\n")


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
