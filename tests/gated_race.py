"""A race of tiny models for tests of the step register: its models, its evaluations, the step.

EM on select is 75 for better, 70 for champion, which is version 1 of the model, and 25 for raw.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from squadron import steps, tracking
from squadron.artifacts import ERRORS, SCORES, read_record, write_record, write_table
from squadron.config import Contender, Predict, Register, Windows
from squadron.models import model_folder, variants
from squadron.models.backbones import load_tokenizer
from squadron.scores.race_result import RaceResult
from tests import tiny_models
from tests.results import make_figures, make_result

RACE = tracking.Race("gated", "89ab")
NAME = "gated"
PARAGRAPHS = 40
LABELS = ("better", "raw", "champion")


def write_model(folder: Path, label: str, backbone: str, module: ModuleType) -> Path:
    """A tiny model of a contender, whose tokenizer and weights are real."""
    contender = Contender(
        "span",
        label=label,
        backbone=backbone,
        windows=Windows(max_length=48, stride=8, max_question_length=16),
        predict=Predict(max_answer_tokens=7, precision="fp32", batch_size=3),
    )
    place = folder / label / "model"
    model = module.build(backbone, module.Options())
    model_folder.write_model(place, model, load_tokenizer(backbone), contender, made_from="m")
    return place


def write_evaluation(folder: Path, label: str, right: Any, **changes: Any) -> Path:
    """An evaluation of two questions in each paragraph, of which some are right.

    Args:
        folder: Of the race.
        label: Of the contender.
        right: 0 or 1 for each question, shape (2 * PARAGRAPHS,).
        changes: Of the result.
    """
    exact_match = 100 * float(np.mean(right))
    select = make_figures(
        exact_match=exact_match,
        all_null_exact_match=20.0,
        has_ans_exact_match=exact_match,
        ece=0.05,
        total=len(right),
        paragraphs=PARAGRAPHS,
        titles=2,
    )
    result = make_result(label, splits={"select": select}, digests={"select": "d"})
    result = replace(result, figures={"windows_per_second_predict": 100.0})
    place = folder / label / "evaluation"
    write_record(place / "metrics.json", replace(result, **changes))
    numbers = np.arange(len(right))
    scores = pa.table(
        {
            "id": [f"q{number}" for number in numbers],
            "paragraph": numbers // 2,
            "title": numbers % 2,
            "exact_match": np.asarray(right, np.float64),
            "f1": np.asarray(right, np.float64),
        },
        schema=SCORES,
    )
    write_table(place / "select" / "scores.parquet", scores, schema="scores/3", made_from="e")
    about = {"question": "Who?", "golds": ["Ada"], "answer": "", "score": 1.0, "excerpt": "Ada."}
    about |= dict.fromkeys(("answer_start", "answer_end", "gold_start", "gold_end"), -1)
    wrong = numbers[~np.asarray(right, bool)]
    errors = [{"id": f"q{number}", "kind": "wrong_place", **about} for number in wrong]
    table = pa.Table.from_pylist(errors, schema=ERRORS)
    write_table(place / "select" / "errors.parquet", table, schema="errors/1", made_from="e")
    return place


def write_race(folder: Path) -> Path:
    """Writes the models and evaluations of LABELS, each in a folder with its name."""
    backbone = tiny_models.write_backbone(folder / "backbone")
    module = variants.load_variant("span")
    for label in LABELS:
        write_model(folder, label, backbone, module)
    about = model_folder.read_about(folder / "champion" / "model")
    contender = replace(about.contender, variant="champion", backbone=f"models:/{NAME}/1")
    write_record(folder / "champion/model/variant.json", replace(about, contender=contender))
    questions = 2 * PARAGRAPHS
    write_evaluation(folder, "better", np.arange(questions) % 4 != 0)
    write_evaluation(folder, "champion", np.arange(questions) % 10 > 2, variant="champion")
    write_evaluation(folder, "raw", np.arange(questions) % 4 == 0, variant="pretrained")
    return folder


def open_race(race: tracking.Race = RACE) -> None:
    """Opens the race in MLflow. Its contenders are closed, so that register asks for no figures."""
    tracking.open_race(race, LABELS, {}, "sha")
    for label in LABELS:
        tracking.close_contender(tracking.find_child(race, label), "")


def run_register(
    folder: Path, labels: Sequence[str], options: Register, result: Path, licence: str = ""
) -> RaceResult:
    """Runs the step register on some contenders; returns the result that it writes to a file."""
    steps.register(
        settings=json.dumps({"register": asdict(options), "data_licence": licence}),
        models=[folder / label / "model" for label in labels],
        evaluations=[folder / label / "evaluation" for label in labels],
        race_result=result,
    )
    return read_record(RaceResult, result)
