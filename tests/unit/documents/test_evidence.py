import hypothesis
import hypothesis.strategies as st
import pytest

from squadron.documents.evidence import NEAR, Evidence, find_evidence

TEXT = "  The mill burned in 1820. Ann Reed built it again. It stands.\n\nNobody works there now.  "


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("1820", "The mill burned in 1820."),
        ("Ann Reed", "Ann Reed built it again."),
        ("1820. Ann", "The mill burned in 1820. Ann Reed built it again."),
        ("Nobody", "Nobody works there now."),
    ],
)
def test_the_evidence_is_the_sentence_with_the_answer(answer, sentence):
    start = TEXT.index(answer)
    found = find_evidence(TEXT, start, start + len(answer))
    assert found.text == sentence
    assert TEXT[found.start_char : found.end_char] == sentence


def test_a_text_without_sentences_is_its_own_evidence():
    assert find_evidence(" in 1843 ", 4, 8) == Evidence("in 1843", 1, 8)


def test_in_a_long_text_the_evidence_is_the_same():
    filler = "A very short sentence stands here. " * (3 * NEAR // 35)
    text = filler + TEXT + filler
    start = text.index("Ann Reed")
    found = find_evidence(text, start, start + 8)
    assert found.text == "Ann Reed built it again."
    assert text[found.start_char : found.end_char] == found.text


WORDS = st.lists(st.sampled_from(["Mr.", "a", "1820.", "Reed", "\n", "\n\n", "x" * 40, "?"]))


@hypothesis.given(WORDS, WORDS, st.integers(0, 3 * NEAR))
def test_the_evidence_always_holds_the_answer(before, after, padding):
    left = "word " * (padding // 5) + " ".join(before)
    text = f"{left} answer {' '.join(after)} {'word ' * (padding // 5)}"
    start = len(left) + 1
    found = find_evidence(text, start, start + 6)
    assert found.start_char <= start < start + 6 <= found.end_char
    assert text[found.start_char : found.end_char] == found.text == found.text.strip()
