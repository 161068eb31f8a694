import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.config import SPLITS, Splits
from squadron.sources import Example
from squadron.split import assign_titles, limit_examples, title_position

TITLES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=40)
SHARES = st.builds(
    Splits, tune=st.floats(0, 0.33), select=st.floats(0, 0.33), test=st.floats(0, 0.33)
)
COUNTS = st.builds(Splits, tune=st.integers(0, 5), select=st.integers(0, 5), test=st.integers(0, 5))
MIXED = st.builds(
    Splits,
    tune=st.floats(0, 0.4) | st.integers(1, 4),
    select=st.floats(0, 0.4) | st.integers(1, 4),
    test=st.integers(0, 4),
)
HUNDRED = [f"Title {n}" for n in range(100)]


def make_examples(count, title="t"):
    return [Example(f"q{n}", title, "q", "c") for n in range(count)]


@settings(deadline=None)
@given(TITLES, SHARES | COUNTS | MIXED, st.integers(0, 1000))
def test_every_title_goes_to_exactly_one_split(titles, splits, seed):
    assigned = assign_titles(titles, splits, seed)
    assert set(assigned) == set(titles)
    assert set(assigned.values()) <= set(SPLITS)


@settings(deadline=None)
@given(TITLES, TITLES, SHARES, st.integers(0, 1000))
def test_a_title_keeps_its_split_when_titles_are_added(titles, more, shares, seed):
    before = assign_titles(titles, shares, seed)
    after = assign_titles([*more, *titles], shares, seed)
    assert {title: after[title] for title in titles} == before


@settings(deadline=None)
@given(TITLES, SHARES | COUNTS | MIXED, st.integers(0, 1000), st.randoms())
def test_the_order_and_the_repetition_of_titles_change_nothing(titles, splits, seed, shuffler):
    shuffled = [*titles, *titles]
    shuffler.shuffle(shuffled)
    assert assign_titles(shuffled, splits, seed) == assign_titles(titles, splits, seed)


@settings(deadline=None)
@given(
    st.sets(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=16),
    COUNTS,
    st.integers(0, 99),
)
def test_a_count_gives_exactly_that_many_titles(titles, counts, seed):
    found = list(assign_titles(titles, counts, seed).values())
    for name in ("tune", "select", "test"):
        assert found.count(name) == getattr(counts, name)
    assert found.count("train") == len(titles) - counts.tune - counts.select - counts.test


def test_counts_beside_a_share_take_from_the_titles_that_it_left():
    alone = assign_titles(HUNDRED, Splits(tune=0, select=0, test=0.3), 13)
    both = assign_titles(HUNDRED, Splits(tune=5, select=4, test=0.3), 13)
    tested = {title for title, split in alone.items() if split == "test"}
    assert {title for title, split in both.items() if split == "test"} == tested
    assert list(both.values()).count("tune") == 5
    assert list(both.values()).count("select") == 4


def test_shares_are_about_what_was_asked():
    titles = [f"Title {n}" for n in range(4000)]
    found = list(assign_titles(titles, Splits(tune=0.1, select=0.2, test=0.3), 13).values())
    shares = {name: found.count(name) / len(found) for name in SPLITS}
    expected = {"train": 0.4, "tune": 0.1, "select": 0.2, "test": 0.3}
    assert shares == pytest.approx(expected, abs=0.03)


def test_a_share_of_nothing_gives_nothing():
    found = assign_titles(HUNDRED, Splits(tune=0, select=0, test=0), 13)
    assert set(found.values()) == {"train"}


def test_another_seed_gives_another_split_and_the_same_seed_the_same():
    splits = Splits(tune=10, select=10, test=10)
    assert assign_titles(HUNDRED, splits, 13) == assign_titles(HUNDRED, splits, 13)
    assert assign_titles(HUNDRED, splits, 13) != assign_titles(HUNDRED, splits, 14)


def test_the_split_of_known_titles_is_what_it_always_was():
    # Stored, computed by hand: the first 8 bytes of sha256("13\0" + title) over 2**64. A change
    # here would move titles between train and test of everyone's data.
    positions = {"Lighthouses": 0.100743621, "Maps": 0.516644331, "東京": 0.751833669}
    positions |= {"Beyoncé": 0.915294272}
    for title, position in positions.items():
        assert title_position(title, 13) == pytest.approx(position, abs=1e-9)
    found = assign_titles(positions, Splits(tune=0.2, select=0.2, test=0.2), 13)
    # [0, 0.4) trains, then tune, select and, on top, test.
    assert found == dict(zip(positions, SPLITS, strict=True))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers())
def test_a_position_lies_between_0_and_1(title, seed):
    assert 0 <= title_position(title, seed) < 1
    assert title_position(title, seed) == title_position(title, seed)


@pytest.mark.parametrize("limit", [1, 7, 29])
def test_limited_examples_are_as_many_as_asked_and_in_their_order(limit):
    examples = make_examples(30)
    kept = limit_examples(examples, limit, 13)
    assert len(kept) == limit
    assert kept == [example for example in examples if example in kept]


@pytest.mark.parametrize("limit", [0, 30, 31])
def test_no_limit_and_a_limit_beyond_the_size_keep_everything(limit):
    examples = make_examples(30)
    assert limit_examples(examples, limit, 13) == examples


def test_limited_examples_depend_on_the_seed_and_not_on_the_order():
    examples = make_examples(30)
    ids = {example.id for example in limit_examples(examples, 10, 13)}
    assert {example.id for example in limit_examples(examples[::-1], 10, 13)} == ids
    assert {example.id for example in limit_examples(examples, 10, 14)} != ids


def test_a_higher_limit_keeps_what_a_lower_one_kept():
    examples = make_examples(30)
    few = {example.id for example in limit_examples(examples, 5, 13)}
    assert few < {example.id for example in limit_examples(examples, 15, 13)}


def test_limited_examples_are_not_the_first_ones():
    examples = make_examples(200)
    assert limit_examples(examples, 20, 13) != examples[:20]
