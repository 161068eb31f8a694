import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from squadron.artifacts import read_record
from squadron.data.contamination import Shared
from squadron.reports.race_facts import describe_leads
from squadron.reports.race_table import LEAST_NEEDED, render_table, screen_width
from squadron.scores.gate_verdict import GateVerdict
from squadron.scores.race_result import RacePromotion, RaceResult, SelectSplit
from tests.results import (
    change_contender,
    change_figures,
    change_model,
    make_figures,
    make_lead,
    make_open_domain,
)

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"

TABLE = """\
The race, ranked by EM on the select split
┏━━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━┓
┃            ┃        EM ┃        F1 ┃ HasAns EM ┃   test EM ┃   test F1 ┃    seconds ┃           ┃
┃ contender  ┃      95 % ┃      95 % ┃  NoAns EM ┃      95 % ┃      95 % ┃ examples/s ┃ trainable ┃
┡━━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━┩
│ span       │     61.23 │     70.00 │     55.50 │     60.00 │     68.12 │    1,234.6 │     22.6M │
│            │ 58.3–64.1 │ 67.3–73.0 │    100.00 │ 0.0–100.0 │ 50.0–80.0 │       10.6 │           │
├────────────┼───────────┼───────────┼───────────┼───────────┼───────────┼────────────┼───────────┤
│ pretrained │     23.30 │     23.30 │         - │      0.00 │      0.00 │          - │         0 │
│            │         - │         - │         - │         - │         - │          - │           │
├────────────┼───────────┼───────────┼───────────┼───────────┼───────────┼────────────┼───────────┤
│ wild       │         - │         - │         - │         - │         - │          - │         - │
└────────────┴───────────┴───────────┴───────────┴───────────┴───────────┴────────────┴───────────┘
select: 1,090 questions, test: 90 questions.
wild is disqualified: loss is nan
Winner: span (highest EM on select, 61.23).
Registered: squadron-example version 3, alias 'candidate'.

Next:
  squadron ask --model squadron-example --context FILE_OR_TEXT "your question"
  squadron promote 3 --model squadron-example --to staging
  make ui"""


UNSURE = make_lead("pretrained", 37.93, low=35.0, high=40.5, p=0.2, significant=False)


@pytest.fixture
def race():
    return read_record(RaceResult, FIXTURES / "race_result.json")


def without_margins(text):
    return "\n".join(line.rstrip() for line in text.splitlines())


def test_the_table_is_shown_whole_with_the_winner_and_what_comes_next(race):
    assert without_margins(render_table(race)) == TABLE


def test_bertscore_has_a_column_where_a_race_measured_it(race):
    assert "BERTScore" not in render_table(race)
    race = change_figures(race, 0, "select", bertscore_f1=87.654)
    race = change_figures(race, 0, "test", bertscore_f1=80.5)
    shown = render_table(race)
    assert "BERTScore" in shown
    assert [line[3] for line in row_of(shown, "span")] == ["87.65", "80.50"]
    assert [line[3] for line in row_of(shown, "pretrained")] == ["-", "-"]


@pytest.mark.parametrize("width", [40, 60, 80, 109, 110, 200])
def test_no_line_of_the_table_is_wider_than_the_terminal_and_nothing_is_cut(race, width):
    lines = render_table(race, width=width).splitlines()
    table = [line for line in lines if line.startswith(("┏", "┃", "│", "└"))]
    assert table
    assert max(map(len, table)) <= width
    assert "…" not in "".join(table)


def test_nothing_shows_while_the_table_is_drawn(race, capsys):
    render_table(race)
    assert capsys.readouterr() == ("", "")


def test_a_reason_is_shown_letter_by_letter(race):
    # "[/b]" once ended the whole table with an error of the library that draws it.
    reason = "loss [/b] is nan in [red]batch[/red] :x: 3"
    shown = render_table(change_contender(race, 2, disqualified=reason))
    assert f"wild is disqualified: {reason}" in shown.splitlines()


def test_a_refused_winner_ends_the_table_with_what_may_help(race):
    refused = "span is not registered: its EM is below the gate"
    race = replace(race, model=None, gate="", refused=refused)
    assert render_table(race, "file:///runs/report.html").endswith(
        "Nothing is registered: span is not registered: its EM is below the gate.\n"
        "Report: file:///runs/report.html\n"
        "\n"
        "Next: train on more questions (data.max_train_examples) or longer (train.epochs), and run "
        "the same command again. Steps that do not change come from the cache.\n"
        "  make ui"
    )


def test_a_race_in_which_all_were_disqualified_has_a_table(race):
    nobody = {"winner": "", "why": "", "gate": "", "model": None}
    race = replace(race, contenders=race.contenders[2:], refused="all are out", **nobody)
    assert without_margins(render_table(race)).splitlines()[-5:] == [
        "wild is disqualified: loss is nan",
        "Nothing is registered: all are out.",
        "",
        "Next: change what the reasons name (if a loss is not finite, lower train.learning_rate or "
        "set train.precision: fp32), and run the same command again. Steps that do not change come "
        "from the cache.",
        "  make ui",
    ]


NARROW = """\
The race, ranked by EM on the select split
┏━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━┓
┃                  ┃        EM ┃        F1 ┃ HasAns EM ┃   test EM ┃   test F1 ┃
┃ contender        ┃      95 % ┃      95 % ┃  NoAns EM ┃      95 % ┃      95 % ┃
┡━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━┩
│ champion         │     61.23 │     70.00 │     55.50 │     60.00 │     68.12 │
│ (version 2)      │ 58.3–64.1 │ 67.3–73.0 │    100.00 │ 0.0–100.0 │ 50.0–80.0 │
├──────────────────┼───────────┼───────────┼───────────┼───────────┼───────────┤
│ span             │     61.23 │     70.00 │     55.50 │     60.00 │     68.12 │
│                  │ 58.3–64.1 │ 67.3–73.0 │    100.00 │ 0.0–100.0 │ 50.0–80.0 │
├──────────────────┼───────────┼───────────┼───────────┼───────────┼───────────┤
│ pretrained       │     23.30 │     23.30 │         - │      0.00 │      0.00 │
│                  │         - │         - │         - │         - │         - │
├──────────────────┼───────────┼───────────┼───────────┼───────────┼───────────┤
│ wild             │         - │         - │         - │         - │         - │
└──────────────────┴───────────┴───────────┴───────────┴───────────┴───────────┘
Left out because 80 columns are too few: trainable, seconds.
select: 1,090 questions, test: 90 questions.
wild is disqualified: loss is nan
Winner: champion (version 2) (highest EM on select, 61.23).
champion shares this EM with span; it is ahead of span because a champion stays at a tie.
Its lead is too small to rank: it has the same EM as span.
The champion stays: squadron-example version 2; the alias 'candidate' moved there from version 3.
Version 2 is staging already.
Report: file:///home/ada/races/runs/artifacts/1/0f/artifacts/report.html

Next:
  .venv/bin/squadron ask --model squadron-example \\
    --context FILE_OR_TEXT "your question"
  make ui"""


REPORT = "file:///home/ada/races/runs/artifacts/1/0f/artifacts/report.html"


@pytest.fixture
def stayed(race):
    """A champion of staging that wins a tie, so that `candidate` comes back to it."""
    first = replace(race.contenders[0], label="champion", registered_as="version 2")
    tie = (
        "champion shares this EM with span; it is ahead of span because a champion stays at a tie."
    )
    race = change_model(
        race,
        version="2",
        kept=True,
        previous="3",
        aliases={"candidate": "2", "staging": "2"},
    )
    return replace(
        race,
        contenders=(first, *race.contenders),
        winner="champion",
        tie=tie,
        comparisons=(make_lead("span", 0.0, low=0.0, high=0.0, p=1.0, significant=False),),
    )


def test_a_whole_race_fits_a_terminal_of_80_columns(stayed):
    shown = render_table(stayed, REPORT, 80, ".venv/bin/squadron")
    assert without_margins(shown) == NARROW


def test_a_command_that_goes_on_in_a_second_line_is_one_for_the_shell(stayed):
    shown = render_table(stayed, REPORT, 80, ".venv/bin/squadron")
    start = shown.index(".venv/bin/squadron ask")
    command = shown[start : shown.index("make ui")].strip()
    words = ["ask", "--model", "squadron-example", "--context", "FILE_OR_TEXT", "your question"]
    read = subprocess.run(
        ["bash", "-c", command.replace(".venv/bin/squadron", "printf '%s\\n'", 1)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout.splitlines() == words


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 90, 100, 110, 120])
def test_columns_go_by_need_and_every_figure_that_stays_is_whole(race, width):
    label = "lora-with-a-very-long-name"
    train = make_figures(answerable_f1=99.125, total=1200)
    by_title = {"exact_match_title_low": 52.26, "exact_match_title_high": 69.04}
    race = change_contender(race, 0, label=label, train=train, gpu_memory_mb=512.3)
    race = change_contender(race, 0, open_domain=make_open_domain(40.4))
    race = replace(race, winner=label)
    race = change_figures(race, 0, "select", bertscore_f1=87.654, **by_title)
    race = change_figures(race, 0, "test", bertscore_f1=80.5)
    shown = render_table(race, width=width)
    table = [line for line in shown.splitlines() if line.startswith(("┏", "┃", "│", "└"))]
    assert max(map(len, table)) <= width
    figures = {
        "GPU MiB": ["512"],
        "trainable": ["22.6M"],
        "seconds": ["1,234.6", "10.6"],
        "train F1": ["99.12"],
        "BERTScore": ["87.65", "80.50"],
        "HasAns and NoAns EM": ["55.50", "100.00"],
        "open EM": ["42.40", "30.5–50.2"],
        "test F1": ["68.12", "50.0–80.0"],
        "F1": ["70.00", "67.3–73.0"],
        "test EM": ["60.00", "0.0–100.0"],
    }
    assert tuple(figures) == LEAST_NEEDED
    told = [line for line in shown.splitlines() if line.startswith("Left out")]
    left_out = told[0].split(": ")[1].rstrip(".").split(", ") if told else []
    assert left_out == list(figures)[: len(left_out)]
    cells = [cell.strip() for line in table for cell in line.strip("│").split("│")]
    for name, some in figures.items():
        assert all(figure in cells for figure in some) == (name not in left_out), name
    for figure in ("61.23", "58.3–64.1", "52.3–69.0"):
        assert figure in cells
    assert (
        len(left_out) == {40: 9, 50: 9, 60: 8, 70: 7, 80: 6, 90: 5, 100: 4, 110: 3, 120: 3}[width]
    )


def test_the_width_is_that_of_the_terminal_up_to_120_columns(monkeypatch):
    for columns, expected in (("80", 80), ("120", 120), ("300", 120)):
        monkeypatch.setenv("COLUMNS", columns)
        assert screen_width() == expected
    monkeypatch.delenv("COLUMNS")
    code = "from squadron.reports.race_table import screen_width; print(screen_width())"
    shown = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert shown.stdout == "120\n"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["Registered: squadron-example version 3, alias 'candidate'."]),
        (
            {"previous": "2", "aliases": {"candidate": "3", "staging": "1"}},
            [
                "Registered: squadron-example version 3; the alias 'candidate' moved there from "
                "version 2.",
                "The alias 'staging' points at version 1.",
            ],
        ),
        (
            {"previous": "2", "aliases": {"candidate": "4"}},
            [
                "Registered: squadron-example version 3. The alias 'candidate' points at version 4 "
                "now."
            ],
        ),
        (
            {"aliases": {"candidate": "3", "staging": "3"}},
            [
                "Registered: squadron-example version 3, alias 'candidate'.",
                "Version 3 is staging already.",
            ],
        ),
        (
            {
                "aliases": {"candidate": "3", "staging": "3", "production": "3"},
                "promotion": RacePromotion("staging", moved=True, previous="1"),
            },
            [
                "Registered: squadron-example version 3, alias 'candidate'.",
                "The race promoted it to staging, from version 1.",
                "Version 3 is production already.",
            ],
        ),
        (
            {
                "aliases": {"candidate": "3", "staging": "2"},
                "promotion": RacePromotion("staging", moved=False, why="it is worse"),
            },
            [
                "Registered: squadron-example version 3, alias 'candidate'.",
                "The race did not promote it to staging: it is worse.",
                "The alias 'staging' points at version 2.",
            ],
        ),
        (
            {"aliases": {"candidate": "3", "production": "2"}},
            [
                "Registered: squadron-example version 3, alias 'candidate'.",
                "The alias 'production' points at version 2.",
            ],
        ),
    ],
)
def test_what_the_aliases_point_at_is_said(race, changes, expected):
    lines = render_table(change_model(race, **changes)).splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("Registered"))
    assert lines[first : lines.index("")] == expected
    promotes = "  squadron promote 3 --model squadron-example --to staging" in lines
    assert promotes == (changes.get("aliases", {}).get("staging") != "3")


@pytest.mark.parametrize(
    ("aliases", "number"),
    [
        ({}, ""),
        ({"candidate": "3"}, ""),
        ({"candidate": "3", "staging": "3", "production": "2"}, ""),
        ({"candidate": "3", "staging": "2"}, " --version 3"),
        ({"candidate": "3", "production": "2"}, " --version 3"),
    ],
)
def test_the_command_that_asks_names_the_winner_if_another_would_answer(race, aliases, number):
    shown = render_table(change_model(race, version="3", aliases=aliases), width=200)
    assert f"squadron ask --model squadron-example{number} --context FILE_OR_TEXT" in shown


def test_a_champion_of_another_model_is_named_whole_wherever_it_is_compared(race):
    race = change_contender(race, 1, registered_as="squadron-old version 7", trained_on="unknown")
    lines = render_table(replace(race, comparisons=(UNSURE,)), width=200).splitlines()
    name = "pretrained (squadron-old version 7)"
    assert any(line.startswith(f"│ {name} ") for line in lines)
    assert f"chance alone could put it ahead of {name} by 37.93" in "".join(lines)
    assert f"Trained on: unknown for {name}." in "".join(lines)


def test_the_sizes_of_the_splits_are_known_even_if_the_first_row_has_none(race):
    race = replace(race, contenders=race.contenders[::-1])
    assert "select: 1,090 questions, test: 90 questions." in render_table(race)


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("its EM is too low", ["Outside a demo it would be refused: its EM is too low."]),
        ("passed", []),
    ],
)
def test_a_demo_says_so_and_what_the_gate_would_say(race, gate, expected):
    race = replace(change_model(race, validation_status="demo"), gate=gate)
    lines = render_table(race).splitlines()
    told = lines[lines.index("Winner: span (highest EM on select, 61.23).") + 1 :]
    assert told[: told.index("")] == [
        "These data are too few to rank models on: validation_status=demo.",
        *expected,
        "Registered: squadron-example version 3, alias 'candidate'.",
    ]
    # `squadron promote` would refuse it.
    assert not any("squadron promote" in line for line in lines)


WEAK = GateVerdict("calibration", False, "its error is 0.2; 0.1 is the most", 0.2, 0.1)
FREE = GateVerdict("licence", False, "the licence of its data (x) is not accepted; MIT would be")
STRONG = GateVerdict("answers_something", True, "its EM beats answering nothing", 61.23, 40.0)
ALONE = GateVerdict(
    "beats_untrained", True, "not measured: no contender `pretrained` was judged", measured=False
)


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ((), []),
        ((STRONG,), ["Gates: 1 passed."]),
        (
            (STRONG, ALONE),
            [
                "Gates: 1 passed, 1 not measured.",
                "The gate beats_untrained was not measured: no contender `pretrained` was judged.",
            ],
        ),
    ],
)
def test_gates_that_passed_are_one_line_and_those_without_a_figure_are_said(race, gates, expected):
    lines = render_table(replace(race, gates=gates)).splitlines()
    told = lines[lines.index("Winner: span (highest EM on select, 61.23).") + 1 :]
    assert told[: told.index("")] == [
        *expected,
        "Registered: squadron-example version 3, alias 'candidate'.",
    ]


def test_each_gate_that_a_refused_winner_failed_has_a_line(race):
    refused = "span is not registered: its error is 0.2; 0.1 is the most; the licence ..."
    race = replace(race, model=None, gate="", refused=refused, gates=(STRONG, WEAK, FREE))
    assert without_margins(render_table(race)).endswith(
        "Nothing is registered: span failed 2 of 3 gates.\n"
        "The gate calibration failed: its error is 0.2; 0.1 is the most.\n"
        "The gate licence failed: the licence of its data (x) is not accepted; MIT would be.\n"
        "\n"
        "Next: train on more questions (data.max_train_examples) or longer (train.epochs), or "
        "change register.gates, and run the same command again. Steps that do not change come from "
        "the cache.\n"
        "  make ui"
    )


def test_each_gate_that_a_demo_failed_has_a_line(race):
    race = change_model(race, validation_status="demo")
    lines = render_table(replace(race, gate=WEAK.why, gates=(STRONG, WEAK))).splitlines()
    first = lines.index("Outside a demo it would be refused: it failed 1 of 2 gates.")
    assert lines[first + 1 : first + 3] == [
        "The gate calibration failed: its error is 0.2; 0.1 is the most.",
        "Registered: squadron-example version 3, alias 'candidate'.",
    ]


def test_a_champion_that_stays_is_not_registered_again(race):
    lines = render_table(change_model(race, kept=True)).splitlines()
    assert "The champion stays: squadron-example version 3, alias 'candidate'." in lines
    assert not [line for line in lines if line.startswith("Registered")]


def test_a_lead_that_may_be_chance_is_said(race):
    words = "chance alone could put it ahead of pretrained by 37.93 (35.00 to 40.50)"
    shown = render_table(replace(race, comparisons=(UNSURE,)))
    assert f"Its lead is too small to rank: {words}." in shown
    level = make_lead("wild", 0.0, low=0.0, high=0.0, p=1.0, significant=False)
    shown = render_table(replace(race, comparisons=(level, UNSURE)))
    assert f"Its lead is too small to rank: it has the same EM as wild; {words}." in shown
    shown = render_table(replace(race, comparisons=(replace(UNSURE, significant=True),)))
    assert "over every other contender is more than chance" in shown


SPLIT = SelectSplit(
    digest="1a2b", questions=1090, paragraphs=340, titles=12, least_paragraphs=8, chosen_before=0
)
LEAD = make_lead(
    "pretrained", 37.93, low=35.0, high=40.5, p=0.001, title_low=30.25, title_high=44.0
)
CERTAIN = "Its lead in EM over every other contender is more than chance."


def test_a_lead_says_for_which_questions_it_holds(race):
    race = replace(race, comparisons=(LEAD,), select_split=SPLIT)
    assert describe_leads(race) == [
        CERTAIN,
        "This holds for questions on these 12 titles of select (340 paragraphs); on other titles "
        "the lead over pretrained is 30.25 to 44.00.",
    ]
    race = replace(
        race,
        comparisons=(replace(LEAD, title_low=None, title_high=None),),
        select_split=replace(SPLIT, titles=1, paragraphs=12),
    )
    assert describe_leads(race)[1] == (
        "This holds for questions on this title of select (12 paragraphs); there are too few "
        "titles to tell how it is on others."
    )


def test_too_few_paragraphs_are_said_and_no_interval_is_made_up(race):
    few = replace(LEAD, low=None, high=None, p=1.0, significant=False)
    race = replace(race, comparisons=(few,), select_split=replace(SPLIT, paragraphs=5))
    assert describe_leads(race) == [
        "The select split has too few paragraphs to rank contenders (5 of at least 8): chance "
        "alone could put the winner ahead of pretrained by 37.93."
    ]


@pytest.mark.parametrize(("before", "races"), [(1, "another race"), (1234, "1,234 other races")])
def test_a_select_split_that_chose_before_is_said_with_the_verdict(race, before, races):
    split = replace(SPLIT, chosen_before=before)
    race = replace(race, comparisons=(LEAD,), select_split=split)
    said = (
        f"The same select split (digest 1a2b) has chosen the winner of {races}: every further "
        "choice by it makes leads look surer than they are."
    )
    assert describe_leads(race)[-1] == said
    assert said in render_table(race, width=300)
    assert describe_leads(replace(race, comparisons=())) == [said]
    unknown = replace(SPLIT, chosen_before=None)
    assert describe_leads(replace(race, comparisons=(), select_split=unknown)) == []


def test_intervals_by_title_stand_below_those_by_paragraph(race):
    assert "by title" not in render_table(race)
    by_title = {"exact_match_title_low": 52.26, "exact_match_title_high": 69.04}
    lines = render_table(change_figures(race, 0, "select", **by_title)).splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("│ span"))
    em = [line.split("│")[2].strip() for line in lines[first : first + 3]]
    assert em == ["61.23", "58.3–64.1", "52.3–69.0"]
    assert sum(line.count("by title") for line in lines[:first]) == 4


def row_of(shown, start):
    """The two lines of the row that begins so, cell by cell."""
    lines = shown.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith(f"│ {start}"))
    return [[c.strip() for c in line.strip("│").split("│")] for line in lines[first : first + 2]]


def test_training_questions_have_a_column_of_their_own_where_they_were_judged(race):
    assert "train F1" not in render_table(race)
    train = make_figures(answerable_f1=99.125, total=1200)
    shown = render_table(change_contender(race, 0, train=train))
    assert row_of(shown, "span")[0][6] == "99.12"
    assert row_of(shown, "pretrained")[0][6] == "-"
    assert (
        "train F1: measured on the answerable ones of 1,200 questions that contenders were" in shown
    )
    table = [line for line in shown.splitlines() if line.startswith(("┏", "│"))]
    assert max(map(len, table)) <= 110


def test_answers_with_the_passage_to_be_found_have_a_column_and_say_what_was_searched(race):
    assert "open EM" not in render_table(race)
    race = change_contender(race, 0, open_domain=make_open_domain())
    shown = render_table(race, width=200)
    assert "open EM" in shown
    cells = list(zip(*row_of(shown, "span"), strict=True))
    assert ("42.00", "30.5–50.2") in cells  # hybrid search
    assert "open EM: 1,200 questions of select were asked without their context, of 2,067" in shown
    recall = "hybrid 52.0 / 75.2 / 100.0; bm25 51.0 / 75.2 / 100.0; dense 50.0 / 75.2 / 100.0;"
    assert recall in shown
    cells = list(zip(*row_of(shown, "pretrained"), strict=True))
    assert ("-", "-") in cells


def test_the_memory_of_a_gpu_has_a_column_where_one_was_used(race):
    assert "GPU MiB" not in render_table(race)
    shown = render_table(change_contender(race, 0, gpu_memory_mb=1234.4), width=200)
    assert "GPU MiB" in shown
    assert row_of(shown, "span")[0][-1] == "1,234"
    assert row_of(shown, "pretrained")[0][-1] == "-"


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (2050, "2,050"), (9_999_999, "9,999,999"), (109_483_778.0, "109.5M")],
)
def test_many_parameters_are_shown_in_millions(race, count, shown):
    race = change_contender(race, 0, trainable_parameters=count)
    assert row_of(render_table(race), "span")[0][-1] == shown


def test_types_of_questions_are_told_apart_by_who_labelled_them(race):
    race = change_figures(
        race,
        0,
        "select",
        types={"accuracy": 81.25, "macro_f1": 70.0},
        types_rules={"accuracy": 97.5, "macro_f1": 91.25},
    )
    lines = render_table(race).splitlines()
    assert (
        "span agrees with the data's labels on the types of 81.2 % of questions (macro-F1 70.0)."
    ) in lines
    assert (
        "span agrees with the cue rules on the types of 97.5 % of questions (macro-F1 91.2)."
    ) in lines


def test_seeds_have_a_mean_and_a_spread(race):
    for place in range(3):
        race = change_contender(race, place, group="span")
    race = change_figures(race, 0, "select", exact_match=60.0, f1=70.0)
    race = change_figures(race, 1, "select", exact_match=62.0, f1=74.0)
    shown = render_table(race)
    assert "span on select over 2 seeds, mean ± standard deviation: EM 61.00 ± 1.41" in shown
    assert "F1 72.00 ± 2.83." in shown
    race = change_contender(race, 1, select=None, disqualified="loss is nan")
    assert "seeds" not in render_table(race)


def test_contenders_whose_training_data_is_unknown_and_shared_paragraphs_are_said(race):
    plain = render_table(race, width=200)
    assert "Trained on" not in plain
    assert "Warning" not in plain
    shared = Shared(unit="paragraph", units=2067, shared=16, titles=12, all_titles=48)
    race = change_contender(race, 0, shared_with_train={"test": shared})
    race = change_contender(race, 1, trained_on="unknown")
    shown = render_table(race, width=200)
    label = race.contenders[1].label
    assert f"Trained on: unknown for {label}. They may have seen these questions" in shown
    assert shown.startswith(
        "Warning: test was partly trained on: 16 of its 2,067 paragraphs (0.8 %) and 12 of its 48 "
        "titles are also in train. Its figures may be too high.\n"
    )


def test_a_test_split_that_was_not_judged_has_no_figures_in_the_table(race):
    race = change_contender(change_contender(race, 0, test=None), 1, test=None)
    shown = render_table(race)
    assert [line[4:6] for line in row_of(shown, "span")] == [["-", "-"], ["-", "-"]]
    assert "select: 1,090 questions, test: not judged." in shown
