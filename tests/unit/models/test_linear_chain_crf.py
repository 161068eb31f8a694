import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchcrf import CRF

from squadron.models import linear_chain_crf as crf
from squadron.models.linear_chain_crf import B, I, O, Transitions
from tests import crf_reference
from tests.effort import draws

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


@settings(deadline=None, max_examples=draws(60))
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


@settings(deadline=None, max_examples=draws(60))
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
    ours = crf.span_loss(emissions, lengths, transitions, first, last, has)
    theirs = torch.stack(expected)
    assert torch.allclose(ours.double(), theirs, atol=1e-4)
    weights = torch.rand(len(lengths), generator=random, dtype=torch.float64)
    our_gradients = torch.autograd.grad((ours * weights).sum(), inputs)
    their_gradients = torch.autograd.grad((theirs * weights).sum(), inputs, allow_unused=True)
    for mine, theirs in zip(our_gradients, their_gradients, strict=True):
        theirs = torch.zeros_like(mine) if theirs is None else theirs
        assert torch.isfinite(mine).all()
        assert torch.allclose(mine, theirs, atol=1e-4)


@settings(deadline=None, max_examples=draws(30))
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


@settings(deadline=None, max_examples=draws(40))
@given(sequences)
def test_the_table_of_spans_holds_each_path_once_and_sums_to_the_partition(drawn):
    emissions, lengths, transitions = draw(*drawn)
    scores = crf.span_scores(emissions, lengths, transitions)
    table = crf_reference.all_spans(scores)
    for row, length in enumerate(lengths.tolist()):
        paths = single_span_paths(length)
        base = path_score(emissions[row], paths.pop(None), transitions)
        expected = torch.full_like(table[row], -torch.inf)
        for (first, last), tags in paths.items():
            expected[first, last] = path_score(emissions[row], tags, transitions) - base
        assert torch.allclose(table[row], expected, atol=1e-9)
        with_nothing = torch.cat([torch.zeros(1), expected.flatten()])
        outside = torch.log_softmax(with_nothing, 0)[0]
        assert torch.allclose(-crf_reference.log_partition(scores)[row], outside, atol=1e-9)


def test_an_empty_sequence_holds_nothing_for_sure():
    emissions, lengths, transitions = draw(2, [0, 3])
    scores = crf.span_scores(emissions, lengths, transitions)
    assert -crf_reference.log_partition(scores)[0] == 0
    loss = crf.span_loss(emissions, lengths, transitions, lengths * 0, lengths * 0, lengths > 0)
    assert loss[0] == 0
    gradient = torch.autograd.grad(loss.sum(), emissions)[0]
    assert (gradient[0] == 0).all()
    assert (gradient[1, :3] != 0).any()


@settings(deadline=None, max_examples=draws(20))
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_the_partition_is_that_of_pytorch_crf_with_a_tag_for_o_after_the_span(seed, length):
    """O before, B, I and O after, all other moves forbidden: at most one span, step by step."""
    emissions, lengths, transitions = draw(seed, [length, max(1, length // 2)])
    emissions = emissions[:, :length]
    after, forbidden = 3, -1e6
    four = [O, B, I, O]
    inputs = [emissions, *vars(transitions).values()]
    reference = CRF(4, batch_first=True)
    for name in ("start_transitions", "end_transitions", "transitions"):
        delattr(reference, name)
    allowed = torch.full((4, 4), forbidden, dtype=torch.float64)
    for move in ((O, O), (O, B), (B, I), (B, after), (I, I), (I, after), (after, after)):
        allowed[move] = 0.0
    begin = torch.tensor([0.0, 0.0, forbidden, forbidden], dtype=torch.float64)
    reference.start_transitions = transitions.start_K[four] + begin
    reference.end_transitions = transitions.end_K[four]
    reference.transitions = transitions.pair_KK[four][:, four] + allowed
    mask = torch.arange(length) < lengths[:, None]
    theirs = reference._compute_normalizer(emissions[..., four].transpose(0, 1), mask.T)

    scores = crf.span_scores(emissions, lengths, transitions)
    nothing = crf.all_outside_score(emissions, lengths, transitions)
    ours = crf_reference.log_partition(scores) + nothing

    assert torch.allclose(ours, theirs, atol=1e-8)
    mine, others = (
        torch.autograd.grad(side.sum(), inputs, materialize_grads=True) for side in (ours, theirs)
    )
    for a, b in zip(mine, others, strict=True):
        assert torch.allclose(a, b, atol=1e-8)


@pytest.mark.parametrize("far", [0.0, -15.0])
def test_long_sequences_lose_nothing_to_cancelling_sums(far):
    """In single precision sums of 384 times -15 leave a short span's score wrong by 1e-3."""
    emissions, lengths, transitions = draw(3, [384] * 4, scale=1.0)
    with torch.no_grad():
        emissions[..., B:] += far
    # Networks give single precision. The reference starts from the same numbers.
    emissions = emissions.detach().float()
    transitions = Transitions(*(part.detach().float() for part in vars(transitions).values()))
    scores = crf.span_scores(emissions, lengths, transitions)
    table = crf_reference.all_spans(scores)
    pair = transitions.pair_KK.double()
    over_O = emissions.double() - emissions.double()[..., :1]
    for first, last in ((1, 2), (40, 69), (300, 310), (381, 382)):
        # Only the span's own terms are added, without the sums over earlier positions.
        expected = (
            over_O[:, first, B] + over_O[:, first + 1 : last + 1, I].sum(1)
            + pair[O, B] + pair[B, I] + (last - first - 1) * pair[I, I] + pair[I, O]
            - (last - first + 2) * pair[O, O]
        )  # fmt: skip
        assert torch.allclose(table[:, first, last], expected, rtol=0, atol=1e-9)
    likely = table.flatten(1).argmax(1)
    first, last = likely // table.shape[1], likely % table.shape[1]
    loss = crf.span_loss(emissions, lengths, transitions, first, last, lengths > 0)
    assert (loss >= 0).all()


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4])
def test_large_emissions_give_finite_losses_and_gradients(scale):
    emissions, lengths, transitions = draw(5, [384, 383, 1, 0], scale, torch.float32)
    inputs = [emissions, *vars(transitions).values()]
    for has_span in (lengths > 0, lengths < 0):
        last = (lengths - 1).clamp(min=0)
        loss = crf.span_loss(emissions, lengths, transitions, lengths * 0, last, has_span)
        assert torch.isfinite(loss).all()
        assert (loss >= 0).all()
        for gradient in torch.autograd.grad(loss.sum(), inputs):
            assert torch.isfinite(gradient).all()


def test_half_precision_is_left_outside():
    emissions, lengths, transitions = draw(1, [5, 3], dtype=torch.float32)
    has_span = lengths > 0
    expected = crf.span_loss(emissions, lengths, transitions, lengths * 0, lengths * 0, has_span)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = crf.span_scores(emissions, lengths, transitions)
        assert scores.left_BT.dtype == torch.float64
        loss = crf.span_loss(emissions, lengths, transitions, lengths * 0, lengths * 0, has_span)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)


def test_the_written_gradient_is_what_autograd_makes_of_the_definition():
    """At a length that no sum over paths reaches, each sequence weighted differently."""
    emissions, lengths, transitions = draw(3, [384, 200, 1, 0, 30])
    inputs = [emissions, *vars(transitions).values()]
    first, last = torch.tensor([[100, 7, 0, 0, 29], [120, 7, 0, 0, 29]])
    has_span = torch.tensor([True, True, True, False, True])
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.25])
    scores = crf.span_scores(emissions, lengths, transitions)
    picked = torch.where(has_span, crf.pick_spans(scores, first, last), 0.0)
    plain = crf_reference.log_partition(scores) - picked
    ours = crf.span_loss(emissions, lengths, transitions, first, last, has_span)
    assert torch.allclose(ours.double(), plain, rtol=1e-6, atol=1e-6)
    wanted = torch.autograd.grad((plain * weights).sum(), inputs)
    found = torch.autograd.grad((ours * weights).sum(), inputs)
    for mine, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-6, atol=1e-6)
