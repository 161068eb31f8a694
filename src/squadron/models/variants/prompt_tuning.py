"""Prompt tuning: puts trained vectors before every window and freezes the backbone.

By default the vectors are embeddings before the first token. With `deep: true`, every layer has its
own vectors, as keys and values that the tokens attend to. The head is trained, too; without it
little is learned.

Sources: Lester et al. 2021 (arXiv:2104.08691). Deep prompts are P-tuning v2, Liu et al. 2022
(arXiv:2110.07602), which is prefix tuning, Li and Liang 2021 (arXiv:2101.00190). Both are
implemented by the library peft.

Legend: B windows, T tokens, P virtual tokens, D width of an embedding.
"""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squadron.errors import InputError
from squadron.models.batches import Batch
from squadron.models.variants import span
from squadron.models.variants._adapters import (
    AdapterModel,
    find_requirements,
    keep_backbone,
    load_adapter,
)

TRAINS = True
NAMES_BACKBONE = True

__all__ = [
    "NAMES_BACKBONE",
    "TRAINS",
    "Options",
    "build",
    "find_requirements",
    "keep_backbone",
    "load",
]


@dataclass(frozen=True)
class Options(span.Options):
    """What an experiment may set under `options`."""

    virtual_tokens: int = 20
    """How many vectors are put before a window."""
    deep: bool = False
    """Whether every layer has its own vectors. This works only with encoders that take
    `past_key_values`, such as bert, roberta, xlm-roberta, camembert and electra."""

    def __post_init__(self) -> None:
        """Refuses a prompt without virtual tokens."""
        super().__post_init__()
        if self.virtual_tokens < 1:
            raise InputError(f"virtual_tokens: {self.virtual_tokens} is not allowed; 1 or more")


class PromptModel(AdapterModel):
    """A backbone that reads trained vectors before every window.

    The tokens of the window keep their positions. All virtual tokens share the first position,
    because their order has no meaning. So windows may be as long as without a prompt.
    """

    def __init__(self, network: Any, backbone: str) -> None:
        super().__init__(network, backbone)
        self._deep = network.active_peft_config.peft_type == "PREFIX_TUNING"
        base = network.get_base_model()
        embeddings = getattr(base.base_model, "embeddings", None)
        positions = getattr(embeddings, "position_embeddings", None)
        padding = getattr(positions, "padding_idx", None)
        # RoBERTa and similar networks count from the position after the one of padding.
        self._first_position = 0 if padding is None else padding + 1

    def _score(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        # peft's own forward is not called: it drops token_type_ids and shifts the positions, and
        # its masks for deep prompts do not fit encoders (peft 0.21, transformers 5.23).
        base = self.network.get_base_model()
        size, length = batch.input_ids_BT.shape
        position_T = self._first_position + torch.arange(length, device=batch.input_ids_BT.device)
        position_BT = position_T.expand(size, length)
        virtual_BP = batch.attention_mask_BT.new_ones(size, self._virtual_tokens)
        mask_BS = torch.cat((virtual_BP, batch.attention_mask_BT), dim=1)  # S = P + T
        types = {"token_type_ids": batch.token_type_ids_BT} if self._takes_types else {}
        prompt = self.network.get_prompt(size)
        if self._deep:
            output = base(
                input_ids=batch.input_ids_BT,
                attention_mask=self._mask_prefixed(mask_BS, prompt),
                position_ids=position_BT,
                past_key_values=prompt,
                **types,
            )
            return output.start_logits, output.end_logits
        words_BTD = base.get_input_embeddings()(batch.input_ids_BT)
        before_BP = virtual_BP * self._first_position
        if types:
            types = {"token_type_ids": torch.cat((virtual_BP * 0, batch.token_type_ids_BT), dim=1)}
        output = base(
            inputs_embeds=torch.cat((prompt.to(words_BTD.dtype), words_BTD), dim=1),
            attention_mask=mask_BS,
            position_ids=torch.cat((before_BP, position_BT), dim=1),
            **types,
        )
        first = self._virtual_tokens
        return output.start_logits[:, first:], output.end_logits[:, first:]

    @property
    def _virtual_tokens(self) -> int:
        return int(self.network.active_peft_config.num_virtual_tokens)

    def _mask_prefixed(self, mask_BS: torch.Tensor, prompt: Any) -> Any:
        """Returns the mask of T queries over P + T keys, in the form that the attention takes.

        An encoder makes masks for T keys only, but it uses a mask in this form as it is.
        """
        from transformers.masking_utils import create_bidirectional_mask

        base = self.network.get_base_model()
        width = mask_BS.shape[1] - self._virtual_tokens
        queries_BTD = base.get_input_embeddings().weight.new_empty(len(mask_BS), width, 1)
        return create_bidirectional_mask(
            base.config,
            queries_BTD,
            mask_BS,
            past_key_values=prompt,
            allow_is_bidirectional_skip=False,
        )


def build(backbone: str, options: Options) -> PromptModel:
    """Returns the frozen backbone with new prompts, and with its own head or a new one.

    Raises:
        InputError: If the backbone can't take prompts of this kind.
    """
    from peft import PrefixTuningConfig, PromptTuningConfig, TaskType, get_peft_model

    network = span.build(backbone, options).network
    kind = network.config.model_type
    inside = inspect.signature(network.base_model.forward).parameters
    outside = inspect.signature(network.forward).parameters
    if options.deep:
        if "past_key_values" not in inside or "position_ids" not in outside:
            raise InputError(
                f"deep: true is not allowed for the backbone {backbone!r}, as {kind} takes no "
                "prefixes; bert, roberta, xlm-roberta, camembert and electra do, or use deep: false"
            )
        config: Any = PrefixTuningConfig(
            task_type=TaskType.QUESTION_ANS, num_virtual_tokens=options.virtual_tokens
        )
    else:
        if not {"inputs_embeds", "position_ids"} <= outside.keys():
            raise InputError(
                f"backbone: {backbone!r} is not allowed for prompt_tuning, as {kind} takes no "
                "embeddings with positions; take one such as bert, roberta or deberta, or lora"
            )
        config = PromptTuningConfig(
            task_type=TaskType.QUESTION_ANS,
            num_virtual_tokens=options.virtual_tokens,
            token_dim=network.get_input_embeddings().weight.shape[1],
            num_attention_heads=network.config.num_attention_heads,  # peft knows no distilbert
            # Embeddings of real words are better than random vectors (Lester et al., 3.1).
            prompt_tuning_init="SAMPLE_VOCAB",
        )
    prompted = get_peft_model(network, config)
    if options.deep:
        # The vectors begin as small as the weights of a new layer. With peft's own (deviation 1), a
        # trained model would lose its answers at once and have to learn them again.
        spread = getattr(network.config, "initializer_range", 0.02)
        for encoder in prompted.prompt_encoder.values():
            torch.nn.init.normal_(encoder.embedding.weight, std=spread)
    return PromptModel(prompted, backbone)


def load(folder: Path, options: Options) -> PromptModel:
    """Returns a saved model on the backbone that it names; see `_adapters.load_adapter`."""
    return load_adapter(folder, lambda backbone: build(backbone, options))
