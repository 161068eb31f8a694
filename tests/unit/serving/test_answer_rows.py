import dataclasses
import math

import pytest

from squadron.answers.alternatives import Alternative
from squadron.answers.explanation import WindowReading
from squadron.answers.options import AnswerOptions
from squadron.reader import Reading
from squadron.serving.answer_rows import Asked, answer, ask, choose_context, make_row
from squadron.serving.wire import Answer, FieldError, Question

MILL = "The mill burned in 1820. Ann Reed built it again."
BRIDGE = "Ann Reed designed the bridge in 1902."
NOTHING = Reading("", -1, -1, -math.inf, False, 0.0)


def find(context, text, score, probability=None, *, answered=True, others=()):
    """A reading whose best span is a text of a context."""
    start = context.index(text)
    span = start, start + len(text)
    alternatives = tuple(
        Alternative(t, context.index(t), context.index(t) + len(t), s, p) for t, s, p in others
    )
    given = (text, *span) if answered else ("", -1, -1)
    more = {"alternatives": alternatives, "best_start_char": span[0], "best_end_char": span[1]}
    return Reading(*given, score, answered, probability, text, "causal", 0.75, **more)


def test_a_row_has_the_answer_its_place_and_its_sentence():
    row = make_row(Asked("When?", (MILL,)), [find(MILL, "1820", 2.5, 0.8)])
    assert row == {
        "text": "1820",
        "start_char": 19,
        "end_char": 23,
        "score": 2.5,
        "probability": 0.8,
        "answered": True,
        "no_answer": False,
        "best_text": "1820",
        "context": 0,
        "alternatives": [],
        "reasoning_type": "causal",
        "reasoning_probability": 0.75,
        "evidence": {"text": "The mill burned in 1820.", "start_char": 0, "end_char": 24},
    }
    assert set(row) == set(Answer.model_fields) - {"windows"}
    Answer.model_validate(row, strict=True)


def test_a_row_without_an_answer_keeps_the_best_span_and_has_no_evidence():
    row = make_row(Asked("When?", (MILL,)), [find(MILL, "1820", -2.5, 0.1, answered=False)])
    assert (row["text"], row["start_char"], row["end_char"]) == ("", -1, -1)
    assert (row["answered"], row["no_answer"], row["evidence"]) == (False, True, None)
    assert (row["best_text"], row["score"], row["probability"]) == ("1820", -2.5, 0.1)
    row = make_row(Asked("When?", (MILL,)), [NOTHING])
    assert (row["score"], row["best_text"], row["alternatives"]) == (None, "", [])
    Answer.model_validate(row, strict=True)


@pytest.mark.parametrize("sure", [(0.4, 0.9, 0.7), (None, None, None), (0.5, 0.5, 0.5)])
def test_the_surest_context_answers_and_without_a_calibration_the_best_score(sure):
    readings = [
        find(context, text, score, probability)
        for (context, text, score), probability in zip(
            [(MILL, "1820", 1.0), (BRIDGE, "1902", 3.0), (MILL, "mill", 2.0)], sure, strict=True
        )
    ]
    assert choose_context(readings) == 1
    row = make_row(Asked("When?", (MILL, BRIDGE, MILL)), readings)
    assert (row["text"], row["context"], row["start_char"]) == ("1902", 1, BRIDGE.index("1902"))
    assert row["evidence"]["text"] == BRIDGE


def test_no_context_answers_if_none_does_and_then_the_best_span_counts():
    readings = [
        find(MILL, "1820", -3.0, 0.1, answered=False),
        NOTHING,
        find(BRIDGE, "1902", -2.0, 0.2, answered=False),
    ]
    row = make_row(Asked("When?", (MILL, MILL, BRIDGE)), readings)
    assert (row["text"], row["answered"], row["best_text"], row["context"]) == (
        "",
        False,
        "1902",
        2,
    )
    assert choose_context([NOTHING, NOTHING]) == 0


def test_alternatives_come_from_all_contexts_each_with_another_text():
    readings = [
        find(MILL, "Ann Reed", 4.0, 0.9, others=[("1820", 2.0, 0.5), ("mill", 0.0, 0.1)]),
        find(BRIDGE, "1902", 3.5, 0.8, others=[("Ann Reed", 3.0, 0.7), ("bridge", 1.0, 0.3)]),
    ]
    asked = Asked("Who?", (MILL, BRIDGE), AnswerOptions(top_k=4))
    row = make_row(asked, readings)
    assert (row["text"], row["context"]) == ("Ann Reed", 0)
    found = [(each["text"], each["context"], each["probability"]) for each in row["alternatives"]]
    assert found == [("1902", 1, 0.8), ("1820", 0, 0.5), ("bridge", 1, 0.3)]
    first = row["alternatives"][0]
    assert BRIDGE[first["start_char"] : first["end_char"]] == "1902"
    Answer.model_validate(row, strict=True)
    assert (
        make_row(dataclasses.replace(asked, options=AnswerOptions()), readings)["alternatives"]
        == []
    )


def test_only_an_explained_row_has_windows_with_the_numbers_of_their_contexts():
    window = WindowReading(0, 49, "1820", 19, 23, 2.5, 0.8, 1.0, True)
    empty = WindowReading(0, 37, "", -1, -1, -math.inf, 0.0, None, False)
    readings = [
        dataclasses.replace(find(MILL, "1820", 2.5, 0.8), windows=(window,)),
        dataclasses.replace(NOTHING, windows=(empty,)),
    ]
    row = make_row(Asked("When?", (MILL, BRIDGE), AnswerOptions(explain=True)), readings)
    assert [(w["context"], w["text"], w["score"]) for w in row["windows"]] == [
        (0, "1820", 2.5),
        (1, "", None),
    ]
    Answer.model_validate(row, strict=True)


class CountingReader:
    """Answers with the first word of each context, and counts the calls."""

    def __init__(self):
        self.calls = []

    def read(self, pairs, options):
        self.calls.append((pairs, options))
        return [find(context, context.split()[0], 1.0) for _, context in pairs]


def test_all_questions_are_read_in_one_call_each_with_its_own_options():
    reader, three = CountingReader(), AnswerOptions(top_k=3)
    asked = [Asked("Who?", (MILL, BRIDGE), three), Asked("When?", (BRIDGE,))]
    rows = answer(reader, asked)
    assert [row["text"] for row in rows] == ["The", "Ann"]
    ((pairs, options),) = reader.calls
    assert pairs == [("Who?", MILL), ("Who?", BRIDGE), ("When?", BRIDGE)]
    assert options == [three, three, AnswerOptions()]


def test_a_question_without_a_context_is_for_a_model_that_keeps_one():
    options = AnswerOptions(top_k=2)
    assert ask(Question(question="Who?"), options, BRIDGE) == Asked("Who?", (BRIDGE,), options)
    given = Question(question="Who?", context=MILL)
    assert ask(given, options, BRIDGE).contexts == (MILL,)
    several = Question(question="Who?", contexts=[MILL, BRIDGE])
    assert ask(several, options, "").contexts == (MILL, BRIDGE)
    with pytest.raises(
        FieldError, match=r"^inputs\[3\].context is missing; give the text"
    ) as caught:
        ask(Question(question="Who?"), options, "", "inputs[3]")
    assert caught.value.field == "inputs[3].context"
