import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.config import SPLITS, Data, Splits
from squadron.data.folding import fold_text
from squadron.data.sources import Example
from squadron.data.split import assign_titles, limit_examples, share_out, tie_titles, title_position
from squadron.errors import InputError

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


ARTICLES = st.lists(
    st.tuples(st.sampled_from("ABCDEFGHIJKLMNOP"), st.sampled_from("abcdefghijklmnopqrst")),
    min_size=1,
    max_size=40,
)
"""(title, paragraph) of each question."""
THIRDS = Splits(tune=0.2, select=0.2, test=0.2)


def split_titles(articles, seed=13, splits=THIRDS):
    """Title -> its split; each split has an example of its own, so that none is empty."""
    own = [Example(f"q{n}", t, "q", c) for n, (t, c) in enumerate(articles)]
    extra = [Example(f"x{n}", f"extra {n}", "q", f"extra {n}") for n in range(60)]
    parts = share_out([*own, *extra], [], [], Data(("a",), splits=splits, seed=seed)).parts
    assert sorted(e.id for part in parts.values() for e in part) == sorted(
        e.id for e in (*own, *extra)
    )
    places = {}
    for name, part in parts.items():
        for example in part:
            places.setdefault(example.title, set()).add(name)
            places.setdefault(f"paragraph {fold_text(example.context)}", set()).add(name)
    assert all(len(names) == 1 for names in places.values())
    return {title: names.pop() for title, names in places.items()}


@given(ARTICLES, st.integers(0, 99))
def test_no_title_and_no_paragraph_stands_in_two_splits(articles, seed):
    split_titles([(title, f" {text.upper()} ") for title, text in articles] + articles, seed)


@given(ARTICLES, ARTICLES, st.integers(0, 99))
def test_growing_data_moves_a_title_towards_train_alone(articles, more, seed):
    before = split_titles(articles, seed)
    after = split_titles([*articles, *more], seed)
    for title, split in before.items():
        assert SPLITS.index(after[title]) <= SPLITS.index(split)


@given(ARTICLES, st.integers(0, 99), st.randoms())
def test_the_order_of_the_examples_moves_no_title(articles, seed, shuffler):
    shuffled = list(articles)
    shuffler.shuffle(shuffled)
    assert split_titles(shuffled, seed) == split_titles(articles, seed)


@given(st.sets(st.sampled_from("ABCDEFGHIJKLMNOP")), st.integers(0, 99))
def test_titles_that_share_no_paragraph_are_where_they_always_were(titles, seed):
    found = split_titles([(title, title.lower()) for title in titles], seed)
    expected = assign_titles(titles, THIRDS, seed)
    assert {title: found[title] for title in titles} == expected


def test_titles_are_tied_through_other_titles_too():
    keys = [("C", [("1",)]), ("B", [("1",), ("2",)]), ("A", [("2",)]), ("D", [("3",)]), ("E", [])]
    expected = {"A": "A", "B": "A", "C": "A", "D": "D", "E": "E"}
    assert tie_titles(keys) == expected
    assert tie_titles(keys[::-1]) == expected


def test_a_count_takes_titles_that_share_a_paragraph_as_one():
    articles = [("A", "a"), ("B", "a"), ("C", "a"), *((f"T{n}", f"t{n}") for n in range(9))]
    for seed in range(20):
        found = split_titles(articles, seed, Splits(tune=3, select=3, test=3))
        assert found["A"] == found["B"] == found["C"]


def test_one_paragraph_in_every_title_is_named_where_a_split_stays_empty():
    examples = [Example(f"q{n}", f"T{n}", "q", "The same everywhere.") for n in range(9)]
    with pytest.raises(
        InputError, match=r"1 titles in .*, those that share a paragraph counted as"
    ):
        share_out(examples, [], [], Data(("a",), splits=Splits(2, 2, 2)))


def test_a_split_that_a_limit_made_smaller_names_the_limit():
    # Each title has a paragraph of its own: what shares one stays together.
    examples = [
        Example(f"{title} {n}", title, "q", title) for title in HUNDRED[:40] for n in range(5)
    ]
    limited = Data(("a",), splits=Splits(4, 4, 4), max_train_examples=32, max_test_examples=20)
    assert share_out(examples, [], [], limited).describe() == (
        "train 32 of 140 (data.max_train_examples), tune 20, select 20, test 20"
    )
