"""What a CRF with at most one span computes, written plainly for comparison.

Legend: B sequences, T positions.
"""

import torch

from squadron.models.linear_chain_crf import SpanScores


def log_partition(scores: SpanScores) -> torch.Tensor:
    """Returns the log of the sum over all valid paths, relative to the all-O path, shape (B,)."""
    starts_BT = scores.left_BT.logcumsumexp(1)[:, :-1]
    longer_BT = starts_BT + scores.right_BT[:, 1:]
    nothing_B1 = torch.zeros_like(scores.single_BT[:, :1])
    return torch.cat([nothing_B1, scores.single_BT, longer_BT], 1).logsumexp(1)


def all_spans(scores: SpanScores) -> torch.Tensor:
    """Returns the score of every span by its first and last position, shape (B, T, T).

    It is -inf where the last position is before the first one or outside the sequence.
    """
    table_BTT = scores.left_BT[:, :, None] + scores.right_BT[:, None, :]
    table_BTT = table_BTT.triu(1) + torch.diag_embed(scores.single_BT)
    is_span_TT = torch.ones(table_BTT.shape[1:], device=table_BTT.device).triu() > 0
    is_inside_BT = scores.right_BT > -1e8
    return table_BTT.masked_fill(~(is_span_TT & is_inside_BT[:, None, :]), -torch.inf)
