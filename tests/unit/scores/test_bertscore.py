import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.models import backbones
from squadron.scores import bertscore
from squadron.scores.bertscore import BertScorer
from tests.effort import draws
from tests.tiny_models import BRIDGE, EIGHT_QUESTIONS, LIBRARY, RIVER, TRAM, write_backbone

WORDS = [
    "library",
    "red",
    "staircase",
    "Spain",
    "river",
    "salt",
    "wine",
    "bridge",
    "arch",
    "160",
    "metres",
    "tram",
    "28",
    "minutes",
]
PREDICTIONS = ["the red library", "salt", "", "160 metres above", "Line 28", "wine and salt", ""]
REFERENCES = [
    ["the library", "red staircase of the library"],
    ["salt and wine", "wine"],
    [],
    ["160 metres", "160 metres", "metres"],
    [],
    ["salt and wine"],
    ["Spain", ""],
]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="module")
def scorer(backbone: str) -> BertScorer:
    return BertScorer(backbone)


class Plain:
    """BERTScore by the paper's formulas: one text per pass, nested loops, no padding."""

    def __init__(self, backbone):
        from transformers import AutoModel

        self.tokenizer = backbones.load_tokenizer(backbone)
        self.bare = backbones.bare_tokenizer(self.tokenizer)
        self.model = AutoModel.from_pretrained(backbone).eval()

    def words(self, text):
        return self.bare.encode(text, add_special_tokens=False).ids

    def vectors(self, text):
        ids = self.bare.encode(text).ids
        with torch.inference_mode():
            states = self.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        hidden = states[-1][0]
        assert self.tokenizer.cls_token_id == ids[0]
        assert self.tokenizer.sep_token_id == ids[-1]
        return [row.double().numpy() for row in hidden[1:-1]]

    def one_way(self, these, those):
        best = [max(x @ y / math.sqrt(x @ x) / math.sqrt(y @ y) for y in those) for x in these]
        return sum(best) / len(best)

    def pair(self, prediction, reference):
        if not self.words(prediction) or not self.words(reference):
            return [float(self.words(prediction) == self.words(reference))] * 3
        x, y = self.vectors(prediction), self.vectors(reference)
        precision = self.one_way(x, y)
        recall = self.one_way(y, x)
        return [precision, recall, 2 * precision * recall / (precision + recall)]

    def score(self, predictions, references):
        accepted = [some or [""] for some in references]
        return [
            [max(column) for column in zip(*(self.pair(p, r) for r in some), strict=True)]
            for p, some in zip(predictions, accepted, strict=True)
        ]


def columns(scores):
    return np.stack([scores.precision, scores.recall, scores.f1], axis=1)


def test_scores_equal_those_of_plain_loops(backbone):
    found = BertScorer(backbone).score(PREDICTIONS, REFERENCES)
    expected = Plain(backbone).score(PREDICTIONS, REFERENCES)
    assert columns(found) == pytest.approx(np.array(expected), abs=1e-5)
    assert len(set(found.f1.round(4))) >= 5  # or nothing was told apart


@settings(max_examples=draws(25), deadline=None)
@given(
    pairs=st.lists(
        st.tuples(*[st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)] * 2),
        min_size=1,
        max_size=5,
    )
)
def test_any_texts_score_as_plain_loops_do(backbone, scorer, pairs):
    predictions, references = zip(*pairs, strict=True)
    found = scorer.score(predictions, [[text] for text in references])
    expected = Plain(backbone).score(predictions, [[text] for text in references])
    assert columns(found) == pytest.approx(np.array(expected), abs=1e-5)


def test_equal_texts_score_1_and_others_less(scorer):
    texts = [LIBRARY, "Spain", "salt and wine"]
    assert columns(scorer.score(texts, [[t] for t in texts])) == pytest.approx(
        np.ones((3, 3)), abs=1e-5
    )
    assert columns(scorer.score(texts, [["160 metres"]] * 3)).max() < 0.999
    # What the tokenizer does not tell apart is equal.
    assert scorer.score(["SPAIN"], [["spain"]]).f1 == pytest.approx([1], abs=1e-5)


def test_abstaining_is_right_or_wrong_and_nothing_between(scorer):
    predictions = ["", "", "Spain", " ", "", "Spain"]
    references = [[], [""], [], ["", "Spain"], ["Spain"], ["", "Spain"]]
    found = scorer.score(predictions, references)
    assert columns(found) == pytest.approx(np.repeat([[1], [1], [0], [1], [0], [1]], 3, axis=1))


def test_special_tokens_are_no_match(backbone, scorer):
    # One word against one word is a single cosine, whatever stands around them.
    plain = Plain(backbone)
    (x,), (y,) = (plain.vectors(text)[:1] for text in ("salt", "wine"))
    assert len(plain.words("salt")) == len(plain.words("wine")) == 1
    cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert columns(scorer.score(["salt"], [["wine"]])) == pytest.approx(
        np.full((1, 3), cosine), abs=1e-5
    )


def test_each_figure_is_the_best_over_the_references(scorer):
    references = ["salt and wine", "wine", "salt and wine above the Douro"]
    each = [columns(scorer.score(["salt wine"], [[text]]))[0] for text in references]
    assert columns(scorer.score(["salt wine"], [references]))[0] == pytest.approx(
        np.max(each, 0), abs=1e-5
    )
    assert len({int(n) for n in np.argmax(each, axis=0)}) > 1  # not one reference is best in all


@pytest.mark.parametrize(("chunk", "numbers", "batch"), [(1, 1, 1), (12, 2000, 20), (40, 9000, 50)])
def test_neither_order_nor_batches_nor_repetition_change_a_score(
    scorer, backbone, chunk, numbers, batch, monkeypatch
):
    sentences = [s for text in (LIBRARY, RIVER, BRIDGE, TRAM) for s in text.split(". ")]
    predictions = [*PREDICTIONS, *sentences]
    references = [*REFERENCES, *([answer, "Spain"] for _, _, answer in EIGHT_QUESTIONS)]
    assert len(predictions) == len(references)
    whole = columns(scorer.score(predictions, references))
    monkeypatch.setattr(bertscore, "CHUNK_TOKENS", chunk)
    monkeypatch.setattr(bertscore, "_MATCH_NUMBERS", numbers)
    order = np.random.default_rng(1).permutation(3 * len(predictions)) % len(predictions)
    other = BertScorer(backbone, batch_tokens=batch).score(
        [predictions[n] for n in order], [references[n] for n in order]
    )
    assert columns(other) == pytest.approx(whole[order], abs=1e-5)


def test_equal_texts_are_encoded_once(scorer, monkeypatch):
    seen = []
    encode = scorer._encode
    monkeypatch.setattr(scorer, "_encode", lambda t, *rest: seen.extend(t) or encode(t, *rest))
    scorer.score(["salt", "salt", "wine"] * 50, [["wine", "salt"]] * 150)
    assert sorted(seen) == ["salt", "wine"]


def test_vectors_held_at_once_are_bounded(scorer, monkeypatch):
    sizes = []
    encode = scorer._encode

    def watched(texts, tokens):
        sizes.append(sum(len(tokens[text].words) for text in texts))
        return encode(texts, tokens)

    monkeypatch.setattr(scorer, "_encode", watched)
    monkeypatch.setattr(bertscore, "CHUNK_TOKENS", 30)
    predictions = [f"{a} {b}" for a in WORDS for b in WORDS]
    scorer.score(predictions, [["salt and wine"]] * len(predictions))
    assert len(sizes) > 10
    assert max(sizes) <= 30


def test_a_text_longer_than_the_encoder_takes_is_cut(scorer):
    long = " ".join(["salt"] * 500)
    (score,) = scorer.score([long], [[long + " wine"]]).f1
    assert score == pytest.approx(1, abs=1e-5)


def test_no_questions_give_no_scores(scorer):
    assert columns(scorer.score([], [])).shape == (0, 3)


def test_what_can_not_be_right_is_refused(scorer):
    with pytest.raises(ValueError, match="2 predictions and 1 lists of references"):
        scorer.score(["a", "b"], [["a"]])


def test_the_offline_encoder_puts_what_means_the_same_nearer():
    scorer = BertScorer()
    found = scorer.score(["twenty months"] * 3, [["20 months"], ["the glass roof"], ["Lisbon"]])
    assert found.f1[0] > max(found.f1[1:])
