"""The step ingest: synthetic questions from documents, which only train."""

import dataclasses
import json
import random
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from launch.plan import check_experiment, plan_race
from squadron import provenance, steps
from squadron.config import SPLITS, Data, Splits, Synthesize, build_experiment, to_json
from squadron.data.overlap import RUN, WordRuns
from squadron.errors import InputError
from tests.effort import draws
from tests.unit.steps.test_ingest import ingest, number_titles, write_articles, write_squad

JUDGED = SPLITS[1:]
TEXT = (
    "Rainfall has been measured here since 14 May 1931. The first gauge was bought by Désiré "
    "Kallan with his own money. The battery of the station holds 48 kWh and feeds the house for "
    "days."
)


def write(folder: Path, **texts: str) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return str(folder)


def make_data(place: Path, synthesize: Synthesize, **changes: object) -> Data:
    own = write_squad(place / "own.json", number_titles(12, "a"), "own")
    return dataclasses.replace(
        Data(train=(own,), splits=Splits(2, 2, 2), synthesize=synthesize), **changes
    )


def refuse(place: Path, data: Data, capfd: pytest.CaptureFixture[str]) -> str:
    """The last sentence of a step that ends with code 2 and writes nothing."""
    with pytest.raises(SystemExit) as caught:
        ingest(place / "refused", data)
    assert caught.value.code == 2
    assert not (place / "refused").exists()
    return capfd.readouterr().err.strip().splitlines()[-1]


def synthetic_of(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["id"].startswith("synthetic:")]


def test_they_are_added_to_train_marked_and_counted(tmp_path, capfd):
    docs = write(tmp_path / "docs", a=TEXT, empty="Nothing to ask is said in this short document.")
    wanted = Synthesize((docs,), ("cloze", "lead_sentence"))
    rows, report = ingest(tmp_path / "e", make_data(tmp_path, wanted, max_train_examples=10))
    made = synthetic_of(rows["train"])
    assert [row["answers"][0]["text"] for row in made] == [
        "14 May 1931",
        "Désiré Kallan",
        "48 kWh",
        "Rainfall has been measured here since 14 May 1931.",
    ]
    assert {row["title"] for row in made} == {"a.txt"}
    assert len(rows["train"]) == 10 + 4
    assert report["synthetic"] == {
        "questions": 4,
        "available": 4,
        "methods": {"cloze": 3, "lead_sentence": 1},
        "documents": {"a.txt": 4, "empty.txt": 0},
        "passages": 2,
        "passages_left_out": 0,
        "refused": {},
        "notes": [],
    }
    assert report["findings"]["accepted"] == 36 + 4
    assert report["splits"]["train"]["files"][-1] == docs
    assert docs not in report["splits"]["select"]["files"]
    lines = capfd.readouterr().err.splitlines()
    assert lines == [
        "ingest     4 of the 14 questions of train are synthetic: rules made them from 1 document "
        "(3 cloze, 1 lead_sentence).",
        "ingest     40 examples: train 14 of 22 (data.max_train_examples), tune 6, select 6, "
        "test 6",
    ]


def test_without_documents_nothing_is_added(tmp_path):
    rows, report = ingest(tmp_path / "e", make_data(tmp_path, Synthesize()))
    assert not any(synthetic_of(part) for part in rows.values())
    assert report["synthetic"]["questions"] == 0


def test_the_seed_draws_as_many_as_are_wanted(tmp_path, capfd):
    docs = write(tmp_path / "docs", **{f"d{n}": TEXT.replace("14 May", f"{n} June") for n in "234"})
    data = make_data(tmp_path, Synthesize((docs,), max_examples=4))

    def draw(seed: int) -> list[str]:
        rows, report = ingest(tmp_path / f"e{seed}", dataclasses.replace(data, seed=seed))
        assert (report["synthetic"]["questions"], report["synthetic"]["available"]) == (4, 9)
        return [row["id"] for row in synthetic_of(rows["train"])]

    first = draw(1)
    assert "(4 cloze; drawn from 9)" in capfd.readouterr().err
    assert draw(1) == first
    assert any(draw(seed) != first for seed in (2, 3, 4))


def test_a_document_that_can_not_be_read_is_said_and_the_others_go_on(tmp_path, capfd):
    docs = write(tmp_path / "docs", a=TEXT)
    (tmp_path / "docs" / "b\n.pdf").write_bytes(b"%PDF-1.4 broken")
    (tmp_path / "docs" / "notes.docx").write_text("of another kind")
    rows, report = ingest(tmp_path / "e", make_data(tmp_path, Synthesize((docs,))))
    assert len(synthetic_of(rows["train"])) == 3
    (reason,) = report["synthetic"]["refused"].values()
    assert reason.startswith("b\n.pdf ")
    shown = reason.replace("\n", "\\n")
    assert f"ingest     Warning: {shown}" in capfd.readouterr().err.splitlines()


def test_of_many_documents_that_can_not_be_read_some_are_said(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("squadron.steps._synthetic.SHOWN", 2)
    docs = write(tmp_path / "docs", a=TEXT, **dict.fromkeys("bcde", ""))
    _, report = ingest(tmp_path / "e", make_data(tmp_path, Synthesize((docs,))))
    assert report["synthetic"]["refused"].keys() == {"b.txt", "c.txt", "d.txt", "e.txt"}
    assert capfd.readouterr().err.splitlines()[:3] == [
        "ingest     Warning: b.txt holds no text: leave it out",
        "ingest     Warning: c.txt holds no text: leave it out",
        "ingest     Warning: 2 more such sentences are in validation.json",
    ]


def test_a_page_without_text_is_said(tmp_path, capfd):
    canvas = Canvas(str(tmp_path / "a.pdf"))
    canvas.drawString(60, 700, "The first gauge was bought by Ann Kallan with her own money.")
    canvas.showPage()
    canvas.drawInlineImage(Image.new("RGB", (400, 400)), 50, 50, 500, 700)
    canvas.save()
    data = make_data(tmp_path, Synthesize((str(tmp_path / "a.pdf"),)))
    _, report = ingest(tmp_path / "e", data)
    (note,) = report["synthetic"]["notes"]
    assert "page 2" in note
    assert f"ingest     Warning: {note}" in capfd.readouterr().err.splitlines()


def test_documents_of_which_none_can_be_read_end_the_step(tmp_path, capfd):
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 broken")
    line = refuse(tmp_path, make_data(tmp_path, Synthesize((str(tmp_path / "b.pdf"),))), capfd)
    assert "data -> synthesize -> files: none of the documents can be read; b.pdf " in line


def test_documents_without_a_question_end_the_step(tmp_path, capfd):
    docs = write(tmp_path / "docs", a="Nothing to ask is said in this rather short document.")
    line = refuse(tmp_path, make_data(tmp_path, Synthesize((docs,))), capfd)
    assert "data -> synthesize: cloze made no question from the documents (passages: 1; " in line


def test_a_missing_package_is_named_with_the_remedy(tmp_path, monkeypatch, capfd):
    docs = write(tmp_path / "docs", a=TEXT)
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    line = refuse(tmp_path, make_data(tmp_path, Synthesize((docs,))), capfd)
    assert "needs the package pypdfium2" in line
    assert "squadron-qa[documents]" in line


def test_a_document_that_holds_a_judged_paragraph_asks_nothing_about_it(tmp_path):
    places = [
        (f"T{n}", f"Place {n} has had {n} old bridges over the river since May {1900 + n}. It lies "
                  f"near the town of Aller{n} and has its own museum. Many people live here.")
        for n in range(20)
    ]  # fmt: skip
    own = write_articles(tmp_path / "own.json", places)
    # Of each paragraph a part, in another case, and a sentence more.
    parts = "\n\n".join(f"{text.rpartition('. ')[0].upper()}. {TEXT}" for _, text in places)
    docs = write(tmp_path / "docs", a=parts, b=TEXT)
    data = Data((own,), splits=Splits(2, 2, 2), synthesize=Synthesize((docs,)))
    rows, report = ingest(tmp_path / "e", data)
    judged = {row["context"] for name in JUDGED for row in rows[name]}
    made = synthetic_of(rows["train"])
    numbers = {text.split()[1] for text in judged}
    asked = {word for row in made for word in row["context"].split() if word.isdigit()}
    assert {"b.txt", "a.txt"} == {row["title"] for row in made}
    assert not any(f"PLACE {n} HAS" in row["context"] for row in made for n in numbers)
    assert asked - numbers
    assert report["synthetic"]["passages_left_out"] >= len(judged)
    assert not any(found["share"] for found in report["leakage"]["splits"].values())


def test_the_comparison_of_splits_sees_synthetic_questions(tmp_path, capfd, monkeypatch):
    """If passages were not compared, equal paragraphs would still be refused."""
    own = write_squad(tmp_path / "own.json", number_titles(12, "a"), "own")
    test = write_articles(tmp_path / "test.json", [("U", TEXT), ("V", "Another text is here.")])
    docs = write(tmp_path / "docs", a=f" {TEXT.upper()}", b=TEXT)
    data = Data((own,), (test,), splits=Splits(2, 2), synthesize=Synthesize((docs,)))
    line = refuse(tmp_path, data, capfd)
    assert "share text with tune, select or test: 2); give other documents" in line
    monkeypatch.setattr(WordRuns, "overlaps", lambda self, text: False)
    line = refuse(tmp_path, data, capfd)
    assert "1 of the 2 paragraphs of the test split are also in the train split (50.0%" in line


WORDS = [f"word{n}" for n in range(60)]


@settings(max_examples=draws(15), deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 3), st.integers(0, 3))
def test_whatever_the_splits_only_train_has_them_and_every_answer_stands_in_its_context(
    seed, tune, select, test
):
    chosen = random.Random(seed)

    def sentence() -> str:
        words = " ".join(chosen.choices(WORDS, k=chosen.randint(4, 9)))
        gap = chosen.choice(["12 May 1931", "Désiré\u00a0Kallan", "Ada King", "48 kWh", "3,500"])
        return f"So {words} {gap} {chosen.choice(WORDS)}."

    sentences = [sentence() for _ in range(60)]
    places = [
        (f"T{n}", f"Place {n} is old. {' '.join(chosen.sample(sentences, 2))}") for n in range(10)
    ]
    breaks = [" ", "\n", "\n\n", "\u00a0", "\r\n"]
    text = "".join(f"{one}{chosen.choice(breaks)}" for one in chosen.sample(sentences, 50))
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        docs = write(place / "docs", a=text, b=f"{TEXT} {sentence()}")
        data = Data(
            (write_articles(place / "own.json", places),),
            splits=Splits(tune, select, test or 1),
            seed=seed,
            synthesize=Synthesize((docs,), ("cloze", "lead_sentence")),
        )
        rows, report = ingest(place / "e", data)
    judged = [row["context"] for name in JUDGED for row in rows[name]]
    assert not any(synthetic_of(rows[name]) for name in JUDGED)
    made = synthetic_of(rows["train"])
    assert len(made) == report["synthetic"]["questions"] > 0
    for row in made:
        for answer in row["answers"]:
            start = answer["start_char"]
            assert row["context"][start : start + len(answer["text"])] == answer["text"] != ""
        assert not any(share_run(row["context"], context) for context in judged)
    assert not report["findings"]["rejected"]
    assert not report["findings"]["repaired"]


def share_run(first: str, second: str) -> bool:
    """Says whether texts of plain words share RUN words in a row, word by word."""
    one, other = (
        ["".join(filter(str.isalnum, word)) for word in text.split()] for text in (first, second)
    )
    runs = [one[n : n + RUN] for n in range(len(one) - RUN + 1)]
    return any(other[n : n + RUN] in runs for n in range(len(other) - RUN + 1))


def plan(data: dict):
    experiment = build_experiment({"name": "x", "data": data, "contenders": ["span"]})
    check_experiment(experiment)
    return plan_race(experiment)


def test_a_changed_document_changes_the_digests_and_the_key(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(12, "a"), "own")
    docs = write(tmp_path / "docs", a=TEXT)
    data = {"train": own, "synthesize": {"files": docs}}
    without, before = plan({"train": own}), plan(data)
    assert plan(data) == before
    write(tmp_path / "docs", b=TEXT)
    after = plan(data)
    plans = (without, before, after)
    assert len({each.arguments["ingest_digests"] for each in plans}) == 3
    assert len({each.race for each in plans}) == 3
    write(tmp_path / "docs", b=f"{TEXT} It has changed again.")
    with pytest.raises(SystemExit) as caught:
        steps.ingest(
            data=after.arguments["data"],
            digests=after.arguments["ingest_digests"],
            examples=tmp_path / "e",
        )
    assert caught.value.code == 2


def test_a_missing_document_is_said_before_anything_runs(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(12, "a"), "own")
    with pytest.raises(InputError, match=r"^data -> synthesize -> files: no\.pdf does not exist; "):
        plan({"train": own, "synthesize": {"files": ["no.pdf"]}})


def test_ingest_depends_on_the_reading_of_documents_only_if_it_reads_some(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(12, "a"), "own")
    docs = write(tmp_path / "docs", a=TEXT)

    def reach(data: dict) -> set[str]:
        digests = json.loads(plan(data).arguments["ingest_digests"])
        found = provenance.reachable_files(digests["roots"])
        return {path.relative_to(provenance.PACKAGE).as_posix() for path in found}

    without, reading = reach({"train": own}), reach({"train": own, "synthesize": {"files": docs}})
    assert not any(path.startswith("documents/") for path in without)
    read = {"synthesis", "questions", "cutting", "sentences", "reading", "worker", "pdf", "plain"}
    assert {f"documents/{name}.py" for name in read} <= reading


def test_the_planned_step_runs_with_its_digests(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(12, "a"), "own")
    docs = write(tmp_path / "docs", a=TEXT)
    splits = {"tune": 2, "select": 2, "test": 2}
    found = plan({"train": own, "splits": splits, "synthesize": {"files": docs}}).arguments
    steps.ingest(data=found["data"], digests=found["ingest_digests"], examples=tmp_path / "e")
    assert json.loads((tmp_path / "e" / "validation.json").read_text())["synthetic"]["questions"]


def test_a_synthetic_question_that_the_data_have_is_not_asked_again(tmp_path):
    docs = write(tmp_path / "docs", a=TEXT)
    data = make_data(tmp_path, Synthesize((docs,)))
    rows, _ = ingest(tmp_path / "first", data)
    again = [
        {**{key: row[key] for key in ("id", "title", "question", "context")},
         "answers": {"text": [row["answers"][0]["text"]],
                     "answer_start": [row["answers"][0]["start_char"]]}}
        for row in synthetic_of(rows["train"])[:2]
    ]  # fmt: skip
    (tmp_path / "again.json").write_text(json.dumps(again))
    only = (str(tmp_path / "again.json"),)
    rows, report = ingest(tmp_path / "e", dataclasses.replace(data, train_only=only, source="auto"))
    assert len(synthetic_of(rows["train"])) == 3
    assert report["synthetic"]["questions"] == 1


def test_settings_come_back_from_their_json():
    data = Data(("a",), synthesize=Synthesize(("b.pdf", "s3://c/d"), ("lead_sentence",), 5))
    assert json.loads(to_json(data))["synthesize"]["files"] == ["b.pdf", "s3://c/d"]
