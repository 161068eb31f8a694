import dataclasses
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.documents.cutting import CutSettings, cut_passages
from squadron.documents.document import Document, Section

WORDS = st.sampled_from(
    [
        "He",
        "went",
        "home.",
        "Dr.",
        "No!",
        "e.g.",
        "(see",
        "Fig.",
        "3)",
        "“Yes.”",
        "\n",
        "\n\n",
        "。",
    ]
)
TEXTS = st.one_of(st.text(max_size=400), st.lists(WORDS, max_size=80).map(" ".join))


def make_document(text: str, *headings: str) -> Document:
    sections = []
    for heading in headings:
        start = text.index(heading)
        sections.append(Section(heading, start, start + len(heading)))
    return Document("a.txt", text, ((0, len(text)),), tuple(sections))


@st.composite
def documents(draw):
    """Documents with up to five sections, some without any text."""
    text = draw(TEXTS)
    sections = []
    pages = [0, len(text)]
    for number in range(draw(st.integers(0, 4))):
        text += "\n\n"
        start = len(text)
        text += f"Heading {number}"
        sections.append(Section(f"Heading {number}", start, len(text)))
        text += "\n\n" + draw(TEXTS)
        pages.append(len(text))
    edges = sorted({*pages, 0, len(text)}) if text else [0, 0]
    ranges = tuple(pairwise(edges))
    return Document("a.txt", text, ranges, tuple(sections))


@st.composite
def cut_settings(draw):
    sentences = draw(st.integers(1, 6))
    overlap = draw(st.integers(0, sentences - 1))
    return CutSettings(sentences, overlap, draw(st.sampled_from([50, 80, 600])))


@settings(max_examples=300, deadline=None)
@given(documents(), cut_settings())
def test_passages_hold_all_text_but_headings_and_blanks_once_and_in_order(document, chosen):
    passages = cut_passages(document, chosen)
    text = document.text
    covered = {n for p in passages for n in range(p.start_char, p.end_char)}
    titles = {n for s in document.sections for n in range(s.start_char, s.body_char)}
    wanted = {n for n, char in enumerate(text) if not char.isspace()} - titles
    assert wanted <= covered
    assert covered & titles == set()
    for passage in passages:
        assert text[passage.start_char : passage.end_char] == passage.text == passage.text.strip()
        assert passage.text
        first, end = document.pages[passage.page - 1]
        assert first <= passage.start_char < end
        for place in range(len(passage.text)):
            assert passage.page_at(place) == document.page_at(passage.start_char + place)
    starts = [passage.start_char for passage in passages]
    assert starts == sorted(set(starts))
    ends = [passage.end_char for passage in passages]
    assert ends == sorted(set(ends))
    assert len({passage.id for passage in passages}) == len(passages)
    most = chosen.sentences * (chosen.max_sentence_chars + 2)
    assert all(len(passage.text.replace(" ", "").replace("\n", "")) <= most for passage in passages)
    if chosen.overlap == 0:
        assert sum(p.end_char - p.start_char for p in passages) == len(covered)


SENTENCES = [f"This is the sentence number {number}." for number in range(1, 13)]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (0, [(1, 5), (6, 10), (11, 12)]),
        (1, [(1, 5), (5, 9), (9, 12)]),
        (2, [(1, 5), (4, 8), (7, 11), (10, 12)]),
        (4, [(n, n + 4) for n in range(1, 9)]),
    ],
)
def test_passages_of_five_sentences_overlap_as_set(overlap, expected):
    document = make_document(" ".join(SENTENCES))
    passages = cut_passages(document, CutSettings(overlap=overlap))
    assert [p.text for p in passages] == [" ".join(SENTENCES[a - 1 : b]) for a, b in expected]


def test_a_passage_knows_document_page_and_section():
    text = "Before all.\n\nOne\n\nFirst text.\n\nTwo\n\nSecond text."
    document = dataclasses.replace(
        make_document(text, "One", "Two"), pages=((0, 18), (18, len(text)))
    )
    found = [(p.document, p.page, p.section, p.text) for p in cut_passages(document)]
    assert found == [
        ("a.txt", 1, "", "Before all."),
        ("a.txt", 2, "One", "First text."),
        ("a.txt", 2, "Two", "Second text."),
    ]


def test_a_table_is_one_sentence_that_is_cut_at_its_lines():
    rows = [f"Row {n}  {n * n}  some words" for n in range(40)]
    document = make_document("Here is a table.\n" + "\n".join(rows))
    passages = cut_passages(document, CutSettings(1, 0, 200))
    assert len(passages) > 4
    assert all(p.text.splitlines()[-1] in rows for p in passages[1:])
    assert all(len(p.text) <= 200 for p in passages)


def test_a_label_is_no_sentence_alone():
    text = "Values\n\nWe are kind to all people.\n\nGoals\n\nWe reach them all.\n\nThe end"
    passages = cut_passages(make_document(text), CutSettings(1, 0))
    assert [p.text for p in passages] == [
        "Values\n\nWe are kind to all people.",
        "Goals\n\nWe reach them all.\n\nThe end",
    ]


def test_a_word_longer_than_the_limit_is_cut_anywhere():
    passages = cut_passages(make_document("x" * 130), CutSettings(1, 0, 50))
    assert [len(p.text) for p in passages] == [50, 50, 30]


def test_the_same_passage_has_the_same_id_and_another_one_has_not():
    first = cut_passages(make_document("A text of one. And two."))
    again = cut_passages(make_document("A text of one. And two."))
    other = cut_passages(make_document("A text of one. And three."))
    assert first == again
    assert first[0].id != other[0].id


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sentences": 0}, "documents -> sentences is 0; it must be at least 1"),
        (
            {"overlap": 5},
            "documents -> overlap is 5; it must be from 0 to 4, less than sentences",
        ),
        (
            {"max_sentence_chars": 10},
            "documents -> max_sentence_chars is 10; it must be at least 50",
        ),
    ],
)
def test_a_setting_out_of_range_is_refused(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        CutSettings(**values)
