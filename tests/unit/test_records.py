"""Records: each comes back from its file as it was, and a wrong type is one sentence."""

import ast
import json
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from squadron.answers.answering import Answering
from squadron.answers.calibration import Calibration
from squadron.artifacts import (
    from_content,
    parse_record,
    read_json,
    read_record,
    to_content,
    write_record,
)
from squadron.config import Contender, Predict, Train, TrainedOn, Windows
from squadron.data.contamination import Shared
from squadron.data.layout import Layout
from squadron.data.validation_file import (
    Check,
    CheckedFile,
    Findings,
    LeakageSummary,
    Sample,
    SizeSummary,
    SplitLeakageSummary,
    SplitSummary,
    SyntheticSummary,
    TitleGroups,
    TrainOnlySummary,
    Validation,
)
from squadron.errors import InputError
from squadron.models.model_folder import ModelAbout
from squadron.models.trained_on import _Content as TrainedOnContent
from squadron.models.training_summary import TrainingLog, TrainingSummary
from squadron.models.variants._adapters import AdapterBackbone, KeptBackbone
from squadron.retrieval import IndexRecord, IndexSettings
from squadron.scores.confidence import Confidence, CurvePoint, ReliabilityGroup
from squadron.scores.contender_result import ContenderResult
from squadron.scores.figures import SplitFigures
from squadron.scores.gate_verdict import GateVerdict
from squadron.scores.leads import Lead
from squadron.scores.open_domain import (
    MethodFigures,
    OpenDomain,
    OpenSplit,
    Recall,
    SearchedIndex,
    SearchedSplit,
    Searches,
)
from squadron.scores.race_result import (
    RacePromotion,
    RaceResult,
    SelectSplit,
    Standing,
    WinnerVersion,
)
from squadron.scores.served_format import ServedFormat
from squadron.steps._files import AboutWindows
from squadron.steps._status import Status
from squadron.steps.passages import AboutPassages

SRC = Path(__file__).parents[2] / "src" / "squadron"

NUMBERS = [each.name for each in fields(SplitFigures) if not each.name.startswith("types")]
FIGURES = SplitFigures(
    **{name: place + 1 for place, name in enumerate(NUMBERS)},
    types={"accuracy": 50.5},
    types_rules={"accuracy": 40.5},
)
FEWER = replace(FIGURES, has_ans_f1=None, f1_title_low=None, types={}, types_rules={})
POINTS = ({"step": 1.0, "epoch": 0.5, "train_loss": 2.5}, {"step": 2.0, "tune_f1": 0.1})
TRAINING = TrainingSummary(3, 2, 61.5, 10.25, 12.5, 500, 20.5, 1e6, 5e5, 900.0, 1234.5, POINTS)
PLATT = Calibration("platt", slope=0.5, intercept=-1.25, questions=40)
CONSTANT = Calibration("constant", probabilities=(0.25,), questions=4, note="too few")
SHARED = {"test": Shared("paragraph", 200, 3, 1, 8)}
CONTENDER = Contender(
    "span",
    label="span-s1",
    group="span",
    backbone="b",
    options={"dropout": 0.125, "layers": [1, 2], "deep": {"is": None}},
    windows=Windows(max_length=64, stride=16, max_question_length=16),
    train=Train(learning_rate=1e-3),
    predict=Predict(n_best=3),
    trained_on=TrainedOn(files=("a.json", "b.json")),
)
LEAKAGE = LeakageSummary(
    unit="paragraph",
    max_shared_share=0.01,
    splits={"test": SplitLeakageSummary(8, 2, 0.25, 1, 3, ("Désiré sang 😀", "b"))},
    in_several_splits={"titles": 2, "paragraphs": 0},
    titles_with_several_spellings=TitleGroups(1, (("A b", "a b"),)),
    titles_that_share_paragraphs=TitleGroups(5, (("A", "B"), ("C", "D", "E"))),
)
FINDINGS = Findings(
    total=9,
    accepted=8,
    unanswerable=2,
    repaired={"moved": 1},
    rejected={"no id": 1},
    noted={"long": 3},
    samples=(
        Sample("moved", "f.json: data[0]", "q", "Here [Ann] sang 😀"),
        Sample("no id", "b", "", ""),
    ),
    sizes={"contexts": SizeSummary(3, 20, 100), "answers": SizeSummary(0, 0, 0)},
)
RECALL = Recall(50.0, 75.0, None)
SEARCHED = SearchedSplit(4, 3, 2, {"hybrid": RECALL, "bm25": RECALL})
INDEX = SearchedIndex("d", 2, 9, "all-MiniLM-L6-v2", "runs/index")
OPEN = OpenDomain(
    INDEX,
    {
        "select": OpenSplit(
            SEARCHED,
            MethodFigures(50.0, 60.5),
            {"hybrid": MethodFigures(25.0, 30.5, 75.0, 10.0, 40.0, 12.0, 42.0)},
        )
    },
)
PROMOTION = RacePromotion("staging", False, "2", "it is worse")
VERSION = WinnerVersion("m", "3", "candidate", "passed", True, "2", {"staging": "3"}, PROMOTION)
RECORDS = [
    AboutPassages("p", 2, 168, 90, 40, {"a.pdf": "it is encrypted"}, {"seconds_passages": 1.5}),
    Searches("s", INDEX, {"select": SEARCHED, "test": SEARCHED}, {"seconds_index_build": 2.5}),
    AdapterBackbone(made_from="a", backbone="hf://b"),
    KeptBackbone(made_from="a", fingerprint="b"),
    AboutWindows(
        made_from="w",
        layout=Layout((101,), (102, 102), (102,), 0, 1, 0),
        settings=Windows(max_length=64, stride=16, max_question_length=16),
        counts={"train": {"windows": 12, "cut": 0}, "test": {}},
        answer_tokens=7,
        figures={"seconds_featurize": 1.5},
    ),
    Confidence(
        made_from="c",
        calibrated=True,
        reliability=(ReliabilityGroup(3, 0.25, 1 / 3), ReliabilityGroup(4, 0.75, 1.0)),
        risk_coverage=(CurvePoint(0.5, 0.0, 0.9), CurvePoint(1.0, 0.25, 0.1)),
    ),
    Check(
        made_from="c",
        files=(CheckedFile("a.json", "squad"), CheckedFile("s3://b/c.csv", "table")),
        findings=FINDINGS,
        reasoning_types={"data": {"causal": 2}},
        max_rejected_share=0.02,
    ),
    ContenderResult(
        made_from="r",
        label="span-s1",
        variant="span",
        group="span",
        disqualified="no",
        training=TRAINING,
        params={"lr": 1e-3, "layers": [1, 2], "backbone": None},
        trained_on="clean",
        synthetic="3 of 9 are synthetic",
        shared_with_train=SHARED,
        splits={"select": FIGURES, "test": FEWER},
        digests={"select": "s", "test": "t"},
        errors={"test": {"wrong_place": 3}},
        null_thresholds={"exact_match": 1.25, "f1": None},
        answering=Answering(1.25, "lowest_null", PLATT),
        open_domain=OPEN,
        figures={"seconds_predict": 2.0},
    ),
    ModelAbout("m", CONTENDER, TRAINING, "the loss became nan", {"a.json": "f" * 64}, "onnx"),
    RaceResult(
        made_from="f",
        race="example-01",
        contenders=(
            Standing(
                *("a", "version 3", "a", "", "clean", SHARED, FIGURES, FEWER, FIGURES),
                *(OPEN, 9.5, 2.5, 7.0, 1234.5),
            ),
            Standing("b", disqualified="the loss became nan"),
        ),
        winner="a",
        why="highest EM on select, 61.23",
        tie="a shares this EM with b.",
        comparisons=(Lead("b", 3.0, -1.0, 5.0, 0.005, True, None, None),),
        select_split=SelectSplit("d", 90, 12, 4, 8, 2),
        gate="passed",
        refused="no",
        model=VERSION,
        gates=(
            GateVerdict("size", True, "it is small", 2.5, 3.0),
            GateVerdict("beats_untrained", True, "not measured", measured=False),
        ),
        formats=(ServedFormat("onnx", 61.0, 2.5, 90.3, True),),
        format_gate=GateVerdict("serving_format", True, "it stays", 0.1, 0.5),
    ),
    Status(
        made_from="s",
        disqualified="no",
        training=TRAINING,
        params={"variant": "span"},
        figures={"seconds_predict": 2.0},
        trained_on="overlap",
        answering=Answering(None, "window", CONSTANT),
    ),
    TrainedOnContent("t", False, ("A", "東京"), ("q1", "q2"), ("the backbone saw nothing",)),
    TrainingLog("l", POINTS),
    Validation(
        made_from="v",
        findings=FINDINGS,
        figures={"seconds_ingest": 1.0},
        split_by="title",
        splits={"test": SplitSummary(3, ("A", "東京"), 1, {"data": {"causal": 2}}, "d", ("f",))},
        leakage=LEAKAGE,
        train_only=TrainOnlySummary(4, 1),
        synthetic=SyntheticSummary(
            *(3, 9, {"cloze": 3}, {"a.pdf": 3, "b.md": 0}, 12, 2),
            *({"c.pdf": "c.pdf is encrypted"}, ("page 2 of a.pdf is damaged",)),
        ),
    ),
    IndexRecord("i", IndexSettings("all-MiniLM-L6-v2", "0a1b", ("mean",), "{}", 384), 2, 9, "c"),
]
BY_NAME = {type(record).__name__: record for record in RECORDS}
RESULT, RACE, LOG = (BY_NAME[name] for name in ("ContenderResult", "RaceResult", "TrainingLog"))

each_record = pytest.mark.parametrize("record", RECORDS, ids=list(BY_NAME))


def find_records():
    """The names of the classes in src that give a schema."""
    return {
        each.name
        for path in SRC.rglob("*.py")
        for each in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(each, ast.ClassDef)
        for line in each.body
        if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == "SCHEMA" and line.value
    }


def refusal(function, *args, **kwargs):
    with pytest.raises(InputError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def list_parts(value):
    """All dataclasses in a value."""
    if is_dataclass(value):
        yield value
        value = vars(value)
    for each in value.values() if isinstance(value, dict) else value:
        if is_dataclass(each) or isinstance(each, dict | tuple):
            yield from list_parts(each)


def test_every_record_is_listed_here():
    assert BY_NAME.keys() == find_records()
    schemas = [record.SCHEMA.partition("/")[0] for record in RECORDS]
    assert len(set(schemas)) == len(schemas)


def test_every_field_with_a_default_has_another_value_in_one_of_the_records():
    other, optional = set(), set()
    for part in list_parts(tuple(RECORDS)):
        name = type(part).__name__
        for each in fields(part):
            if each.default is MISSING and each.default_factory is MISSING:
                continue
            default = each.default_factory() if each.default is MISSING else each.default
            optional.add((name, each.name))
            if getattr(part, each.name) != default:
                other.add((name, each.name))
    settings = {type(part).__name__ for part in list_parts(CONTENDER)}
    assert {found for found in optional - other if found[0] not in settings} == set()


@each_record
def test_it_comes_back_from_its_file_and_from_its_text(record, tmp_path):
    path = tmp_path / "record.json"
    write_record(path, record)
    cls = type(record)
    assert read_record(cls, path) == record
    assert read_record(cls, path, made_from=record.made_from) == record
    assert parse_record(cls, path.read_text(encoding="utf-8")) == record
    assert from_content(cls, to_content(record)) == record


@each_record
def test_its_file_says_first_what_it_is_and_holds_all_fields(record, tmp_path):
    write_record(tmp_path / "record.json", record)
    content = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    assert list(content) == ["schema", *(each.name for each in fields(record))]
    assert (content["schema"], content["made_from"]) == (record.SCHEMA, record.made_from)


WRONG = [
    (replace(RESULT, label=3), "label: 3 is a whole number; text is needed"),
    (
        replace(RESULT, splits={"select": replace(FIGURES, f1="much")}),
        "splits -> select -> f1: 'much' is text; a number is needed",
    ),
    (
        replace(RESULT, splits={"test": replace(FIGURES, total=2.5)}),
        "splits -> test -> total: 2.5 is a number; a whole number is needed",
    ),
    (
        replace(RESULT, splits={"test": replace(FIGURES, total=np.int64(2))}),
        "splits -> test -> total: np.int64(2) is int64; a whole number is needed",
    ),
    (
        replace(RESULT, errors={"test": {"wrong_place": True}}),
        "errors -> test -> wrong_place: True is true or false; a whole number is needed",
    ),
    (
        replace(RESULT, null_thresholds={"f1": "none"}),
        "null_thresholds -> f1: 'none' is text; a number is needed",
    ),
    (
        replace(RESULT, answering=Answering(calibration=replace(PLATT, slope=None))),
        "answering -> calibration -> slope: None is nothing; a number is needed",
    ),
    (
        replace(LOG, log=({"step": 1}, {"step": None})),
        "log -> 2 -> step: None is nothing; a number is needed",
    ),
    (replace(LOG, log={"step": 1}), "log: {'step': 1} is a mapping; a list is needed"),
    (
        replace(RACE, contenders=(Standing("a"), Standing("b", registered_as=3))),
        "contenders -> 2 -> registered_as: 3 is a whole number; text is needed",
    ),
    (
        replace(RACE, model=replace(VERSION, kept="yes")),
        "model -> kept: 'yes' is text; true or false is needed",
    ),
    (replace(RACE, model="m"), "model: 'm' is not allowed; a mapping is needed"),
]


@pytest.mark.parametrize(("record", "wrong"), WRONG, ids=[wrong for _, wrong in WRONG])
def test_a_wrong_type_is_refused_on_writing_and_on_reading(record, wrong, tmp_path):
    path = tmp_path / "record.json"
    assert refusal(to_content, record) == wrong
    assert refusal(write_record, path, record) == f"The file {path} can't be written: {wrong}"
    assert not list(tmp_path.iterdir())

    content = {"schema": record.SCHEMA, **json.loads(json.dumps(record, default=as_json))}
    path.write_text(json.dumps(content))
    read_back = wrong.replace("np.int64(2) is int64", "'2' is text")
    assert refusal(read_record, type(record), path) == f"The file {path} is damaged: {read_back}"
    assert refusal(parse_record, type(record), path.read_text()) == read_back


def as_json(value):
    """A record's fields without any check; a number of NumPy as the text that it is not."""
    return str(value) if isinstance(value, np.integer) else vars(value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_refused(number, tmp_path):
    path = tmp_path / "record.json"
    record = replace(RESULT, figures={"seconds": number})
    wrong = f"figures -> seconds: {number} is not allowed; a finite number is needed"
    assert refusal(write_record, path, record) == f"The file {path} can't be written: {wrong}"
    assert not path.exists()


def changed(record, path, change):
    """Writes a record and changes the content of its file."""
    write_record(path, record)
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content))
    return type(record)


def test_an_unknown_field_is_refused_at_any_depth(tmp_path):
    path = tmp_path / "record.json"
    cls = changed(RESULT, path, lambda content: content.update(colour="red"))
    start = f"The file {path} is damaged: "
    assert refusal(read_record, cls, path).startswith(f"{start}colour is not a setting; known: ")
    cls = changed(RESULT, path, lambda content: content["splits"]["test"].update(recal=1.0))
    found = refusal(read_record, cls, path)
    assert found.startswith(
        f"{start}splits -> test -> recal is not a setting; did you mean 'recall'? "
    )


def test_a_missing_field_is_refused_at_any_depth_unless_it_has_a_default(tmp_path):
    path = tmp_path / "record.json"
    for change, name in (
        (lambda content: content.pop("variant"), "variant"),
        (lambda content: content.pop("made_from"), "made_from"),
        (lambda content: content["splits"]["test"].pop("f1"), "splits -> test -> f1"),
    ):
        cls = changed(RESULT, path, change)
        assert refusal(read_record, cls, path) == (
            f"The file {path} is damaged: {name} is missing; it has no default"
        )
    cls = changed(RESULT, path, lambda content: content.pop("group"))
    assert read_record(cls, path) == replace(RESULT, group="")


def test_a_record_of_another_schema_or_of_none_is_refused(tmp_path):
    path = tmp_path / "record.json"
    for change, found in (
        (lambda content: content.update(schema="metrics/1"), "metrics/1"),
        (lambda content: content.pop("schema"), "none"),
    ):
        cls = changed(RESULT, path, change)
        assert refusal(read_record, cls, path) == (
            f"The file {path} has schema '{found}', 'metrics/2' is needed; make it again with "
            "this version"
        )
        assert refusal(parse_record, cls, path.read_text()) == (
            f"A ContenderResult has schema '{found}', 'metrics/2' is needed; make it again with "
            "this version"
        )


def test_a_record_made_from_something_else_is_refused(tmp_path):
    write_record(tmp_path / "record.json", RESULT)
    found = refusal(read_record, ContenderResult, tmp_path / "record.json", made_from="x")
    assert "was made from 'r', not from 'x'" in found


@pytest.mark.parametrize("text", ["[]", "3", "null", '"text"'])
def test_text_that_is_no_object_is_refused(text):
    found = refusal(parse_record, RaceResult, text)
    assert found == "A RaceResult is not a JSON object; make it again"


@pytest.mark.parametrize("text", ["", "{", "not found", "[" * 100_000])
def test_text_that_is_no_json_is_refused(text):
    found = refusal(parse_record, RaceResult, text)
    assert found.startswith("A RaceResult is not readable JSON: ")
    assert found.endswith("; make it again")


def test_readers_of_plain_json_read_a_record(tmp_path):
    write_record(tmp_path / "record.json", LOG)
    assert read_json(tmp_path / "record.json", schema="training_log/1")["log"] == list(POINTS)
