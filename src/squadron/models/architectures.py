"""Which architectures can be backbones, and how many tokens they can read.

Everything here is read from a backbone's configuration (config.json), without its weights.
"""

from collections.abc import Mapping

from squadron.errors import InputError
from squadron.models.scratch import POSITION_MULTIPLE

LAYER_FIELDS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers")
"""The fields of a configuration that may hold the number of layers."""
NEED_MORE_THAN_TEXT = {
    "layoutlmv2": "the image of a page besides the text",
    "lxmert": "regions of an image besides the text",
}
"""Architectures with question answering in transformers that need more than text: what they need
besides."""
POSITION_FIELDS = (
    "max_position_embeddings",
    "n_positions",  # gpt2, gptj
    "max_encoder_position_embeddings",  # led
    "max_seq_len",  # mpt
)
"""The fields of a configuration that may hold the number of positions."""
RELATIVE = frozenset(("bloom", "funnel", "mt5", "t5", "umt5", "xlnet"))
"""Architectures that use only the distances between tokens, so they have no limit. Some of their
configurations hold a number of positions all the same."""
COUNTS_AFTER_PADDING = frozenset(
    (
        *("camembert", "data2vec-text", "ibert", "layoutlmv3", "lilt", "longformer", "luke"),
        *("markuplm", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
    )
)
"""Architectures whose first token has the position after `pad_token_id`. RoBERTa, for example, has
514 positions, of which 512 are usable. MPNet always starts at position 2."""
USUAL_KINDS = "choose one such as bert, roberta, electra, deberta-v2 or modernbert"
"""The remedy in messages about an architecture that is not allowed."""


def refuse_kind(backbone: str, kind: str) -> None:
    """Refuses an architecture that needs more than text.

    Args:
        backbone: The name that the message shows.
        kind: `model_type` of its configuration.

    Raises:
        InputError: With what it needs besides.
    """
    if kind in NEED_MORE_THAN_TEXT:
        raise InputError(
            f"The backbone {backbone!r} is not allowed, as {kind} reads "
            f"{NEED_MORE_THAN_TEXT[kind]}; {USUAL_KINDS}"
        )


def check_length(backbone: str, config: Mapping[str, object], max_length: int) -> None:
    """Refuses windows that have more tokens, with padding, than the backbone has positions.

    Args:
        backbone: The name that the message shows.
        config: Its configuration, as config.json holds it.
        max_length: The most tokens of a window.

    Raises:
        InputError: With the longest allowed value.
    """
    limit = count_positions(config)
    padded = -(-max_length // POSITION_MULTIPLE) * POSITION_MULTIPLE
    if limit is not None and padded > limit:
        longest = limit // POSITION_MULTIPLE * POSITION_MULTIPLE
        raise InputError(
            f"windows -> max_length: {max_length} is not allowed for the backbone {backbone!r}, "
            f"which has {limit} positions, as windows are padded to a multiple of "
            f"{POSITION_MULTIPLE} tokens (here {padded}); choose {longest} or less"
        )


def check_frozen_layers(backbone: str, config: Mapping[str, object], count: int) -> None:
    """Refuses to freeze more layers than a backbone has, where its configuration tells.

    Args:
        backbone: The name that the message shows.
        config: Its configuration, as config.json holds it.
        count: How many layers shall be frozen.

    Raises:
        InputError: With the highest allowed value.
    """
    layers = next((config[name] for name in LAYER_FIELDS if name in config), None)
    if isinstance(layers, int) and count > layers:
        raise InputError(
            f"train -> frozen_layers: {count} is not allowed for the backbone {backbone!r}, which "
            f"has {layers} layers; choose {layers} or less"
        )


def count_positions(config: Mapping[str, object]) -> int | None:
    """Returns how many tokens a model can read at once; None if there is no limit.

    Args:
        config: Its configuration, as config.json holds it.
    """
    kind = config.get("model_type")
    # DeBERTa has a table of positions only if this is true; otherwise its attention is relative.
    if kind in RELATIVE or config.get("position_biased_input") is False:
        return None
    for name in POSITION_FIELDS:
        count = config.get(name)
        if isinstance(count, int) and count > 0:
            if kind in COUNTS_AFTER_PADDING:
                padding = config.get("pad_token_id")
                return count - (padding if isinstance(padding, int) else 0) - 1
            return count - 2 if kind == "mpnet" else count
    return None
