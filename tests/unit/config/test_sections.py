import dataclasses
import types
import typing

import pytest

from squadron.config import (
    Contender,
    Data,
    Documents,
    Evaluate,
    Experiment,
    Gates,
    Predict,
    Register,
    Resources,
    Serving,
    Splits,
    Synthesize,
    Train,
    TrainedOn,
    Windows,
    from_json,
    from_mapping,
    to_json,
)
from tests.unit.config.experiment_texts import SMALLEST, load, refusal

SECTIONS = [
    Splits,
    Synthesize,
    Data,
    Documents,
    Windows,
    Train,
    Predict,
    Contender,
    TrainedOn,
    Evaluate,
    Gates,
    Register,
    Resources,
    Serving,
    Experiment,
]


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


def test_every_file_of_the_data_is_listed():
    documents = Synthesize(files=("f.pdf",))
    data = Data(("a",), test=("b",), train_only=("c", "s3://d/e"), synthesize=documents)
    assert set(data.files) == {"a", "b", "c", "s3://d/e", "f.pdf"}


def test_documents_for_synthetic_questions_are_a_section_of_the_data(tmp_path):
    text = """
        data: {train: a.json, synthesize: {files: b.pdf, methods: lead_sentence, max_examples: 5}}
        contenders: [span]
    """
    assert load(tmp_path, text).data.synthesize == Synthesize(("b.pdf",), ("lead_sentence",), 5)
    changed = load(tmp_path, text, "data.synthesize.files=[c.md, docs]").data.synthesize
    assert changed.files == ("c.md", "docs")
    assert load(tmp_path, SMALLEST).data.synthesize.files == ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{files: ['']}", "files: [''] is not allowed; an empty path names no file"),
        ("{methods: []}", "methods: [] is not allowed; name at least one"),
        (
            "{methods: [cloze, title]}",
            "methods: ['cloze', 'title'] is not allowed; name some of: cloze, lead_sentence",
        ),
        ("{max_examples: -1}", "max_examples: -1 is not allowed; 0 (all) or more"),
        ("{method: cloze}", "method is not a setting; did you mean 'methods'?"),
    ],
)
def test_impossible_settings_for_synthetic_questions_are_refused(tmp_path, value, message):
    text = f"data: {{train: a.json, synthesize: {value}}}\ncontenders: [span]\n"
    assert f"data -> synthesize -> {message}" in refusal(tmp_path, text)


def test_sections_can_not_be_changed():
    for section in SECTIONS:
        assert section.__dataclass_params__.frozen
    with pytest.raises(dataclasses.FrozenInstanceError):
        Train().epochs = 3


def test_every_field_has_a_type_that_is_checked():
    def kinds(hint):
        return [hint, *(kind for part in typing.get_args(hint) for kind in kinds(part))]

    known = {str, int, float, bool, dict, tuple, object, Ellipsis, *SECTIONS}
    known |= {types.UnionType, type(None)}
    for section in SECTIONS:
        for name, hint in typing.get_type_hints(section).items():
            for kind in kinds(hint):
                plain = typing.get_origin(kind) or kind
                assert plain in known, (section, name)


def test_an_unknown_answer_rule_is_refused_with_those_there_are(tmp_path):
    message = refusal(tmp_path, SMALLEST + "evaluate: {answer_rule: lowest}\n")
    assert "evaluate -> answer_rule: 'lowest' is not allowed; one of ('window'" in message


def test_the_gates_of_the_winner_are_off_and_can_be_stated(tmp_path):
    assert load(tmp_path, SMALLEST).register.gates == Gates()
    text = SMALLEST + "register: {gates: {max_ece: 0.1, champion_margin: 0, licences: MIT}}\n"
    found = load(tmp_path, text).register
    assert found.gates == Gates(max_ece=0.1, champion_margin=0.0, licences=("MIT",))
    assert from_json(Register, to_json(found)) == found


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{max_ece: 10}", "max_ece: 10.0 is not allowed; give a share from 0 to 1"),
        ("{champion_margin: -1}", "champion_margin: -1.0 is not allowed; 0 or more"),
        (
            "{margin_needs_fewer_parameters: true}",
            "margin_needs_fewer_parameters: True is not allowed; set champion_margin as well",
        ),
        ("{max_megabytes: 0}", "max_megabytes: 0.0 is not allowed; above 0"),
        ("{max_ms_per_window: fast}", "max_ms_per_window: 'fast' is text; a number is needed"),
        (
            "{min_has_ans_exact_match: 100.5}",
            "min_has_ans_exact_match: 100.5 is not allowed; give a percentage from 0 to 100",
        ),
        ("{licences: ['']}", "licences: [''] is not allowed; an empty text names no licence"),
    ],
)
def test_impossible_gates_are_refused(tmp_path, value, message):
    text = SMALLEST + f"register: {{gates: {value}}}\n"
    assert f"register -> gates -> {message}" in refusal(tmp_path, text)


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
            "trained_on -> titles: ['Oxygen'] is not allowed; `nothing` contradicts titles",
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


def test_a_race_has_documents_if_files_or_contexts_are_named(tmp_path):
    assert not load(tmp_path, SMALLEST).documents.are_given
    for documents in ("{files: a.pdf}", "{contexts: [select, test]}"):
        assert load(tmp_path, f"{SMALLEST}documents: {documents}\n").documents.are_given


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ("{contexts: [dev]}", "documents -> contexts: ['dev'] is not allowed; list some of"),
        ("{sentences: 0}", "documents -> sentences: 0 is not allowed; 1 or more"),
        (
            "{overlap: 3, sentences: 3}",
            "documents -> overlap: 3 is not allowed; less than sentences, which is 3",
        ),
        ("{overlap: -1}", "documents -> overlap: -1 is not allowed; 0 or more"),
        ("{questions: -1}", "documents -> questions: -1 is not allowed; 0 (all) or more"),
        ("{top_k: 0}", "documents -> top_k: 0 is not allowed; 1 or more"),
        ("{files: ['']}", "documents -> files: [''] is not allowed; an empty path names no file"),
        ("{file: a.pdf}", "documents -> file is not a setting; did you mean 'files'?"),
    ],
)
def test_documents_that_can_not_be_searched_are_refused(tmp_path, documents, message):
    assert refusal(tmp_path, f"{SMALLEST}documents: {documents}\n").startswith(message)
