import math

import pytest

from squadron.answers.options import AS_EVALUATED, AnswerOptions
from squadron.errors import InputError


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"top_k": 0}, "top_k is 0; it must be 1 to 20"),
        ({"top_k": 21}, "top_k is 21; it must be 1 to 20"),
        ({"threshold": math.nan}, "threshold is nan; it must be a finite number"),
        ({"threshold": -math.inf}, "threshold is -inf; it must be a finite number"),
        ({"max_answer_tokens": 0}, "max_answer_tokens is 0; it must be 1 to 512"),
        ({"max_answer_tokens": 513}, "max_answer_tokens is 513; it must be 1 to 512"),
    ],
)
def test_an_option_out_of_its_range_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(InputError) as caught:
        AnswerOptions(**options)
    assert str(caught.value) == sentence


def test_without_a_choice_a_question_is_answered_as_evaluated():
    assert AnswerOptions() == AS_EVALUATED == AnswerOptions(1, None, None, False)
    assert AnswerOptions(20, -3.5, 512).top_k == 20
