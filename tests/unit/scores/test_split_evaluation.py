import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.artifacts import CANDIDATES, EXAMPLES, encode_contexts, write_table
from squadron.data.example_table import make_table
from squadron.data.sources import load_source
from squadron.scores import significance
from squadron.scores.evaluation import Questions, judge
from squadron.scores.split_evaluation import RankedSplit, SplitFile
from tests.effort import draws

CORPUS = Path(__file__).resolve().parents[3] / "examples" / "corpus.json"
TEXTS = st.lists(st.sampled_from("aé😀z\uffff \x00"), max_size=4).map("".join)


@pytest.fixture(scope="module")
def examples():
    """The first questions of the example corpus, some of them without an answer."""
    return make_table(list(load_source("squad").read_examples(CORPUS))[:120])


def draw_candidates(examples, seed):
    """Up to six candidates of two windows for each question; some questions have none."""
    random = np.random.default_rng(seed)
    rows = []
    for example in examples.to_pylist():
        golds = [(a["start_char"], a["start_char"] + len(a["text"])) for a in example["answers"]]
        for number in range(random.integers(0, 7)):
            start = int(random.integers(0, len(example["context"]) - 1))
            span = (start, int(random.integers(start + 1, len(example["context"]) + 1)))
            if golds and random.random() < 0.4:
                span = golds[0]
            row = {"example_id": example["id"], "window": number % 2, "rank": number // 2}
            row |= {"start_char": span[0], "end_char": span[1]}
            rows.append(row | {"score": float(random.normal(0, 3)), "null_score": 1.0})
    return pa.Table.from_pylist(rows, schema=CANDIDATES)


def write_examples(folder, table):
    path = Path(folder) / "test.parquet"
    write_table(path, table, schema="examples/1", made_from="e")
    return path


@pytest.mark.parametrize("rule", ["window", "lowest_null"])
@pytest.mark.parametrize("search", [False, True])
@pytest.mark.parametrize(("size", "count"), [(1, 20), (7, 0), (7, 50), (1000, 0)])
def test_a_split_in_parts_is_judged_as_in_memory(
    examples, tmp_path, monkeypatch, rule, search, size, count
):
    monkeypatch.setattr("squadron.scores.split_evaluation.PART_QUESTIONS", size)
    monkeypatch.setattr("squadron.artifacts.contexts.GROUP_TEXT_BYTES", 2000)
    candidates = draw_candidates(examples, seed=size)
    some = examples.slice(0, count or None)
    questions = Questions.read(some)
    threshold = None if search else 1.0
    expected = judge(questions, [candidates], threshold, search=search, rule=rule)

    split = SplitFile(write_examples(tmp_path, examples), count, tmp_path)
    assert (split.digest, split.rule, len(split)) == ("e", questions.rule, len(some))
    assert split.gold_spans.tolist() == questions.gold_spans.tolist()
    parts = [candidates.slice(first, 10) for first in range(0, len(candidates), 10)]
    ranked = RankedSplit(split, parts, rule)
    thresholds = ranked.search_thresholds() if search else {}
    threshold = thresholds.get("exact_match", threshold)
    chosen, best, ids = [], [], []
    for part in ranked.answer(threshold):
        assert len(part.questions.ids) <= size
        assert part.examples["id"].to_pylist() == part.questions.ids
        assert ids == questions.ids[: part.rows.start]
        ids += part.questions.ids
        chosen += part.answers.chosen
        best += part.answers.best
    judged = ranked.judge(threshold, thresholds)
    assert (ids, chosen, best) == (questions.ids, expected.answers.chosen, expected.answers.best)
    assert judged.scores.equals(expected.scores)
    assert judged.figures == expected.figures
    assert judged.null_threshold == expected.null_threshold
    assert judged.null_thresholds == expected.null_thresholds
    for name, values in vars(expected.best_spans).items():
        assert getattr(judged.best_spans, name).tolist() == values.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["test.parquet"]


@settings(max_examples=draws(60), deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12), st.integers(1, 5))
def test_paragraphs_and_titles_have_the_numbers_of_their_texts(pairs, size):
    contexts, titles = zip(*pairs, strict=True)
    place = EXAMPLES.get_field_index("context")
    row = dict.fromkeys(EXAMPLES.names, "") | {"answers": []}
    rows = [{**row, "id": f"q{number}", "title": title} for number, title in enumerate(titles)]
    table = pa.Table.from_pylist(rows, schema=EXAMPLES)
    table = table.set_column(place, EXAMPLES.field(place), encode_contexts(contexts))
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr("squadron.scores.split_evaluation.PART_QUESTIONS", size)
        patch.setattr("squadron.artifacts.contexts.GROUP_TEXT_BYTES", 3)
        clusters = SplitFile(write_examples(folder, table), 0, Path(folder)).clusters
    assert clusters["paragraph"].tolist() == significance.cluster_numbers(contexts).tolist()
    assert clusters["title"].tolist() == significance.number_groups(titles).tolist()
