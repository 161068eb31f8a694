import pytest

from squadron.errors import InputError
from squadron.models import architectures, scratch
from squadron.models.batches import LENGTH_MULTIPLE


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "longformer", "max_position_embeddings": 4098, "pad_token_id": 1}, 4096),
        ({"model_type": "led", "max_encoder_position_embeddings": 16384}, 16384),
        ({"model_type": "gpt2", "n_positions": 1024}, 1024),
        ({"model_type": "deberta-v2", "max_position_embeddings": 512}, 512),
        (
            {
                "model_type": "deberta-v2",
                "max_position_embeddings": 512,
                "position_biased_input": False,
            },
            None,
        ),
        ({"model_type": "t5", "n_positions": 512}, None),
        ({"model_type": "xlnet", "max_position_embeddings": -1}, None),
        ({"model_type": "bloom"}, None),
        ({}, None),
    ],
)
def test_the_usable_positions_are_those_of_the_architecture(config, positions):
    assert architectures.count_positions(config) == positions


@pytest.mark.parametrize(
    ("kind", "count", "allowed", "refused"),
    [
        ("bert", 512, 512, 513),
        ("bert", 512, 500, 600),
        ("bert", 500, 496, 497),  # 497 tokens are padded to 504
        ("roberta", 514, 512, 513),
        ("xlnet", -1, 100_000, None),
    ],
)
def test_windows_must_fit_the_positions_with_their_padding(kind, count, allowed, refused):
    config = {"model_type": kind, "max_position_embeddings": count, "pad_token_id": 1}
    architectures.check_length("some/model", config, allowed)
    if refused:
        limit = architectures.count_positions(config)
        with pytest.raises(InputError) as caught:
            architectures.check_length("some/model", config, refused)
        assert str(caught.value) == (
            f"windows -> max_length: {refused} is not allowed for the backbone 'some/model', which "
            f"has {limit} positions, as windows are padded to a multiple of 8 tokens (here "
            f"{-(-refused // 8) * 8}); choose {limit // 8 * 8} or less"
        )


def test_the_multiple_that_is_checked_is_that_of_batches():
    assert scratch.POSITION_MULTIPLE == LENGTH_MULTIPLE
