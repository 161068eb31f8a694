import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchcrf import CRF

from squadron import linear_chain_crf as crf
from squadron.linear_chain_crf import B, I, O, Transitions

sequences = st.tuples(st.integers(0, 10_000), st.lists(st.integers(0, 7), min_size=1, max_size=4))


def draw(seed, lengths, scale=2.0, dtype=torch.float64):
    """(random emissions, lengths, transitions) in double precision, the emissions padded by two."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return (torch.randn(*shape, generator=random, dtype=dtype) * scale).requires_grad_()

    emissions = normal(len(lengths), max(lengths) + 2, 3)
    return emissions, torch.tensor(lengths), Transitions(normal(3), normal(3), normal(3, 3))


def single_span_paths(length):
    """{(first, last): tags} of every span, and None: all O."""
    paths = {None: [O] * length}
    for first in range(length):
        for last in range(first, length):
            inside = [B] + [I] * (last - first)
            paths[first, last] = [O] * first + inside + [O] * (length - 1 - last)
    return paths


def path_score(emissions_TK, tags, transitions):
    if not tags:
        return emissions_TK.sum() * 0.0
    score = transitions.start_K[tags[0]] + transitions.end_K[tags[-1]]
    score = score + sum(emissions_TK[place, tag] for place, tag in enumerate(tags))
    return score + sum(transitions.pair_KK[pair] for pair in itertools.pairwise(tags))


@settings(deadline=None, max_examples=60)
@given(sequences)
def test_every_span_scores_as_its_path_does_against_all_o(drawn):
    emissions, lengths, transitions = draw(*drawn)
    scores = crf.span_scores(emissions, lengths, transitions)
    nothing = crf.all_outside_score(emissions, lengths, transitions)
    for row, length in enumerate(lengths.tolist()):
        paths = single_span_paths(length)
        base = path_score(emissions[row], paths.pop(None), transitions)
        assert float(nothing[row].detach()) == pytest.approx(float(base.detach()), abs=1e-4)
        for (first, last), tags in paths.items():
            ours = crf.pick_spans(
                scores, *(torch.tensor([p] * len(lengths)) for p in (first, last))
            )
            theirs = path_score(emissions[row], tags, transitions) - base
            assert float(ours[row].detach()) == pytest.approx(float(theirs.detach()), abs=1e-4)


@settings(deadline=None, max_examples=60)
@given(sequences)
def test_loss_and_gradients_equal_a_sum_over_all_single_span_paths(drawn):
    emissions, lengths, transitions = draw(*drawn)
    inputs = [emissions, *vars(transitions).values()]
    random = torch.Generator().manual_seed(drawn[0])
    chosen, expected = [], []
    for row, length in enumerate(lengths.tolist()):
        paths = single_span_paths(length)
        pick = int(torch.randint(len(paths), (), generator=random))
        span, tags = list(paths.items())[pick]
        chosen.append(span)
        scores = [path_score(emissions[row], path, transitions) for path in paths.values()]
        expected.append(
            torch.stack(scores).logsumexp(0) - path_score(emissions[row], tags, transitions)
        )
    first, last = (torch.tensor([span[side] if span else 0 for span in chosen]) for side in (0, 1))
    has = torch.tensor([span is not None for span in chosen])
    ours = crf.span_loss(crf.span_scores(emissions, lengths, transitions), first, last, has)
    theirs = torch.stack(expected)
    assert torch.allclose(ours.double(), theirs, atol=1e-4)
    weights = torch.rand(len(lengths), generator=random, dtype=torch.float64)
    our_gradients = torch.autograd.grad((ours * weights).sum(), inputs)
    their_gradients = torch.autograd.grad((theirs * weights).sum(), inputs, allow_unused=True)
    for mine, theirs in zip(our_gradients, their_gradients, strict=True):
        theirs = torch.zeros_like(mine) if theirs is None else theirs
        assert torch.isfinite(mine).all()
        assert torch.allclose(mine, theirs, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 7), min_size=1, max_size=4))
def test_path_scores_and_gradients_are_those_of_pytorch_crf(seed, lengths):
    """Its likelihood of a path plus its own normaliser is the path's score."""
    emissions, lengths, transitions = draw(seed, lengths)
    reference = CRF(3, batch_first=True).double()
    reference.start_transitions = torch.nn.Parameter(transitions.start_K.detach().clone())
    reference.end_transitions = torch.nn.Parameter(transitions.end_K.detach().clone())
    reference.transitions = torch.nn.Parameter(transitions.pair_KK.detach().clone())
    mask = torch.arange(emissions.shape[1]) < lengths[:, None]
    mask, emissions = mask[:, : int(lengths.max())], emissions[:, : int(lengths.max())]
    last = (lengths - 1) // 2
    place = torch.arange(int(lengths.max()))
    tags = torch.where(place <= last[:, None], I, O)
    tags[:, 0] = B
    nothing = torch.zeros_like(tags)
    theirs = reference(emissions, tags, mask, reduction="none") - reference(
        emissions, nothing, mask, reduction="none"
    )
    scores = crf.span_scores(emissions, lengths, transitions)
    ours = crf.pick_spans(scores, torch.zeros_like(last), last)
    assert torch.allclose(ours.double(), theirs, atol=1e-4)
    mine = torch.autograd.grad(ours.sum(), [emissions, *vars(transitions).values()])
    others = torch.autograd.grad(
        theirs.sum(),
        [emissions, reference.start_transitions, reference.end_transitions, reference.transitions],
        allow_unused=True,
    )
    for a, b in zip(mine, others, strict=True):
        assert torch.allclose(a, torch.zeros_like(a) if b is None else b, atol=1e-4)


def test_long_sequences_lose_little_in_single_precision():
    emissions, lengths, transitions = draw(3, [384] * 8, scale=5.0)
    single = crf.span_scores(emissions.float(), lengths, transitions)
    step = (emissions[..., I] - emissions[..., O])[:, :384]
    exact = step.cumsum(1)
    # A span from 300 to 310 against its own few terms in double precision.
    pair, first, last = transitions.pair_KK, 300, 310
    expected = (
        pair[O, B] + pair[B, I] + 9 * pair[I, I] + pair[I, O] - 12 * pair[O, O]
        + emissions[:, first, B] - emissions[:, first, O] + exact[:, last] - exact[:, first]
    )  # fmt: skip
    places = (torch.full((8,), place) for place in (first, last))
    assert torch.allclose(crf.pick_spans(single, *places).double(), expected, atol=1e-2)
    loss = crf.span_loss(single, lengths * 0, lengths - 1, lengths > 0)
    gradients = torch.autograd.grad(loss.sum(), [emissions])[0]
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradients).all()


def test_half_precision_is_left_outside():
    emissions, lengths, transitions = draw(1, [5, 3], dtype=torch.float32)
    expected = crf.log_partition(crf.span_scores(emissions, lengths, transitions))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = crf.span_scores(emissions, lengths, transitions)
        assert scores.left_BT.dtype == torch.float32
        assert torch.equal(crf.log_partition(scores), expected)
