"""Compares the seconds of the single-span CRF and of pytorch-crf: loss and gradient of a batch.

    python benchmarks/bench_crf.py [--output FILE.json]

Both sides get the same emissions (16 sequences of 384 positions, 3 tags, single precision) and tags
of one span each, and compute a mean loss and the gradients of emissions and transitions. They are
not the same model: ours sums over the paths with at most one span, pytorch-crf over all paths. The
unit tests check that each is exact. A turn is CALLS calls in a row and counts by its mean, because
a single call of a millisecond after sixty calls of the other side mostly fills caches.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.measure import at_least, finish, make_parser, medians, take_turns
from squadron.models import linear_chain_crf as crf

TIMES_FASTER = 50.0
CALLS = 10
SEQUENCES, POSITIONS, TAGS = 16, 384, 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report."""
    from torchcrf import CRF

    options = make_parser(__doc__).parse_args(arguments)
    torch.set_num_threads(1)  # at this size, more threads make both sides slower
    torch.manual_seed(13)
    emissions = torch.randn(SEQUENCES, POSITIONS, TAGS, requires_grad=True)
    reference = CRF(TAGS, batch_first=True)
    parameters = [emissions, *reference.parameters()]
    length = torch.full((SEQUENCES,), POSITIONS)
    first = torch.randint(0, POSITIONS - 30, (SEQUENCES,))
    last = first + torch.randint(0, 30, (SEQUENCES,))
    place = torch.arange(POSITIONS)
    inside = (place >= first[:, None]) & (place <= last[:, None])
    tags = torch.where(inside, crf.I, crf.O).masked_fill(place == first[:, None], crf.B)
    mask = torch.ones_like(tags, dtype=torch.bool)
    has_span = length > 0
    transitions = crf.Transitions(
        reference.start_transitions, reference.end_transitions, reference.transitions
    )

    def ours() -> float:
        loss = crf.span_loss(emissions, length, transitions, first, last, has_span).mean()
        torch.autograd.grad(loss, parameters)
        return float(loss.detach())

    def library() -> float:
        loss = -reference(emissions, tags, mask, reduction="mean")
        torch.autograd.grad(loss, parameters)
        return float(loss.detach())

    # Ours sums over fewer paths, so its loss is the smaller one; both are above 0.
    if not 0 < ours() < library():
        sys.exit("The losses are not those of one span among fewer and among all paths")
    sides = {"ours": ours, "library": library}
    turns = take_turns(
        {name: lambda call=call: [call() for _ in range(CALLS)] for name, call in sides.items()},
        options.repeat,
    )
    seconds = {name: [turn / CALLS for turn in values] for name, values in turns.items()}
    median = medians(seconds)
    ratio = median["library"] / median["ours"]
    print(
        f"{SEQUENCES} x {POSITIONS} x {TAGS}, loss and gradient, median of {options.repeat} turns"
    )
    for name, figure in median.items():
        print(f"{name:8s} {figure * 1000:8.2f} ms")
    report = {
        "benchmark": "crf",
        "shape": [SEQUENCES, POSITIONS, TAGS],
        "seconds_median": median,
        "ratio": ratio,
        "seconds": seconds,
    }
    finish(report, [at_least("pytorch-crf / ours", ratio, TIMES_FASTER, "times")], options)


if __name__ == "__main__":
    main()
