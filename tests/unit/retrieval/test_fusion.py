import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.retrieval.fusion import fuse_rankings

RANKINGS = st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True), max_size=4)


def test_scores_are_sums_of_reciprocal_ranks() -> None:
    # a: 1/61 + 1/62; b: 1/62 + 1/61; c: 1/63; d: 1/63
    fused = fuse_rankings([["a", "b", "c"], ["b", "a", "d"]], 60)
    assert [name for name, _ in fused] == ["a", "b", "c", "d"]
    assert [score for _, score in fused] == pytest.approx(
        [0.0325225, 0.0325225, 0.0158730, 0.0158730], abs=1e-7
    )


def test_a_low_constant_trusts_the_first_ranks_more() -> None:
    rankings = [["a", "x", "b"], ["c", "y", "b"]]
    assert fuse_rankings(rankings, 60)[0][0] == "b"  # 2/63 > 1/61
    assert fuse_rankings(rankings, 0)[0][0] == "a"  # 1/1 > 2/3


def test_the_first_ranking_decides_between_equal_scores() -> None:
    assert [name for name, _ in fuse_rankings([["b", "a"], ["a", "b"]])] == ["b", "a"]
    assert [name for name, _ in fuse_rankings([["a", "b"], ["b", "a"]])] == ["a", "b"]
    assert [name for name, _ in fuse_rankings([["d"], ["c"]])] == ["d", "c"]


@given(RANKINGS, st.floats(0, 100))
def test_each_name_occurs_once_and_scores_fall(rankings: list[list[str]], constant: float) -> None:
    fused = fuse_rankings(rankings, constant)
    names = [name for name, _ in fused]
    scores = [score for _, score in fused]
    assert sorted(names) == sorted({name for ranking in rankings for name in ranking})
    assert scores == sorted(scores, reverse=True)


@given(RANKINGS, st.floats(0, 100))
def test_whoever_is_ahead_in_every_ranking_is_ahead(
    rankings: list[list[str]], constant: float
) -> None:
    score = dict(fuse_rankings(rankings, constant))
    for one in score:
        for other in score:
            ahead = [
                one in ranking
                and (other not in ranking or ranking.index(one) < ranking.index(other))
                for ranking in rankings
                if one in ranking or other in ranking
            ]
            if one != other and all(ahead):
                assert score[one] > score[other]


@given(st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_one_ranking_stays_as_it_is(ranking: list[str]) -> None:
    assert [name for name, _ in fuse_rankings([ranking])] == ranking
