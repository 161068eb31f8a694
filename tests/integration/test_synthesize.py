"""The step ingest on real files: the project's corpus, and questions from its handbook."""

import dataclasses
from pathlib import Path

from squadron.config import SPLITS, Data, Synthesize
from squadron.data.overlap import WordRuns
from tests.unit.steps.test_ingest import ingest

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "examples" / "corpus.json"
HANDBOOK = ROOT / "examples" / "handbook.pdf"


def test_the_handbook_gives_questions_for_train_and_for_no_other_split(tmp_path):
    wanted = Synthesize((str(HANDBOOK),), ("cloze", "lead_sentence"))
    data = Data(train=(str(CORPUS),), synthesize=wanted)
    rows, report = ingest(tmp_path / "e", data)
    alone, _ = ingest(tmp_path / "alone", dataclasses.replace(data, synthesize=Synthesize()))
    for name in SPLITS[1:]:
        assert rows[name] == alone[name]
    count = len(alone["train"])
    assert rows["train"][:count] == alone["train"]
    made = rows["train"][count:]
    assert report["synthetic"]["questions"] == len(made) > 100
    assert report["synthetic"]["methods"].keys() == {"cloze", "lead_sentence"}
    assert report["synthetic"]["refused"] == {}
    judged = WordRuns(row["context"] for name in SPLITS[1:] for row in rows[name])
    for row in made:
        (answer,) = row["answers"]
        start = answer["start_char"]
        assert row["context"][start : start + len(answer["text"])] == answer["text"]
        assert row["id"].startswith("synthetic:")
        assert not judged.overlaps(row["context"])
