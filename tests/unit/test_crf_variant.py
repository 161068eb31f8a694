"""The CRF contender: its spans, both structures."""

import numpy as np
import pytest
import torch

from squadron import linear_chain_crf as crf
from squadron.batches import WindowSet
from squadron.config import Windows
from squadron.errors import InputError
from squadron.variants import crf as variant
from tests import tiny_models


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    backbone = tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")
    questions = [*tiny_models.EIGHT_QUESTIONS, *tiny_models.UNANSWERED, ("Why?", "", "")]
    settings = Windows(max_length=32, stride=8, max_question_length=16)
    examples = tiny_models.make_examples(questions)
    windows, layout = tiny_models.cut_windows(backbone, examples, settings)
    return backbone, WindowSet(windows, layout)


def make(backbone, scale=3.0, **options):
    torch.manual_seed(0)
    model = variant.build(backbone, variant.Options(**options)).eval()
    with torch.no_grad():
        for parameter in (model.emit.weight, *model.crf.parameters()):
            parameter.copy_(torch.randn_like(parameter) * scale)
    return model


@pytest.mark.parametrize(("n_best", "most"), [(1, 1), (5, 1), (5, 4), (20, 30)])
def test_the_best_spans_are_those_of_brute_force(tiny, n_best, most):
    backbone, windows = tiny
    model = make(backbone)
    batch = windows.collate(range(len(windows)))
    with torch.inference_mode():
        spans = model.top_spans(batch, n_best, most)
        chain = model._score(batch)
        scores = crf.span_scores(chain.emissions_BTK, chain.length_B, model._transitions())
    for row, length in enumerate(chain.length_B.tolist()):
        start = int(batch.context_start_B[row])
        all_scores = {}
        for first in range(length):
            for last in range(first, min(length, first + most)):
                places = (torch.full_like(chain.length_B, place) for place in (first, last))
                picked = crf.pick_spans(scores, *places)[row]
                all_scores[start + first, start + last] = float(picked)
        expected = sorted(all_scores.values(), reverse=True)[:n_best]
        found = spans.score_BK[row][torch.isfinite(spans.score_BK[row])].tolist()
        assert found == pytest.approx(expected, abs=1e-3)
        pairs = torch.stack([spans.start_token_BK[row], spans.end_token_BK[row]], 1).tolist()
        for pair, score in zip(map(tuple, pairs[: len(found)]), found, strict=True):
            assert all_scores[pair] == pytest.approx(score, abs=1e-3)


def test_free_and_single_span_losses_are_the_chains_own(tiny):
    """All tag sequences are more than those with one span: the free loss is never smaller."""
    backbone, windows = tiny
    single = make(backbone, scale=0.5)
    free = make(backbone, scale=0.5, structure="free")
    with torch.inference_mode():
        for row in range(len(windows)):
            batch = windows.collate([row])
            low, high = float(single(batch)), float(free(batch))
            assert np.isfinite([low, high]).all()
            assert 0 <= low <= high + 1e-4


def test_free_candidates_are_the_spans_of_the_best_path(tiny):
    backbone, windows = tiny
    model = make(backbone, structure="free")
    batch = windows.collate(range(len(windows)))
    with torch.inference_mode():
        spans = model.top_spans(batch, 60, 30)
        chain = model._score(batch)
    several = 0
    for row, length in enumerate(chain.length_B.tolist()):
        kept = torch.isfinite(spans.score_BK[row])
        found = set(
            zip(
                spans.start_token_BK[row][kept].tolist(),
                spans.end_token_BK[row][kept].tolist(),
                strict=True,
            )
        )
        if not length:
            assert not found
            continue
        mask = torch.ones(1, length, dtype=torch.bool)
        (path,) = model.crf.decode(chain.emissions_BTK[row : row + 1, :length], mask)
        start = int(batch.context_start_B[row])
        decoded = {(a + start, b + start) for a, b in variant._spans_of(path)}
        assert found == decoded or (not decoded and len(found) == 1)
        several += len(decoded) > 1
        scores = spans.score_BK[row][kept].tolist()
        assert scores == sorted(scores, reverse=True)
    assert several


@pytest.mark.parametrize(
    ("path", "spans"),
    [
        ([0, 0], []),
        ([1, 2, 2, 0, 1], [(0, 2), (4, 4)]),
        ([1, 1, 2], [(0, 0), (1, 2)]),
        ([2, 2, 0, 2], [(0, 1), (3, 3)]),
    ],
)
def test_runs_of_tags_are_spans(path, spans):
    assert variant._spans_of(path) == spans


@pytest.mark.parametrize("structure", variant.STRUCTURES)
def test_a_saved_model_of_each_structure_comes_back(tiny, tmp_path, structure):
    backbone, windows = tiny
    options = variant.Options(structure=structure, relu=True)
    model = make(backbone, structure=structure, relu=True)
    model.save(tmp_path)
    again = variant.load(tmp_path, options).eval()
    batch = windows.collate(range(len(windows)))
    with torch.inference_mode():
        for ours, theirs in zip(
            vars(model.top_spans(batch, 5, 8)).values(),
            vars(again.top_spans(batch, 5, 8)).values(),
            strict=True,
        ):
            assert torch.equal(ours, theirs)


def test_impossible_options_and_missing_weights_are_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="structure: 'tree' is not allowed; one of"):
        variant.Options(structure="tree")
    make(tiny[0]).encoder.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"crf_head\.safetensors are missing"):
        variant.load(tmp_path, variant.Options())
