"""The step register converts the winner to the format of the experiment if EM stays."""

import json
from dataclasses import asdict, replace

import pyarrow as pa
import pytest

from squadron import registry, steps, tracking
from squadron.artifacts import SCORES, read_record, write_record, write_table
from squadron.config import Contender, Gates, Predict, Register, Serving, Windows
from squadron.judging import judge_examples
from squadron.models import model_folder, variants
from squadron.models.backbones import load_tokenizer
from squadron.models.onnx_scorer import OnnxScorer
from squadron.reader import Reader
from squadron.registry.format_gate import keeps_exact_match
from squadron.reports.race_summary import describe_end
from squadron.scores.race_result import RaceResult
from tests import tiny_models
from tests.results import make_figures, make_result
from tests.stores import make_store

RACE = tracking.Race("formats", "89ab")
NAME = "formats"


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A folder with a model, its evaluation and the examples. The questions are its answers."""
    folder = tmp_path_factory.mktemp("formats")
    backbone = tiny_models.write_backbone(folder / "backbone")
    contender = Contender(
        "span",
        label="span",
        backbone=backbone,
        windows=Windows(max_length=64, stride=16, max_question_length=16),
        predict=Predict(max_answer_tokens=7, precision="fp32", batch_size=3),
    )
    module = variants.load_variant("span")
    model = module.build(backbone, module.Options())
    tokenizer = load_tokenizer(backbone)
    model_folder.write_model(folder / "model", model, tokenizer, contender, made_from="m")
    reader = Reader.load(folder / "model")
    asked = tiny_models.EIGHT_QUESTIONS
    found = reader.read([(question, context) for question, context, _ in asked])
    gold = [(q, c, each.text) for (q, c, _), each in zip(asked, found, strict=True)]
    select = tiny_models.make_examples(gold)
    write_table(folder / "examples/select.parquet", select, schema="examples/1", made_from="select")
    assert judge_examples(reader, select).figures.exact_match == 100
    return folder


@pytest.fixture
def register(judged, tmp_path, monkeypatch):
    """Runs the step register with a format; the EM of torch on select is an argument."""
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(tmp_path))
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(RACE))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    tracking.open_race(RACE, ["span"], {}, "sha")
    tracking.close_contender(tracking.find_child(RACE, "span"), "")

    def run(serving_format, exact_match=100.0, **gates):
        select = make_figures(exact_match=exact_match, all_null_exact_match=0.0, total=8)
        result = make_result("span", splits={"select": select}, digests={"select": "d"})
        write_record(tmp_path / "evaluation/metrics.json", replace(result, variant="span"))
        write_scores(tmp_path / "evaluation")
        options = Register(model_name=NAME, gates=Gates(**gates))
        steps.register(
            settings=json.dumps(
                {"register": asdict(options), "serving": asdict(Serving(format=serving_format))}
            ),
            # Kubeflow gives texts.
            examples=str(judged / "examples"),
            models=[str(judged / "model")],
            evaluations=[str(tmp_path / "evaluation")],
            race_result=str(tmp_path / "race_result.json"),
        )
        return read_record(RaceResult, tmp_path / "race_result.json")

    return run


def write_scores(place):
    rows = [
        {"id": f"q{n}", "paragraph": n, "title": n % 2, "exact_match": 1.0, "f1": 1.0}
        for n in range(8)
    ]
    table = pa.Table.from_pylist(rows, schema=SCORES)
    write_table(place / "select/scores.parquet", table, schema="scores/3", made_from="e")


def test_a_format_that_keeps_em_is_registered_and_answers(register, judged):
    result = register("onnx", loads_alone=True)

    assert [(each.name, each.used) for each in result.formats] == [("torch", False), ("onnx", True)]
    assert all(each.exact_match == 100 for each in result.formats)
    assert all(each.milliseconds > 0 and each.megabytes > 0 for each in result.formats)
    assert result.format_gate.passed
    version = registry.find_version(NAME, "candidate")
    assert version.tags["serving_format"] == "onnx"
    with registry.open_model(NAME) as opened:
        reader = opened.load_reader()
        assert isinstance(reader._model, OnnxScorer)
        card = (opened.folder / "MODEL_CARD.md").read_text()
    assert "| `onnx` | yes | 100.00 |" in card


def test_a_format_that_loses_em_is_refused_and_torch_is_registered(register):
    # The files of the race say that torch is better than any format can be.
    result = register("onnx-int8", exact_match=100.6)

    assert not result.format_gate.passed
    assert result.serving_format == "torch"
    assert result.model is not None
    assert not result.failed_gates
    assert registry.read_about(registry.find_version(NAME, "candidate")).serving_format == "torch"
    lines = describe_end(result, "report")
    assert any("The gate serving_format failed" in line for line in lines)


def test_torch_converts_and_measures_nothing(register):
    result = register("torch")

    assert result.formats == ()
    assert result.format_gate is None
    assert registry.find_version(NAME, "candidate").tags["serving_format"] == "torch"


@pytest.mark.parametrize(("figure", "passed"), [(60.5, True), (60.0, True), (59.9, False)])
def test_the_gate_allows_a_drop_of_the_threshold(figure, passed):
    verdict = keeps_exact_match("onnx", figure, 60.5, 0.5)

    assert verdict.passed is passed
    assert verdict.threshold == 0.5
