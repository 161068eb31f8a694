"""The mathematics of a linear-chain CRF with at most one span, exact and without a loop over time.

The tags are O, B and I. The tag paths with at most one span are "all O" and O* B I* O*. The score
of such a path relative to the all-O path is the sum of a part for its start and a part for its end:

    score(a, b) = left[a] + right[b]  for a < b,      score(a, a) = single[a],

where the parts contain cumulative sums of I minus O. So the partition function over all these paths
needs one logcumsumexp.

Everything is computed in double precision, whatever the input is; autocast does not change that. In
a trained model, O may be 15 above I, and sums over 384 positions reach 6,000. The score of a short
span is the small difference of two such sums, which is wrong by 1e-3 in single precision. Double
precision takes no longer (measured).

Source: the closed form is our own derivation from the linear-chain CRF of Lafferty, McCallum and
Pereira 2001. The parameters are stored as pytorch-crf stores them.

Legend: B sequences, T positions (left-aligned), K = 3 tags, P = 1 + 2 T paths or groups of paths.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

O, B, I = range(3)  # noqa: E741  the tags' own names
_NEVER = -1e9
"""A score below that of any path. It is finite, because infinities would make gradients NaN."""


@dataclass(frozen=True)
class Transitions:
    """The parameters of a CRF, as pytorch-crf stores them."""

    start_K: torch.Tensor
    end_K: torch.Tensor
    pair_KK: torch.Tensor
    """The score of a transition from the first tag to the second."""


@dataclass(frozen=True)
class SpanScores:
    """Scores relative to the all-O path, as log-odds; outside a sequence far below any other.

    They are in double precision. Rounded to single precision, left and right would not cancel.
    """

    left_BT: torch.Tensor
    """The part of a span of two or more positions that its first position decides."""
    right_BT: torch.Tensor
    """The part that its last position decides."""
    single_BT: torch.Tensor
    """The score of a span of one position."""


def span_scores(
    emissions_BTK: torch.Tensor, length_B: torch.Tensor, transitions: Transitions
) -> SpanScores:
    """Returns the parts of every span's score, in double precision.

    Args:
        emissions_BTK: Tag scores of left-aligned sequences; those after the end are ignored.
        length_B: Positions of each sequence; may be 0.
        transitions: Shared by all sequences.
    """
    # Each tag gets a tensor of its own. Differences along a last dimension of three would take
    # longer than everything else.
    O_BT, B_BT, I_BT = emissions_BTK.permute(2, 0, 1).contiguous().double()
    start_K, end_K = transitions.start_K.double(), transitions.end_K.double()
    pair_KK = transitions.pair_KK.double()
    position_T = torch.arange(emissions_BTK.shape[1], device=emissions_BTK.device)
    inside_BT = position_T < length_B[:, None]
    last_BT = position_T == length_B[:, None] - 1
    stay = pair_KK[O, O]
    enter_T = torch.where(position_T == 0, start_K[B] - start_K[O], pair_KK[O, B] - stay)
    begin_BT = B_BT - O_BT + enter_T
    # What each position after the first one of a span adds.
    step_BT = (I_BT - O_BT + (pair_KK[I, I] - stay)).masked_fill(~inside_BT, 0.0)
    sum_BT = step_BT.cumsum(1)

    def leave(tag: int) -> torch.Tensor:
        return torch.where(last_BT, end_K[tag] - end_K[O], pair_KK[tag, O] - stay)

    first_step = pair_KK[B, I] - pair_KK[I, I]  # the first step comes from B, the others from I
    outside_BT = ~inside_BT
    return SpanScores(
        (begin_BT + first_step - sum_BT).masked_fill(outside_BT, _NEVER),
        (sum_BT + leave(I)).masked_fill(outside_BT, _NEVER),
        (begin_BT + leave(B)).masked_fill(outside_BT, _NEVER),
    )


def pick_spans(scores: SpanScores, first_B: torch.Tensor, last_B: torch.Tensor) -> torch.Tensor:
    """Returns the score of one span in each sequence, shape (B,). Positions are inclusive."""
    left_B, right_B, single_B = (
        part_BT.gather(1, place_B[:, None])[:, 0]
        for part_BT, place_B in (
            (scores.left_BT, first_B),
            (scores.right_BT, last_B),
            (scores.single_BT, first_B),
        )
    )
    return torch.where(first_B == last_B, single_B, left_B + right_B)


def span_loss(
    emissions_BTK: torch.Tensor,
    length_B: torch.Tensor,
    transitions: Transitions,
    first_B: torch.Tensor,
    last_B: torch.Tensor,
    has_span_B: torch.Tensor,
) -> torch.Tensor:
    """Returns the negative log-likelihood of each sequence's span, or of all O, shape (B,).

    The result is in single precision. The gradient is written out, because autograd takes twice as
    long through the cumulative sums.

    Args:
        emissions_BTK: As for `span_scores`.
        length_B: As for `span_scores`.
        transitions: As for `span_scores`.
        first_B: First position of the span; any position if there is no span.
        last_B: Last position of the span, inclusive; any position if there is no span.
        has_span_B: False for all O, which is the only path of a sequence of length 0.
    """
    parameters = (transitions.start_K, transitions.end_K, transitions.pair_KK)
    apply: Any = _SpanLoss.apply  # torch gives it no type
    loss_B: torch.Tensor = apply(emissions_BTK, *parameters, length_B, first_B, last_B, has_span_B)
    return loss_B


class _SpanLoss(torch.autograd.Function):
    """Computes the loss and d loss / d (left, right, single); backward carries it to the inputs.

    The derivative of the log partition by a part is the probability of the spans with this part.
    """

    @staticmethod
    def forward(
        ctx: Any,
        emissions_BTK: torch.Tensor,
        start_K: torch.Tensor,
        end_K: torch.Tensor,
        pair_KK: torch.Tensor,
        length_B: torch.Tensor,
        first_B: torch.Tensor,
        last_B: torch.Tensor,
        has_span_B: torch.Tensor,
    ) -> torch.Tensor:
        scores = span_scores(emissions_BTK, length_B, Transitions(start_K, end_K, pair_KK))
        left_BT, right_BT, single_BT = scores.left_BT, scores.right_BT, scores.single_BT
        # Log sums over all spans of two or more positions, by their last and first position.
        ending_BT = right_BT.index_fill(1, length_B.new_zeros(1), _NEVER)
        ending_BT[:, 1:] += left_BT.logcumsumexp(1)[:, :-1]
        beginning_BT = left_BT.clone()
        beginning_BT[:, :-1] += right_BT.flip(1).logcumsumexp(1).flip(1)[:, 1:]
        beginning_BT[:, -1] = _NEVER
        nothing_B1 = torch.zeros_like(single_BT[:, :1])
        paths_BP = torch.cat([nothing_B1, single_BT, ending_BT], 1)
        # This is logsumexp. Its exponentials are the probabilities that the gradient needs.
        most_B1 = paths_BP.amax(1, keepdim=True)
        paths_BP.sub_(most_B1).exp_()
        sum_B1 = paths_BP.sum(1, keepdim=True)
        total_B1 = sum_B1.log() + most_B1
        paths_BP.div_(sum_B1)
        picked_B = pick_spans(scores, first_B, last_B)
        loss_B = total_B1[:, 0] - torch.where(has_span_B, picked_B, nothing_B1[:, 0])
        beginning_BT.sub_(total_B1).exp_()
        # Subtract the observed span: its position, or the first and last one of a longer span.
        count = single_BT.shape[1]
        is_longer_B = first_B != last_B
        minus_one_B = -has_span_B.to(paths_BP.dtype)
        place_B = torch.where(is_longer_B, last_B + count, first_B) + 1
        paths_BP.scatter_add_(1, place_B[:, None], minus_one_B[:, None])
        beginning_BT.scatter_add_(1, first_B[:, None], (minus_one_B * is_longer_B)[:, None])
        grads = (beginning_BT, paths_BP[:, count + 1 :], paths_BP[:, 1 : count + 1])
        ctx.save_for_backward(*grads, length_B)
        ctx.dtypes = [tensor.dtype for tensor in (emissions_BTK, start_K, end_K, pair_KK)]
        return loss_B.float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_B: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        *parts, length_B = ctx.saved_tensors
        left_BT, right_BT, single_BT = (part * grad_B[:, None] for part in parts)
        begin_BT = left_BT + single_BT
        # A step is part of each cumulative sum from its own position on.
        step_BT = (right_BT - left_BT).flip(1).cumsum(1).flip(1)
        emissions_BTK = torch.stack([-(begin_BT + step_BT), begin_BT, step_BT], 2)
        end_B1 = (length_B - 1).clamp(min=0)[:, None]
        first, begins, steps = begin_BT[:, 0].sum(), begin_BT.sum(), step_BT.sum()
        longer, from_I, from_B = left_BT.sum(), right_BT.sum(), single_BT.sum()
        last_I, last_B = right_BT.gather(1, end_B1).sum(), single_BT.gather(1, end_B1).sum()
        stay = -(begins - first + steps + from_I - last_I + from_B - last_B)
        zero = torch.zeros_like(stay)
        start_K = torch.stack([-first, first, zero])
        end_K = torch.stack([-(last_I + last_B), last_B, last_I])
        pair_KK = torch.stack(
            [
                *(stay, begins - first, zero),
                *(from_B - last_B, zero, longer),
                *(from_I - last_I, zero, steps - longer),
            ]
        ).view(3, 3)
        grads = (emissions_BTK, start_K, end_K, pair_KK)
        return *(grad.to(dtype) for grad, dtype in zip(grads, ctx.dtypes, strict=True)), *[None] * 4


def all_outside_score(
    emissions_BTK: torch.Tensor, length_B: torch.Tensor, transitions: Transitions
) -> torch.Tensor:
    """Returns the score of the all-O path, shape (B,); 0 for a sequence of length 0.

    Span scores are relative to it.
    """
    emissions_BT = emissions_BTK[..., O].double()
    position_T = torch.arange(emissions_BT.shape[1], device=emissions_BT.device)
    inside_BT = position_T < length_B[:, None]
    ends = transitions.start_K[O].double() + transitions.end_K[O].double()
    moves_B = (length_B - 1) * transitions.pair_KK[O, O].double()
    total_B = emissions_BT.masked_fill(~inside_BT, 0.0).sum(1) + ends + moves_B
    return torch.where(length_B > 0, total_B, torch.zeros_like(total_B))
