"""One set of questions, and how each layout of the sources writes it.

`LAYOUTS` has the layouts that hold everything that a question may have. A test or a mutation writes
them with `write`.
"""

import copy
import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from squadron.data.sources import Answer, Example

# Characters beyond UTF-16's first plane, combining ones, several scripts, and answers that stand
# twice in their context.
LENS = "The first lens was lit in July 1823 at Cordouan . Fresnel died in 1827 , not in 1823 ."
TOWER = "🗼 東京タワー は 333 m 高 い 。 Le cafe\u0301 du 🗼 ouvre à 9 h 30 . 👩‍🚀 ß ﬁ İ"
DESERT = "الربع الخالي هو أكبر صحراء رملية في العالم . It isn't “ small ” , it's vast ."


def ask(number: int, context: str, *answers: str, last: bool = False, **fields: Any) -> Example:
    """Returns an example whose answers stand at their first (or last) place in the context."""
    find = context.rindex if last else context.index
    return Example(
        id=str(number),
        title={LENS: "Lighthouses", TOWER: "東京 Tower & more", DESERT: "Empty Quarter"}[context],
        context=context,
        answers=[Answer(answer, find(answer)) for answer in answers],
        is_impossible=not answers,
        **fields,
    )


QUESTIONS = [
    ask(101, LENS, "July 1823", "1823", question="When was the first lens lit?"),
    ask(102, LENS, "1823", last=True, question="When did Fresnel not die?"),
    ask(103, LENS, question="Who paid for the lens?", reasoning_type="factual"),
    ask(-104, TOWER, "333 m", question="東京タワー の 高さ は ?"),
    ask(105, TOWER, "🗼", last=True, question="Which 🗼 has a café?", reasoning_type="comparative"),
    ask(106, TOWER, "cafe\u0301", "Le cafe\u0301 du 🗼", question="What opens at “9 h 30”?"),
    ask(107, TOWER, "İ", question="What comes last, after\t👩‍🚀?"),
    ask(108, DESERT, "أكبر صحراء رملية", question="ما هو الربع الخالي؟", reasoning_type="causal"),
    ask(109, DESERT, "“ small ”", question='What is it not, "quoted"?'),
    ask(110, DESERT, question="Why?", reasoning_type="causal"),
]


@dataclass(frozen=True)
class Layout:
    """How one kind of file is written."""

    source: str
    """The source that reads it."""
    name: str
    """The name of the file or folder."""
    write: Callable[[Path, Sequence[Example]], None]


def write(layout: str, folder: Path, questions: Sequence[Example] = QUESTIONS) -> Path:
    """Writes questions in a layout, and returns the path."""
    path = folder / LAYOUTS[layout].name
    LAYOUTS[layout].write(path, questions)
    return path


def without_places(examples: Sequence[Example]) -> list[Example]:
    """Returns the examples without the file and record from which they come."""
    examples = copy.deepcopy(list(examples))
    for example in examples:
        example.where = ""
    return examples


def flat_record(example: Example, as_lists: bool = True) -> dict[str, Any]:
    """Returns a record of the flat layout."""
    pairs = [(answer.text, answer.start_char) for answer in example.answers]
    columns = {"text": [text for text, _ in pairs], "answer_start": [start for _, start in pairs]}
    return {
        "id": example.id,
        "title": example.title,
        "context": example.context,
        "question": example.question,
        "answers": columns
        if as_lists
        else [{"text": text, "answer_start": start} for text, start in pairs],
        **({"reasoning_type": example.reasoning_type} if example.reasoning_type else {}),
    }


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8; packed if the path ends with .gz."""
    content = text.encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def write_squad(path: Path, questions: Sequence[Example]) -> None:
    """Writes SQuAD v2.0."""
    articles: dict[str, dict[str, list[Any]]] = {}
    for each in questions:
        record = flat_record(each, as_lists=False)
        fields = ("id", "question", "answers", "reasoning_type")
        qas = articles.setdefault(each.title, {}).setdefault(each.context, [])
        qas.append(
            {name: record[name] for name in fields if name in record}
            | {"is_impossible": each.is_impossible}
        )
    data = [
        {
            "title": title,
            "paragraphs": [{"context": context, "qas": qas} for context, qas in contexts.items()],
        }
        for title, contexts in articles.items()
    ]
    write_text(path, json.dumps({"version": "v2.0", "data": data}, ensure_ascii=False))


def write_list(path: Path, questions: Sequence[Example]) -> None:
    """Writes a list of flat records."""
    write_text(path, json.dumps([flat_record(each) for each in questions], indent=1))


def write_data(path: Path, questions: Sequence[Example]) -> None:
    """Writes {"data": [flat records]}."""
    records = [flat_record(each, as_lists=False) for each in questions]
    write_text(path, json.dumps({"data": records}, ensure_ascii=False))


def write_lines(path: Path, questions: Sequence[Example]) -> None:
    """Writes one flat record per line, as `Dataset.to_json` does."""
    records = [json.dumps(flat_record(each), ensure_ascii=False) for each in questions]
    write_text(path, "\n".join(records) + "\n")


def write_parquet(path: Path, questions: Sequence[Example]) -> None:
    """Writes a Parquet file in several groups of rows."""
    records = [flat_record(each) | {"reasoning_type": each.reasoning_type} for each in questions]
    pq.write_table(pa.Table.from_pylist(records), path, row_group_size=3)


def write_folder(path: Path, questions: Sequence[Example]) -> None:
    """Writes a folder of the library datasets."""
    datasets.disable_progress_bars()
    records = [flat_record(each) | {"reasoning_type": each.reasoning_type} for each in questions]
    datasets.Dataset.from_list(records).save_to_disk(path)


def table_rows(questions: Sequence[Example]) -> list[dict[str, Any]]:
    """Returns one row per answer, and one for a question without any."""
    return [
        {
            "id": each.id,
            "Title": each.title,
            "Context": each.context,
            "Question": each.question,
            "Answer": answer.text,
            "answer_start": answer.start_char if answer.text else None,
            "reasoning type": each.reasoning_type,
            "Source": "other",
        }
        for each in questions
        for answer in each.answers or [Answer("", 0)]
    ]


def write_table(path: Path, questions: Sequence[Example]) -> None:
    """Writes CSV, or TSV if the path says so."""
    file = io.StringIO(newline="")
    rows = table_rows(questions)
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, file.getvalue())


def write_table_lines(path: Path, questions: Sequence[Example]) -> None:
    """Writes the rows of a table as JSON lines."""
    rows = [json.dumps(row, ensure_ascii=False) for row in table_rows(questions)]
    write_text(path, "\n".join(rows))


def write_natural_questions(path: Path, questions: Sequence[Example]) -> None:
    """Writes simplified Natural Questions, with tags around and inside of the text."""
    lines = []
    for each in questions:
        words = each.context.split(" ")
        tokens = ["<P>", *words[:4], '<Th_colspan="2">', *words[4:], "</P>"]
        # The first word of an answer, by the characters before it.
        firsts = [1 + len(each.context[: a.start_char].split(" ")) - 1 for a in each.answers]
        spans = []
        for first, answer in zip(firsts, each.answers, strict=True):
            count = len(answer.text.split(" "))
            start, last = (n + (n > 4) for n in (first, first + count - 1))
            spans.append({"start_token": start, "end_token": last + 1})
        none = {"start_token": -1, "end_token": -1, "candidate_index": -1}
        annotations = [{"short_answers": spans, "long_answer": none, "yes_no_answer": "NONE"}]
        title = quote(each.title.replace(" ", "_"))
        record = {
            "document_text": " ".join(tokens),
            "long_answer_candidates": [],
            "question_text": each.question,
            "annotations": annotations,
            "document_url": f"https://en.wikipedia.org//w/index.php?title={title}&amp;oldid=8",
            "example_id": int(each.id),
            "reasoning_type": each.reasoning_type,
        }
        lines.append(json.dumps(record, ensure_ascii=False))
    write_text(path, "\n".join(lines))


def write_tydiqa(path: Path, questions: Sequence[Example]) -> None:
    """Writes TyDi QA with one annotation for each answer."""
    lines = []
    for each in questions:
        annotations = []
        for answer in each.answers or [Answer("", -1)]:
            start = len(each.context[: answer.start_char].encode()) if answer.text else -1
            end = start + len(answer.text.encode())
            span = {"plaintext_start_byte": start, "plaintext_end_byte": end}
            passage = {"candidate_index": 0 if answer.text else -1}
            annotations.append(
                {"minimal_answer": span, "passage_answer": passage, "yes_no_answer": "NONE"}
            )
        record = {
            "annotations": annotations,
            "document_plaintext": each.context,
            "document_title": each.title,
            "example_id": int(each.id),
            "question_text": each.question,
            "reasoning_type": each.reasoning_type,
        }
        lines.append(json.dumps(record, ensure_ascii=False))
    write_text(path, "\n".join(lines))


LAYOUTS = {
    "squad": Layout("squad", "x.json", write_squad),
    "squad, packed": Layout("squad", "x.json.gz", write_squad),
    "flat list": Layout("flat", "x.json", write_list),
    "flat data": Layout("flat", "x.json", write_data),
    "flat lines": Layout("flat", "x.jsonl", write_lines),
    "flat lines, packed": Layout("flat", "x.jsonl.gz", write_lines),
    "flat lines named .json": Layout("flat", "x.json", write_lines),
    "flat Parquet": Layout("flat", "x.parquet", write_parquet),
    "table": Layout("table", "x.csv", write_table),
    "table with tabs": Layout("table", "x.tsv", write_table),
    "table with tabs, packed": Layout("table", "x.tsv.gz", write_table),
    "table of lines": Layout("table", "x.jsonl", write_table_lines),
    "Natural Questions lines": Layout("natural_questions", "x.jsonl", write_natural_questions),
    "Natural Questions lines, packed": Layout(
        "natural_questions", "x.jsonl.gz", write_natural_questions
    ),
    "TyDi QA lines": Layout("tydiqa", "x.jsonl", write_tydiqa),
    "TyDi QA lines, packed": Layout("tydiqa", "x.jsonl.gz", write_tydiqa),
    "folder": Layout("hugging_face", "x", write_folder),
}
