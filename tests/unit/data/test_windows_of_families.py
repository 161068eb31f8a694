"""What windows, answers and span accuracy are with a tokenizer of each family.

The corpus of the examples is read always. With SQUADRON_DATA set to a folder that has
squad/dev-v1.1.json, all of that file is read, too. `pytest --log-cli-level=info` shows the share of
right labels.
"""

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from squadron.artifacts import EXAMPLES
from squadron.config import Contender, Predict, Windows
from squadron.data import tokens
from squadron.data.layout import read_layout
from squadron.data.sources import squad
from squadron.data.validation import validate_examples
from squadron.data.validation_report import Report
from squadron.data.window_table import NULL_TOKEN
from squadron.data.windows import slide_windows
from squadron.errors import InputError
from squadron.models import backbones, minilm
from squadron.models.prediction import TopSpans, predict_candidates
from squadron.models.variants import span
from squadron.reader import Reader
from squadron.scores.evaluation import Questions, judge
from tests import tiny_models
from tests.token_families import FAMILIES, train_tokenizer

pytestmark = pytest.mark.slow  # Each test is repeated for every family of tokenizers.

logger = logging.getLogger(__name__)

CORPUS = Path(__file__).resolve().parents[3] / "examples" / "corpus.json"
CPU = torch.device("cpu")
LEAST_SHARE = 99.0
REAL = "MiniLM"
"""The installed offline backbone; it is no family that is trained here."""


def read_corpus(path):
    rows = [
        {
            "id": e.id,
            "title": e.title,
            "question": e.question,
            "context": e.context,
            "answers": [{"text": a.text, "start_char": a.start_char} for a in e.answers],
            "reasoning_type": e.reasoning_type,
        }
        for e in validate_examples(squad.read_examples(path), Report())
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)


@pytest.fixture(scope="module")
def corpus():
    return read_corpus(CORPUS)


@pytest.fixture(scope="module")
def squad_dev():
    path = Path(os.environ.get("SQUADRON_DATA") or "") / "squad" / "dev-v1.1.json"
    if not path.is_file():
        pytest.skip("SQUADRON_DATA names no folder with squad/dev-v1.1.json")
    return read_corpus(path)


def make_tokenizer(name, examples, vocab_size):
    if name == REAL:
        try:
            return backbones.bare_tokenizer(backbones.load_tokenizer(minilm.NAME))
        except InputError as error:
            pytest.skip(str(error))
    contexts = examples["context"].unique().to_pylist()
    return train_tokenizer(name, contexts[::4] if len(contexts) > 1000 else contexts, vocab_size)


class Oracle:
    """Scores the labelled span of each window highest, and the null token where there is none."""

    training = False

    def top_spans(self, batch, n_best, max_answer_tokens):
        has_answer_B = batch.start_token_B != NULL_TOKEN
        score_B = torch.where(has_answer_B, 1.0, -torch.inf)
        return TopSpans(
            batch.start_token_B[:, None],
            batch.end_token_B[:, None],
            score_B[:, None],
            torch.zeros(len(score_B)),
        )


def share_of_right_labels(windows, examples):
    """In percent, of the windows that have a label."""
    contexts = dict(zip(examples["id"].to_pylist(), examples["context"].to_pylist(), strict=True))
    golds = dict(zip(examples["id"].to_pylist(), examples["answers"].to_pylist(), strict=True))
    cut = windows.cut
    base = cut.first_N - cut.context_start_N
    ids = windows.example_ids().to_pylist()
    right = []
    for number in np.flatnonzero(cut.start_token_N != NULL_TOKEN).tolist():
        start_char = windows.start_chars[base[number] + cut.start_token_N[number]]
        end_char = windows.end_chars[base[number] + cut.end_token_N[number]]
        text = contexts[ids[number]][start_char:end_char]
        right.append(text == golds[ids[number]][0]["text"])
    return 100.0 * float(np.mean(right))


def check_family(name, examples, vocab_size):
    tokenizer = make_tokenizer(name, examples, vocab_size)
    layout = read_layout(tokenizer, 0)
    windows, counts = slide_windows(examples, tokenizer, layout, Windows())
    assert counts.unreachable_answers == 0

    share = share_of_right_labels(windows, examples)
    answered = examples.filter(
        pa.compute.greater(pa.compute.list_value_length(examples["answers"]), 0)
    )
    best = Predict(n_best=1, max_answer_tokens=8, precision="fp32", batch_size=256)
    judged = judge(
        Questions.read(answered),
        predict_candidates(Oracle(), windows, layout, best, CPU),
        None,
        search=False,
    )
    logger.info(
        "%s: %.2f %% of labels are the gold answer, span accuracy %.2f %%, %d windows",
        name,
        share,
        judged.figures.span_accuracy,
        counts.windows,
    )
    assert share >= LEAST_SHARE
    assert judged.figures.span_accuracy >= LEAST_SHARE
    assert all(text == text.strip() for text in judged.answers.chosen)


@pytest.mark.parametrize("name", [REAL, *FAMILIES])
def test_labels_are_the_gold_answers(name, corpus):
    check_family(name, corpus, 8_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", [REAL, *FAMILIES])
def test_labels_are_the_gold_answers_on_all_of_squad_dev(name, squad_dev):
    check_family(name, squad_dev, 4_000)


@pytest.fixture(scope="module", params=FAMILIES)
def reader(request, corpus, tmp_path_factory):
    """A random model with a tokenizer of each family; it answers anything, anywhere."""
    tokenizer = make_tokenizer(request.param, corpus, 400)
    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    size = tokenizer.get_vocab_size()
    backbone = tiny_models.write_backbone(folder, vocab_size=size)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]")
    contender = Contender(
        "span",
        backbone=backbone,
        windows=Windows(max_length=64, stride=16, max_question_length=16),
        predict=Predict(n_best=20, max_answer_tokens=3, precision="fp32"),
    )
    return Reader(span.build(backbone, span.Options()), fast, contender, None)


BLANKS = "  A \u3000\u2009 b\n\n\tc 東京 \u00a0 d é 😀 . e  \r\n "


def test_what_ask_answers_has_no_blanks_around_and_stands_where_it_says(reader, corpus):
    contexts = [*corpus["context"].unique().to_pylist()[:12], BLANKS, BLANKS * 9, " \n ", "\u3000"]
    questions = [("What is it?", context) for context in contexts]
    readings = reader.read(questions)
    for (_, context), reading in zip(questions, readings, strict=True):
        assert reading.answered == bool(context.strip())
        assert reading.text == reading.text.strip()
        if reading.answered:
            assert context[reading.start_char : reading.end_char] == reading.text
            assert reading.text


def test_no_candidate_is_blank_and_a_window_has_each_span_once(reader):
    rows = {"title": "", "answers": [], "reasoning_type": "", "question": "What?"}
    contexts = {"q0": BLANKS, "q1": BLANKS * 5, "q2": "😀😀 " * 30}
    examples = pa.Table.from_pylist(
        [{**rows, "id": name, "context": context} for name, context in contexts.items()],
        schema=EXAMPLES,
    )
    tokenizer, layout = reader._tokenizer, reader._layout
    windows, _ = slide_windows(examples, tokenizer, layout, reader._contender.windows)
    settings = replace(reader._contender.predict, n_best=2_000)
    tables = predict_candidates(reader._model, windows, layout, settings, CPU)
    candidates = pa.concat_tables(tables).to_pylist()
    places = [
        (row["example_id"], row["window"], row["start_char"], row["end_char"]) for row in candidates
    ]
    assert len(set(places)) == len(places)
    found = {contexts[name][start:end] for name, _, start, end in places}
    assert all(text == text.strip() and text for text in found)
    # All there is in the context can still be an answer.
    assert {"A", "b", "c", "d", ".", "e"} <= {text for text in found if len(text) == 1}


@pytest.mark.parametrize("family", [REAL, *FAMILIES])
def test_a_long_text_that_is_tokenised_in_pieces_has_the_tokens_of_the_whole(
    family, corpus, monkeypatch
):
    tokenizer = make_tokenizer(family, corpus, 2_000)
    contexts = corpus["context"].unique().to_pylist()
    few = contexts[:9]
    texts = ["\n".join(contexts), "\n\n".join(few) + "\n", " ".join(few), "\n" * 9, ""]
    whole = [tokens.tokenize(tokenizer, [text], with_offsets=True) for text in texts]
    monkeypatch.setattr(tokens, "CHARACTERS_PER_CHUNK", 2_000)
    for text, expected in zip(texts, whole, strict=True):
        found = tokens.tokenize(tokenizer, [text], with_offsets=True)
        for name in ("ids", "start_chars", "end_chars", "lengths"):
            assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    if family in (REAL, "wordpiece"):
        assert len(tokens._cut_text(tokenizer, texts[0])) > 10
