import copy
import json
import logging
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.errors import InputError
from squadron.scores.scoring import score_files, score_parsed
from tests.effort import draws
from tests.reference_squad import plain_evaluation, plain_evaluation_with_null_odds

V2 = {
    "version": "v2.0",
    "data": [
        {
            "title": "Normans",
            "paragraphs": [
                {
                    "context": "In the 10th century, Normans settled in France.",
                    "qas": [
                        {
                            "id": "when",
                            "question": "When?",
                            "answers": [
                                {"text": "10th century", "answer_start": 7},
                                {"text": "In the 10th century", "answer_start": 0},
                            ],
                            "is_impossible": False,
                        },
                        {"id": "why", "question": "Why?", "answers": [], "is_impossible": True},
                    ],
                },
                {
                    "context": "The band played.",
                    "qas": [
                        {
                            "id": "who",
                            "question": "Who?",
                            "answers": [{"text": "The band", "answer_start": 0}],
                            "is_impossible": False,
                        },
                        {"id": "where", "question": "?", "answers": [], "is_impossible": True},
                    ],
                },
            ],
        }
    ],
}
PREDICTIONS = {"when": "early 10th century", "why": "", "who": "Band.", "where": "France"}


def v11(dataset=V2):
    """The answerable half of a v2.0 data set in v1.1 layout."""
    dataset = copy.deepcopy(dataset)
    dataset["version"] = "1.1"
    for article in dataset["data"]:
        for paragraph in article["paragraphs"]:
            paragraph["qas"] = [question for question in paragraph["qas"] if question["answers"]]
            for question in paragraph["qas"]:
                del question["is_impossible"]
    return dataset


def changed(*path, to):
    """V2 with the field at the path set to another value; `del` takes the field away."""
    dataset = copy.deepcopy(V2)
    record = dataset
    for step in path[:-1]:
        record = record[step]
    if to is del_field:
        del record[path[-1]]
    else:
        record[path[-1]] = to
    return dataset


del_field = object()
QAS = ("data", 0, "paragraphs", 0, "qas")


@pytest.fixture
def write(tmp_path):
    def write_file(name, content):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    return write_file


def test_a_v2_file_gives_the_official_result_computed_by_hand(write):
    result, missing = score_files(write("dev.json", V2), write("predictions.json", PREDICTIONS))
    # when: {early, 10th, century} against {10th, century}: 2 * 2/3 * 1 / (5/3) = 0.8, and against
    # {in, 10th, century} 2/3. why and who: right. where: wrong.
    assert list(result) == [
        *("exact", "f1", "total"),
        *("HasAns_exact", "HasAns_f1", "HasAns_total"),
        *("NoAns_exact", "NoAns_f1", "NoAns_total"),
    ]
    assert result == pytest.approx(
        {
            "exact": 50.0,
            "f1": 70.0,
            "total": 4,
            "HasAns_exact": 50.0,
            "HasAns_f1": 90.0,
            "HasAns_total": 2,
            "NoAns_exact": 50.0,
            "NoAns_f1": 50.0,
            "NoAns_total": 2,
        }
    )
    assert missing == 0


def test_a_v11_file_gives_the_v11_figures_and_no_noans_block(write):
    predictions = {"when": "early 10th century", "who": "Band."}
    result, _ = score_files(write("dev.json", v11()), write("predictions.json", predictions))
    assert result == pytest.approx(
        {
            "exact": 50.0,
            "f1": 90.0,
            "total": 2,
            "HasAns_exact": 50.0,
            "HasAns_f1": 90.0,
            "HasAns_total": 2,
        }
    )


@pytest.mark.parametrize("paragraph_with_key", [0, 1])
def test_one_key_is_impossible_anywhere_makes_the_file_v2(paragraph_with_key):
    dataset = v11()
    paragraphs = dataset["data"][0]["paragraphs"]
    paragraphs[1]["qas"][0]["answers"] = [{"text": "the"}]
    predictions = {"when": "10th century", "who": "a"}
    # Both sides empty: F1 is 0 in v1.1 and 1 in v2.0; exact match is 1 in both.
    result = score_parsed(dataset, predictions).summary
    assert (result["exact"], result["f1"]) == (100.0, 50.0)
    paragraphs[paragraph_with_key]["qas"][0]["is_impossible"] = False
    result = score_parsed(dataset, predictions).summary
    assert (result["exact"], result["f1"]) == (100.0, 100.0)


def test_answers_and_not_is_impossible_decide_about_hasans():
    dataset = changed(*QAS, 0, "is_impossible", to=True)
    result = score_parsed(dataset, PREDICTIONS).summary
    assert result == score_parsed(V2, PREDICTIONS).summary
    assert result["HasAns_total"] == 2


def test_a_question_whose_answers_normalise_to_nothing_is_still_hasans():
    dataset = changed(*QAS, 0, "answers", to=[{"text": "the"}])
    result = score_parsed(dataset, PREDICTIONS | {"when": ""}).summary
    assert (result["HasAns_exact"], result["HasAns_total"]) == (100.0, 2)


@pytest.mark.parametrize("dataset", [V2, v11()], ids=["v2.0", "v1.1"])
def test_missing_predictions_count_as_wrong_and_are_reported(dataset, write, caplog):
    data = write("dev.json", dataset)
    predictions = write("predictions.json", {"who": "band", "else": "x"})
    with caplog.at_level(logging.WARNING):
        result, missing = score_files(data, predictions)
    total = result["total"]
    assert missing == total - 1
    assert result["exact"] == result["f1"] == 100.0 / total
    # "why" has no gold answer: the empty prediction would be right there, the missing one isn't.
    assert result.get("NoAns_exact", 0.0) == 0.0
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 2
    assert warnings[0].startswith(
        f"{total - 1} of {total} questions of {data} have no prediction in {predictions} and count "
        "as wrong: 'when'"
    )
    assert warnings[1] == (
        f"1 of 2 predictions of {predictions} belong to no question of {data} and are ignored: "
        "'else'"
    )


def test_complete_predictions_cause_no_warning(write, caplog):
    score_files(write("dev.json", V2), write("predictions.json", PREDICTIONS))
    assert not caplog.records


def test_a_warning_names_the_first_three_ids_in_the_order_of_the_file(caplog):
    score = score_parsed(V2, {f"extra {n}": "x" for n in range(5)})
    assert (score.missing, score.superfluous) == (4, 5)
    assert score.summary["exact"] == score.summary["f1"] == 0.0
    assert caplog.messages[0].endswith(": 'when', 'why', 'who', ...")
    assert caplog.messages[1].endswith(": 'extra 0', 'extra 1', 'extra 2', ...")


TEXTS = st.one_of(
    st.sampled_from(["", "the", "x", "x y", "The X!", "y\u00a0x", "z z", "a\u0301", "İ x"]),
    # Articles and what they touch, punctuation that ASCII has and that it has not, blanks.
    st.lists(
        st.sampled_from(
            [*"aAxy -_.'$", "an", "The", "’", "“", "–", "…", "«", "。", "\u200b", "\u3000", "\n"]
        ),
        max_size=6,
    ).map("".join),
    st.text(st.characters(categories=["P", "S", "Z", "M"]), max_size=4),
)


@settings(max_examples=draws(300), deadline=None)
@given(
    st.lists(st.tuples(st.lists(TEXTS, max_size=3), st.none() | TEXTS), min_size=1, max_size=30),
    st.integers(1, 5),
    st.booleans(),
)
def test_whole_files_equal_the_reference_to_the_last_digit(cases, per_paragraph, is_v2):
    questions = []
    for n, (golds, _) in enumerate(cases):
        golds = golds if is_v2 else [*golds, "x"]
        question = {"id": str(n), "answers": [{"text": gold} for gold in golds]}
        questions.append(question | ({"is_impossible": not golds} if is_v2 else {}))
    paragraphs = [
        {"qas": questions[start : start + per_paragraph]}
        for start in range(0, len(questions), per_paragraph)
    ]
    dataset = {"data": [{"paragraphs": [paragraph]} for paragraph in paragraphs]}
    predictions = {str(n): text for n, (_, text) in enumerate(cases) if text is not None}
    score = score_parsed(dataset, predictions)
    assert list(score.summary.items()) == list(plain_evaluation(dataset, predictions).items())
    assert score.missing == len(cases) - len(predictions)


ODDS = {"when": 0.1, "who": 0.2, "where": 0.3, "why": 0.4}


def test_null_odds_give_the_best_thresholds_computed_by_hand(write):
    files = write("dev.json", V2), write("predictions.json", PREDICTIONS)
    plain, _ = score_files(*files)
    result, _ = score_files(*files, write("odds.json", ODDS))
    # Abstaining everywhere is right twice. when adds nothing to EM and 0.8 to F1, who adds 1, where
    # costs 1, why is "" anyhow.
    assert list(result)[9:] == ["best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"]
    best = {"best_exact": 75.0, "best_exact_thresh": 0.2, "best_f1": 95.0, "best_f1_thresh": 0.2}
    assert result == pytest.approx(plain | best)


def test_answers_with_null_odds_above_one_are_taken_back(write):
    odds = {"when": 0.0, "who": 1.5, "where": 7, "why": 1.0}
    score = score_parsed(V2, PREDICTIONS, odds)
    assert score.summary["HasAns_f1"] == pytest.approx(40.0)  # who's right answer is gone
    assert score.summary["NoAns_exact"] == 100.0  # so is where's wrong one
    kept = score_parsed(V2, PREDICTIONS, odds, threshold=7).summary
    assert kept["exact"] == score_parsed(V2, PREDICTIONS).summary["exact"]


def test_equal_null_odds_are_taken_in_the_order_of_their_file():
    first = score_parsed(V2, PREDICTIONS, {"who": 5, "where": 5, "when": 6, "why": 6}).summary
    last = score_parsed(V2, PREDICTIONS, {"where": 5, "who": 5, "when": 6, "why": 6}).summary
    # No threshold keeps who and drops where, but the official search counts it so.
    assert (first["best_exact"], first["best_exact_thresh"]) == (75.0, 5)
    assert (last["best_exact"], last["best_exact_thresh"]) == (50.0, 0.0)


def test_a_missing_prediction_stays_wrong_at_any_threshold():
    predictions = {"who": "band", "where": "France"}
    result = score_parsed(V2, predictions, {"when": 2, "who": 0, "where": 9, "why": 9}).summary
    assert result["exact"] == 50.0  # who, and where, which is taken back
    assert (result["best_exact"], result["best_exact_thresh"]) == (50.0, 0)


@settings(max_examples=draws(300), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(TEXTS, max_size=3),
            TEXTS,
            st.sampled_from([0, 0.5, 1, 1.0, 2]) | st.floats(-5, 5),
        ),
        min_size=1,
        max_size=30,
    ),
    st.randoms(use_true_random=False),
    st.sampled_from([1.0, 0.5, -1]),
)
def test_best_thresholds_equal_the_reference_to_the_last_digit(cases, shuffler, threshold):
    qas = [
        {"id": str(n), "answers": [{"text": gold} for gold in golds], "is_impossible": not golds}
        for n, (golds, _, _) in enumerate(cases)
    ]
    dataset = {"data": [{"paragraphs": [{"qas": qas}]}]}
    predictions = {str(n): text for n, (_, text, _) in enumerate(cases)}
    pairs = [(str(n), odds) for n, (_, _, odds) in enumerate(cases)] + [("unknown", 0.3)]
    shuffler.shuffle(pairs)
    odds = dict(pairs)
    found = score_parsed(dataset, predictions, odds, threshold=threshold).summary
    expected = plain_evaluation_with_null_odds(dataset, predictions, odds, threshold)
    assert list(found.items()) == list(expected.items())


@pytest.mark.parametrize(
    ("odds", "message"),
    [
        ([], "holds a list; it must be one JSON object that maps question ids to numbers."),
        (
            ODDS | {"why": "0.4"},
            "the null odds of question 'why' are a string, '0.4'; they must be",
        ),
        (ODDS | {"why": True}, "the null odds of question 'why' are a boolean, True; they must"),
        (ODDS | {"why": None}, "the null odds of question 'why' are null; they must be a finite"),
        (ODDS | {"why": float("nan")}, "the null odds of question 'why' are a number, nan; they"),
        (ODDS | {"why": float("inf")}, "the null odds of question 'why' are a number, inf; they"),
        (ODDS | {"why": 10**400}, "the null odds of question 'why' are a number, 1000"),
        (
            {"who": 1, "other": 2},
            "3 of 4 questions have no null odds: 'when', 'why', 'where'; give a number for every "
            "question.",
        ),
    ],
)
def test_null_odds_that_are_none_are_refused(odds, message, write):
    path = write("odds.json", odds)
    with pytest.raises(InputError) as caught:
        score_files(write("dev.json", V2), write("predictions.json", PREDICTIONS), path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


LAYOUT = "give a file in SQuAD v1.1 or v2.0 layout."


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ([], f"the top level is a list; it must be an object with the field 'data', {LAYOUT}"),
        (None, f"the top level is null; it must be an object with the field 'data', {LAYOUT}"),
        ({}, f"data is missing; it must be a list, {LAYOUT}"),
        ({"data": {}}, f"data is an object; it must be a list, {LAYOUT}"),
        ({"data": ["x"]}, "data[0] is a string, 'x'; it must be an object with the field"),
        (
            changed("data", 0, "paragraphs", to=del_field),
            f"data[0].paragraphs is missing; it must be a list, {LAYOUT}",
        ),
        (
            changed("data", 0, "paragraphs", 1, "qas", to=3),
            f"data[0].paragraphs[1].qas is a number, 3; it must be a list, {LAYOUT}",
        ),
        (
            changed(*QAS, 1, to=None),
            "data[0].paragraphs[0].qas[1] is null; it must be an object with the field 'answers'",
        ),
        (
            changed(*QAS, 1, "answers", to={"text": ["x"]}),
            f"data[0].paragraphs[0].qas[1].answers is an object; it must be a list, {LAYOUT}",
        ),
        (
            changed(*QAS, 0, "id", to=7),
            f"data[0].paragraphs[0].qas[0].id is a number, 7; it must be a string, {LAYOUT}",
        ),
        (
            changed(*QAS, 0, "id", to=del_field),
            f"data[0].paragraphs[0].qas[0].id is missing; it must be a string, {LAYOUT}",
        ),
        (
            changed(*QAS, 0, "answers", 1, "text", to=None),
            "data[0].paragraphs[0].qas[0].answers[1].text is null; it must be a string",
        ),
        (
            changed(*QAS, 0, "answers", 1, "text", to=True),
            "data[0].paragraphs[0].qas[0].answers[1].text is a boolean, True; it must be a string",
        ),
        (
            changed(*QAS, 0, "answers", 0, to="10th century"),
            "data[0].paragraphs[0].qas[0].answers[0] is a string, '10th century'; it must be an "
            "object with the field 'text'",
        ),
        (
            changed(*QAS, 1, "id", to="when"),
            "data[0].paragraphs[0].qas[1].id is 'when', which an earlier question has already; "
            "give every question its own id.",
        ),
    ],
)
def test_a_wrong_data_layout_is_named_by_file_record_and_field(dataset, message, write):
    data = write("dev.json", dataset)
    with pytest.raises(InputError) as caught:
        score_files(data, write("predictions.json", PREDICTIONS))
    assert str(caught.value).startswith(f"{data}: {message}")


@pytest.mark.parametrize(
    "dataset",
    [{"data": []}, {"data": [{"paragraphs": []}]}, {"data": [{"paragraphs": [{"qas": []}]}]}],
)
def test_data_without_questions_is_refused(dataset, write):
    data = write("dev.json", dataset)
    with pytest.raises(InputError) as caught:
        score_files(data, write("predictions.json", {}))
    assert str(caught.value) == (
        f"{data} has no questions; give a SQuAD file with at least one question."
    )


def test_a_v11_question_without_answers_is_refused_with_the_way_to_v2(write):
    dataset = v11()
    dataset["data"][0]["paragraphs"][1]["qas"][0]["answers"] = []
    data = write("dev.json", dataset)
    with pytest.raises(InputError) as caught:
        score_files(data, write("predictions.json", PREDICTIONS))
    assert str(caught.value).startswith(
        f"{data}: data[0].paragraphs[1].qas[0].answers is empty (question 'who'), but no question "
        "has the key is_impossible, so the file is SQuAD v1.1"
    )


@pytest.mark.parametrize(
    ("predictions", "found"),
    [
        ([], "a list"),
        (None, "null"),
        ("x", "a string, 'x'"),
        (2.5, "a number, 2.5"),
        ("x" * 99, f"a string, '{'x' * 36}..."),
    ],
)
def test_predictions_that_are_no_object_are_refused(predictions, found, write):
    path = write("predictions.json", predictions)
    with pytest.raises(InputError) as caught:
        score_files(write("dev.json", V2), path)
    assert str(caught.value) == (
        f"{path} holds {found}; it must be one JSON object that maps question ids to answer texts."
    )


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (None, "null"),
        (1, "a number, 1"),
        (0.5, "a number, 0.5"),
        (False, "a boolean, False"),
        (["x"], "a list"),
        ({"text": "x"}, "an object"),
    ],
)
@pytest.mark.parametrize("question_id", ["who", "not in the data"])
def test_a_prediction_that_is_no_string_is_refused(answer, found, question_id, write):
    path = write("predictions.json", PREDICTIONS | {question_id: answer})
    with pytest.raises(InputError) as caught:
        score_files(write("dev.json", V2), path)
    assert str(caught.value) == (
        f"{path}: the prediction for question {question_id!r} is {found}; it must be a string, "
        '"" for "no answer".'
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "isn't JSON (Expecting value, line 1, column 1); give one JSON document in UTF-8."),
        (b'{"data": [}', "isn't JSON (Expecting value, line 1, column 11); give one"),
        (b'{"x": "\xff"}', "isn't readable JSON ('utf-8' codec can't decode byte 0xff"),
        (b"[" * 200_000, "isn't readable JSON (maximum recursion depth exceeded"),
        (b"[" + b"1" * 5000 + b"]", "isn't readable JSON (Exceeds the limit (4300 digits)"),
    ],
    ids=["empty", "broken", "not UTF-8", "too deep", "huge number"],
)
def test_a_file_that_is_no_json_is_refused(content, message, write, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_bytes(content)
    with pytest.raises(InputError) as caught:
        score_files(broken, write("predictions.json", PREDICTIONS))
    assert str(caught.value).startswith(f"The data file {broken} {message}")
    with pytest.raises(InputError) as caught:
        score_files(write("dev.json", V2), broken)
    assert str(caught.value).startswith(f"The predictions file {broken} {message}")


def test_a_file_that_cannot_be_read_is_refused(write, tmp_path):
    data = write("dev.json", V2)
    absent = tmp_path / "absent.json"
    with pytest.raises(InputError) as caught:
        score_files(data, absent)
    assert str(caught.value) == (
        f"The predictions file {absent} doesn't exist; give the path of a JSON file."
    )
    with pytest.raises(InputError) as caught:
        score_files(tmp_path, absent)
    assert str(caught.value) == (
        f"The data file {tmp_path} can't be read (Is a directory); give a readable JSON file."
    )


def test_a_byte_order_mark_is_no_obstacle(write, tmp_path):
    data = tmp_path / "dev.json"
    data.write_text(json.dumps(V2), encoding="utf-8-sig")
    result, _ = score_files(data, write("predictions.json", PREDICTIONS))
    assert result["total"] == 4


@pytest.fixture(scope="module")
def squad_data():
    folder = os.environ.get("SQUADRON_DATA")
    if not folder:
        pytest.skip("SQUADRON_DATA is unset: the folder with squad/ and predictions/")
    return Path(folder)


def test_published_bert_predictions_get_the_official_figures(squad_data):
    result, missing = score_files(
        squad_data / "squad" / "dev-v2.0.json",
        squad_data / "predictions" / "dev-v2.0-bert-single.json",
    )
    assert list(result.items()) == [
        ("exact", 78.74168280973637),
        ("f1", 81.77528052374723),
        ("total", 11873),
        ("HasAns_exact", 74.10593792172739),
        ("HasAns_f1", 80.18183293833508),
        ("HasAns_total", 5928),
        ("NoAns_exact", 83.36417157275021),
        ("NoAns_f1", 83.36417157275021),
        ("NoAns_total", 5945),
    ]
    assert missing == 0


def test_published_predictions_on_the_whole_v11_dev_set_equal_the_reference(squad_data):
    dataset = json.loads((squad_data / "squad" / "dev-v1.1.json").read_bytes())
    predictions = json.loads(
        (squad_data / "predictions" / "dev-v2.0-bert-single.json").read_bytes()
    )
    score = score_parsed(dataset, predictions)
    assert score.summary == plain_evaluation(dataset, predictions)
    assert (score.summary["total"], score.missing, score.superfluous) == (10570, 4642, 5945)


def test_published_predictions_with_null_odds_equal_the_reference(squad_data):
    dataset = json.loads((squad_data / "squad" / "dev-v2.0.json").read_bytes())
    predictions = json.loads(
        (squad_data / "predictions" / "dev-v2.0-bert-single.json").read_bytes()
    )
    draw = random.Random(13)
    # The published "" are the least sure; odds in steps, so that ties are common.
    odds = {i: round(1.2 * draw.random() + (not text) / 2, 2) for i, text in predictions.items()}
    found = score_parsed(dataset, predictions, odds).summary
    assert found == plain_evaluation_with_null_odds(dataset, predictions, odds)
    assert found["NoAns_exact"] > 83.36417157275021  # some wrong answers are taken back
    # Where the file's own "" come last, the figures at the threshold are the published ones.
    published = {i: float(not text) for i, text in predictions.items()}
    found = score_parsed(dataset, predictions, published).summary
    assert (found["exact"], found["f1"]) == (78.74168280973637, 81.77528052374723)
    assert found["best_exact"] >= found["exact"]
