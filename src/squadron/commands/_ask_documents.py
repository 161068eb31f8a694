"""Asks about documents, for `squadron ask --index`."""

from collections.abc import Sequence

from squadron.answers.explanation import as_rows
from squadron.answers.options import AnswerOptions
from squadron.commands._shown import (
    Shown,
    attention_lines,
    kind_line,
    kind_row,
    mark_choice,
    on_one_line,
    score_lines,
    threshold_line,
    window_figures,
    window_lines,
)
from squadron.open_domain import DocumentsAnswer, PassageAnswer, Search, answer_questions
from squadron.reader import Reader

MOST_ALTERNATIVES = 3


def answer(
    questions: Sequence[str], search: Search, reader: Reader, *, explain: bool
) -> list[Shown]:
    """Answers questions from the passages that a search finds.

    Args:
        questions: The questions.
        search: Finds passages in an index.
        reader: Reads them.
        explain: Whether to show what the search found and what each passage gave.
    """
    threshold = reader.answering.null_threshold
    shown = []
    for each in answer_questions(questions, search, reader, AnswerOptions(explain=explain)):
        lines, row = _describe(each), _as_row(each)
        if explain:
            chosen = each.best or each.guess
            lines += attention_lines(chosen.reading) if chosen else []
            lines += [threshold_line(threshold), "Read:", *_explain_lines(each)]
            row |= {"null_threshold": threshold, "read": [_explain_row(r) for r in each.read]}
        shown.append(Shown(lines, row))
    return shown


def _describe(answer: DocumentsAnswer) -> list[str]:
    lines = [f"Question: {answer.question}"]
    if answer.best is None:
        lines.append("Answer:   these documents do not answer that")
        if answer.guess and answer.guess.reading.best_text:
            lines += score_lines(answer.guess.reading)
            lines[2] += f" ({_place(answer.guess)})"
    else:
        lines.append(f"Answer:   {on_one_line(answer.best.reading.text)}")
        lines += _describe_place(answer.best)
        lines += score_lines(answer.best.reading)
    for other in answer.alternatives[:MOST_ALTERNATIVES]:
        lines.append(f"Or:       {on_one_line(other.reading.text)} ({_place(other)})")
    lines.append(kind_line(answer.kind))
    return lines


def _describe_place(given: PassageAnswer) -> list[str]:
    citation = given.citation
    assert citation is not None
    section = [f"Section:  {citation.section}"] if citation.section else []
    return [f"From:     {_place(given)}", *section, f"Sentence: {citation.marked()}"]


def _place(given: PassageAnswer) -> str:
    citation = given.citation
    page = citation.page if citation else given.found.passage.page
    return f"{given.found.passage.document}, page {page}"


def _explain_lines(answer: DocumentsAnswer) -> list[str]:
    """Returns lines about each passage that was read, and about its windows if it has several."""
    lines = []
    for number, given in enumerate(answer.read, 1):
        line = f"  {number:2}. {_place(given)}: {_explain(given)}"
        if given is (answer.best or answer.guess):
            line += mark_choice(is_answer=answer.best is not None)
        lines.append(line)
        if len(given.reading.windows or ()) > 1:
            lines += [f"      {each}" for each in window_lines(given.reading, " <- its best")]
    return lines


def _explain(given: PassageAnswer) -> str:
    """Returns what the reader found in a passage, and the scores of the search."""
    reading = given.reading
    found = repr(on_one_line(reading.best_text)) if reading.best_text else "no span"
    what = found if reading.answered else f"no answer, at best {found}"
    figures = "".join(
        f" ({window_figures(each)})" for each in reading.windows or () if each.is_best
    )
    scores = ", ".join(f"{name} {score:.3f}" for name, score in given.found.scores.items())
    return f"{what}{figures}; {scores}"


def _as_row(answer: DocumentsAnswer) -> dict[str, object]:
    best = answer.best
    row: dict[str, object] = {"question": answer.question, "answered": best is not None}
    row |= _as_dict(best) if best else {"text": ""}
    row |= kind_row(answer.kind)
    row["alternatives"] = [_as_dict(each) for each in answer.alternatives]
    return row


def _explain_row(given: PassageAnswer) -> dict[str, object]:
    """Returns all about a passage that was read as JSON values."""
    passage = given.found.passage
    return _as_dict(given) | {
        "scores": dict(given.found.scores),
        "passage": passage.text,
        "windows": as_rows(given.reading.windows or (), passage.start_char),
    }


def _as_dict(given: PassageAnswer) -> dict[str, object]:
    """Returns an answer and where it stands as JSON values.

    `start_char` and `end_char` are characters of the document's text.
    """
    passage, reading, citation = given.found.passage, given.reading, given.citation
    base = passage.start_char
    return {
        "text": reading.text,
        "score": reading.score if reading.score > float("-inf") else None,
        "probability": reading.probability,
        "document": passage.document,
        "page": citation.page if citation else passage.page,
        "section": passage.section,
        "start_char": base + reading.start_char if citation else -1,
        "end_char": base + reading.end_char if citation else -1,
        "sentence": citation.sentence if citation else "",
    }
