from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from squadron.artifacts import PASSAGES
from squadron.documents.passage_table import make_context_passages, make_table, read_passages
from squadron.documents.passages import Passage

TEXTS = st.text(min_size=1, max_size=40)
PAIRS = st.lists(st.tuples(st.sampled_from(["A", "B_c", "東京"]), TEXTS), max_size=12)


@given(
    st.lists(
        st.builds(
            Passage,
            *(TEXTS, TEXTS, st.integers(1, 9), st.text(max_size=9)),
            *(st.integers(0, 9), st.integers(0, 9), TEXTS),
            st.lists(st.integers(0, 9), max_size=3).map(tuple),
        ),
        max_size=5,
    )
)
def test_passages_come_back_from_their_table(passages: list[Passage]) -> None:
    table = make_table(passages)
    assert table.schema == PASSAGES
    assert read_passages(table) == passages


@given(PAIRS)
def test_every_context_of_a_title_is_one_passage(pairs: Sequence[tuple[str, str]]) -> None:
    passages = list(make_context_passages(pairs))
    assert {(each.document, each.text) for each in passages} == set(pairs)
    assert len(passages) == len(set(pairs)) == len({each.id for each in passages})
    for title in {title for title, _ in pairs}:
        own = [each for each in passages if each.document == title]
        # The ranges are those of one text.
        text = "\n".join(each.text for each in own)
        assert [text[each.start_char : each.end_char] for each in own] == [e.text for e in own]


def test_the_title_is_the_heading_in_words() -> None:
    (passage,) = make_context_passages([("New_York_City", "It is large.")])
    assert (passage.section, passage.page, passage.document) == (
        *("New York City", 1),
        "New_York_City",
    )


def test_equal_contexts_of_two_titles_are_two_passages() -> None:
    first, second = make_context_passages([("A", "Same."), ("B", "Same.")])
    assert first.id != second.id
