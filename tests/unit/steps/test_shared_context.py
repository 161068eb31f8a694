"""Which context a model keeps: the one that all questions share by design."""

from dataclasses import replace

import pytest

from squadron.artifacts import write_table
from squadron.steps._shared_context import find_shared_context
from tests import tiny_models
from tests.results import make_validation

CONTEXT = "In 1906.\r\nThen\nnothing: é."
ONE = (("When?", CONTEXT, ""), ("Who?", CONTEXT, ""))
TWO = (*ONE, ("Why?", "Because.", ""))


def write(folder, questions, split_by):
    table = tiny_models.make_examples(questions)
    write_table(folder / "train.parquet", table, schema="examples/1", made_from="e")
    tiny_models.write_validation(folder, replace(make_validation(), split_by=split_by))
    return folder


@pytest.mark.parametrize(
    ("questions", "split_by", "expected"),
    [
        (ONE, "question", CONTEXT),
        (ONE[:1], "question", CONTEXT),
        (TWO, "question", ""),
        (ONE, "title", ""),
        ((), "question", ""),
    ],
)
def test_the_context_is_kept_if_all_share_it_by_design(tmp_path, questions, split_by, expected):
    assert find_shared_context(write(tmp_path, questions, split_by)) == expected
