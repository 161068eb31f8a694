import pytest

from squadron.serving.wire import (
    MOST_CONTEXT_CHARACTERS,
    MOST_CONTEXTS,
    FieldError,
    Params,
    Question,
    read,
)

GOOD = {"question": "Who?", "context": "Ada."}
QUESTIONS = [
    ("text", "inputs[0]", "inputs[0] must be an object, and it is text"),
    (None, "inputs[0]", "inputs[0] must be an object, and it is null"),
    ([GOOD], "inputs[0]", "inputs[0] must be an object, and it is a list"),
    ({}, "inputs[0].question", "inputs[0].question is missing"),
    (GOOD | {"question": 5}, "inputs[0].question", "must be text, and it is a number"),
    (GOOD | {"question": None}, "inputs[0].question", "must be text, and it is null"),
    (GOOD | {"question": " \n"}, "inputs[0].question", "has no words"),
    (GOOD | {"question": "a" * 2001}, "inputs[0].question", "has 2,001 characters; 2,000 are"),
    (GOOD | {"question": "\ud800"}, "inputs[0].question", "no valid Unicode"),
    (GOOD | {"context": None}, "inputs[0].context", "is null; leave it out or give text"),
    (GOOD | {"context": True}, "inputs[0].context", "must be text, and it is true"),
    (GOOD | {"context": ""}, "inputs[0].context", "has no words"),
    (GOOD | {"context": "a" * (MOST_CONTEXT_CHARACTERS + 1)}, "inputs[0].context", "1,000,001"),
    (GOOD | {"contexts": ["x"]}, "inputs[0].contexts", "stands beside `context`"),
    ({"question": "Who?", "contexts": []}, "inputs[0].contexts", "is empty"),
    ({"question": "Who?", "contexts": "x"}, "inputs[0].contexts", "a list, and it is text"),
    ({"question": "Who?", "contexts": ["x", 1]}, "inputs[0].contexts[1]", "must be text"),
    ({"question": "Who?", "contexts": ["x", ""]}, "inputs[0].contexts[1]", "has no words"),
    ({"question": "Who?", "contexts": ["x"] * (MOST_CONTEXTS + 1)}, "inputs[0].contexts", "101"),
    (
        {"question": "Who?", "contexts": ["x" * (MOST_CONTEXT_CHARACTERS // 2 + 1)] * 2},
        "inputs[0].contexts",
        "has 1,000,002 characters in all; 1,000,000 are allowed",
    ),
    (GOOD | {"answer": "x"}, "inputs[0].answer", "is no known field; use question, context, con"),
]
PARAMS = [
    ({"top_k": 0}, "top_k", "top_k is 0; it must be at least 1"),
    ({"top_k": 21}, "top_k", "top_k is 21; it must be at most 20"),
    ({"top_k": "3"}, "top_k", "top_k must be a whole number, and it is text"),
    ({"top_k": True}, "top_k", "top_k must be a whole number, and it is true"),
    ({"top_k": 1.5}, "top_k", "top_k must be a whole number"),
    ({"top_k": None}, "top_k", "top_k must be a whole number, and it is null"),
    ({"top_k": 10**30}, "top_k", "top_k is 1000"),
    ({"threshold": float("nan")}, "threshold", "threshold must be a finite number"),
    ({"threshold": "0"}, "threshold", "threshold must be a number, and it is text"),
    ({"max_answer_tokens": 513}, "max_answer_tokens", "is 513; it must be at most 512"),
    ({"explain": 1}, "explain", "explain must be true or false, and it is a number"),
    ({"explain": None}, "explain", "explain must be true or false, and it is null"),
    ({"topk": 1}, "topk", "topk is no known field; use top_k, threshold, max_answer_tokens"),
]


@pytest.mark.parametrize(("value", "field", "sentence"), QUESTIONS)
def test_a_question_that_cant_be_used_is_refused_with_its_field(value, field, sentence):
    with pytest.raises(FieldError) as caught:
        read(Question, value, "inputs[0]")
    assert caught.value.field == field
    assert str(caught.value).startswith(field)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("value", "field", "sentence"), PARAMS)
def test_a_param_that_cant_be_used_is_refused_with_its_field(value, field, sentence):
    with pytest.raises(FieldError) as caught:
        read(Params, value)
    assert (caught.value.field, sentence in str(caught.value)) == (field, True)


def test_what_may_be_given_is_kept_as_it_is():
    several = {"question": "Who?", "contexts": ["Ada.", " Bob. "]}
    for value in (GOOD, several, {"question": "Who?"}, {"question": "a" * 2000, "context": "x"}):
        question = read(Question, value)
        assert question.model_dump() == value
        # MLflow checks an object again by its dictionary.
        assert read(Question, question.model_dump()) == question
    assert read(Params, {}) == Params()
    full = {"top_k": 20, "threshold": -1, "max_answer_tokens": 512, "explain": True}
    options = read(Params, full).options()
    assert (options.top_k, options.threshold, options.max_answer_tokens, options.explain) == (
        20,
        -1.0,
        512,
        True,
    )
    assert read(Params, {"threshold": None, "max_answer_tokens": None}) == Params()
