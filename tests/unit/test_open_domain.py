"""Answers from documents: which passage answers, and where the answer stands."""

import math
from pathlib import Path

import pytest

from benchmarks import measure_open_domain
from squadron.documents.passages import Passage
from squadron.open_domain import answer_questions
from squadron.reader import Kind, Reading
from squadron.retrieval import Found

TEXTS = {
    "old": "The old mill burned. It was built in 1820 by Ann Reed. Nobody was hurt.",
    "new": "The new mill, of 1931,\nuses power.",
}


def found(name, rank, hybrid, page=3, breaks=()):
    text = TEXTS[name]
    passage = Passage(name, f"{name}.pdf", page, "Mills", 100, 100 + len(text), text, breaks)
    return Found(passage, rank, {"hybrid": hybrid})


class ScriptedReader:
    """Gives scripted answers: text -> (answer, score, probability); "" abstains."""

    def __init__(self, answers, kinds):
        self.answers, self.kinds = answers, kinds
        self.asked = []

    def read(self, pairs, options):
        self.asked.append(list(pairs))
        return [self.read_one(context) for _, context in pairs]

    def read_one(self, context):
        text, score, sure = self.answers[context]
        kind = self.kinds.get(context, (None, None))
        if not text:
            return Reading("", -1, -1, score, False, sure, "mill", *kind)
        start = context.index(text)
        return Reading(text, start, start + len(text), score, True, sure, text, *kind)


def ask(answers, passages, question="When was it built?", kinds={}):  # noqa: B006  never changed
    reader = ScriptedReader(
        {TEXTS[name]: given for name, given in answers.items()},
        {TEXTS[name]: kind for name, kind in kinds.items()},
    )
    (answer,) = answer_questions(
        [question], lambda questions: [passages for _ in questions], reader
    )
    assert len(reader.asked) <= 1, "all passages of all questions are read at once"
    return answer


BOTH = [found("old", 1, 1 / 3), found("new", 2, 1 / 7)]


def test_the_probability_of_the_reader_counts_with_the_score_of_the_search():
    # 0.40 * (1/7)^0.75 = 0.0929 and 0.30 * (1/3)^0.75 = 0.1316
    answer = ask({"old": ("1820", 4.0, 0.30), "new": ("1931", 6.0, 0.40)}, BOTH)
    assert answer.best.reading.text == "1820"
    assert [other.reading.text for other in answer.alternatives] == ["1931"]
    # 0.80 * (1/7)^0.75 = 0.1859
    answer = ask({"old": ("1820", 4.0, 0.30), "new": ("1931", 6.0, 0.80)}, BOTH)
    assert answer.best.reading.text == "1931"
    assert answer.guess is None


def test_a_passage_that_abstains_never_answers():
    answer = ask({"old": ("", 4.0, 0.9), "new": ("1931", 1.0, 0.1)}, BOTH)
    assert answer.best.reading.text == "1931"
    assert answer.alternatives == ()


def test_without_an_answer_the_best_guess_is_kept():
    answer = ask({"old": ("", 1.0, 0.2), "new": ("", -5.0, 0.1)}, BOTH)
    assert answer.best is None
    assert answer.guess.found.passage.id == "old"
    assert [each.found.passage.id for each in answer.read] == ["old", "new"]
    assert all(each.citation is None for each in answer.read)


def test_without_any_passage_there_is_no_answer_and_no_guess():
    reader = ScriptedReader({}, {})
    (answer,) = answer_questions(["Who?"], lambda questions: [[]], reader)
    assert (answer.best, answer.guess, answer.alternatives, answer.read) == (None, None, (), ())
    assert reader.asked == []


def test_a_model_without_calibration_is_weighed_by_its_log_odds():
    scores = {"old": ("1820", 0.0, None), "new": ("1931", -3.0, None)}
    assert ask(scores, BOTH).best.reading.text == "1820"
    scores = {"old": ("1820", -math.inf, None), "new": ("1931", -40.0, None)}
    assert ask(scores, BOTH).best.reading.text == "1931"


def test_the_same_answer_of_two_passages_is_no_alternative():
    answer = ask({"old": ("mill", 4.0, 0.5), "new": ("mill", 3.0, 0.4)}, BOTH)
    assert answer.alternatives == ()


def test_a_citation_marks_the_answer_in_its_sentence():
    citation = ask({"old": ("1820", 4.0, 0.5)}, [found("old", 1, 0.3)]).best.citation
    assert citation.sentence == "It was built in 1820 by Ann Reed."
    assert citation.sentence[citation.start_char : citation.end_char] == "1820"
    assert citation.marked() == "It was built in [1820] by Ann Reed."
    assert (citation.document, citation.page, citation.section) == ("old.pdf", 3, "Mills")


def test_a_citation_of_an_answer_over_two_sentences_has_both():
    citation = ask({"old": ("Ann Reed. Nobody", 4.0, 0.5)}, [found("old", 1, 0.3)]).best.citation
    assert citation.marked() == "It was built in 1820 by [Ann Reed. Nobody] was hurt."
    citation = ask({"new": ("1931,\nuses", 4.0, 0.5)}, [found("new", 1, 0.3)]).best.citation
    assert citation.marked() == "The new mill, of [1931, uses] power."


@pytest.mark.parametrize(
    ("answer", "page"), [("old mill", 3), ("1820", 4), ("Ann Reed", 4), ("Nobody", 6)]
)
def test_the_page_is_that_of_the_answer_and_not_of_the_passage(answer, page):
    text = TEXTS["old"]
    breaks = (text.index("It was"), text.index("Nobody") - 1, text.index("Nobody"))
    given = [found("old", 1, 0.3, breaks=breaks)]
    assert ask({"old": (answer, 4.0, 0.5)}, given).best.citation.page == page


def test_the_kind_of_reasoning_comes_with_the_words_that_say_so():
    why = ask({"old": ("1820", 4.0, 0.5)}, [found("old", 1, 0.3)], "And why did it burn?")
    assert why.kind == Kind("causal", "rules", None, "causal", "why")
    plain = ask({"old": ("1820", 4.0, 0.5)}, [found("old", 1, 0.3)])
    assert plain.kind == Kind("factual", "rules", None, "factual", "")
    nothing = ask({}, [], "And why did it burn?")
    assert nothing.kind == why.kind


def test_a_model_that_tells_kinds_decides_with_the_passage_that_answers():
    kinds = {"old": ("causal", 0.6), "new": ("comparative", 0.9)}
    scores = {"old": ("1820", 4.0, 0.5), "new": ("1931", 1.0, 0.1)}
    told = ask(scores, BOTH, "Why then?", kinds=kinds)
    assert told.kind == Kind("causal", "model", 0.6, "causal", "Why")
    refused = {"old": ("", -4.0, 0.01), "new": ("", 1.0, 0.9)}
    told = ask(refused, BOTH, "When then?", kinds=kinds)
    assert told.kind == Kind("comparative", "model", 0.9, "factual", "")


def test_the_benchmark_of_the_choice_runs_on_a_small_file(tmp_path, capsys):
    corpus = Path(__file__).resolve().parents[2] / "examples" / "moon_landing.json"
    measure_open_domain.main([str(corpus), "--top-k", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "8 questions, 8 of them of the titles that choose"
    assert lines[-1].startswith("the gold passage given ")
    # There is a single passage, so every rule chooses it.
    assert {line.split()[-2:][0] for line in lines[2:]} == {lines[-1].split()[-2]}
