import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.answers.merging import find_by_hash
from squadron.artifacts import BREAKDOWN, EXAMPLES, SCORES, read_table, write_table
from squadron.data.question_types import TYPES
from squadron.scores import significance
from squadron.scores.breakdown import (
    GROUPS,
    QUESTION_WORDS,
    break_down,
    count_windows,
    question_word,
    read_parts,
)
from tests.effort import draws

QUESTIONS = ("What is it?", "By whom?", "How  much?", "In the year of the flood, why?", "Is it?")


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("What is a bridge?", "what"),
        ("what's its name?", "what"),
        ('"Who" sang it?', "who"),
        ("To whom was it sold?", "who"),
        ("Whose bridge is it?", "who"),
        ("WHEN was it built?", "when"),
        ("Where does it lead?", "where"),
        ("Why did it close?", "why"),
        ("How was it built?", "how"),
        ("How long is it?", "how"),
        ("In how many days was it built?", "how many/much"),
        ("how\u00a0much did it cost", "how many/much"),
        ("At which mile does it stand?", "which"),
        # Of several the first one.
        ("When the bridge fell, who rebuilt it?", "when"),
        # No words of their own.
        ("Somewhat later, is whatever was there known?", "other"),
        ("Is the bridge closed?", "other"),
        ("Name the river.", "other"),
        ("", "other"),
        # Eleven words before it are near the start, twelve are not.
        ("w " * 11 + "what?", "what"),
        ("w " * 12 + "what?", "other"),
    ],
)
def test_the_question_word_is_the_first_near_the_start(question, word):
    assert question_word(question) == word
    assert word in QUESTION_WORDS


def plain_values(row, windows):
    """The value of a question in each group, one `if` after the other."""

    def part(number, edges):
        return [name for least, name in edges if number >= least][-1]

    golds = row["answers"]
    answer_words = len(golds[0]["text"].split()) if golds else 0
    context_words = len(row["context"].split())
    values = {
        "all": "all",
        "question_word": question_word(row["question"]),
        "answerable": "yes" if golds else "no",
        "answer_words": part(answer_words, [(0, "0"), (1, "1"), (2, "2-3"), (4, "4-7"), (8, "8+")]),
        "context_words": part(
            context_words, [(0, "0-89"), (90, "90-114"), (115, "115-149"), (150, "150+")]
        ),
        "title": row["title"],
    }
    if row["label_source"] and row["reasoning_type"]:
        values[f"reasoning_type_{row['label_source']}"] = row["reasoning_type"]
    if windows:
        values["windows"] = str(windows) if windows < 4 else "4+"
    return values


def lengths(*edges):
    return st.sampled_from([n for edge in edges for n in (edge - 1, edge)])


ROWS = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["", "Bridges", "Rivers \u00fc"]),
        "question": st.sampled_from(QUESTIONS),
        "context": lengths(1, 90, 115, 150).map(lambda n: " w" * n),
        "answers": st.lists(lengths(1, 2, 4, 8).map(lambda n: "x  " * n), max_size=2).map(
            lambda texts: [{"text": text, "start_char": 0} for text in texts]
        ),
        "reasoning_type": st.sampled_from([*TYPES, None]),
        "label_source": st.sampled_from(["data", "rules", None]),
    }
)


def tables(rows, exact, f1, paragraph):
    ids = [str(n) for n in range(len(rows))]
    examples = pa.Table.from_pylist(
        [{"id": i, **row} for i, row in zip(ids, rows, strict=True)], schema=EXAMPLES
    )
    titles = significance.number_groups(examples["title"].to_pylist())
    columns = [ids, paragraph, titles, exact, f1]
    return examples, pa.Table.from_arrays([pa.array(each) for each in columns], schema=SCORES)


@settings(max_examples=draws(100), deadline=None)
@given(
    st.lists(
        st.tuples(ROWS, st.sampled_from([0.0, 1.0]), st.floats(0, 1), st.integers(0, 5)),
        min_size=1,
        max_size=12,
    )
)
def test_every_row_equals_a_plain_loop_over_the_questions(cases):
    rows, exact, f1, windows = zip(*cases, strict=True)
    examples, scores = tables(rows, exact, f1, list(range(len(rows))))
    found = break_down(examples, scores, np.array(windows)).to_pylist()
    expected = {}
    for row, e, f, w in cases:
        for group, value in plain_values(row, w).items():
            expected.setdefault((group, value), []).append((e, f))
    assert len(found) == len(expected)
    for row in found:
        some = expected[row["group"], row["value"]]
        assert row["questions"] == len(some)
        assert row["exact_match"] == pytest.approx(100 * np.mean([e for e, _ in some]))
        assert row["f1"] == pytest.approx(100 * np.mean([f for _, f in some]))
        assert row["exact_match_low"] is row["f1_high"] is None  # fewer than 20 questions
    places = [GROUPS.index(row["group"]) for row in found]
    assert places == sorted(places)


def many(count, paragraphs, **changes):
    """Questions in turns over paragraphs, right at random."""
    random = np.random.default_rng(5)
    row = {
        "title": "Bridges",
        "question": "What is it?",
        "context": "",
        "answers": [{"text": "x", "start_char": 0}],
        "reasoning_type": "causal",
        "label_source": "rules",
        **changes,
    }
    right = random.integers(0, 2, count) * 1.0
    return tables([row] * count, right, right * 0.5, np.arange(count) % paragraphs)


def only(table, group):
    (row,) = [row for row in table.to_pylist() if row["group"] == group]
    return row


def test_all_questions_have_the_interval_of_the_split():
    examples, scores = many(60, 7)
    row = only(break_down(examples, scores), "all")
    for name in ("exact_match", "f1"):
        low, high = significance.interval(
            100 * scores[name].to_numpy(), scores["paragraph"].to_numpy()
        )
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((low, high))
        assert low < row[name] < high


@pytest.mark.parametrize(
    ("count", "paragraphs", "has"), [(20, 5, True), (19, 5, False), (40, 4, False)]
)
def test_few_questions_or_few_paragraphs_have_no_interval(count, paragraphs, has):
    row = only(break_down(*many(count, paragraphs)), "question_word")
    assert (row["value"], row["questions"]) == ("what", count)
    for name in ("exact_match_low", "exact_match_high", "f1_low", "f1_high"):
        assert (row[name] is not None) is has


def test_unknown_windows_and_unlabelled_types_leave_their_group_out():
    table = break_down(*many(3, 3, reasoning_type=None, label_source=None))
    left = {"all", "question_word", "answerable", "answer_words", "context_words", "title"}
    assert set(table["group"].to_pylist()) == left


def test_types_by_rules_are_not_mixed_with_those_of_the_data():
    first, second = many(2, 2), many(3, 3, label_source="data")
    examples = pa.concat_tables([first[0], second[0]])
    scores = pa.concat_tables([first[1], second[1]])
    rows = break_down(examples, scores).to_pylist()
    found = {r["group"]: (r["value"], r["questions"]) for r in rows}
    assert found["reasoning_type_rules"] == ("causal", 2)
    assert found["reasoning_type_data"] == ("causal", 3)


def test_scores_of_other_questions_are_refused():
    examples, scores = many(4, 2)
    with pytest.raises(ValueError, match="not of these examples"):
        break_down(examples, scores.slice(1))


def test_windows_are_counted_from_any_rows_of_them():
    rows = pa.table({"example_id": ["b", "a", "b", "b", "else"], "window": [0, 0, 2, 1, 7]})
    find_numbers = find_by_hash(["a", "b", "none"])
    for parts in ([rows], [rows.slice(0, 3), rows.slice(3)], [rows.slice(0, 0), rows]):
        assert count_windows(parts, find_numbers, 3).tolist() == [1, 3, 0]
    assert count_windows([], find_numbers, 3).tolist() == [0, 0, 0]


def test_a_breakdown_is_written_and_read_back(tmp_path):
    table = break_down(*many(30, 6))
    assert table.schema == BREAKDOWN
    path = tmp_path / "breakdown.parquet"
    write_table(path, table, schema="breakdown/2", made_from="x")
    assert read_table(path, schema="breakdown/2").equals(table)
    assert [vars(part) for part in read_parts(path)] == table.to_pylist()
