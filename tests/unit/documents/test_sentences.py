import pytest

from squadron.documents.sentences import find_sentences


def split(text: str, most: int = 600) -> list[str]:
    return [text[a:b] for a, b in find_sentences(text, 0, len(text), "en", most)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Dr. Smith of the U.S. Army went home.", "He saw Fig. 3 there, e.g. twice."],
        ["The mark is at 350 m.", "The next one falls at 4 m/s.", "It weighs 95 g.", "It flies."],
        ["“He left. She went.”", "They came back."],
        ["Is it so?", "Yes!", "It costs 3.5 million."],
    ],
)
def test_sentences(sentences):
    assert split(" ".join(sentences)) == sentences


def test_an_empty_line_ends_a_sentence_and_a_line_end_does_not():
    assert split(
        "A line that goes on\nhere and ends without a stop\n\nAnother paragraph that is quite long"
    ) == [
        "A line that goes on\nhere and ends without a stop",
        "Another paragraph that is quite long",
    ]


def test_only_the_part_is_read():
    text = "One is here. Two is here. Three is here."
    assert find_sentences(text, 13, 25, "en", 600) == [(13, 25)]


def test_labels_are_joined_up_to_the_limit():
    joined = split("\n\n".join(["word"] * 41), most=50)
    assert joined == ["\n\n".join(["word"] * 6)] * 6 + ["\n\n".join(["word"] * 5)]


def test_a_long_text_without_any_full_stop_is_cut():
    sentences = split("word " * 200_000)
    assert sum(map(len, sentences)) == 1_000_000 - len(sentences)
    assert all(550 < len(sentence) <= 600 for sentence in sentences[:80])
