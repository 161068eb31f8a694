import copy
import dataclasses
import io

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.artifacts import CANDIDATES, read_windows, write_windows
from squadron.config import Windows
from squadron.data import window_table
from squadron.data.window_table import WindowTable
from squadron.models import prediction
from squadron.models.batches import Batch, WindowSet
from squadron.models.prediction import best_spans, predict_candidates
from squadron.models.variants import span
from squadron.progress import Progress
from tests import tiny_models
from tests.effort import draws
from tests.tiny_models import FP32

CPU = torch.device("cpu")


def make_batch(length, contexts):
    """Windows of `length` tokens whose contexts are at these (start, end), inclusive."""
    zeros = torch.zeros(len(contexts), dtype=torch.int64)
    tokens = torch.zeros(len(contexts), length, dtype=torch.int64)
    starts, ends = (torch.tensor(side) for side in zip(*contexts, strict=True))
    return Batch(tokens, tokens, tokens, starts, ends, zeros, zeros, zeros)


def all_spans(start_T, end_T, context, max_answer_tokens):
    """{(start, end): score} of every allowed span of one window, by brute force."""
    first, last = context
    null = start_T[0] + end_T[0]
    return {
        (start, end): start_T[start] + end_T[end] - null
        for start in range(first, last + 1)
        for end in range(start, min(last, start + max_answer_tokens - 1) + 1)
    }


# Few different values make ties. With many different values, the exact order matters.
token_scores = st.one_of(
    st.integers(-3, 3).map(float), st.floats(-20, 20, width=32, allow_subnormal=False)
)


@st.composite
def scored_batches(draw):
    length = draw(st.integers(2, 14))
    contexts = []
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(1, length - 1))
        # The last token of an empty context is before its first one.
        contexts.append((start, draw(st.integers(start - 1, length - 1))))
    cells = len(contexts) * length
    sides = [
        np.array(draw(st.lists(token_scores, min_size=cells, max_size=cells)), np.float32)
        for _ in range(2)
    ]
    start_BT, end_BT = (side.reshape(len(contexts), length) for side in sides)
    return start_BT, end_BT, contexts


@pytest.mark.parametrize("max_answer_tokens", range(1, 14))
def test_the_best_spans_are_exact_for_every_answer_length(max_answer_tokens):
    random = np.random.default_rng(max_answer_tokens)
    start_BT, end_BT = random.normal(size=(2, 40, 12)).astype(np.float32)
    for n_best in (1, 2, 7, 100):
        found = best_spans(
            torch.from_numpy(start_BT),
            torch.from_numpy(end_BT),
            make_batch(12, [(2, 11)] * 40),
            n_best,
            max_answer_tokens,
        )
        for row in range(40):
            expected = all_spans(start_BT[row], end_BT[row], (2, 11), max_answer_tokens)
            best = sorted(expected.values(), reverse=True)[:n_best]
            assert found.score_BK[row, : len(best)].tolist() == best


@settings(deadline=None, max_examples=draws(200))
@given(scored_batches(), st.integers(1, 25), st.integers(1, 20))
def test_the_best_spans_are_those_of_brute_force_over_all_pairs(scored, n_best, max_answer_tokens):
    start_BT, end_BT, contexts = scored

    found = best_spans(
        torch.from_numpy(start_BT.copy()),
        torch.from_numpy(end_BT.copy()),
        make_batch(start_BT.shape[1], contexts),
        n_best,
        max_answer_tokens,
    )

    assert not found.score_BK.isnan().any()
    assert found.score_BK.shape[1] <= n_best
    for row, context in enumerate(contexts):
        expected = all_spans(start_BT[row], end_BT[row], context, max_answer_tokens)
        scores = found.score_BK[row].numpy()
        count = min(n_best, len(expected))
        assert scores[:count].tolist() == sorted(expected.values(), reverse=True)[:count]
        assert (scores[count:] == -np.inf).all()
        spans = list(
            zip(found.start_token_BK[row].tolist(), found.end_token_BK[row].tolist(), strict=True)
        )[:count]
        # The spans may differ in ties. Each span is allowed, has its own score and occurs once.
        assert [expected[pair] for pair in spans] == scores[:count].tolist()
        assert len(set(spans)) == count
        assert found.null_score_B[row] == start_BT[row, 0] + end_BT[row, 0]


def test_scores_outside_the_context_change_no_span():
    torch.manual_seed(0)
    start, end = torch.randn(2, 12), torch.randn(2, 12)
    batch = make_batch(12, [(4, 8), (6, 11)])
    before = best_spans(start, end, batch, 6, 4)

    for row, (first, last) in enumerate([(4, 8), (6, 11)]):
        for side in (start, end):
            side[row, 1:first] = 1e9
            side[row, last + 1 :] = 1e9
    after = best_spans(start, end, batch, 6, 4)

    names = list(vars(after))[:4]
    assert all(torch.equal(getattr(before, name), getattr(after, name)) for name in names)


def test_best_spans_leave_their_arguments_as_they_are():
    start, end = torch.randn(1, 8), torch.randn(1, 8)
    copies = start.clone(), end.clone()
    best_spans(start, end, make_batch(8, [(3, 6)]), 4, 3)
    assert torch.equal(start, copies[0])
    assert torch.equal(end, copies[1])


def test_half_precision_scores_are_added_in_single_precision():
    start = torch.tensor([[0.0, 256.0]], dtype=torch.bfloat16)
    end = torch.tensor([[0.0, 1.0]], dtype=torch.bfloat16)
    found = best_spans(start, end, make_batch(2, [(1, 1)]), 1, 1)
    # bf16 has 8 bits, in which 256 + 1 is 256.
    assert found.score_BK.tolist() == [[257.0]]


def test_double_precision_scores_are_added_in_double_precision():
    """A CRF's start and end parts are sums over a whole context, which cancel."""
    start = torch.tensor([[0.0, 1e9 + 1, 1e9 + 3]], dtype=torch.float64)
    end = torch.tensor([[0.0, -1e9, -1e9]], dtype=torch.float64)
    single = torch.tensor([[0.0, 2.0, 0.5]], dtype=torch.float64)
    found = best_spans(start, end, make_batch(3, [(1, 2)]), 3, 2, single)
    assert found.score_BK.tolist() == [[2.0, 1.0, 0.5]]
    assert found.start_token_BK.tolist() == [[1, 1, 2]]
    assert found.end_token_BK.tolist() == [[1, 2, 2]]
    assert found.score_BK.dtype == torch.float32


def test_a_window_with_fewer_tokens_than_spans_wanted_gives_all_its_spans():
    start = torch.tensor([[0.0, 1.0, 2.0]])
    end = torch.tensor([[0.5, 1.0, 4.0]])
    found = best_spans(start, end, make_batch(3, [(1, 2)]), n_best=20, max_answer_tokens=30)
    finite = torch.isfinite(found.score_BK[0])
    assert found.score_BK[0, finite].tolist() == [5.5, 4.5, 1.5]
    assert found.start_token_BK[0, finite].tolist() == [2, 1, 1]
    assert found.end_token_BK[0, finite].tolist() == [2, 2, 1]


@pytest.fixture(scope="module")
def model_and_windows(tmp_path_factory):
    """A tiny model, and windows that make three chunks: some examples have several windows."""
    backbone = tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")
    long = ("What did boats carry?", tiny_models.RIVER + " " + tiny_models.TRAM, "salt and wine")
    questions = [*tiny_models.EIGHT_QUESTIONS, long, ("Why?", "", ""), ("Who?", "Bo", "Bo")]
    examples = tiny_models.make_examples(questions)
    settings = Windows(max_length=32, stride=8, max_question_length=16)
    windows, layout = tiny_models.cut_windows(backbone, examples, settings)
    return span.build(backbone, span.Options()), windows, layout, examples


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(window_table, "EXAMPLES_PER_CHUNK", 4)


def predict(model_and_windows, windows=None, **changes):
    model, table, layout, _ = model_and_windows
    windows = table if windows is None else windows
    settings = dataclasses.replace(FP32, **changes)
    return list(predict_candidates(model, windows, layout, settings, CPU))


def test_candidates_come_in_the_windows_order_and_best_first(model_and_windows):
    windows, tables = model_and_windows[1], predict(model_and_windows)

    assert len(tables) == 3
    assert all(table.schema.equals(CANDIDATES) for table in tables)
    rows = pa.concat_tables(tables).to_pylist()
    keys = list(dict.fromkeys((row["example_id"], row["window"]) for row in rows))
    expected = windows.to_pylist()
    # The empty context of q9 has a window and no candidate.
    assert keys == [(r["example_id"], r["window"]) for r in expected if r["example_id"] != "q9"]
    assert len(keys) > len({r["example_id"] for r in rows}), "no example has several windows"
    for key in keys:
        own = [row for row in rows if (row["example_id"], row["window"]) == key]
        assert [row["rank"] for row in own] == list(range(len(own)))
        scores = [row["score"] for row in own]
        assert scores == sorted(scores, reverse=True)
        assert np.isfinite(scores).all()
        assert len({row["null_score"] for row in own}) == 1
        assert len({(row["start_char"], row["end_char"]) for row in own}) == len(own)


def test_every_window_with_room_for_them_has_n_best_candidates(model_and_windows):
    rows = pa.concat_tables(predict(model_and_windows, n_best=3)).to_pylist()
    counts = {}
    for row in rows:
        counts[row["example_id"], row["window"]] = 1 + row["rank"]
    only_one_span = counts.pop(("q10", 0))
    assert only_one_span <= 3
    assert set(counts.values()) == {3}


def test_candidates_are_the_models_spans_in_characters_of_the_context(model_and_windows):
    model, windows, layout, examples = model_and_windows
    rows = pa.concat_tables(predict(model_and_windows)).to_pylist()
    contexts = dict(zip(examples["id"].to_pylist(), examples["context"].to_pylist(), strict=True))
    for number, window in enumerate(windows.to_pylist()):
        batch = WindowSet(windows.slice(number, 1), layout).collate([0])
        with torch.inference_mode():
            spans = model.top_spans(batch, FP32.n_best, FP32.max_answer_tokens)
        own = [
            row
            for row in rows
            if (row["example_id"], row["window"]) == (window["example_id"], window["window"])
        ]
        context = contexts[window["example_id"]]
        for row in own:
            first = int(spans.start_token_BK[0, row["rank"]]) - window["context_start"]
            last = int(spans.end_token_BK[0, row["rank"]]) - window["context_start"]
            assert row["start_char"] == window["start_chars"][first]
            assert row["end_char"] == window["end_chars"][last]
            assert 0 <= row["start_char"] < row["end_char"] <= len(context)
            text = context[row["start_char"] : row["end_char"]]
            assert text == text.strip()
            assert abs(row["score"] - float(spans.score_BK[0, row["rank"]])) < 1e-4
            assert abs(row["null_score"] - float(spans.null_score_B[0])) < 1e-4


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_the_batch_size_changes_nothing(model_and_windows, batch_size):
    ours = pa.concat_tables(predict(model_and_windows, batch_size=batch_size))
    tiny_models.assert_same_candidates(
        ours, pa.concat_tables(predict(model_and_windows, batch_size=64))
    )


def test_passes_respect_the_token_limit_and_change_nothing(model_and_windows, monkeypatch):
    expected = pa.concat_tables(predict(model_and_windows))
    model, sizes = model_and_windows[0], []
    scored = model.top_spans

    def keep_size(batch, *limits):
        sizes.append(batch.input_ids_BT.numel())
        return scored(batch, *limits)

    monkeypatch.setattr(model, "top_spans", keep_size)
    monkeypatch.setattr(prediction, "PASS_TOKENS", {"cpu": 96})

    tiny_models.assert_same_candidates(pa.concat_tables(predict(model_and_windows)), expected)

    assert max(sizes) == 96


def test_chunks_of_any_size_give_the_same_candidates(model_and_windows, monkeypatch):
    expected = pa.concat_tables(predict(model_and_windows))
    for examples, most in ((1, 100), (100, 100), (100, 3), (2, 1)):
        monkeypatch.setattr(window_table, "EXAMPLES_PER_CHUNK", examples)
        monkeypatch.setattr(window_table, "WINDOWS_PER_CHUNK", most)
        tiny_models.assert_same_candidates(pa.concat_tables(predict(model_and_windows)), expected)


def test_memory_mapped_and_sliced_windows_give_the_same_candidates(model_and_windows, tmp_path):
    windows = model_and_windows[1]
    write_windows(tmp_path / "windows.arrow", windows.table, about={})
    mapped = WindowTable(read_windows(tmp_path / "windows.arrow"), windows.layout)
    expected = pa.concat_tables(predict(model_and_windows))

    tiny_models.assert_same_candidates(
        pa.concat_tables(predict(model_and_windows, mapped)), expected
    )

    halves = [mapped.slice(0, 5), mapped.slice(5)]
    tables = [table for half in halves for table in predict(model_and_windows, half)]
    tiny_models.assert_same_candidates(pa.concat_tables(tables), expected)


def test_tokens_without_characters_are_no_answers(model_and_windows):
    """Byte-level tokenizers give a lone blank no width; such a span would read as no answer."""
    windows = model_and_windows[1]
    flat = copy.copy(windows)
    flat.start_chars = flat.end_chars = np.zeros_like(windows.start_chars)
    everything = pa.concat_tables(predict(model_and_windows))
    assert everything.num_rows > 0
    assert pa.concat_tables(predict(model_and_windows, flat)).num_rows == 0


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_the_mean_loss_counts_every_window_once(model_and_windows, batch_size):
    model, windows, layout, _ = model_and_windows
    rows = WindowSet(windows, layout)
    model.eval()
    with torch.inference_mode():
        alone = [float(model(rows.collate([row]))) for row in range(len(rows))]
    settings = dataclasses.replace(FP32, batch_size=batch_size)
    assert prediction.mean_loss(model, rows, settings, CPU) == pytest.approx(
        np.mean(alone), rel=1e-4
    )


def test_no_windows_give_no_candidates(model_and_windows):
    assert predict(model_and_windows, model_and_windows[1].slice(0, 0)) == []


def test_prediction_is_without_dropout_and_without_gradients(tmp_path, model_and_windows):
    backbone = tiny_models.write_backbone(tmp_path / "backbone", hidden_dropout_prob=0.5)
    _, windows, layout, _ = model_and_windows
    model = span.build(backbone, span.Options()).train()
    seen = []
    scored = model.top_spans
    model.top_spans = lambda *args: seen.append(torch.is_grad_enabled()) or scored(*args)

    first, second = (
        pa.concat_tables(list(predict_candidates(model, windows, layout, FP32, CPU)))
        for _ in range(2)
    )

    assert first.equals(second)
    assert set(seen) == {False}


def test_progress_counts_windows(model_and_windows, monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    model, windows, layout, _ = model_and_windows
    with Progress("predict", windows.num_rows, "windows") as progress:
        list(predict_candidates(model, windows, layout, FP32, CPU, progress))
    assert progress.done == windows.num_rows
