"""The descriptions that MLflow shows have the figures of the report, and they escape texts."""

import json
from dataclasses import replace

import pytest

from squadron.models.training_summary import TrainingSummary
from squadron.reports import markdown, notes
from squadron.reports.report import Report
from squadron.reports.rows import Row
from squadron.reports.verdict import Verdict
from squadron.scores.race_result import Standing
from tests.results import (
    make_figures,
    make_lead,
    make_open_domain,
    make_race,
    make_result,
    make_validation,
)

SPLIT = make_figures(
    exact_match=58.507, exact_match_low=55.89, exact_match_high=61.04, f1=60.238, total=1822
)
LEAD = make_lead("span", 2.963, low=0.9, high=5.0)
PAGES = {"": "#/runs/p?w=m", "crf": "#/runs/c?w=m", "span": "#/runs/s?w=m", "wild": "#/runs/x?w=m"}
TRAINING = TrainingSummary(
    trainable_parameters=2050.0, parameters=22565376.0, best_epoch=2, best_exact_match=61.5
)


def row(label, mark, style=0, **changes):
    result = make_result(
        label,
        variant=label,
        training=TRAINING,
        params={"backbone": "all-MiniLM-L6-v2"},
        splits={"select": SPLIT, "test": replace(SPLIT, exact_match=51.459)},
        errors={"select": {"boundary": 29, "wrong_place": 8, "right_sentence": 0}},
    )
    return replace(Row(label, label, style, result, log=(), lead=None, mark=mark), **changes)


OUT = make_result("wild", variant="wild", disqualified="loss is nan")
ROWS = [
    row("crf", "winner"),
    row("span", "behind, more than chance", 1, lead=LEAD),
    row("wild", "disqualified", 2, result=OUT),
]
REPORT = Report(
    race="squad-01",
    verdict=Verdict("certain", "Promote crf (m version 3).", ["It leads."], ["squadron promote 3"]),
    result=make_race(
        *map(Standing, ("crf", "span", "wild")),
        race="squad-01",
        winner="crf",
        why="highest EM on select, 58.51",
    ),
    rows=ROWS,
    validation=make_validation(),
    experiment={},
    git_sha="4f2a9c1",
    seconds={},
)


def joined(text):
    """Without the marks that keep figures and their intervals on one line."""
    return text.replace("\u00a0", " ").replace("\u2060", "")


def cells(text):
    """The table of a description, cell by cell; its rule left out."""
    lines = [line for line in joined(text).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_race_begins_with_the_verdict_and_links_the_report_and_every_contender():
    text = notes.describe_race(REPORT, PAGES)
    assert text.startswith("Promote crf (m version 3).\n\n")
    assert "Begin with [report.html](#/runs/p/artifacts/report.html?w=m):" in text
    assert "- It leads.\n" in text
    assert "`squadron promote 3`" in text
    heads, *rows = cells(text)
    assert heads == ["contender", "standing", "EM on select", "F1 on select", "EM on test"]
    assert rows == [
        ["[crf](#/runs/c?w=m)", "winner", "58.51 (55.9–61.0)", "60.24", "51.46 (55.9–61.0)"],
        ["[span](#/runs/s?w=m)", "behind, more than chance", *rows[0][2:]],
        ["[wild](#/runs/x?w=m)", "disqualified", "–", "–", "–"],
    ]


def test_without_pages_there_are_no_links():
    text = notes.describe_race(REPORT, {"": "", "crf": "", "span": ""})
    assert "](" not in text
    assert cells(text)[1][0] == "crf"


@pytest.mark.parametrize("count", [60, 300])
def test_a_race_of_many_fits_a_tag_and_says_how_many_are_not_shown(count):
    rows = [row(f"contender-with-a-long-name-{n}", "may be as good", n) for n in range(count)]
    pages = {
        each.label: f"#/experiments/1/runs/{'f' * 32}{markdown.plain('?w=m')}" for each in rows
    }
    text = notes.describe_race(replace(REPORT, rows=rows), pages)
    assert len(text) <= markdown.LONGEST
    shown = len(cells(text)) - 1
    assert shown > 10
    assert f"The other {count - shown} are in report.html." in text
    assert "`squadron promote 3`" in text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            ROWS[0],
            "It is the winner of 3 contenders, with the highest EM on select, 58.51. "
            "Race [squad-01](#/runs/p?w=m).",
        ),
        (ROWS[1], "by 2.96 points of EM on select (95 % interval 0.90 to 5.00), more than chance."),
        (
            replace(ROWS[1], lead=replace(LEAD, significant=False)),
            "5.00). This may be chance. Race",
        ),
        (replace(ROWS[1], mark="level"), "It has the same EM on select as the winner, crf. Race"),
        (ROWS[2], "Disqualified: loss is nan. Race"),
    ],
)
def test_a_contender_begins_with_its_standing(given, words):
    text = notes.describe_contender(given, REPORT, PAGES)
    assert words in text.split("\n\n")[0]


def test_a_contender_has_figures_origin_and_its_most_frequent_errors():
    text = joined(notes.describe_contender(ROWS[0], REPORT, PAGES))
    assert "On select, 1,822 questions: EM 58.51 (95 % interval 55.9–61.0), F1 60.24." in text
    assert (
        "Variant crf on the backbone all-MiniLM-L6-v2: 2,050 parameters of 22,565,376 were "
        "trained, best on tune in epoch 2." in text
    )
    assert "It is wrong on 37 of 1,822 questions" in text
    assert "[errors.json](#/runs/c/artifacts/errors.json?w=m)" in text
    kinds = [line for line in text.splitlines() if line.startswith("- ")]
    assert [kind.split(":")[0] for kind in kinds] == ["- boundary, 29", "- wrong place, 8"]


def test_a_contender_whose_epochs_were_not_judged_is_not_called_best_on_tune():
    result = replace(
        ROWS[0].result, training=replace(ROWS[0].result.training, best_exact_match=None)
    )
    text = joined(notes.describe_contender(replace(ROWS[0], result=result), REPORT, PAGES))
    assert "2,050 parameters of 22,565,376 were trained." in text
    assert "best on tune" not in text


def test_a_contender_says_how_it_answers_if_the_passage_must_be_found():
    searched = replace(ROWS[0].result, open_domain=make_open_domain(40.0, "select"))
    text = joined(notes.describe_contender(replace(ROWS[0], result=searched), REPORT, PAGES))
    assert (
        "On 1,200 of these questions, with the passage to be found by hybrid search among 2,067: "
        "EM 42.00 (95 % interval 30.5–50.2); with the context given, 61.50 (55.0–68.0). "
        "open_domain.json has all searches."
    ) in text
    assert "to be found" not in notes.describe_contender(ROWS[0], REPORT, PAGES)


def test_a_contender_that_was_not_trained_says_so():
    untrained = make_result("pretrained", training=TrainingSummary(trainable_parameters=0.0))
    still = row("pretrained", "level", result=untrained)
    assert "nothing was trained." in notes.describe_contender(still, REPORT, PAGES)


@pytest.mark.parametrize("hostile", ["<script>x</script>", "a | b\n# c", "[x](javascript:y)"])
def test_texts_stay_text(hostile):
    out = row("wild", "disqualified", result=replace(OUT, disqualified=hostile))
    verdict = replace(REPORT.verdict, headline=hostile, reasons=[hostile])
    report = replace(REPORT, verdict=verdict, rows=[out])
    for text in (notes.describe_race(report, PAGES), notes.describe_contender(out, report, PAGES)):
        assert "<script" not in text.replace("\\<", "")
        assert "](javascript" not in text.replace("\\]", "")
        assert not [line for line in text.splitlines() if line.startswith("#")]


def test_a_tie_and_a_champions_version_are_said():
    tie = "crf shares this EM with span; it is ahead of span by F1 (60.00)."
    rows = [ROWS[0], replace(ROWS[1], name="champion (version 2)"), ROWS[2]]
    report = replace(REPORT, rows=rows, result=replace(REPORT.result, tie=tie))
    assert f"highest EM on select, 58.51. {tie}" in notes.describe_contender(rows[0], report, PAGES)
    assert "[champion (version 2)](" in notes.describe_race(report, PAGES)


def test_the_experiment_says_what_splits_are_for_and_how_to_promote():
    text = notes.describe_experiment("#/experiments/1/runs")
    for words in ("tune settles", "select chooses", "test decides nothing", notes.PROMOTION):
        assert words in text
    assert "](#/experiments/1/runs)" in text
    assert "](" not in notes.describe_experiment("")
    assert len(text) < markdown.LONGEST


def test_the_model_says_how_to_promote_and_ask_by_its_name():
    text = notes.describe_model("squadron-x")
    assert "`squadron promote VERSION --model squadron-x --to staging`" in text
    assert "`squadron ask --model squadron-x " in text
    assert "`squadron rollback staging --model squadron-x`" in text
    assert "`squadron history staging --model squadron-x`" in text


def test_the_view_is_what_the_page_reads():
    view = json.loads(notes.contenders_view(7))
    assert (view["createdAt"], type(view["state"])) == (7, str)
    state = json.loads(view["state"])
    assert state["orderByKey"] == "metrics.`select_exact_match`"
    assert set(state["columnWidths"]) < set(state["columnOrder"]) == set(state["selectedColumns"])
