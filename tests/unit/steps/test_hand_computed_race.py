"""A race small enough to work out by hand, run through the real steps evaluate and register.

Every number that decides a promotion is derived in comments here, not taken from the code.

select has 8 paragraphs of two titles. Questions a and b have the answer "red fox", c and d have
none, e has the answer "red fox" again:

- paragraphs 0 to 3: a, b, c, d (4 questions);
- paragraphs 4 to 7: a, b, e (3 questions).

So there are 28 questions, 8 of them without an answer. The contenders answer so:

| contender | a | b, e in 4 to 7 | b in 0 to 3 | c, d |
|---|---|---|---|---|
| zeta | red fox | red | red fox | jumps, below its threshold |
| beta | jumps | red | red fox | jumps, below its threshold |
| alpha | red fox | jumps | red fox | jumps, below its threshold |

"red" for "red fox" is not exact; its precision is 1, its recall 1/2, its F1 2/3.
"""

import json
import math
import shutil
from dataclasses import asdict, replace

import pyarrow as pa
import pytest

from squadron import registry, steps, tracking
from squadron.artifacts import CANDIDATES, EXAMPLES, read_record, write_record, write_table
from squadron.config import Contender, Evaluate, Predict, Register, Windows, to_json
from squadron.models import model_folder, variants
from squadron.models.backbones import load_tokenizer
from squadron.models.training_summary import TrainingSummary
from squadron.reports.race_table import render_table
from squadron.scores.contender_result import ContenderResult
from squadron.scores.race_result import RaceResult, SelectSplit
from squadron.steps._status import Status
from squadron.tracking import reuse
from tests import tiny_models
from tests.results import make_split, make_validation
from tests.stores import make_store

LABELS = ("alpha", "beta", "zeta")
RACE = tracking.Race("by-hand", "0123")
QUESTIONS = [(p, q) for p in range(8) for q in ("abcd" if p < 4 else "abe")]
HAS_NO_ANSWER = ("c", "d")
ANSWERED, ABSTAINED = 3.5, 2.5
"""Scores above and below the threshold, 3."""


def context_of(paragraph):
    return f"Place {paragraph}: the red fox jumps."


def select_answer(label, paragraph, question):
    """(text, score) of a contender's only candidate."""
    if question in HAS_NO_ANSWER:
        return "jumps", ABSTAINED
    if question == "a":
        return ("jumps" if label == "beta" else "red fox"), ANSWERED
    if paragraph < 4:
        return "red fox", ANSWERED
    return ("jumps" if label == "alpha" else "red"), ANSWERED


def write_split(folder, split, questions, answers):
    """Examples of a split and each contender's candidates.

    Args:
        questions: (paragraph, name of the question).
        answers: Label -> (text, score) of each question.
    """
    examples, candidates = [], {label: [] for label in LABELS}
    for number, (paragraph, name) in enumerate(questions):
        context = context_of(paragraph)
        gold = {"text": "red fox", "start_char": context.index("red fox")}
        about = {"example_id": f"{split}-{number}", "window": 0, "rank": 0, "null_score": 0.0}
        examples.append(
            {
                "id": about["example_id"],
                "title": "North" if paragraph % 2 else "South",
                "question": f"{name}?",
                "context": context,
                "answers": [] if name in HAS_NO_ANSWER else [gold],
                "reasoning_type": None,
                "label_source": None,
            }
        )
        for label in LABELS:
            text, score = answers[label][number]
            start = context.index(text)
            span = {"start_char": start, "end_char": start + len(text), "score": score}
            candidates[label].append({**about, **span})
    table = pa.Table.from_pylist(examples, schema=EXAMPLES)
    path = folder / "examples" / f"{split}.parquet"
    write_table(path, table, schema="examples/1", made_from=f"{split}-digest")
    for label, rows in candidates.items():
        path = folder / label / "candidates" / f"{split}.parquet"
        table = pa.Table.from_pylist(rows, schema=CANDIDATES)
        write_table(path, table, schema="candidates/1", made_from="c")


def write_tiny_model(folder):
    """The model folder of zeta, which is registered."""
    backbone = tiny_models.write_backbone(folder / "backbone")
    contender = Contender(
        "span",
        label="zeta",
        backbone=backbone,
        windows=Windows(max_length=48, stride=8, max_question_length=16),
        predict=Predict(max_answer_tokens=7, precision="fp32", batch_size=3),
    )
    module = variants.load_variant("span")
    model = module.build(backbone, module.Options())
    place = folder / "model"
    tokenizer = load_tokenizer(backbone)
    model_folder.write_model(place, model, tokenizer, contender, made_from="m")
    return place


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    """(folder, the race's result) after both steps."""
    folder = tmp_path_factory.mktemp("race")
    # tune: a right answer at 4, an answer to a question without one at 2, a wrong one at 1. With a
    # threshold between 4 and 2, two of three are right; below 2 one, above 4 one. The middle is 3.
    tune = [("red fox", 4.0), ("jumps", 2.0), ("jumps", 1.0)]
    write_split(folder, "tune", [(0, "a"), (0, "c"), (1, "a")], dict.fromkeys(LABELS, tune))
    answers = {label: [select_answer(label, *each) for each in QUESTIONS] for label in LABELS}
    write_split(folder, "select", QUESTIONS, answers)
    test = {label: [("red fox", 4.0)] for label in LABELS}
    write_split(folder, "test", [(9, "a")], test)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, make_store(folder))
        patch.setenv(tracking.RACE_VARIABLE, str(RACE))
        patch.setenv(steps.CHECKPOINTS_VARIABLE, str(folder / "kept"))
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        earlier = tracking.Race("another", "4567")
        for known in (earlier, RACE):
            tracking.open_race(known, LABELS, {}, "sha")
            parent = tracking.find_parent(known)
            tracking.log_dataset(parent, "select", "select-digest", "x.json", "select", 28)
        tracking.log_metrics(tracking.find_parent(earlier), {reuse.CHOSEN: 50.0})
        splits = {"train": make_split("train"), "select": make_split("select", examples=28)}
        tiny_models.write_validation(folder / "examples", make_validation(splits=splits))
        status = Status("c", training=TrainingSummary(trainable_parameters=10.0))
        for label in LABELS:
            write_record(folder / label / "candidates" / "status.json", status)
            steps.evaluate(
                settings=to_json(Evaluate()),
                contender=to_json(replace(Contender("span"), label=label)),
                examples=folder / "examples",
                candidates=folder / label / "candidates",
                evaluation=folder / label / "evaluation",
                figures_file=folder / label / "figures.json",
            )
        model = write_tiny_model(folder)
        steps.register(
            settings=json.dumps({"register": asdict(Register(model_name="by-hand"))}),
            models=[model] * 3,
            evaluations=[folder / label / "evaluation" for label in LABELS],
            race_result=folder / "race_result.json",
        )
        yield folder, read_record(RaceResult, folder / "race_result.json")


def result_of(race, label):
    return read_record(ContenderResult, race[0] / label / "evaluation" / "metrics.json")


def test_the_threshold_is_found_on_tune_and_applied_to_select(race):
    for label in LABELS:
        result = result_of(race, label)
        assert result.answering.null_threshold == 3.0
        # The 20 questions with an answer are answered, the 8 others are not.
        assert result.select.answered == pytest.approx(100 * 20 / 28)


@pytest.mark.parametrize(
    ("label", "exact", "f1"),
    [
        # Paragraphs 0 to 3: all 16. 4 to 7: a, 4. Half right: b and e there, 8 times 2/3.
        ("zeta", 20, 20 + 8 * 2 / 3),
        ("beta", 12, 12 + 8 * 2 / 3),  # as zeta, without a in 8 paragraphs
        ("alpha", 20, 20),  # as zeta, without what was half right
    ],
)
def test_em_and_f1(race, label, exact, f1):
    figures = result_of(race, label).select
    assert figures.exact_match == pytest.approx(100 * exact / 28)
    assert figures.f1 == pytest.approx(100 * f1 / 28)
    assert (figures.total, figures.no_ans_total) == (28, 8)
    assert figures.all_null_exact_match == pytest.approx(100 * 8 / 28)
    assert (figures.paragraphs, figures.titles) == (8, 2)
    assert figures.exact_match_title_low is None  # two titles are too few


def test_the_interval_of_the_winner_is_by_paragraph(race):
    # 5/7 are right. Beyond their share, paragraphs 0 to 3 have 4 - 20/7 = 8/7 right answers, the
    # others 1 - 15/7 = -8/7. The squares add up to 8 * 64/49, so the variance of the mean is
    # 8/7 * (8 * 64/49) / 28^2 = 0.015231; independent questions would have 10/49 / 27 = 0.0076.
    size = (10 / 49) / (8 / 7 * 8 * 64 / 49 / 28**2)
    assert size == pytest.approx(13.3984, abs=1e-3)
    # Student's t for 8 - 1 degrees of freedom is 2.364624; its square over the size is 0.417322.
    # Wilson: (5/7 + 0.208661 -+ sqrt(0.417322 * 10/49 + 0.208661^2)) / 1.417322, and the root is
    # sqrt(0.128707) = 0.358758. So the ends are 0.564189 / 1.417322 and 1.281705 / 1.417322.
    squared = 2.364624**2 / size
    middle = 5 / 7 + squared / 2
    half = math.sqrt(squared * 10 / 49 + squared**2 / 4)
    expected = [100 * (middle + side * half) / (1 + squared) for side in (-1, 1)]
    figures = result_of(race, "zeta").select
    found = [figures.exact_match_low, figures.exact_match_high]
    assert found == pytest.approx(expected, abs=1e-3)
    assert found == pytest.approx([39.807, 90.431], abs=1e-2)


def test_the_winner_is_the_one_with_the_higher_f1_of_two_with_one_em(race):
    _, result = race
    assert [each.label for each in result.contenders] == ["zeta", "alpha", "beta"]
    assert result.winner == "zeta"
    # (20 + 16/3) / 28 = 90.476 %
    assert result.why == "highest EM on select, 71.43"
    assert result.tie == "zeta shares this EM with alpha; it is ahead of alpha by F1 (90.48)."
    assert result.gate == "passed"  # 71.43 is above 28.57, which answering nothing has


def test_the_leads(race):
    # Over alpha: no question differs in EM. Over beta: zeta is ahead on one question, a, in each
    # of 8 paragraphs. alpha is ahead of beta on the same ones, so that pair adds nothing.
    alpha, beta = race[1].comparisons
    assert (alpha.label, alpha.difference, alpha.p) == ("alpha", 0.0, 1.0)
    assert not alpha.significant
    assert alpha.low == -alpha.high < 0
    assert beta.label == "beta"
    assert beta.difference == pytest.approx(100 * 8 / 28)  # 29.17 as a mean of paragraphs
    # Of 2^8 sign patterns two have 8 equal signs.
    assert beta.p == 2 / 2**8
    assert beta.significant
    # 7 or 8 equal signs are 18 of 256 patterns, 7 %: a statistic of (7 - 1) / sqrt(8) is not yet
    # certain, so it sets the interval. By paragraph the lead hardly varies; if questions were
    # independent, with two more of them, of which half a one goes to each side (Agresti and Min),
    # its standard error would be sqrt(8 * 100^2 + 100^2 - 800^2 / 30) / 30 = 8.7348 points. The
    # wider one counts.
    half = 6 / math.sqrt(8) * math.sqrt(90_000 - 640_000 / 30) / 30
    assert half == pytest.approx(18.529, abs=1e-3)
    assert (beta.low, beta.high) == pytest.approx((10.042, 47.100), abs=1e-2)
    assert beta.title_low is None  # two titles are too few


def test_the_verdict_and_what_it_holds_for(race):
    assert race[1].select_split == SelectSplit(
        digest="select-digest",
        questions=28,
        paragraphs=8,
        titles=2,
        least_paragraphs=8,
        chosen_before=1,
    )
    lines = render_table(race[1], width=300).splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("Winner: zeta"))
    assert lines[first + 1 : first + 5] == [
        race[1].tie,
        "Its lead is too small to rank: it has the same EM as alpha.",
        "This holds for questions on these 2 titles of select (8 paragraphs); there are too few "
        "titles to tell how it is on others.",
        "The same select split (digest select-digest) has chosen the winner of another race: every "
        "further choice by it makes leads look surer than they are.",
    ]


def test_the_registered_version_has_these_figures_and_this_threshold(race):
    model = race[1].model
    assert (model.name, model.version) == ("by-hand", "1")
    assert model.validation_status == "passed"
    version = registry.find_version("by-hand", "candidate")
    assert version.tags["contender"] == "zeta"
    assert version.tags["select_exact_match"] == "71.4286"
    assert version.tags["select_f1"] == "90.4762"
    assert version.tags["test_exact_match"] == "100.0000"
    assert version.tags["select_digest"] == "select-digest"


def test_a_champion_that_wins_is_named_and_the_alias_comes_back_to_it(race, tmp_path, monkeypatch):
    folder, first = race
    assert (first.model.previous, first.model.aliases) == ("", {"candidate": "1"})
    client = tracking.connect()
    made = registry.find_version("by-hand", "1")
    client.create_model_version("by-hand", "file:///nowhere", run_id=made.run_id)
    registry.promote("by-hand", "2", "candidate")
    registry.promote("by-hand", "1", "staging")
    again = tracking.Race("again", "89ab")
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(again))
    tracking.open_race(again, ["champion"], {}, "sha")
    evaluation, model = tmp_path / "evaluation", tmp_path / "model"
    shutil.copytree(folder / "zeta" / "evaluation", evaluation)
    result = replace(result_of(race, "zeta"), variant="champion", label="champion")
    write_record(evaluation / "metrics.json", result)
    about = model_folder.read_about(folder / "model")
    contender = replace(about.contender, variant="champion", backbone="models:/by-hand/1")
    write_record(model / "variant.json", replace(about, contender=contender))
    steps.register(
        settings=json.dumps({"register": asdict(Register(model_name="by-hand"))}),
        models=[model],
        evaluations=[evaluation],
        race_result=tmp_path / "race_result.json",
    )
    result = read_record(RaceResult, tmp_path / "race_result.json")
    assert result.contenders[0].registered_as == "version 1"
    assert (result.model.version, result.model.kept) == ("1", True)
    assert result.model.previous == "2"
    assert result.model.aliases == {"candidate": "1", "staging": "1"}
    lines = render_table(result).splitlines()
    assert "Winner: champion (version 1) (highest EM on select, 71.43)." in lines
    assert (
        "The champion stays: by-hand version 1; the alias 'candidate' moved there from version 2."
    ) in lines
    assert "Version 1 is staging already." in lines
