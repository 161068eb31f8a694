"""The words that a model attends to when it tells the type of a question."""

import numpy as np
import pytest
import torch

from squadron.config import Predict, Windows
from squadron.models import attention
from squadron.models.batches import WindowSet
from squadron.models.variants import reasoning, span
from tests import tiny_models

CONTEXT = "In 1906, the well-known library opened; its glass roof was 3.5 m high. In 1906!"
SETTINGS = Predict(batch_size=2, precision="fp32")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")


def find(model, windows, contexts, layout):
    return attention.find_attended_words(
        model, windows, contexts, layout, SETTINGS, torch.device("cpu")
    )


class Scripted:
    """Attends by turns to the tokens of the context that start at the given characters."""

    def __init__(self, weights, windows):
        self.weights, self.windows = weights, windows

    def first_token_attention(self, batch):
        found = torch.zeros(batch.input_ids_BT.shape)
        cut = self.windows.cut
        for row, head in enumerate(batch.context_start_B.tolist()):
            for token in range(int(cut.context_length_N[row])):
                start = int(self.windows.start_chars[cut.first_N[row] + token])
                found[row, head + token] = self.weights.get(start, 0.0)
        return found


def test_weights_of_tokens_are_summed_by_word_and_punctuation_is_left_out(backbone):
    examples = tiny_models.make_examples([("When?", CONTEXT, "")])
    windows, layout = tiny_models.cut_windows(backbone, examples)
    at = CONTEXT.index
    weights = {
        at("known"): 0.2,  # "well-known" is one word of several tokens
        at("well"): 0.1,
        at(";"): 0.5,
        at("glass"): 0.25,
        CONTEXT.rindex("1906"): 0.15,
    }
    ((*words,),) = find(Scripted(weights, windows), windows, [CONTEXT], layout)
    assert [(word.text, round(word.weight, 4)) for word in words[:3]] == [
        ("well-known", 0.3),
        ("glass", 0.25),
        ("1906", 0.15),
    ]
    assert len(words) == attention.MOST_WORDS
    assert words[2].start_char == CONTEXT.rindex("1906")
    assert all(CONTEXT[word.start_char : word.end_char] == word.text for word in words)


def test_each_window_has_words_of_its_own_characters(backbone):
    text = " ".join([tiny_models.TRAM, tiny_models.RIVER, tiny_models.BRIDGE])
    contexts = [text, tiny_models.LIBRARY, ""]
    examples = tiny_models.make_examples([("Why did it close?", each, "") for each in contexts])
    windows, layout = tiny_models.cut_windows(
        backbone, examples, Windows(max_length=48, stride=8, max_question_length=16)
    )
    model = reasoning.build(backbone, reasoning.Options()).eval()
    found = find(model, windows, contexts, layout)
    extents = windows.extents().to_pylist()
    assert len(found) == len(extents) == windows.num_rows > 4
    assert found[-1] == (), "an empty context has no words"
    for words, extent in zip(found, extents, strict=True):
        context = contexts[int(extent["example_id"][1:])]
        assert all(context[word.start_char : word.end_char] == word.text for word in words)
        assert all(
            word.start_char < extent["end_char"] and word.end_char > extent["start_char"]
            for word in words
        )
        weights = [word.weight for word in words]
        assert weights == sorted(weights, reverse=True)
        assert sum(weights) < 1
    assert min(len(words) for words in found[:-1]) == attention.MOST_WORDS


def test_the_attention_of_the_first_token_is_the_mean_of_the_last_layers_heads(backbone):
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS[:2])
    windows, layout = tiny_models.cut_windows(backbone, examples)
    batch = WindowSet(windows, layout).collate([0, 1])
    model = reasoning.build(backbone, reasoning.Options()).eval()
    with torch.inference_mode():
        weights = model.first_token_attention(batch)
        last = model.read(batch, attentions=True).attentions[-1]
    by_hand = np.mean([last[:, head, 0].numpy() for head in range(2)], axis=0)
    assert np.allclose(weights.numpy(), by_hand, atol=1e-6)
    assert np.allclose(weights.sum(1).numpy(), 1.0, atol=1e-5)


def test_only_models_that_tell_types_say_where_they_look(backbone):
    assert isinstance(reasoning.build(backbone, reasoning.Options()), attention.Attending)
    assert not isinstance(span.build(backbone, span.Options()), attention.Attending)
