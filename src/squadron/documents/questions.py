"""Makes questions with answers from passages by rules. No model is needed, and none is used.

The examples are synthetic: no person asked these questions. `is_synthetic` tells them from others.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from squadron.data.sources import Answer, Example
from squadron.documents.passages import Passage
from squadron.documents.sentences import find_sentences

SYNTHETIC = "synthetic:"
"""How the id of every synthetic example begins."""
MAIN_IDEA = "What is the main idea of this passage?"
GAP = "____"
MAX_SENTENCE = 400
"""Maximum number of characters of a sentence with a gap."""
MIN_WORDS = 6
"""The smallest number of words of such a sentence: a shorter one tells too little."""
MAX_PER_PASSAGE = 3
"""Maximum number of cloze questions of one passage."""
MAX_PER_ANSWER = 3
"""Maximum number of cloze questions of one document with the same answer. A report names its author
in every other sentence, and a model would learn this name."""

_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DATE = re.compile(
    rf"\b(?:\d{{1,2}} {_MONTH}(?: \d{{4}})?|{_MONTH} \d{{1,2}}(?:, \d{{4}})?|{_MONTH} \d{{4}}"
    r"|(?:1[5-9]|20)\d\d)\b(?![.,]?\d)"
)
_UNIT = (
    "(?:percent|hundred|thousand|million|billion|seconds|minutes|hours|days|weeks|months|years"
    "|km/h|m/s|[kM]?bit/s|kVA|kWh|hPa|[kM]?Hz|litres|[kcmµ]?m|[kmµ]?g|[kM]?[WV])"
)
_NUMBER = re.compile(
    rf"(?<![\w.,/:–-])[$€£]?\d+(?:[.,]\d+)*(?:\s?(?:%|°C|°F)|\s{_UNIT}\b)?(?![\w/²³–-]|[.,:]\d)"
)
_LABELLED = re.compile(r"(?:Table|Figure|Section|Chapter|Page|Part|No\.)\s$")
_BULLET = re.compile(r"[•▪■●○◦‣–—*·-]\s+|\(?\w{1,3}[.)]\s+")
_CAPITAL = r"[A-Z][\w’'&-]*[^\W_]"
_NAME = re.compile(rf"\b{_CAPITAL}(?: (?:of |the |de |van |von )*{_CAPITAL})*")
_NO_NAME = re.compile(
    rf"(?:An?|The|Th(?:is|at|ese|ose)|S?He|It|We|You|They|I|In|On|At|By|For|From|With|To|Of|As|If"
    "|But|And|Or|Not?|Yes|When|While|After|Before|Once|Since|T?[Hh]ere|Each|Every|All|Some|Most|Both"
    "|Its|His|Her|Their|Our|Your|What|Who|Which|How|Why|Where|Table|Figure|Section|Chapter|Page"
    rf"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?|{_MONTH})"
)
"""Words with a capital that are no names."""


def is_synthetic(example: Example) -> bool:
    """Says whether an example was made by this module."""
    return example.id.startswith(SYNTHETIC)


def make_lead_sentences(passages: Iterable[Passage], language: str = "en") -> Iterator[Example]:
    """Yields one example for every passage: its main idea is its first sentence.

    Passages of one sentence are left out, because their answer would be the whole passage. So are
    passages that begin with a label or a row of a table.
    """
    for passage in passages:
        sentences = find_sentences(passage.text, 0, len(passage.text), language, MAX_SENTENCE)
        if len(sentences) < 2:
            continue
        start, end = sentences[0]
        sentence = passage.text[start:end]
        if sentence.endswith((".", "!", "?")) and "\n" not in sentence:
            answer = Answer(sentence, start)
            yield _make_example(passage, "lead_sentence", 0, MAIN_IDEA, answer)


def make_cloze_questions(passages: Iterable[Passage], language: str = "en") -> Iterator[Example]:
    """Yields questions about sentences with a gap, which a date, a name or a number fills.

    The rest of the sentence stands in the passage as it is in the question, so that these questions
    are easier than those of people. No question is asked twice about one document.
    """
    asked: set[tuple[str, str]] = set()
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for passage in passages:
        made = 0
        for start, end in find_sentences(
            passage.text, 0, len(passage.text), language, MAX_SENTENCE
        ):
            sentence = passage.text[start:end]
            if made == MAX_PER_PASSAGE or not _is_statement(sentence):
                continue
            found = _find_gap(sentence, answers[passage.document])
            if found is None:
                continue
            kind, first, last = found
            question = " ".join(f"{sentence[:first]}{GAP}{sentence[last:]}".split())
            if (passage.document, question) in asked:
                continue
            asked.add((passage.document, question))
            answers[passage.document][sentence[first:last]] += 1
            answer = Answer(sentence[first:last], start + first)
            text = f"Which {kind} belongs in the gap? {question}"
            yield _make_example(passage, "cloze", start, text, answer)
            made += 1


METHODS: dict[str, Callable[[Iterable[Passage], str], Iterator[Example]]] = {
    "lead_sentence": make_lead_sentences,
    "cloze": make_cloze_questions,
}
"""The ways to make questions, by the names that settings call them."""


def _is_statement(sentence: str) -> bool:
    return len(sentence.split()) >= MIN_WORDS and sentence.endswith(".") and "\n" not in sentence


def _find_gap(sentence: str, answers: Mapping[str, int]) -> tuple[str, int, int] | None:
    """Returns (kind, start, end) of the first date, else name, else number that may be asked for.

    It stands in the sentence once, and fewer than MAX_PER_ANSWER questions have it as their answer.

    Args:
        sentence: The sentence.
        answers: Answer -> number of questions of the document that have it.
    """
    for kind, find in (("date", _find_dates), ("name", _find_names), ("number", _find_numbers)):
        for start, end in find(sentence):
            text = sentence[start:end]
            if sentence.count(text) == 1 and answers.get(text, 0) < MAX_PER_ANSWER:
                return kind, start, end
    return None


def _find_dates(sentence: str) -> Iterator[tuple[int, int]]:
    yield from (match.span() for match in _DATE.finditer(sentence))


def _find_names(sentence: str) -> Iterator[tuple[int, int]]:
    """Yields capitalised words inside the sentence. At its beginning, any word has a capital."""
    bullet = _BULLET.match(sentence)
    first = bullet.end() if bullet else 0
    for match in _NAME.finditer(sentence, first):
        start, name = match.start(), re.sub("[’']s$", "", match[0])
        words = name.split(" ")
        while words and _NO_NAME.fullmatch(words[0]):
            start += len(words.pop(0)) + 1
        is_unit = len(words) == 1 and bool(re.search(r"\d\s$", sentence[:start]))
        is_first = start == first or sentence[:start].endswith(("“", "(", '"', ": "))
        if words and not is_first and not is_unit and not any(map(_NO_NAME.fullmatch, words)):
            yield start, start + len(" ".join(words))


def _find_numbers(sentence: str) -> Iterator[tuple[int, int]]:
    for match in _NUMBER.finditer(sentence):
        if not _LABELLED.search(sentence[: match.start()]):
            yield match.span()


def _make_example(
    passage: Passage, method: str, start: int, question: str, answer: Answer
) -> Example:
    return Example(
        id=f"{SYNTHETIC}{method}:{passage.id}:{start}",
        title=passage.document,
        question=question,
        context=passage.text,
        answers=[answer],
        where=f"{method} question from {passage.document}, page {passage.page}",
    )
