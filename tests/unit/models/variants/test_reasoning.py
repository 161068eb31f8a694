"""The reasoning variant beyond its contract: joint loss, class weights, outputs, figures."""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from squadron.answers.merging import find_by_hash
from squadron.artifacts import WINDOW_TYPES
from squadron.config import Train
from squadron.data.question_types import TYPES
from squadron.errors import InputError
from squadron.models.batches import WindowSet
from squadron.models.prediction import predict_candidates
from squadron.models.training import train_model
from squadron.models.variants import reasoning, span
from squadron.scores.type_figures import choose_types, judge_types
from tests import tiny_models
from tests.tiny_models import FP32

MIXED = (
    *tiny_models.EIGHT_QUESTIONS[:4],
    ("Why did boats carry salt?", tiny_models.RIVER, "until the railway came in 1856"),
    ("Which is longer, the arch or the line?", tiny_models.BRIDGE, "the arch"),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """(a backbone, its windows of questions of all types, their layout)."""
    backbone = tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")
    windows, layout = tiny_models.cut_windows(backbone, tiny_models.make_examples(MIXED))
    return backbone, windows, layout


def build(backbone, **options):
    torch.manual_seed(0)
    return reasoning.build(backbone, reasoning.Options(**options))


def test_the_loss_is_the_spans_plus_the_weighted_loss_of_the_types(tiny):
    backbone, windows, layout = tiny
    batch = WindowSet(windows, layout).collate(range(windows.num_rows))
    model = build(backbone, type_weight=0.25).eval()
    model.prepare_training(windows)
    with torch.inference_mode():
        output = model.read(batch)
        plain = span.span_loss(output.start_BT, output.end_BT, batch)
    logits, types = output.reasoning_BC, batch.reasoning_type_B.tolist()
    assert set(types) == {0, 1, 2}
    # With balanced weights, each type counts the same, and the mean weight of a window is 1.
    weights = [len(types) / (3 * types.count(each)) for each in types]
    assert sum(weights) == pytest.approx(len(types))
    entropies = [-float(row.log_softmax(0)[each]) for row, each in zip(logits, types, strict=True)]
    wanted = sum(w * e for w, e in zip(weights, entropies, strict=True)) / len(types)
    assert float(output.loss - plain) == pytest.approx(0.25 * wanted, abs=1e-4)


def test_windows_without_a_type_have_no_say(tiny):
    backbone, windows, layout = tiny
    batch = WindowSet(windows, layout).collate(range(windows.num_rows))
    batch.reasoning_type_B[:] = -1
    model = build(backbone).eval()
    with torch.inference_mode():
        output = model.read(batch)
        assert float(output.loss) == float(span.span_loss(output.start_BT, output.end_BT, batch))


def test_class_weights_can_be_left_out_and_unseen_types_do_no_harm(tiny):
    backbone, windows, _ = tiny
    model = build(backbone, class_weights="none")
    model.prepare_training(windows)
    assert model.type_weights_C.tolist() == [1, 1, 1]
    model = build(backbone)
    model.prepare_training(windows.slice(0, 2))  # factual alone
    assert model.type_weights_C.tolist() == [1, 1, 1]


def test_hidden_states_and_attentions_are_given_when_asked_for(tiny):
    backbone, windows, layout = tiny
    batch = WindowSet(windows, layout).collate([0, 1])
    model = build(backbone).eval()
    with torch.inference_mode():
        short = model.read(batch)
        full = model.read(batch, hidden_states=True, attentions=True)
        again = model.read(batch)
    assert short.hidden_states is None
    assert short.attentions is None
    config = model.network.config
    width = batch.input_ids_BT.shape[1]
    assert [tuple(part.shape) for part in full.hidden_states] == [
        (2, width, config.hidden_size)
    ] * (config.num_hidden_layers + 1)
    assert [tuple(part.shape) for part in full.attentions] == [
        (2, config.num_attention_heads, width, width)
    ] * config.num_hidden_layers
    assert torch.allclose(full.attentions[0].sum(-1), torch.ones(()), atol=1e-5)
    assert torch.allclose(full.reasoning_BC, short.reasoning_BC, atol=1e-4)
    assert torch.equal(again.reasoning_BC, short.reasoning_BC)


@pytest.mark.slow
def test_a_trained_model_tells_the_types_of_its_questions_and_a_saved_one_too(tiny, tmp_path):
    backbone, windows, layout = tiny
    model = build(backbone, type_weight=1.0)
    model.prepare_training(windows)
    settings = Train(epochs=40, learning_rate=1e-2, batch_size=3, precision="fp32")
    train_model(
        model,
        WindowSet(windows, layout),
        settings,
        evaluate=Rising(),
        checkpoints=tmp_path / "checkpoints",
    )
    found = types_of(model, windows, layout)
    examples = tiny_models.make_examples(MIXED)
    chosen = choose_types([found], find_by_hash(examples["id"].to_pylist()), len(examples))
    # Four of six have the same type, so a constant prediction is right for four.
    right = np.equal(chosen, examples["reasoning_type"].to_pylist())
    assert right.sum() >= 5
    shares = np.exp(log_probabilities(found))[range(6), windows.cut.reasoning_type_N.tolist()]
    assert shares.mean() > 0.7, "a guess has a third"

    model.save(tmp_path)
    again = types_of(reasoning.load(tmp_path, reasoning.Options()), windows, layout)
    assert np.allclose(log_probabilities(again), log_probabilities(found), atol=1e-4)
    (tmp_path / reasoning.HEAD).unlink()
    with pytest.raises(InputError, match=r"reasoning_head\.safetensors are missing"):
        reasoning.load(tmp_path, reasoning.Options())


def log_probabilities(table):
    return np.array(table["log_probabilities"].to_pylist())


class Rising:
    """Calls every epoch better than the one before, so that the last one is kept."""

    count = 0

    def __call__(self):
        self.count += 1
        return {"exact_match": float(self.count), "f1": 0.0}


def types_of(model, windows, layout):
    found = []
    for _ in predict_candidates(
        model, windows, layout, FP32, torch.device("cpu"), None, found.append
    ):
        pass
    table = pa.concat_tables(found)
    assert table.schema == WINDOW_TYPES
    assert table["example_id"].to_pylist() == windows.example_ids().to_pylist()
    return table


def test_the_type_of_a_question_is_the_likeliest_over_all_its_windows():
    def logs(*shares):
        return [math.log(share) for share in shares]

    rows = [
        {"example_id": "b", "window": 0, "log_probabilities": logs(0.5, 0.4, 0.1)},
        {"example_id": "a", "window": 0, "log_probabilities": logs(0.1, 0.1, 0.8)},
        {"example_id": "b", "window": 1, "log_probabilities": logs(0.2, 0.7, 0.1)},
    ]
    table = pa.Table.from_pylist(rows, schema=WINDOW_TYPES)
    find_numbers = find_by_hash(["a", "b"])
    for parts in ([table], [table.slice(1)], [table.slice(0, 1), table.slice(1)]):
        assert choose_types(parts, find_numbers, 2) == ["comparative", "causal"]


def test_labels_of_the_data_and_of_the_rules_are_judged_apart():
    rows = [
        {"id": str(n), "reasoning_type": kind, "label_source": source}
        for n, (kind, source) in enumerate(
            [("causal", "data"), ("factual", "data"), ("factual", "rules")]
        )
    ]
    data, rules = judge_types(["causal", "causal", "factual"], [pa.Table.from_pylist(rows)])
    assert (data["accuracy"], data["causal_count"]) == (50, 1)
    assert (rules["accuracy"], rules["factual_count"]) == (100, 1)
    data, rules = judge_types(["causal"], [pa.Table.from_pylist(rows[:1])])
    assert data["accuracy"] == 100
    assert rules == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type_weight": -1}, "type_weight: -1 is not allowed"),
        ({"class_weights": "some"}, "class_weights: 'some' is not allowed; one of"),
        ({"dropout": 1}, "dropout: 1 is not allowed"),
    ],
)
def test_an_impossible_option_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        reasoning.Options(**options)


def test_types_are_numbered_as_windows_number_them(tiny):
    _, windows, _ = tiny
    kinds = [TYPES[number] for number in windows.cut.reasoning_type_N.tolist()]
    assert set(kinds) == set(TYPES)
    ids = windows.example_ids().to_pylist()
    assert kinds[ids.index("q4")] == "causal"
    assert kinds[ids.index("q5")] == "comparative"
