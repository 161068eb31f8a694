"""Asks about documents, for `squadron ask --index`."""

from collections.abc import Sequence

from squadron.commands._shown import Shown, on_one_line, score_lines
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
    return [
        Shown(_describe(each, explain=explain), _as_row(each, explain=explain))
        for each in answer_questions(questions, search, reader)
    ]


def _describe(answer: DocumentsAnswer, *, explain: bool) -> list[str]:
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
    because = f", because of {answer.cue!r}" if answer.cue else ""
    lines.append(f"Kind:     {answer.reasoning_type}{because}")
    if explain:
        lines.append("Read:")
        lines += [f"  {_explain(number, each)}" for number, each in enumerate(answer.read, 1)]
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


def _explain(number: int, given: PassageAnswer) -> str:
    """Returns one line about a passage that was read."""
    scores = ", ".join(f"{name} {score:.3f}" for name, score in given.found.scores.items())
    reading = given.reading
    what = repr(on_one_line(reading.text)) if reading.answered else "no answer"
    return f"{number:2}. {_place(given)}: {what} ({reading.score:.2f}); {scores}"


def _as_row(answer: DocumentsAnswer, *, explain: bool) -> dict[str, object]:
    best = answer.best
    row: dict[str, object] = {"question": answer.question, "answered": best is not None}
    row |= _as_dict(best) if best else {"text": ""}
    row["reasoning_type"], row["cue"] = answer.reasoning_type, answer.cue
    row["alternatives"] = [_as_dict(each) for each in answer.alternatives]
    if explain:
        row["read"] = [
            _as_dict(each) | {"scores": dict(each.found.scores), "passage": each.found.passage.text}
            for each in answer.read
        ]
    return row


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
