"""The report shows the figures of the files that the steps wrote, and it escapes their texts."""

import json
import re
import shutil
import tomllib
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest

import squadron
from squadron import provenance, steps
from squadron.artifacts import (
    CANDIDATES,
    EXTENTS,
    read_record,
    read_table,
    write_record,
    write_table,
)
from squadron.config import Contender, Data, Evaluate, Splits, to_json
from squadron.data.contamination import Shared
from squadron.data.validation_file import Sample, SyntheticSummary
from squadron.models.training_summary import TrainingSummary
from squadron.reports import notes
from squadron.reports.page import MOST_PARTS, group_types, highlight, render_report
from squadron.reports.race_plots import draw_plots
from squadron.reports.report import MOST_ERRORS, MOST_ERRORS_IN_ALL, collect_report
from squadron.reports.verdict import judge_race
from squadron.scores import standings
from squadron.scores.contender_result import ContenderResult
from squadron.scores.error_kinds import KIND_TEXTS, KINDS
from squadron.scores.gate_verdict import GateVerdict
from squadron.scores.leads import compare_with_winner
from squadron.scores.race_result import RacePromotion, Standing
from squadron.steps._status import Status
from tests.results import change_contender, change_model, make_open_domain, make_race, make_version
from tests.stores import make_store

HOSTILE = '</mark></div><script>alert("x")</script><img src=x onerror=alert(1)> & {{ 7 * 7 }} '
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page, its text without style and script, and what is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.tables: list[list[list[str]]] = []
        """Cells of each row of each table."""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if len(attrs) != len(dict(attrs)):
            self.wrong.append(f"an attribute twice in {tag}")
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words += data
            if {"td", "th"} & set(self.open):
                self.tables[-1][-1][-1] += f" {data.strip()}"

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def write_corpus(path, articles=30, *, has_unanswerable=True):
    """Writes questions with and without answers, with texts that try to break out of a page."""
    data = []
    for number in range(articles):
        texts = []
        for part in range(4):
            context = f"{HOSTILE}The bridge {number} was built in {1900 + part} by Ada < Eve."
            year = str(1900 + part)
            answer = [{"text": year, "answer_start": context.index(year)}]
            qas = [
                {"id": f"{number}-{part}-a", "question": f"When? {HOSTILE}", "answers": answer},
                {"id": f'{number}-{part}-"><b>', "question": "Why & how?", "answers": []},
            ]
            qas = qas if has_unanswerable else qas[:1]
            for qa in qas:
                qa["is_impossible"] = not qa["answers"]
            texts.append({"context": context, "qas": qas})
        data.append({"title": f"<i>{number}", "paragraphs": texts})
    path.write_text(json.dumps({"version": "v2.0", "data": data}))


def write_candidates(folder, examples, answer_of, training):
    """Writes what a model might have found; `answer_of` returns a text and a score."""
    for split in ("tune", "select", "test"):
        rows, windows = [], []
        table = read_table(examples / f"{split}.parquet", schema="examples/1")
        for number, example in enumerate(table.to_pylist()):
            text, score = answer_of(number, example)
            start = example["context"].index(text)
            places = {"start_char": start, "end_char": start + len(text)}
            about = {"example_id": example["id"], "window": 0, "rank": 0, "null_score": 0.0}
            rows.append({**about, **places, "score": score})
            whole = {"start_char": 0, "end_char": len(example["context"])}
            windows.append({"example_id": example["id"], "window": 0, **whole})
        path = folder / f"{split}.parquet"
        found = pa.Table.from_pylist(rows, schema=CANDIDATES)
        write_table(path, found, schema="candidates/1", made_from="m")
        path = folder / f"{split}.windows.parquet"
        held = pa.Table.from_pylist(windows, schema=EXTENTS)
        write_table(path, held, schema="extents/1", made_from="m")
    write_record(folder / "status.json", Status("m", training=training))


def good(number, example):
    (year,) = re.findall(r"19\d\d", example["context"])
    return year[: 3 if number % 5 == 0 else 4], 3.0 if example["answers"] else -2.0


def poor(number, example):
    """Is in turn right, half right, too careful and too bold; that beats answering nothing."""
    turn = number // 2 % 4
    if not example["answers"]:
        return "Ada", 5.0 if turn == 0 else -5.0
    (year,) = re.findall(r"19\d\d", example["context"])
    return year[: 3 if turn == 2 else 4], -5.0 if turn == 3 else 5.0


LOG = (
    {"step": 1, "epoch": 0.5, "train_loss": 2.5},
    {"step": 2, "epoch": 1.0, "train_loss": 1.25},
    {"step": 2, "epoch": 1.0, "tune_exact_match": 40.0, "tune_f1": 45.0},
)
TRAINING = TrainingSummary(
    log=LOG, seconds=12.5, examples_per_second=3.25, trainable_parameters=99.0
)


def evaluate(root, label, answer_of):
    """Makes the evaluation folder of a contender; one without `answer_of` is disqualified."""
    place = root / label
    if answer_of:
        write_candidates(place / "candidates", root / "examples", answer_of, TRAINING)
    else:
        status = Status("m", disqualified="the loss became nan")
        write_record(place / "candidates" / "status.json", status)
    steps.evaluate(
        settings=to_json(Evaluate()),
        contender=to_json(Contender("span", label=label)),
        examples=root / "examples",
        candidates=place / "candidates",
        evaluation=place / "evaluation",
        figures_file=place / "figures.json",
    )
    return place / "evaluation"


def read_result(evaluation):
    return read_record(ContenderResult, evaluation / "metrics.json")


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    """(examples, evaluations, result) of a race of two; a third one was disqualified."""
    root = tmp_path_factory.mktemp("report")
    write_corpus(root / "corpus.json")
    data = Data(train=(str(root / "corpus.json"),), splits=Splits(2, 22, 2))
    steps.ingest(data=to_json(data), examples=root / "examples")
    runners = (("poor", poor), ("good", good), ("broken", None))
    evaluations = [evaluate(root, label, answer_of) for label, answer_of in runners]
    found = [read_result(each) for each in evaluations]
    ranked = [found[n] for n in standings.rank_contenders(found)]
    best, *others = [each for each in ranked if not each.disqualified]
    scores = {
        each.label: read_table(
            root / each.label / "evaluation" / "select" / "scores.parquet", schema="scores/3"
        )
        for each in (best, *others)
    }
    result = make_race(
        *map(standings.describe_standing, ranked),
        race="tiny-0123456789abcdef",
        winner=best.label,
        why=standings.explain(best),
        comparisons=tuple(compare_with_winner(scores.pop(best.label), scores)),
        select_split=standings.describe_select(best, 3),
        gate="passed",
        model=make_version(name="squadron-tiny", version="7"),
    )
    return root / "examples", evaluations, result


@pytest.fixture(scope="module")
def report(race):
    examples, evaluations, result = race
    return collect_report(
        result,
        evaluations,
        examples,
        experiment={"name": HOSTILE, "data": {"train": ["corpus.json"]}},
        git_sha="4f2a9c1",
        seconds={"": {"ingest": 1.5}, "good": {"train": 12.75}},
    )


@pytest.fixture(scope="module")
def text(report):
    return render_report(report)


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_page_is_whole(page):
    assert (page.wrong, page.open) == ([], [])
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"] for link in page.of("a")} <= {f"#{name}" for name in ids}


def test_nothing_is_fetched(text, page):
    for name, attributes in page.elements:
        for key in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert (attributes.get(key) or "#").startswith("#"), (name, attributes)
    assert not re.search(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", text)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttp", text)
    assert {"link", "iframe", "object", "img"} & {name for name, _ in page.elements} == set()


def test_texts_of_the_data_are_text(text, page):
    assert len(page.of("script")) == 1
    assert page.of("i") == [each for each in page.of("i") if "style" in each]  # bars alone
    assert not any(key.startswith("on") for _, found in page.elements for key in found)
    assert "When? " + HOSTILE.strip() in page.words  # the question, whole
    assert '-"><b>' in page.words
    assert "49" not in re.findall(r"\{\{.*?\}\}|(?<=& )\d+", page.words)


def test_every_figure_is_that_of_metrics_json(race, page):
    _, evaluations, _ = race
    seen = 0
    for folder in evaluations:
        splits = read_result(folder).splits
        for split in ("select", "test"):
            for name in ("exact_match", "f1"):
                if split in splits:
                    value, low, high = splits[split].estimate(name)
                    assert f"{value:.2f}" in page.words
                    assert f"{low:.1f}–{high:.1f}" in page.words
                    by_title = splits[split].estimate(name, "title")
                    assert (by_title.low is not None) == (split == "select")  # 22 titles, 2
                    seen += 1
        if splits:
            select = splits["select"]
            for figure in (select.has_ans_exact_match, select.no_ans_exact_match, select.answered):
                assert f"{figure:.2f}" in page.words
            assert f"{100 * select.ece_before:.2f}" in page.words
            assert f"{select.aurc:.4f}" in page.words
    assert seen == 8
    header, *rows = [[" ".join(cell.split()) for cell in row] for row in page.tables[0]]
    for folder, row in zip((evaluations[1], evaluations[0]), rows, strict=False):
        result = read_result(folder)
        cells = dict(zip(header, row, strict=True))
        assert cells["contender"] == result.label
        for split in ("select", "test"):
            for head, name in (("EM", "exact_match"), ("F1", "f1")):
                value, low, high = result.splits[split].estimate(name)
                expected = f"{value:.2f} {low:.1f}–{high:.1f}"
                if split == "select":
                    _, low, high = result.splits[split].estimate(name, "title")
                    expected += f" by title {low:.1f}–{high:.1f}"
                assert cells[f"{head} {split}"] == expected
    for each in ("the loss became nan", "12.75", "3.25", "tiny-0123456789abcdef", "4f2a9c1"):
        assert each in page.words


def test_the_certainty_of_the_lead_is_that_of_the_races_result(race, page):
    _, _, result = race
    (lead,) = result.comparisons
    assert lead.significant
    assert "Its lead in EM over every other contender is more than chance." in page.words
    assert f"{lead.difference:.2f}" in page.words
    assert f"{lead.low:.2f} to {lead.high:.2f}" in page.words
    assert f"p {lead.p:.3f}" in page.words
    assert "behind, more than chance" in page.words
    split = result.select_split
    scope = f"on these 22 titles of select ({split.paragraphs} paragraphs)"
    assert f"This holds for questions {scope}; on other titles the lead over poor is" in page.words
    reuse = f"(digest {split.digest}) has chosen the winner of 3 other races"
    assert reuse in page.words


def test_figures_by_kinds_of_questions_are_those_of_the_breakdown(race, report, page):
    _, (folder, *_), _ = race
    rows = read_table(folder / "select" / "breakdown.parquet", schema="breakdown/2").to_pylist()
    shown = {(g.name, value): parts for g in group_types(report.racing) for value, parts in
             g.parts.items()}  # fmt: skip
    answerable = [row for row in rows if row["group"] == "answerable"]
    assert len(answerable) == 2
    for row in answerable:
        assert asdict(shown["answerable", row["value"]]["poor"]) == row
        assert f"{row['exact_match']:.2f}" in page.words
    assert not any(name == "all" for name, _ in shown)
    titles = [value for name, value in shown if name == "title"]
    assert 0 < len(titles) <= MOST_PARTS


def test_counts_of_kinds_and_examples_of_each_are_shown(report, page):
    good, poor = report.racing
    assert sum(poor.kinds.values()) > len(poor.errors) >= 20
    assert len(poor.errors) <= MOST_ERRORS
    for row in (good, poor):
        assert {error["kind"] for error in row.errors} == {k for k, n in row.kinds.items() if n}
    shown = [attributes["data-kind"] for attributes in page.of("li")]
    assert len(shown) == len(good.errors) + len(poor.errors)
    assert set(KIND_TEXTS) == set(KINDS)


def test_gold_and_answer_are_marked_in_words_and_not_by_colour_alone(page, text):
    marks = re.findall(r'<mark class="([^"]+)">[^<]*<sup>([^<]+)</sup></mark>', text)
    assert {("gold", "gold"), ("said", "said")} <= {(a.strip(), b.strip()) for a, b in marks}


@pytest.mark.parametrize(
    ("gold", "answer", "pieces"),
    [
        ((1, 3), (-1, -1), [("a", 0, 0), ("bc", 1, 0), ("def", 0, 0)]),
        ((1, 4), (2, 6), [("a", 0, 0), ("b", 1, 0), ("cd", 1, 1), ("ef", 0, 1)]),
        ((-1, -1), (-1, -1), [("abcdef", 0, 0)]),
    ],
)
def test_an_excerpt_is_cut_where_spans_begin_and_end(gold, answer, pieces):
    error = {"excerpt": "abcdef", "gold_start": gold[0], "gold_end": gold[1]}
    error |= {"answer_start": answer[0], "answer_end": answer[1]}
    assert highlight(error) == [(text, bool(a), bool(b)) for text, a, b in pieces]


def test_answers_with_the_passage_to_be_found_have_a_section(report):
    def ask(row, exact_match):
        if not row.select:
            return row
        open_domain = make_open_domain(exact_match, "select")
        return replace(row, result=replace(row.result, open_domain=open_domain))

    rows = [ask(row, 40.0 + 10 * place) for place, row in enumerate(report.rows)]
    contenders = tuple(
        replace(each, open_domain=row.result.open_domain)
        for each, row in zip(report.result.contenders, rows, strict=True)
    )
    result = replace(report.result, contenders=contenders)
    page = Page(render_report(replace(report, rows=rows, result=result)))
    assert (page.wrong, page.open) == ([], [])
    (table,) = [each for each in page.tables if "search" in each[0][0]]
    shown = [[" ".join(cell.split()) for cell in row] for row in table]
    assert [row[0].split()[0] for row in shown[1:]] == [
        *("hybrid", "bm25", "dense", "original", "none")
    ]
    expected = ["52.0 / 75.2 / 100.0", "42.00 30.5–50.2 55.00", "66.50"]
    assert shown[1][1:4] == expected
    assert shown[1][4] == "52.00 30.5–50.2 55.00"
    assert shown[5][1:3] == ["–", "61.50 55.0–68.0 70.00"]
    assert "index 0a1b2c, encoder all-MiniLM-L6-v2" in " ".join(page.words.split())


def test_a_race_without_documents_has_no_such_section(page):
    assert "documents" not in {attributes.get("id") for _, attributes in page.elements}
    assert "#documents" not in {link["href"] for link in page.of("a")}


def test_plots_show_what_there_is(report):
    found = draw_plots(report)
    assert set(found) == {
        "em", "lead", "loss", "tune_em", "threshold", "reliability", "risk"
    }  # fmt: skip


def test_a_threshold_curve_is_what_each_threshold_gives_question_by_question(race, report):
    examples, (folder, *_), _ = race
    tune = read_table(examples / "tune.parquet", schema="examples/1").to_pylist()
    said, odds = (
        json.loads((folder / "tune" / f"{name}.json").read_text())
        for name in ("predictions", "null_odds")
    )
    row = report.racing[1]
    assert len({exact for _, exact in row.curve}) > 1
    for threshold, exact in row.curve[::8]:
        right = 0
        for example in tune:
            golds = [answer["text"] for answer in example["answers"]] or [""]
            text = said[example["id"]] if -odds[example["id"]] > threshold else ""
            right += text in golds
        assert exact == pytest.approx(100 * right / len(tune))
    # No point is above what evaluate found, which looked at every threshold.
    assert max(exact for _, exact in row.curve) <= row.result.splits["tune"].exact_match + 1e-9


def test_the_applied_threshold_is_a_point_of_the_curve_wherever_it_lies(race, report, tmp_path):
    for row in report.racing:
        ((_, exact),) = (point for point in row.curve if point[0] == row.null_threshold)
        assert exact == pytest.approx(row.result.splits["tune"].exact_match)
    examples, evaluations, result = race
    # A model that does best to answer nothing has a threshold above all scores.
    folders = [shutil.copytree(each, tmp_path / each.parent.name) for each in evaluations]
    poor = read_result(folders[0])
    poor = replace(poor, answering=replace(poor.answering, null_threshold=1e3))
    write_record(folders[0] / "metrics.json", poor)
    found = collect_report(result, folders, examples)
    (row,) = (each for each in found.rows if each.null_threshold == 1e3)
    about = found.validation.splits["tune"]
    assert row.curve == sorted(row.curve)
    assert row.curve[-1] == (1e3, pytest.approx(100 * about.unanswerable / about.examples))


def test_synthetic_questions_of_train_are_said_on_the_page_and_in_mlflow(report, text):
    assert "synthetic" not in text + notes.describe_race(report, {})
    synthetic = SyntheticSummary(7, 30, {"cloze": 7}, {"a.pdf": 5, "b.md": 2, "c.md": 0})
    found = replace(report, validation=replace(report.validation, synthetic=synthetic))
    train = report.validation.splits["train"].examples
    said = (
        f"7 of the {train} questions of train are synthetic: rules made them from 2 documents "
        "(7 cloze; drawn from 30)."
    )
    shown = render_report(found)
    assert f"{said} Tune, select and test have none." in shown
    assert Page(shown).wrong == []
    assert said in notes.describe_race(found, {}).replace("\\", "")


def test_findings_in_the_data_are_a_table_with_a_sample_of_each(report, text):
    assert "noted examples" not in text
    sample = Sample("answer cuts a word", "d.json: data[0]", "q7", "the [<gold>]en gate")
    findings = replace(
        report.validation.findings,
        noted={sample.reason: 1234},
        samples=(sample,),
        rejected={"x": 2},
    )
    found = replace(report, validation=replace(report.validation, findings=findings))
    shown = render_report(found)
    assert "Rejected, repaired and noted examples" in shown
    assert "2 were rejected" in shown
    _, row = shown.split("answer cuts a word")
    for words in (">noted<", ">1,234<", "d.json: data[0] (question q7): the [&lt;gold&gt;]en gate"):
        assert words in row.partition("</tr>")[0]
    assert Page(shown).wrong == []


def test_tables_have_headers_and_plots_have_names(page):
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.of("th"))
    plots = [each for each in page.of("svg") if each.get("aria-hidden") != "true"]
    assert len(plots) == 7
    assert all(each["role"] == "img" and each["aria-labelledby"] for each in plots)


def test_the_page_can_be_read_without_its_script(page):
    (filter_box,) = [each for each in page.of("div") if each.get("id") == "filter"]
    assert "hidden" in filter_box
    assert not any("hidden" in each for each in page.of("li"))


def test_the_page_stays_small_however_many_race(race, report, text):
    assert len(text.encode()) < 400_000
    examples, evaluations, result = race
    others = [Standing(f"other-{n}") for n in range(9)]
    crowd = replace(result, contenders=(*result.contenders, *others))
    row = collect_report(crowd, evaluations, examples).racing[1]
    assert len(row.errors) == MOST_ERRORS_IN_ALL // 12 < sum(row.kinds.values())
    twelve = [replace(row, label=f"other-{n}", style=n) for n in range(12)]
    page = render_report(replace(report, rows=twelve))
    assert len(page.encode()) < 1_000_000
    assert Page(page).wrong == []


def test_every_template_is_in_the_package_and_in_the_digest_of_the_code(tmp_path):
    root = Path(squadron.__file__).parent
    project = tomllib.loads((root.parents[1] / "pyproject.toml").read_text())
    (patterns,) = project["tool"]["setuptools"]["package-data"].values()
    listed = {path for pattern in patterns for path in root.glob(pattern)}
    files = {path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path for path in files if path.suffix != ".py"} == listed
    shutil.copytree(root, tmp_path / "squadron")
    copy = tmp_path / "squadron"
    for template in sorted((copy / "reports" / "templates").iterdir()):
        before = provenance.package_digest(copy)
        template.write_text(template.read_text() + " ")
        assert provenance.package_digest(copy) != before


# The verdict


def unsure(result):
    """The race with a lead that may be chance."""
    (lead,) = result.comparisons
    return replace(result, comparisons=(replace(lead, significant=False),))


def test_a_certain_winner_is_to_be_promoted(race, report):
    found = judge_race(race[2], report.rows)
    assert (found.tone, found.headline) == ("certain", "Promote good (squadron-tiny version 7).")
    assert found.commands == ["squadron promote 7 --model squadron-tiny --to staging"]
    value, low, high = report.rows[0].select.estimate("exact_match")
    assert f"{value:.2f} (95 % interval {low:.1f}–{high:.1f})" in found.reasons[0]


def test_the_interval_is_that_of_the_em_and_the_rule_of_a_tie_follows(race, report):
    em = f"{report.rows[0].select.exact_match:.2f}"
    tie = f"good shares this EM with poor; it is ahead of poor by F1 ({em})."
    reason, second, *_ = judge_race(replace(race[2], tie=tie), report.rows).reasons
    assert f"on select, {em} (95 % interval " in reason
    assert reason.count("95 %") == 1
    assert second == tie


def test_a_version_that_is_staging_already_is_not_to_be_promoted(race, report):
    staging = change_model(race[2], aliases={"candidate": "7", "staging": "7"})
    found = judge_race(staging, report.rows)
    assert found.headline == "good (squadron-tiny version 7) is staging already."
    assert found.commands == []
    found = judge_race(unsure(staging), report.rows)
    assert found.headline.startswith("good (squadron-tiny version 7) is staging already, but poor")
    found = judge_race(change_model(race[2], aliases={"staging": "6"}), report.rows)
    assert found.headline == "Promote good (squadron-tiny version 7)."


def test_a_version_that_the_race_promoted_says_so(race, report):
    moved = RacePromotion("staging", moved=True, previous="6")
    found = judge_race(
        change_model(race[2], aliases={"staging": "7"}, promotion=moved), report.rows
    )
    assert found.headline == "good (squadron-tiny version 7) is staging now."
    assert "The race promoted it to staging, from version 6." in found.reasons


def test_a_champion_is_shown_with_its_version(race):
    examples, evaluations, result = race
    result = unsure(change_contender(result, 1, registered_as="version 6"))
    found = collect_report(result, evaluations, examples)
    assert "but poor (version 6) may be as good" in found.verdict.headline
    assert "poor (version 6) by " in " ".join(found.verdict.reasons)
    page = Page(render_report(found))
    assert [" ".join(row[0].split()) for row in page.tables[0][1:3]] == ["good", "poor (version 6)"]


def test_a_lead_that_may_be_chance_is_not_called_one(race, report):
    found = judge_race(unsure(race[2]), report.rows)
    assert found.tone == "unsure"
    assert "poor may be as good: the lead is too small to rank" in found.headline
    assert any(reason.startswith("Its lead is too small to rank") for reason in found.reasons)


def test_too_few_paragraphs_are_said_in_the_headline_and_draw_no_lead(race, report):
    (lead,) = race[2].comparisons
    lead = replace(lead, significant=False, low=None, high=None, p=1.0)
    few = replace(race[2], comparisons=(lead,))
    found = judge_race(few, report.rows)
    assert found.tone == "unsure"
    assert "poor may be as good: select has too few paragraphs to rank" in found.headline
    rows = [replace(row, lead=row.lead and lead) for row in report.rows]
    changed = replace(report, rows=rows, result=few)
    assert "lead" not in draw_plots(changed)
    assert "lead" in draw_plots(report)
    page = Page(render_report(changed))
    assert (page.wrong, page.open) == ([], [])
    cells = {" ".join(cell.split()) for row in page.tables[0] for cell in row}
    assert f"{lead.difference:.2f}" in cells


def test_a_demo_is_not_to_be_promoted(race, report):
    demo = replace(change_model(race[2], validation_status="demo"), gate="it is too weak")
    found = judge_race(demo, report.rows)
    assert (found.tone, found.commands) == ("none", [])
    assert "don't promote a demo" in found.headline
    assert any("it would be refused: it is too weak" in reason for reason in found.reasons)


def test_the_gates_of_the_winner_are_a_table_of_the_race_and_a_reason_of_the_verdict(
    race, report, text
):
    assert "Gates of the winner" not in text
    gates = (
        GateVerdict("size", True, "its folder has 2.50 MB; 3 is the most", 2.5, 3.0),
        GateVerdict("licence", False, "the licence of its data (<b>) is not accepted"),
    )
    result = replace(race[2], gates=gates)
    verdict = judge_race(result, report.rows)
    assert "Gates: 1 passed, 1 failed." in verdict.reasons
    changed = replace(report, result=result, verdict=verdict)
    page = Page(render_report(changed))
    assert (page.wrong, page.open) == ([], [])
    (table,) = [each for each in page.tables if each[0][0].strip() == "gate"]
    assert [[cell.strip() for cell in row] for row in table[1:]] == [
        ["size", "✓ passed", "its folder has 2.50 MB; 3 is the most"],
        ["licence", "✕ failed", "the licence of its data (<b>) is not accepted"],
    ]
    assert "- Gates: 1 passed, 1 failed.\n" in notes.describe_race(changed, {})


def test_a_refusal_and_a_race_without_a_model_say_so(race, report):
    refused = "good is not registered: it is too weak"
    found = judge_race(replace(race[2], model=None, gate="", refused=refused), report.rows)
    assert (found.tone, found.commands) == ("none", [])
    assert found.headline.startswith("Promote nothing")
    assert refused in found.reasons
    found = judge_race(make_race(refused="every contender was disqualified"), [])
    assert found.headline == "There is no model to promote: every contender was disqualified."


def test_a_test_set_that_was_trained_on_is_said_first_and_shows_nothing(race, report):
    shared = Shared(unit="paragraph", units=9, shared=9, titles=2, all_titles=2)
    result = change_contender(race[2], 0, shared_with_train={"test": shared})
    rows = []
    for row in report.rows:
        splits = {name: each for name, each in row.result.splits.items() if name != "test"}
        rows.append(replace(row, result=replace(row.result, splits=splits)))
    found = judge_race(result, rows)
    assert found.warnings == [
        "test was trained on: 9 of its 9 paragraphs (100.0 %) and 2 of its 2 titles are also in "
        "train. It is not judged and has no figures."
    ]
    shown = render_report(replace(report, rows=rows, verdict=found, result=result))
    assert shown.index("Warning: test was trained on") < shown.index(found.headline)
    assert "test not judged" in shown
    assert "EM on test" not in shown
    note = notes.describe_race(replace(report, rows=rows, verdict=found), {})
    assert note.startswith("Warning: test was trained on")


def test_a_champion_that_wins_is_kept(race, report):
    found = judge_race(change_model(race[2], kept=True), report.rows)
    assert (found.headline, found.commands) == ("Keep the champion, squadron-tiny version 7.", [])


def test_another_order_on_test_is_told(race, report):
    first, poor, last = report.rows
    splits = {**poor.result.splits, "test": replace(poor.test, exact_match=99.0)}
    poor = replace(poor, result=replace(poor.result, splits=splits))
    found = judge_race(race[2], [first, poor, last])
    assert any(
        "On test, which decides nothing, poor is ahead: its EM is 99.00" in r for r in found.reasons
    )


def test_a_race_of_nobody_is_a_page_too(race):
    examples, evaluations, result = race
    out = [each for each in result.contenders if each.disqualified]
    found = collect_report(make_race(*out, refused="all disqualified"), evaluations[2:], examples)
    page = Page(render_report(found))
    assert (page.wrong, page.open) == ([], [])
    assert "There is no model to promote: all disqualified." in page.words
    assert draw_plots(found) == {}


def test_a_race_on_data_without_unanswerable_questions_is_a_page_too(tmp_path):
    write_corpus(tmp_path / "corpus.json", 12, has_unanswerable=False)
    data = Data(train=(str(tmp_path / "corpus.json"),), splits=Splits(2, 6, 2))
    steps.ingest(data=to_json(data), examples=tmp_path / "examples")
    folder = evaluate(tmp_path, "good", good)
    result = read_result(folder)
    race = make_race(
        standings.describe_standing(result),
        winner="good",
        why=standings.explain(result),
        gate="passed",
        model=make_version(name="m", version="1"),
    )
    found = collect_report(race, [folder], tmp_path / "examples")
    page = Page(render_report(found))
    assert (page.wrong, page.open) == ([], [])
    assert found.verdict.headline == "Promote good (m version 1)."
    assert not {"threshold", "lead"} & set(draw_plots(found))
    assert "every question of tune has an answer" in page.words
    assert f"{result.select.exact_match:.2f}" in page.words


def test_the_step_writes_and_publishes_the_page_and_needs_no_mlflow(race, report, tmp_path):
    examples, evaluations, result = race
    write_record(tmp_path / "race_result", result)
    experiment = {"labels": ["good", "poor", "broken"], "experiment": {}}
    given = {
        "experiment": json.dumps(experiment),
        "results": str(tmp_path / "results"),
        "examples": examples,
        "evaluations": evaluations,
        "race_result": tmp_path / "race_result",
        "page": tmp_path / "page",
    }
    steps.report(**given)
    first = (tmp_path / "page").read_text()
    steps.report(**given)  # a second try leaves one result
    published = tmp_path / "results" / result.race / "report" / "report.html"
    assert published.read_text() == (tmp_path / "page").read_text() == first
    assert "Promote good (squadron-tiny version 7)." in first
    # In any order of the evaluations: kfp promises none.
    steps.report(**given | {"evaluations": evaluations[::-1], "page": tmp_path / "other"})
    assert (tmp_path / "other").read_text() == first


def test_the_step_describes_the_race_and_its_contenders_in_mlflow(race, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    from squadron import tracking
    from squadron.reports import plots

    uri = make_store(tmp_path)
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    examples, evaluations, result = race
    write_record(tmp_path / "race_result", result)
    labels = ["good", "poor", "broken"]
    known = tracking.Race("tiny", "0123")
    tracking.open_race(known, labels, {}, "4f2a9c1")
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(known))
    steps.report(
        experiment=json.dumps({"labels": labels, "experiment": {}}),
        examples=examples,
        evaluations=evaluations,
        race_result=tmp_path / "race_result",
        page=tmp_path / "page",
    )
    client = MlflowClient(uri)
    parent = client.get_run(tracking.find_parent(known)).data.tags
    assert parent[tracking.NOTE_TAG].startswith("Promote good (squadron-tiny version 7).")
    children = {each: client.get_run(tracking.find_child(known, each)).data.tags for each in labels}
    for label, tags in children.items():
        assert (
            f"[{label}]({tracking.run_page(tracking.find_child(known, label))})"
            in parent[tracking.NOTE_TAG]
        )
        assert len(tags[tracking.NOTE_TAG]) < 5000
    assert children["good"][tracking.STANDING_TAG] == "winner"
    assert children["good"][tracking.COLOUR_TAG] == plots.colour(0)
    assert children["broken"][tracking.STANDING_TAG] == "disqualified"
    assert children["broken"][tracking.NOTE_TAG].startswith("Disqualified: ")
