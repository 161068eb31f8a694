import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.__main__ import main
from squadron.errors import InputError
from squadron.scores.squad_metric import load_metric
from tests.effort import draws
from tests.reference_squad import plain_evaluation, plain_evaluation_with_null_odds

ROOT = Path(__file__).resolve().parents[3]
CORPUS = ROOT / "examples" / "corpus.json"
SOME = {"text": ["the red bridge", "a bridge"], "answer_start": [0, 3]}
NONE = {"text": [], "answer_start": []}


@pytest.fixture(autouse=True, scope="module")
def nothing_is_kept_at_home(tmp_path_factory):
    import evaluate

    with pytest.MonkeyPatch.context() as patch:
        cache = str(tmp_path_factory.mktemp("metrics"))
        patch.setattr(evaluate.config, "HF_METRICS_CACHE", cache)
        yield


def flatten(dataset):
    return [
        question
        for article in dataset["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def as_references(dataset):
    return [
        {
            "id": question["id"],
            "answers": {
                "text": [answer["text"] for answer in question["answers"]],
                "answer_start": [answer.get("answer_start", 0) for answer in question["answers"]],
            },
        }
        for question in flatten(dataset)
    ]


@pytest.mark.parametrize("rule", ["v2", "v1.1"])
def test_the_example_corpus_gets_the_figures_of_squadron_score(rule, tmp_path, capsys):
    dataset = json.loads(CORPUS.read_text())
    for paragraph in (p for article in dataset["data"] for p in article["paragraphs"]):
        if rule == "v1.1":
            paragraph["qas"] = [q for q in paragraph["qas"] if q["answers"]]
            for question in paragraph["qas"]:
                question.pop("is_impossible", None)
    questions = flatten(dataset)
    # Right, half right, abstaining, wrong and so on in turns.
    texts = {
        q["id"]: ([a["text"].upper() for a in q["answers"]] + ["no", "", "the end"])[n % 3]
        for n, q in enumerate(questions)
    }
    odds = {q["id"]: (n * 7 % 10) / 8 for n, q in enumerate(questions)}
    files = [tmp_path / f"{name}.json" for name in ("data", "predictions", "odds")]
    for file, content in zip(files, (dataset, texts, odds), strict=True):
        file.write_text(json.dumps(content))
    assert main(["score", str(files[0]), str(files[1]), "--null-odds", str(files[2])]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert expected["total"] > 100

    metric = load_metric(rule, with_probabilities=True)
    rows = [
        {"id": i, "prediction_text": text, "no_answer_probability": odds[i]}
        for i, text in texts.items()
    ]
    references = as_references(dataset)
    assert metric.compute(predictions=rows, references=references) == expected
    # And batch by batch, and again with the same object.
    for start in range(0, len(rows), 40):
        some = slice(start, start + 40)
        metric.add_batch(predictions=rows[some], references=references[some])
    assert metric.compute() == expected


TEXTS = st.sampled_from(
    ["", "the", "The Bridge!", "bridge  red", "z\u00fcrich\u2019s", "\u0130 x", "\u6a4b \u3002"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=draws(60), deadline=None)
@given(
    st.lists(st.tuples(st.lists(TEXTS, max_size=3), st.none() | TEXTS), min_size=1, max_size=12),
    st.sampled_from(["v2", "v1.1"]),
)
def test_any_predictions_get_the_official_figures(cases, rule):
    qas = []
    for n, (golds, _) in enumerate(cases):
        golds = golds if rule == "v2" else [*golds, "x"]
        question = {"id": str(n), "answers": [{"text": gold} for gold in golds]}
        qas.append(question | ({"is_impossible": not golds} if rule == "v2" else {}))
    dataset = {"data": [{"paragraphs": [{"qas": qas}]}]}
    rows = [{"id": str(n), "prediction_text": text} for n, (_, text) in enumerate(cases)]
    found = load_metric(rule).compute(predictions=rows, references=as_references(dataset))
    texts = {row["id"]: row["prediction_text"] for row in rows}
    assert found == plain_evaluation(dataset, {i: t for i, t in texts.items() if t is not None})


@settings(max_examples=draws(60), deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(TEXTS, max_size=3), TEXTS, st.sampled_from([0, 1]) | st.floats(-2, 2)),
        min_size=1,
        max_size=12,
    ),
    st.permutations(range(12)),
    st.sampled_from([1.0, 0.1]),
)
def test_any_probabilities_get_the_official_thresholds(cases, order, threshold):
    qas = [
        {"id": str(n), "answers": [{"text": gold} for gold in golds], "is_impossible": not golds}
        for n, (golds, _, _) in enumerate(cases)
    ]
    dataset = {"data": [{"paragraphs": [{"qas": qas}]}]}
    rows = [
        {"id": str(n), "prediction_text": cases[n][1], "no_answer_probability": cases[n][2]}
        for n in order
        if n < len(cases)
    ]
    found = load_metric("v2", with_probabilities=True).compute(
        predictions=rows, references=as_references(dataset), no_answer_threshold=threshold
    )
    texts = {row["id"]: row["prediction_text"] for row in rows}
    odds = {row["id"]: row["no_answer_probability"] for row in rows}
    assert found == plain_evaluation_with_null_odds(dataset, texts, odds, threshold)


def test_one_at_a_time_gives_the_same():
    metric = load_metric()
    metric.add(
        prediction={"id": "1", "prediction_text": "bridge"}, reference={"id": "1", "answers": SOME}
    )
    metric.add(
        prediction={"id": "2", "prediction_text": ""}, reference={"id": "2", "answers": NONE}
    )
    found = metric.compute()
    assert (found["exact"], found["NoAns_total"]) == (100.0, 1)


@pytest.mark.parametrize(
    ("rule", "rows", "answers", "message"),
    [
        ("v1.1", [{"id": "1", "prediction_text": "x"}], NONE, 'use load_metric\\("v2"\\)'),
        ("v2", [{"id": "1", "prediction_text": "x"}] * 2, SOME, "'1' is there twice"),
    ],
)
def test_what_cannot_be_scored_is_refused(rule, rows, answers, message):
    references = [{"id": str(n + 1), "answers": answers} for n in range(len(rows))]
    with pytest.raises(InputError, match=message):
        load_metric(rule).compute(predictions=rows, references=references)


def test_a_probability_that_is_no_number_is_refused():
    rows = [{"id": "1", "prediction_text": "x", "no_answer_probability": None}]
    with pytest.raises(InputError, match="no-answer probabilities: the null odds of question '1'"):
        load_metric(with_probabilities=True).compute(
            predictions=rows, references=[{"id": "1", "answers": SOME}]
        )


def test_an_unknown_rule_is_refused():
    with pytest.raises(InputError, match=r"'v3'; it must be one of 'v2', 'v1\.1'"):
        load_metric("v3")


@pytest.mark.slow  # the library takes seconds to import
def test_nothing_is_fetched_and_the_library_comes_only_with_a_metric(tmp_path):
    code = (
        "import socket, sys\n"
        "def refuse(*arguments): raise AssertionError('a connection')\n"
        "socket.socket.connect = refuse\n"
        "from squadron.scores.squad_metric import load_metric\n"
        "assert 'evaluate' not in sys.modules and 'datasets' not in sys.modules\n"
        "row, answers = {'id': '1', 'prediction_text': 'x'}, {'text': ['x'], 'answer_start': [0]}\n"
        "references = [{'id': '1', 'answers': answers}]\n"
        "found = load_metric().compute(predictions=[row], references=references)\n"
        "assert found['exact'] == 100.0\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**environment, "HF_HOME": str(tmp_path)}
    )
