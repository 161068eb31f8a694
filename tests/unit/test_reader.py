import dataclasses
import json
import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from squadron import steps
from squadron.answers import ranking
from squadron.answers.answering import Answering
from squadron.answers.calibration import Calibration
from squadron.answers.options import AnswerOptions
from squadron.artifacts import ANSWERING, read_record, write_json, write_record, write_table
from squadron.config import (
    ANSWER_RULES,
    Contender,
    Evaluate,
    Predict,
    Train,
    Windows,
    to_json,
)
from squadron.data.question_types import TYPES
from squadron.models import backbones, variants
from squadron.models.batches import WindowSet
from squadron.models.model_folder import write_answering, write_model
from squadron.models.prediction import predict_candidates
from squadron.models.training import train_model
from squadron.models.variants import reasoning, span
from squadron.reader import Kind, Reader, Reading, as_dicts, find_kind
from squadron.scores.contender_result import ContenderResult
from squadron.steps._status import Status
from tests import tiny_models

EXPLAINED = AnswerOptions(explain=True)
QUESTIONS = [*tiny_models.EIGHT_QUESTIONS, *tiny_models.UNANSWERED]
LONG = " ".join([tiny_models.TRAM, tiny_models.RIVER, tiny_models.BRIDGE, tiny_models.LIBRARY])
NO_ANSWER = Reading("", -1, -1, -math.inf, False)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model trained on the ten questions, its tokenizer, contender and null threshold."""
    folder = tmp_path_factory.mktemp("tiny")
    backbone = tiny_models.write_backbone(folder / "backbone")
    contender = Contender(
        "span",
        backbone=backbone,
        windows=Windows(max_length=64, stride=16, max_question_length=16),
        # The scores of different batches are compared, which needs single precision.
        predict=Predict(n_best=5, max_answer_tokens=8, batch_size=3, precision="fp32"),
    )
    examples = tiny_models.make_examples(QUESTIONS)
    windows, layout = tiny_models.cut_windows(backbone, examples, contender.windows)
    torch.manual_seed(0)
    model = span.build(backbone, span.Options())
    run = train_model(
        model,
        WindowSet(windows, layout),
        Train(epochs=25, learning_rate=1e-2, batch_size=5, precision="fp32"),
        evaluate=tiny_models.make_judge(model, windows, layout, examples),
        checkpoints=folder / "checkpoints",
    )
    # Two of the ten questions have no answer, so their best spans are wrong.
    tiny_models.assert_learned(run, least=60.0)
    tables = predict_candidates(model, windows, layout, contender.predict, torch.device("cpu"))
    ranked = ranking.rank_candidates(pa.concat_tables(list(tables)), examples["id"].to_pylist())
    texts = ranking.best_texts(ranked, examples["context"].to_pylist())
    exact = np.array([text == answer for text, (*_, answer) in zip(texts, QUESTIONS, strict=True)])
    has_answer = np.array([bool(answer) for *_, answer in QUESTIONS])
    threshold = ranking.find_threshold(ranked.best_score(), exact, has_answer)
    return SimpleNamespace(
        model=model,
        tokenizer=backbones.load_tokenizer(backbone),
        contender=contender,
        threshold=threshold,
        backbone=backbone,
    )


def make_reader(trained, threshold=None):
    answering = Answering(null_threshold=threshold)
    return Reader(trained.model, trained.tokenizer, trained.contender, answering)


def assert_same_readings(ours, theirs):
    """The same answers; batches of another size may change the last digits of a score."""
    plain = [[dataclasses.replace(r, score=0.0) for r in each] for each in (ours, theirs)]
    assert plain[0] == plain[1]
    assert [r.score for r in ours] == pytest.approx([r.score for r in theirs], abs=1e-4)


def best_by_hand(trained, questions):
    """{example: (score, start, end)} from the windows' candidates, without ranking.py."""
    examples = tiny_models.make_examples([(*pair, "") for pair in questions])
    windows, layout = tiny_models.cut_windows(trained.backbone, examples, trained.contender.windows)
    best = defaultdict(lambda: (-math.inf, 0, 0))
    for table in predict_candidates(
        trained.model, windows, layout, trained.contender.predict, torch.device("cpu")
    ):
        for row in table.to_pylist():
            # Of equal spans, the earlier one wins, then the shorter one.
            found = (row["score"], -row["start_char"], -row["end_char"])
            best[row["example_id"]] = max(best[row["example_id"]], found)
    return [(best[f"q{n}"][0], -best[f"q{n}"][1], -best[f"q{n}"][2]) for n in range(len(questions))]


def test_a_reader_answers_what_it_was_trained_on_and_abstains_from_the_rest(trained):
    readings = make_reader(trained, trained.threshold).read([(q, c) for q, c, _ in QUESTIONS])

    # How many are right depends on the last bits of a training. One would be right by chance.
    right = [r.text == answer for r, (*_, answer) in zip(readings, QUESTIONS, strict=True)]
    assert sum(right) >= 7
    assert 0 < sum(reading.answered for reading in readings) < len(QUESTIONS)
    for reading, (_, context, _) in zip(readings, QUESTIONS, strict=True):
        assert math.isfinite(reading.score)
        assert reading.answered == (reading.score > trained.threshold)
        if reading.answered:
            assert context[reading.start_char : reading.end_char] == reading.text != ""
        else:
            assert (reading.text, reading.start_char, reading.end_char) == ("", -1, -1)


def test_a_reader_equals_windows_prediction_and_ranking_one_after_the_other(trained):
    questions = [(question, context) for question, context, _ in QUESTIONS]
    questions += [(question, LONG) for question, *_ in QUESTIONS]
    windows, _ = tiny_models.cut_windows(
        trained.backbone,
        tiny_models.make_examples([(*pair, "") for pair in questions]),
        trained.contender.windows,
    )
    assert windows.num_rows == 10 * 1 + 10 * 3, "long contexts have several windows"

    readings = make_reader(trained).read(questions)

    expected = best_by_hand(trained, questions)
    found = [(reading.score, reading.start_char, reading.end_char) for reading in readings]
    assert [row[1:] for row in found] == [row[1:] for row in expected]
    assert [row[0] for row in found] == pytest.approx([row[0] for row in expected], abs=1e-4)
    for reading, (_, context) in zip(readings, questions, strict=True):
        assert reading.answered
        assert reading.text == context[reading.start_char : reading.end_char] != ""
    # The last windows give answers, too, as characters of the whole context.
    assert max(reading.end_char for reading in readings) > len(LONG) * 0.7


def test_scores_must_exceed_the_threshold(trained):
    pair = QUESTIONS[0][:2]
    (reading,) = make_reader(trained).read([pair])
    assert reading.answered
    below = math.nextafter(reading.score, -math.inf)
    assert make_reader(trained, below).read([pair]) == [reading]
    (abstained,) = make_reader(trained, reading.score).read([pair])
    best = {"best_start_char": reading.start_char, "best_end_char": reading.end_char}
    assert abstained == Reading("", -1, -1, reading.score, False, best_text=reading.text, **best)


@pytest.mark.parametrize("threshold", [None, 0.0, -1e9])
@pytest.mark.parametrize("context", ["", "   ", "\n\t"])
def test_a_context_without_words_answers_nothing(trained, context, threshold):
    reader = make_reader(trained, threshold)
    assert reader.read([("Who built the staircase?", context)]) == [NO_ANSWER]
    # It does not affect other questions.
    readings = reader.read([("Why?", context), QUESTIONS[1][:2], ("", context)])
    assert readings[0] == readings[2] == NO_ANSWER
    assert_same_readings(readings[1:2], reader.read([QUESTIONS[1][:2]]))


def test_no_questions_have_no_answers(trained):
    assert make_reader(trained).read([]) == []


def test_an_empty_or_endless_question_is_read_all_the_same(trained):
    context = tiny_models.RIVER
    for question in ("", "why " * 200, "😀"):
        (reading,) = make_reader(trained).read([(question, context)])
        assert reading.answered
        assert context[reading.start_char : reading.end_char] == reading.text


def test_characters_beyond_the_basic_plane_count_as_one(trained):
    context = "😀 é " + tiny_models.BRIDGE
    (reading,) = make_reader(trained).read([("Who designed the bridge?", context)])
    assert context[reading.start_char : reading.end_char] == reading.text


def test_answers_do_not_depend_on_the_company_or_order_of_questions(trained):
    reader = make_reader(trained, trained.threshold)
    pairs = [(question, context) for question, context, _ in QUESTIONS]
    pairs = [*pairs, pairs[0], (pairs[2][0], LONG)]
    together = reader.read(pairs)
    alone = [reader.read([pair])[0] for pair in pairs]
    backwards = reader.read(pairs[::-1])[::-1]
    for other in (alone, backwards):
        assert_same_readings(other, together)


def test_a_reader_of_a_model_folder_abstains_by_the_threshold_registered_with_it(trained, tmp_path):
    pairs = [(question, context) for question, context, _ in QUESTIONS]
    write_model(
        tmp_path,
        trained.model,
        trained.tokenizer,
        trained.contender,
        made_from="abc",
    )
    unregistered = Reader.load(tmp_path).read(pairs)
    assert_same_readings(unregistered, make_reader(trained).read(pairs))
    assert all(reading.answered for reading in unregistered)

    content = {"null_threshold": trained.threshold}
    write_json(tmp_path / ANSWERING, content, schema="answering/1", made_from="abc")
    assert_same_readings(
        Reader.load(tmp_path).read(pairs), make_reader(trained, trained.threshold).read(pairs)
    )

    mapping = Calibration("platt", slope=0.3, intercept=-1.0)
    content["calibration"] = dataclasses.asdict(mapping)
    write_json(tmp_path / ANSWERING, content, schema="answering/1", made_from="abc")
    found = Reader.load(tmp_path).read([*pairs, ("Why?", "")])
    assert found[-1].probability == 0.0
    assert not all(reading.answered for reading in found)
    expected = [float(mapping.apply(reading.score)) for reading in found]
    assert [reading.probability for reading in found] == expected


@pytest.mark.parametrize("rule", ANSWER_RULES)
def test_served_answers_are_the_evaluated_ones_by_either_rule(trained, tmp_path, rule):
    """From windows to `evaluate`, and from a registered folder to `Reader`."""
    table = tiny_models.make_examples([(q, LONG, "") for q, *_ in QUESTIONS])
    windows, layout = tiny_models.cut_windows(trained.backbone, table, trained.contender.windows)
    parts = predict_candidates(
        trained.model, windows, layout, trained.contender.predict, torch.device("cpu")
    )
    rows = pa.concat_tables(list(parts))
    # With this threshold, the model abstains from half of them.
    best = ranking.rank_candidates(rows, table["id"].to_pylist(), rule).best_score()
    threshold = float(np.median(best))
    for split in ("tune", "select", "test"):
        write_table(tmp_path / f"e/{split}.parquet", table, schema="examples/1", made_from="e")
        write_table(tmp_path / f"c/{split}.parquet", rows, schema="candidates/1", made_from="c")
    tiny_models.write_validation(tmp_path / "e")
    # predict writes this for a model that is already registered.
    write_record(tmp_path / "c/status.json", Status("c", answering=Answering(threshold, rule)))
    steps.evaluate(
        settings=to_json(Evaluate()),
        contender=to_json(trained.contender),
        examples=tmp_path / "e",
        candidates=tmp_path / "c",
        evaluation=tmp_path / "evaluation",
        figures_file=tmp_path / "figures.json",
    )
    evaluated = json.loads((tmp_path / "evaluation/test/answers.json").read_text())
    result = read_record(ContenderResult, tmp_path / "evaluation/metrics.json")
    folder = tmp_path / "model"
    write_model(folder, trained.model, trained.tokenizer, trained.contender, made_from="m")
    assert result.answering == Answering(threshold, rule)
    write_answering(folder, result.answering, made_from="abc")
    served = Reader.load(folder).read([(q, LONG) for q, *_ in QUESTIONS])
    assert [reading.text for reading in served] == list(evaluated.values())
    assert 3 <= sum(reading.answered for reading in served) <= 7
    assert [reading.score for reading in served] == pytest.approx(best.tolist(), abs=1e-4)


def test_the_two_rules_differ_on_several_windows(trained):
    reading = [
        Reader(
            trained.model, trained.tokenizer, trained.contender, Answering(answer_rule=rule)
        ).read([(q, LONG) for q, *_ in QUESTIONS])
        for rule in ANSWER_RULES
    ]
    assert [each.score for each in reading[0]] != [each.score for each in reading[1]]


def windows_by_hand(trained, questions):
    """[{(first, last character): (score, start, end, null score)}] of all windows and questions."""
    examples = tiny_models.make_examples([(*pair, "") for pair in questions])
    windows, _ = tiny_models.cut_windows(trained.backbone, examples, trained.contender.windows)
    found = [{} for _ in questions]
    extents = {
        (row["example_id"], row["window"]): (row["start_char"], row["end_char"])
        for row in windows.extents().to_pylist()
    }
    for table in predict_candidates(
        trained.model, windows, windows.layout, trained.contender.predict, torch.device("cpu")
    ):
        for row in table.to_pylist():
            # The candidates of a window come best first.
            extent = extents[row["example_id"], row["window"]]
            span = (row["score"], row["start_char"], row["end_char"], row["null_score"])
            found[int(row["example_id"][1:])].setdefault(extent, span)
    return found


def test_an_explained_answer_says_what_each_window_gave(trained):
    pairs = [(question, LONG) for question, *_ in QUESTIONS]
    reader = make_reader(trained, trained.threshold)
    explained = reader.read(pairs, EXPLAINED)
    plain = reader.read(pairs)
    assert [each.windows for each in plain] == [None] * 10
    assert [dataclasses.replace(each, windows=None) for each in explained] == plain
    for reading, expected in zip(explained, windows_by_hand(trained, pairs), strict=True):
        assert [(w.start_char, w.end_char) for w in reading.windows] == list(expected)
        assert len(expected) == 3
        assert reading.windows[0].start_char == 0
        assert reading.windows[-1].end_char == len(LONG)
        for window, (score, start, end, null) in zip(
            reading.windows, expected.values(), strict=True
        ):
            assert [window.score, window.null_score] == pytest.approx([score, null], abs=1e-4)
            assert (window.text_start_char, window.text_end_char) == (start, end)
            assert window.text == LONG[start:end]
            assert window.probability is None
        (best,) = (each for each in reading.windows if each.is_best)
        assert best.score == reading.score == max(each.score for each in reading.windows)
        assert best.text == reading.best_text
    assert {[w.is_best for w in each.windows].index(True) for each in explained} != {0}


def test_scores_of_windows_follow_the_answer_rule_and_have_probabilities(trained):
    mapping = Calibration("platt", slope=0.3, intercept=-1.0)
    answering = Answering(answer_rule="lowest_null", calibration=mapping)
    reader = Reader(trained.model, trained.tokenizer, trained.contender, answering)
    pairs = [(question, LONG) for question, *_ in QUESTIONS]
    by_window = make_reader(trained).read(pairs, EXPLAINED)
    for reading, other in zip(reader.read(pairs, EXPLAINED), by_window, strict=True):
        lowest = min(window.null_score for window in other.windows)
        assert [window.score for window in reading.windows] == pytest.approx(
            [window.score + window.null_score - lowest for window in other.windows], abs=1e-4
        )
        (best,) = (window for window in reading.windows if window.is_best)
        assert (best.score, best.text) == (reading.score, reading.best_text)
        assert best.probability == reading.probability
        for window in reading.windows:
            assert window.probability == float(mapping.apply(window.score))


def test_a_window_without_words_has_no_span(trained):
    (reading,) = make_reader(trained).read([("Why?", "")], EXPLAINED)
    (window,) = reading.windows
    assert (window.text, window.score, window.null_score) == ("", -math.inf, None)
    assert not window.is_best
    (row,) = json.loads(json.dumps(as_dicts([reading]), allow_nan=False))
    assert row["windows"][0]["score"] is None
    assert (row["windows"][0]["start_char"], row["windows"][0]["end_char"]) == (0, 0)


def test_a_model_that_tells_types_gives_one_with_its_probability(trained):
    torch.manual_seed(0)
    model = reasoning.build(trained.backbone, reasoning.Options())
    reader = Reader(model, trained.tokenizer, trained.contender, None)
    pairs = [(question, LONG) for question, *_ in QUESTIONS] + [("Why?", "")]
    examples = tiny_models.make_examples([(*pair, "") for pair in pairs])
    windows, layout = tiny_models.cut_windows(trained.backbone, examples, trained.contender.windows)
    types = []
    settings = trained.contender.predict
    for _ in predict_candidates(
        model, windows, layout, settings, torch.device("cpu"), None, types.append
    ):
        pass
    rows = [row for table in types for row in table.to_pylist()]
    for number, reading in enumerate(reader.read(pairs)):
        logs = [row["log_probabilities"] for row in rows if row["example_id"] == f"q{number}"]
        assert len(logs) == (3 if number < 10 else 1)
        shares = np.exp(np.mean(logs, axis=0))
        assert reading.reasoning_type == TYPES[int(shares.argmax())]
        assert reading.reasoning_probability == pytest.approx(shares.max() / shares.sum(), abs=1e-5)
    assert make_reader(trained).read(pairs[:1])[0].reasoning_type is None
    (explained,) = reader.read(pairs[:1], EXPLAINED)
    assert [len(window.attended) for window in explained.windows] == [5, 5, 5]
    word = explained.windows[-1].attended[0]
    assert LONG[word.start_char : word.end_char] == word.text
    assert all(not w.attended for w in make_reader(trained).read(pairs, EXPLAINED)[0].windows)


def test_the_kind_of_reasoning_is_what_the_model_says_else_what_the_rules_say():
    silent = Reading("x", 0, 1, 1.0, True)
    assert find_kind("Why?", None) == find_kind("Why?", silent)
    assert find_kind("Why?", silent) == Kind("causal", "rules", None, "causal", "Why")
    telling = dataclasses.replace(silent, reasoning_type="factual", reasoning_probability=0.8)
    assert find_kind("Why?", telling) == Kind("factual", "model", 0.8, "causal", "Why")


def test_readings_are_valid_json(trained):
    readings = make_reader(trained).read([QUESTIONS[0][:2], ("Why?", "")])
    rows = json.loads(json.dumps(as_dicts(readings), allow_nan=False))
    assert rows[0] == {
        "text": tiny_models.LIBRARY[readings[0].start_char : readings[0].end_char],
        "start_char": readings[0].start_char,
        "end_char": readings[0].end_char,
        "score": readings[0].score,
        "answered": True,
        "probability": None,
        "best_text": readings[0].text,
        "reasoning_type": None,
        "reasoning_probability": None,
    }
    assert rows[1] == {
        "text": "",
        "start_char": -1,
        "end_char": -1,
        "score": None,
        "answered": False,
        "probability": None,
        "best_text": "",
        "reasoning_type": None,
        "reasoning_probability": None,
    }


def test_each_question_is_answered_by_its_own_options(trained):
    reader = make_reader(trained, trained.threshold)
    pairs = [(question, LONG) for question, *_ in QUESTIONS]
    plain = reader.read(pairs)
    low, high = min(r.score for r in plain) - 1, max(r.score for r in plain) + 1
    chosen = [
        AnswerOptions(),
        AnswerOptions(top_k=5),
        AnswerOptions(threshold=low),
        AnswerOptions(threshold=high),
        AnswerOptions(max_answer_tokens=1),
        AnswerOptions(explain=True),
        AnswerOptions(max_answer_tokens=trained.contender.predict.max_answer_tokens),
        *[AnswerOptions()] * 3,
    ]
    readings = reader.read(pairs, chosen)
    assert_same_readings([readings[0], *readings[6:]], [plain[0], *plain[6:]])
    assert len(readings[1].alternatives) == 4
    assert_same_readings([dataclasses.replace(readings[1], alternatives=())], plain[1:2])
    assert readings[2].answered
    assert (readings[3].answered, readings[3].text, readings[3].start_char) == (False, "", -1)
    assert readings[3].best_text == plain[3].best_text
    # A word of the tiny vocabulary is one token.
    assert len(readings[4].best_text.split()) == 1
    assert [reading.windows is None for reading in readings] == [n != 5 for n in range(10)]
    with pytest.raises(ValueError, match="shorter"):
        reader.read(pairs, chosen[:9])


def test_alternatives_are_the_best_candidates_with_other_texts(trained):
    mapping = Calibration("platt", slope=0.3, intercept=-1.0)
    answering = Answering(calibration=mapping)
    reader = Reader(trained.model, trained.tokenizer, trained.contender, answering)
    question = QUESTIONS[0][0]
    (reading,) = reader.read([(question, LONG)], AnswerOptions(top_k=4))
    windows, _ = tiny_models.cut_windows(
        trained.backbone,
        tiny_models.make_examples([(question, LONG, "")]),
        trained.contender.windows,
    )
    rows = [
        row
        for table in predict_candidates(
            trained.model, windows, windows.layout, trained.contender.predict, torch.device("cpu")
        )
        for row in table.to_pylist()
    ]
    best = {}
    for row in rows:
        text = LONG[row["start_char"] : row["end_char"]].casefold()
        best[text] = max(best.get(text, -math.inf), row["score"])
    expected = sorted(best, key=best.__getitem__, reverse=True)
    found = [reading.text, *(each.text for each in reading.alternatives)]
    assert [text.casefold() for text in found] == expected[:4]
    for each in reading.alternatives:
        assert LONG[each.start_char : each.end_char] == each.text
        assert each.score == pytest.approx(best[each.text.casefold()], abs=1e-4)
        assert each.probability == float(mapping.apply(each.score))


@pytest.mark.parametrize("variant", [v for v in variants.list_variants() if v != "champion"])
def test_every_variant_keeps_to_the_longest_answer_that_was_asked_for(trained, variant):
    module = variants.load_variant(variant)
    torch.manual_seed(0)
    model = module.build(trained.backbone, module.Options())
    reader = Reader(model, trained.tokenizer, trained.contender, None)
    pairs = [(question, LONG) for question, *_ in QUESTIONS[:3]]
    for most in (1, 2, 512):
        for reading in reader.read(pairs, AnswerOptions(max_answer_tokens=most, top_k=20)):
            texts = [reading.text, *(each.text for each in reading.alternatives)]
            assert len({text.casefold() for text in texts}) == len(texts) > 1
            assert all(0 < len(text.split()) <= most for text in texts)
