import dataclasses

import pytest

from squadron.config import Train, from_mapping, to_json
from squadron.errors import InputError
from tests.unit.config.experiment_texts import SMALLEST, load, refusal


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


def test_zero_has_no_sign():
    plain = from_mapping(Train, {"weight_decay": 0})
    assert to_json(from_mapping(Train, {"weight_decay": -0.0})) == to_json(plain)


def test_a_mapping_is_needed_and_its_path_is_named():
    with pytest.raises(InputError) as caught:
        from_mapping(Train, [1], "contenders -> 1 -> train")
    expected = "contenders -> 1 -> train: [1] is not allowed; a mapping is needed"
    assert str(caught.value) == expected
    with pytest.raises(InputError, match=r"^Train: 3 is not allowed; a mapping is needed$"):
        from_mapping(Train, 3)


def test_a_whole_number_that_no_library_takes_is_refused_with_its_path(tmp_path):
    for value in (2**63, -(2**63) - 1, 10**1000):
        text = SMALLEST.replace("a.json", f"a, seed: {value}")
        message = refusal(tmp_path, text)
        assert message == f"data -> seed: {value} is not allowed; a number of 64 bits is needed"
    assert load(tmp_path, f"{SMALLEST}train: {{seed: {2**63 - 1}}}\n")
