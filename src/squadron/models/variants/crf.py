"""CRF: tags every context token as O, B or I of the answer and scores tags with their transitions.

An answer is one span, so by default only "no answer" and O* B I* O* are possible. This makes the
loss, span probabilities and the n best spans exact without a loop over time
(`linear_chain_crf.py`). `structure: free` is the usual CRF over all tag sequences, by pytorch-crf.

Sources: a linear-chain CRF on BIO tags (Lafferty et al. 2001) over an encoder (Devlin et al. 2019).
The form with one span is our own.
"""

import copy
import inspect
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squadron.errors import InputError
from squadron.models import linear_chain_crf as crf
from squadron.models.batches import Batch
from squadron.models.linear_chain_crf import SpanScores, Transitions
from squadron.models.prediction import TopSpans, best_spans
from squadron.models.variants import _networks

TRAINS = True
HEAD = "crf_head.safetensors"
STRUCTURES = ("single_span", "free")


@dataclass(frozen=True)
class Options(_networks.Options):
    """What an experiment may set under `options`."""

    structure: str = "single_span"
    """single_span allows paths with at most one span. free allows all tag paths; it is slow, as it
    loops over time."""
    relu: bool = False
    """ReLU on the emissions, as in the published SpanBERT-CRF."""

    def __post_init__(self) -> None:
        """Refuses values that are not allowed."""
        super().__post_init__()
        if self.structure not in STRUCTURES:
            raise InputError(f"structure: {self.structure!r} is not allowed; one of {STRUCTURES}")


@dataclass
class Chain:
    """The emissions of the contexts alone, left-aligned, with padding at the end."""

    emissions_BTK: torch.Tensor
    """A score for each of the K = 3 tags."""
    length_B: torch.Tensor
    """Tokens of each context; may be 0."""


class CrfModel(torch.nn.Module):
    """An encoder, a linear layer to three tags, and the transitions between them.

    Args:
        encoder: The base model of a transformers network.
        options: The contender's options.
    """

    def __init__(self, encoder: Any, options: Options) -> None:
        from torchcrf import CRF

        super().__init__()
        self.encoder = encoder
        self.emit = torch.nn.Linear(encoder.config.hidden_size, 3)
        torch.nn.init.normal_(self.emit.weight, std=0.02)
        torch.nn.init.zeros_(self.emit.bias)
        # Emissions are summed over hundreds of positions, which needs more than half precision.
        _networks.compute_in_fp32(self.emit)
        self.crf = CRF(3, batch_first=True)
        self._options = options
        self._takes_types = "token_type_ids" in inspect.signature(encoder.forward).parameters

    def forward(self, batch: Batch) -> torch.Tensor:
        """Returns the mean negative log-likelihood of the answer's tags, a scalar."""
        chain = self._score(batch)
        first_B = (batch.start_token_B - batch.context_start_B).clamp(min=0)
        last_B = (batch.end_token_B - batch.context_start_B).clamp(min=0)
        # The null token, at 0, means that the answer is not in this window.
        has_span_B = batch.start_token_B > 0
        if self._options.structure == "single_span":
            return crf.span_loss(
                *(chain.emissions_BTK, chain.length_B, self._transitions()),
                *(first_B, last_B, has_span_B),
            ).mean()
        position_T = torch.arange(chain.emissions_BTK.shape[1], device=first_B.device)
        inside_BT = (position_T >= first_B[:, None]) & (position_T <= last_B[:, None])
        tags_BT = torch.where(inside_BT & has_span_B[:, None], crf.I, crf.O)
        begin_BT = (position_T == first_B[:, None]) & has_span_B[:, None]
        tags_BT = tags_BT.masked_fill(begin_BT, crf.B)
        real_B = chain.length_B > 0  # an empty context has one path, so its loss is 0
        if not real_B.any():
            weights = (chain.emissions_BTK, *self.crf.parameters())
            return sum((part.sum() * 0.0 for part in weights), torch.zeros(()))
        mask_BT = (position_T < chain.length_B[:, None])[real_B]
        with torch.autocast(first_B.device.type, enabled=False):
            likelihood: torch.Tensor = self.crf(
                chain.emissions_BTK[real_B], tags_BT[real_B], mask_BT, reduction="sum"
            )
        return -likelihood / len(real_B)

    def top_spans(self, batch: Batch, n_best: int, max_answer_tokens: int) -> TopSpans:
        """Returns the n best spans of each window by the log-odds of their paths against all O.

        With `structure: free`, the spans of the best tag path come first, best first, cut to
        `max_answer_tokens`. There may be several, and an I after an O begins one, too. The n best
        single spans fill the remaining places. The best path may contain none of them, so their
        scores are capped at the lowest score of a span of the path. If the best path is all O,
        there are only single spans; none of them scores above 0, and the null threshold decides.
        """
        chain = self._score(batch)
        scores = crf.span_scores(chain.emissions_BTK, chain.length_B, self._transitions())
        left_BT, right_BT, single_BT = (_place(part_BT, batch) for part_BT in vars(scores).values())
        spans = best_spans(left_BT, right_BT, batch, n_best, max_answer_tokens, single_BT)
        spans.null_score_B = crf.all_outside_score(
            chain.emissions_BTK, chain.length_B, self._transitions()
        ).float()
        if self._options.structure == "free":
            return self._put_decoded_first(batch, chain, scores, spans, max_answer_tokens)
        return spans

    def save(self, folder: Path) -> None:
        """Writes the encoder as transformers does, and crf_head.safetensors beside it."""
        self.encoder.save_pretrained(folder)
        _networks.save_head(folder / HEAD, self.head())

    def head(self) -> dict[str, torch.Tensor]:
        """Returns the weights beside the encoder, by name."""
        return {
            name: parameter.data
            for name, parameter in self.named_parameters()
            if not name.startswith("encoder.")
        }

    def _transitions(self) -> Transitions:
        chain = self.crf
        return Transitions(chain.start_transitions, chain.end_transitions, chain.transitions)

    def _score(self, batch: Batch) -> Chain:
        types = {"token_type_ids": batch.token_type_ids_BT} if self._takes_types else {}
        hidden_BTH = self.encoder(
            input_ids=batch.input_ids_BT, attention_mask=batch.attention_mask_BT, **types
        ).last_hidden_state
        emissions_BTK = self.emit(hidden_BTH)
        if self._options.relu:
            emissions_BTK = emissions_BTK.relu()
        length_B = (batch.context_end_B - batch.context_start_B + 1).clamp(min=0)
        width = emissions_BTK.shape[1]
        longest = max(1, int(length_B.max()))
        position_T = torch.arange(longest, device=length_B.device)
        from_BT = (batch.context_start_B[:, None] + position_T).clamp(max=width - 1)
        return Chain(emissions_BTK.gather(1, from_BT[:, :, None].expand(-1, -1, 3)), length_B)

    def _put_decoded_first(
        self,
        batch: Batch,
        chain: Chain,
        scores: SpanScores,
        spans: TopSpans,
        max_answer_tokens: int,
    ) -> TopSpans:
        """Returns the spans of pytorch-crf's best path, then as many given ones as there is room.

        Args:
            batch: The windows.
            chain: Their emissions.
            scores: The parts of the scores of single spans.
            spans: The n best single spans.
            max_answer_tokens: The most tokens of a span.
        """
        kept = spans.score_BK.shape[1]
        fill_BK2 = torch.stack([spans.start_token_BK, spans.end_token_BK], 2).tolist()
        fill_scores, firsts = spans.score_BK.tolist(), batch.context_start_B.tolist()
        scores = SpanScores(*(part_BT.cpu() for part_BT in vars(scores).values()))
        rows = []
        for row, path in enumerate(self._decode(chain)):
            first, found = firsts[row], {}
            for start, end in _spans_of(path):
                end = min(end, start + max_answer_tokens - 1)
                places = (torch.tensor([place]) for place in (start, end))
                one = SpanScores(*(part_BT[row : row + 1] for part_BT in vars(scores).values()))
                score = crf.pick_spans(one, *places).float()
                found[first + start, first + end] = float(score)
            ranked = sorted(found.items(), key=lambda pair: -pair[1])[:kept]
            ceiling = min(found.values(), default=math.inf)
            for (start, end), score in zip(fill_BK2[row], fill_scores[row], strict=True):
                # A score of -inf means "no span"; its tokens may equal those of a found span.
                if (start, end) not in found or score == -math.inf:
                    ranked.append(((start, end), min(score, ceiling)))
            rows.append(ranked[:kept])
        tokens = torch.tensor([[pair for pair, _ in ranked] for ranked in rows])
        scored = torch.tensor([[score for _, score in ranked] for ranked in rows])
        tokens, scored = tokens.to(chain.length_B.device), scored.to(chain.length_B.device)
        return TopSpans(tokens[..., 0], tokens[..., 1], scored, spans.null_score_B)

    def _decode(self, chain: Chain) -> list[list[int]]:
        """Returns the best tag path of each sequence."""
        # This runs on the CPU, because pytorch-crf reads each tag by itself and would wait for a
        # GPU each time.
        viterbi, length_B = copy.deepcopy(self.crf).cpu(), chain.length_B.cpu()
        # pytorch-crf needs at least one position.
        mask_BT = torch.arange(chain.emissions_BTK.shape[1]) < length_B.clamp(min=1)[:, None]
        with torch.autocast("cpu", enabled=False):
            paths = viterbi.decode(chain.emissions_BTK.cpu(), mask_BT)
        return [path[:length] for path, length in zip(paths, length_B.tolist(), strict=True)]


def _place(part_BT: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Moves scores from positions of the context to those of the window; the null token gets 0."""
    length = batch.input_ids_BT.shape[1]
    position_T = torch.arange(length, device=part_BT.device)
    from_BT = (position_T - batch.context_start_B[:, None]).clamp(0, part_BT.shape[1] - 1)
    placed_BT = part_BT.gather(1, from_BT)
    placed_BT[:, 0] = 0.0
    return placed_BT


def _spans_of(path: list[int]) -> list[tuple[int, int]]:
    """Returns the runs of tags that are not O, inclusive. A B always begins a new one."""
    spans: list[tuple[int, int]] = []
    for place, tag in enumerate(path):
        if tag == crf.O:
            continue
        goes_on = tag == crf.I and spans and spans[-1][1] == place - 1
        if goes_on:
            spans[-1] = (spans[-1][0], place)
        else:
            spans.append((place, place))
    return spans


def build(backbone: str, options: Options) -> CrfModel:
    """Returns the backbone's encoder with new weights for tags and transitions."""
    # The encoder of a question-answering network has no pooling layer, which would not be trained.
    network = _networks.require_encoder(_networks.load_network(backbone, options), "crf")
    return CrfModel(network.base_model, options)


def load(folder: Path, options: Options) -> CrfModel:
    """Returns a saved model."""
    model = build(str(folder), options)
    _networks.load_head(folder / HEAD, model.head())
    return model
