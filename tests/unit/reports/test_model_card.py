"""The model card has the figures and the limits of a model, and it escapes texts."""

from dataclasses import replace

import pytest

from squadron.answers.answering import Answering
from squadron.answers.calibration import Calibration
from squadron.config import Contender, Windows
from squadron.data.contamination import Shared
from squadron.reports.model_card import FILE, write_card
from squadron.scores.gate_verdict import GateVerdict
from squadron.scores.race_result import Standing
from tests.results import make_figures, make_lead, make_open_domain, make_race, make_result

SPLIT = make_figures(
    exact_match=58.507,
    exact_match_low=55.89,
    exact_match_high=61.04,
    f1=60.238,
    f1_low=57.6,
    f1_high=62.7,
    total=1822,
    has_ans_exact_match=35.388,
    no_ans_exact_match=79.92,
    all_null_exact_match=51.92,
    ece=0.0497,
)
BEST = make_result(
    "crf",
    variant="crf",
    splits={"select": SPLIT, "test": replace(SPLIT, exact_match=51.459, total=1576)},
    digests={"select": "0123abcd", "test": "4567"},
    errors={"select": {"boundary": 29, "wrong_place": 8}},
    answering=Answering(calibration=Calibration("platt")),
)
LEAD = make_lead("span", 2.96, low=0.9, high=5.0)
OUTCOME = make_race(
    Standing("crf"),
    Standing("span"),
    race="squad2-01",
    winner="crf",
    why="highest EM on select, 58.51",
    gate="passed",
    comparisons=(LEAD,),
)
TAGS = {"validation_status": "passed", "backbone": "all-MiniLM-L6-v2", "licence": "Apache-2.0"}


def card(**changes):
    given = {
        "name": "squadron-squad2",
        "what": "CRF: every token is O, B or I.",
        "best": BEST,
        "contender": Contender("crf", windows=Windows(max_length=384)),
        "outcome": OUTCOME,
        "tags": TAGS,
        "files": ["s3://data/train.json"],
    }
    return write_card(**given | changes)


def test_it_has_figures_with_intervals_data_licence_and_use():
    text = card().text
    assert "| select | 1,822 | 58.51 (55.9–61.0) | 60.24 (57.6–62.7) |" in text
    assert "| test | 1,576 | 51.46 " in text
    for words in (
        "35.39 | 79.92",
        "off by 5.0 points",
        "| boundary | 29 |",
        "On select, 37 of 1822 answers are wrong",
        "- `s3://data/train.json`",
        "| select | `0123abcd` |",
        "| licence of the backbone | Apache-2.0 |",
        "models:/squadron-squad2@candidate",
        "curl localhost:8080/invocations",
        "wrongly gave an answer to 20.1 % of the questions of select that the text does not",
        "windows of 384 tokens",
    ):
        assert words in text, words
    assert "Undefined" not in text
    assert "{{" not in text.replace('[{"', "")


def test_the_short_form_says_where_the_long_one_is():
    summary = card().summary
    assert FILE in summary
    assert "EM 58.51 (95 % interval 55.9–61.0)" in summary
    assert "Its lead in EM over every other contender is more than chance." in summary
    assert len(summary) < 2000


def test_the_licence_of_the_data_is_said_where_it_is_known():
    assert "| licence of the data | not known; ask whoever gave the files |" in card().text
    assert "licence of the data: unknown" in card().summary
    known = card(tags=TAGS | {"data_licence": "CC-BY-SA-4.0"})
    assert "| licence of the data | CC-BY-SA-4.0 |" in known.text
    assert "licence of the data: CC-BY-SA-4.0" in known.summary


def test_synthetic_questions_of_train_are_said():
    said = "5 of the 9 questions of train are synthetic: rules made them from 1 document (5 cloze)."
    found = card(best=replace(BEST, synthetic=said))
    assert f"{said} Select and test have none." in found.text.replace("\\", "")
    assert f"- {said}\n" in found.summary.replace("\\", "")
    assert "synthetic" not in card().text + card().summary


def test_a_lead_that_may_be_chance_and_a_demo_are_limits():
    outcome = replace(
        OUTCOME,
        comparisons=(replace(LEAD, significant=False),),
        gate="it does not beat answering nothing",
    )
    limits = card(outcome=outcome, tags=TAGS | {"validation_status": "demo"}).text
    limits = limits.split("## Limits")[1]
    assert "- This is a demo." in limits
    assert (
        "- Its lead is too small to rank: chance alone could put it ahead of span by 2.96" in limits
    )
    assert "would have been refused: it does not beat answering nothing." in limits
    assert "demo" not in card().text.split("## Limits")[1]


def test_a_licence_that_forbids_commercial_use_is_a_limit():
    tags = TAGS | {"licence": "CC-BY-NC-4.0", "data_licence": "research only"}
    limits = card(tags=tags).text.split("## Limits")[1]
    assert "- The licence of its backbone (CC-BY-NC-4.0) forbids commercial use." in limits
    assert "- The licence of its data (research only) forbids commercial use." in limits
    assert "forbids commercial use" not in card(tags=TAGS).text


def test_the_verdicts_of_the_gates_are_there_in_both_forms():
    assert "gate" not in card().text.lower()
    gates = (
        GateVerdict("size", True, "its folder has 2.50 MB; 3 is the most", 2.5, 3.0),
        GateVerdict("licence", False, "the licence of its data (a|b) is not accepted"),
        GateVerdict("beats_untrained", True, "not measured: none was judged", measured=False),
    )
    made = card(outcome=replace(OUTCOME, gates=gates))
    table = made.text.split("## Gates")[1].split("##")[0]
    assert "| `size` | passed | its folder has 2.50 MB; 3 is the most |" in table
    assert "| `licence` | failed | the licence of its data (a\\|b) is not accepted |" in table
    assert "| `beats_untrained` | not measured | not measured: none was judged |" in table
    assert "- Gates: 1 passed, 1 failed, 1 not measured.\n" in made.summary
    assert "The gate licence failed: the licence of its data (a\\|b) is not" in made.summary


def test_data_without_unanswerable_questions_and_scores_without_calibration_are_limits():
    splits = {
        name: replace(figures, no_ans_exact_match=None, ece=None)
        for name, figures in BEST.splits.items()
    }
    text = card(best=replace(BEST, splits=splits, answering=Answering())).text
    assert "never tried on questions that the text does not answer" in text
    assert "not calibrated" in text
    assert "expected calibration error" not in text


@pytest.mark.parametrize("hostile", ["<script>x</script>", "a | b\n# c", "[x](javascript:y)", "`"])
def test_texts_stay_text(hostile):
    tags = TAGS | {"backbone": hostile}
    given = card(tags=tags, files=[f"`{hostile}`"])
    for line in (*given.text.splitlines(), *given.summary.splitlines()):
        if "backbone" in line:
            assert "<script" not in line.replace("\\<", "")
            assert "](" not in line.replace("\\]", "")
    assert not any(line.startswith("# c") for line in given.text.splitlines())
    (row,) = [r for r in given.text.splitlines() if r.startswith("| backbone |")]
    assert row.replace("\\|", "").count("|") == 3


def test_the_rule_that_decided_a_tie_is_said_in_both_forms():
    tie = "crf shares this EM with span; it is ahead of span by F1 (60.00)."
    made = card(outcome=replace(OUTCOME, tie=tie))
    assert tie in made.text
    assert tie in made.summary


@pytest.mark.parametrize("tags", [TAGS, TAGS | {"trained_on": "unknown"}])
def test_unknown_training_data_is_a_limit_and_is_said_in_both_forms(tags):
    given = card(tags=tags)
    assert "| trained on | unknown |" in given.text
    assert "- What it was trained on is unknown: it may have seen the questions" in given.text
    assert "- trained on: unknown\n" in given.summary


def test_known_and_declared_training_data_is_no_limit():
    known = card(tags=TAGS | {"trained_on": "known"})
    assert "| trained on | known: trained_on.json among its files lists it |" in known.text
    declared = card(tags=TAGS | {"trained_on": "as declared: org/bert on train-v2.0.json"})
    assert "| trained on | as declared: org/bert on train-v2.0.json |" in declared.text
    for given in (known, declared):
        assert "What it was trained on is unknown" not in given.text


SHARED = Shared(unit="paragraph", units=2067, shared=16, titles=12, all_titles=48)


def test_what_test_shares_with_train_is_said_first():
    given = card(best=replace(BEST, shared_with_train={"test": SHARED}))
    warning = "Warning: test was partly trained on: 16 of its 2,067 paragraphs (0.8 %) and 12 of"
    assert given.text.splitlines()[2].startswith(f"**{warning}")
    assert given.summary.startswith(warning)
    assert "Warning" not in card().text + card().summary


def test_a_test_split_that_was_trained_on_has_no_figures():
    shared = {"test": replace(SHARED, shared=60)}
    best = replace(BEST, shared_with_train=shared, splits={"select": BEST.select})
    given = card(best=best)
    assert given.summary.startswith("Warning: test was trained on: 60 of its 2,067 paragraphs")
    assert "- test: not judged\n" in given.summary
    assert "| test |" not in given.text.split("## Data")[0]


def test_answers_with_the_passage_to_be_found_are_there_with_their_index():
    assert "passage to be found" not in card().text
    text = card(best=replace(BEST, open_domain=make_open_domain(40.0, "select"))).text
    assert "of 2,067 passages of 48 documents: the index `0a1b2c`" in text
    assert "| select | hybrid | 1,200 | 75.25 | 42.00 (30.5–50.2) | 55.00 (45.0–65.0) |" in text
    assert "| select | none: context given | 1,200 | – | 61.50 (55.0–68.0) | 70.00 |" in text
    assert "| test | hybrid" not in text
