"""Which architectures can work here, and how many tokens they can read, by their config.json."""

from collections.abc import Mapping
from typing import Any

from squadron.errors import InputError
from squadron.models.scratch import POSITION_MULTIPLE

NEED_MORE_THAN_TEXT = {
    "layoutlmv2": "the image of a page besides the text",
    "lxmert": "regions of an image besides the text",
}
"""Architectures that transformers has question answering for and that can't work on text alone."""
POSITION_FIELDS = (
    "max_position_embeddings",
    "n_positions",  # gpt2, gptj
    "max_encoder_position_embeddings",  # led
    "max_seq_len",  # mpt
)
"""Where a configuration says how many positions there are."""
RELATIVE = frozenset(("bloom", "funnel", "mt5", "t5", "umt5", "xlnet"))
"""Architectures that know distances between tokens only; some name a number all the same."""
COUNTS_AFTER_PADDING = frozenset(
    (
        *("camembert", "data2vec-text", "ibert", "layoutlmv3", "lilt", "longformer", "luke"),
        *("markuplm", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
    )
)
"""Architectures whose first token has the position after `pad_token_id`: RoBERTa has 514 positions,
and 512 of them are usable. MPNet does so, too, and always counts from 2."""
USUAL_KINDS = "choose one such as bert, roberta, electra, deberta-v2 or modernbert"


def refuse_kind(backbone: str, kind: str) -> None:
    if kind in NEED_MORE_THAN_TEXT:
        raise InputError(
            f"The backbone {backbone!r} is not allowed, as {kind} reads "
            f"{NEED_MORE_THAN_TEXT[kind]}; {USUAL_KINDS}"
        )


def check_length(backbone: str, config: Mapping[str, Any], max_length: int) -> None:
    """Refuses windows that, padded, are longer than a backbone has positions.

    Args:
        backbone: For the message.
        config: Of the backbone, as config.json holds it.
        max_length: Of the windows.

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


def count_positions(config: Mapping[str, Any]) -> int | None:
    """The tokens that a model of this configuration can read at once; None without a limit.

    Args:
        config: As config.json holds it.
    """
    kind = config.get("model_type")
    # DeBERTa has a table of positions only where this is true; else its attention is relative.
    if kind in RELATIVE or config.get("position_biased_input") is False:
        return None
    for name in POSITION_FIELDS:
        count = config.get(name)
        if isinstance(count, int) and count > 0:
            if kind in COUNTS_AFTER_PADDING:
                return count - (int(config.get("pad_token_id") or 0) + 1)
            return count - 2 if kind == "mpnet" else count
    return None
