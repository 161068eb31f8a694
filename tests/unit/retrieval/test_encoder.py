import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from squadron.models import minilm
from squadron.retrieval.encoder import FIRST_TOKEN, MEAN, TextEncoder

TEXTS = [
    "The lighthouse at Cordouan was lit in July 1823.",
    "Rain.",
    "Who built the tower? An engineer did, because the older light was too weak to be seen.",
    "",
    "The rate fell from 5.4% to -0.3%.",
]


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder(batch_tokens=40)


def encode_alone(text: str) -> torch.Tensor:
    """Returns the last hidden states of a text that is encoded by itself."""
    tokenizer = AutoTokenizer.from_pretrained(minilm.locate())
    network = AutoModel.from_pretrained(minilm.locate()).eval()
    with torch.inference_mode():
        return network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]


def test_vectors_are_those_of_each_text_alone_in_the_order_given(encoder: TextEncoder) -> None:
    found = encoder.encode(TEXTS, (MEAN, FIRST_TOKEN))
    for row, text in enumerate(TEXTS):
        hidden = encode_alone(text)
        for name, vector in ((MEAN, hidden.mean(0)), (FIRST_TOKEN, hidden[0])):
            expected = torch.nn.functional.normalize(vector, dim=0).numpy()
            np.testing.assert_allclose(found[name][row], expected, atol=2e-6)


def test_vectors_have_length_one(encoder: TextEncoder) -> None:
    for vectors in encoder.encode(TEXTS, (MEAN, FIRST_TOKEN)).values():
        assert vectors.shape == (5, 384)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_text_is_cut_at_the_most_tokens() -> None:
    encoder = TextEncoder(max_tokens=12)
    cut, same = encoder.encode(["rain " * 10, "rain " * 300])[MEAN]
    np.testing.assert_allclose(cut, same, atol=1e-6)
    assert encoder.fingerprint != TextEncoder().fingerprint


def test_near_texts_are_nearer_than_others(encoder: TextEncoder) -> None:
    texts = ["When was the lighthouse lit?", *TEXTS[:2]]
    question, near, far = encoder.encode(texts)[MEAN]
    assert question @ near > question @ far + 0.2


def test_no_texts_give_no_vectors(encoder: TextEncoder) -> None:
    assert encoder.encode([])[MEAN].shape == (0, 384)


def test_an_unknown_pooling_is_refused(encoder: TextEncoder) -> None:
    with pytest.raises(ValueError, match="'max'; mean and first_token are known"):
        encoder.encode(["a"], ("max",))
