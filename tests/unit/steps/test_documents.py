"""The steps passages, index and answer, by hand, on the example corpus and a handbook."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from squadron import steps
from squadron.artifacts import (
    FOUND,
    OPEN_ANSWERS,
    read_record,
    read_table,
    write_record,
    write_table,
)
from squadron.config import Contender, Data, Documents, Splits, Windows, to_json
from squadron.documents.passage_table import read_passages
from squadron.open_domain import answer_questions
from squadron.provenance import Digests
from squadron.reader import Reader
from squadron.retrieval import (
    METHODS,
    ORIGINAL,
    PassageIndex,
    TextEncoder,
    find_passages_of_each,
)
from squadron.scores.contender_result import ContenderResult
from squadron.scores.open_domain import Searches
from squadron.steps._open_answers import FoundPassages
from squadron.steps.passages import AboutPassages
from tests import steps_by_hand, tiny_models
from tests.reference_squad import plain_scores
from tests.trees import content_of

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
DOCUMENTS = Documents(
    files=(str(EXAMPLES / "handbook.pdf"),), contexts=("select", "test"), questions=12, top_k=3
)
CONTENDER = Contender("pretrained", windows=Windows(max_length=128, stride=32))


def cut(root: Path, documents: Documents, **digests: str) -> None:
    steps.passages(
        documents=to_json(documents),
        examples=root / "examples",
        passages=root / "passages",
        **digests,
    )


def answer(root: Path, contender: Contender, evaluation: Path, answered: Path) -> dict[str, float]:
    return steps.answer(
        documents=to_json(DOCUMENTS),
        contender=to_json(contender),
        examples=root / "examples",
        passages=root / "passages",
        found=root / "found",
        model=root / "model",
        evaluation=evaluation,
        answered=answered,
        figures_file=root / "answer.json",
    )


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """All steps of a race with one contender, and what they left."""
    root = tmp_path_factory.mktemp("documents")
    backbone = tiny_models.write_backbone(root / "backbone")
    contender = replace(CONTENDER, backbone=backbone)
    data = Data(
        train=(str(EXAMPLES / "corpus.json"),),
        splits=Splits(tune=2, select=2, test=2),
        max_tune_examples=20,
    )
    steps.ingest(data=to_json(data), examples=root / "examples")
    cut(root, DOCUMENTS)
    shown = steps.index(
        documents=to_json(DOCUMENTS),
        passages=root / "passages",
        examples=root / "examples",
        index=root / "index",
        found=root / "found",
        figures_file=root / "index.json",
        place="s3://bucket/index",
    )
    steps_by_hand.featurize(root, backbone, contender.windows)
    steps_by_hand.train_to_evaluate(root, contender)
    figures = answer(root, contender, root / "evaluation", root / "answered")
    return SimpleNamespace(
        root=root,
        contender=contender,
        shown=shown,
        figures=figures,
        passages=read_passages(
            read_table(root / "passages" / "passages.parquet", schema="passages/1")
        ),
        searches=read_record(Searches, root / "found" / "searches.json"),
        result=read_record(ContenderResult, root / "answered" / "metrics.json"),
        examples={
            name: read_table(root / "examples" / f"{name}.parquet", schema="examples/1").to_pylist()
            for name in ("select", "test")
        },
        found={
            name: read_table(root / "found" / f"{name}.parquet", schema="found/1").to_pylist()
            for name in ("select", "test")
        },
        answers={
            name: read_table(
                root / "answered" / name / "open_domain.parquet", schema="open_answers/1"
            ).to_pylist()
            for name in ("select", "test")
        },
    )


def asked(race: SimpleNamespace, split: str) -> list[dict]:
    ids = {row["id"] for row in race.found[split]}
    return [row for row in race.examples[split] if row["id"] in ids]


def test_contexts_are_passages_as_they_stand_and_documents_are_cut(race: SimpleNamespace) -> None:
    contexts = {row["context"] for rows in race.examples.values() for row in rows}
    of_files = [each for each in race.passages if each.document == "handbook.pdf"]
    others = [each for each in race.passages if each.document != "handbook.pdf"]
    assert {each.text for each in others} == contexts
    assert len(others) == len(contexts)
    assert {each.page for each in of_files} == set(range(1, 9))
    about = read_record(AboutPassages, race.root / "passages" / "documents.json")
    assert (about.files, about.pages, about.refused) == (1, 8, {})
    assert (about.passages, about.contexts) == (len(race.passages), len(contexts))


def test_questions_are_spread_over_each_split(race: SimpleNamespace) -> None:
    for split, rows in race.examples.items():
        some = [row["id"] for row in asked(race, split)]
        assert len(some) == DOCUMENTS.questions
        assert some[0] == rows[0]["id"]
        assert some[-1] == rows[-1]["id"]


def test_what_was_found_is_what_the_index_finds(race: SimpleNamespace) -> None:
    index = PassageIndex.open(str(race.root / "index"), TextEncoder())
    assert index.describe().passages == len(race.passages)
    assert index.describe().content_digest == race.searches.index.digest
    texts = [row["question"] for row in asked(race, "select")]
    for method in METHODS:
        found = find_passages_of_each(index, texts, method, top_k=20)
        expected = [
            {
                "id": row["id"],
                "method": method,
                "rank": each.rank,
                "passage": each.passage.id,
                "score": each.scores[method],
                "is_right": bool(row["answers"]) and each.passage.text == row["context"],
            }
            for row, some in zip(asked(race, "select"), found, strict=True)
            for each in some
        ]
        assert [row for row in race.found["select"] if row["method"] == method] == expected


def test_recall_is_the_share_of_answerable_questions_whose_context_was_found(
    race: SimpleNamespace,
) -> None:
    text = {each.id: each.text for each in race.passages}
    for split in ("select", "test"):
        searched = race.searches.splits[split]
        rows = [row for row in asked(race, split) if row["answers"]]
        assert searched.questions == DOCUMENTS.questions
        assert 0 < searched.answerable == searched.by_context == len(rows)
        for method in METHODS:
            for place in (1, 5, 20):
                hits = sum(
                    any(
                        text[one["passage"]] == row["context"]
                        for one in race.found[split]
                        if (one["id"], one["method"]) == (row["id"], method)
                        and one["rank"] <= place
                    )
                    for row in rows
                )
                name = f"at_{place}"
                assert getattr(searched.recall[method], name) == 100 * hits / len(rows)
                assert race.shown[f"{split}_{method}_recall_{name}"] == 100 * hits / len(rows)
    # The real encoder finds most of them.
    assert race.searches.splits["select"].recall["hybrid"].at_5 > 60


def test_of_the_original_search_one_passage_is_read_and_of_others_the_best_few(
    race: SimpleNamespace,
) -> None:
    table = read_table(race.root / "found" / "select.parquet", schema="found/1")
    by_id = {each.id: each for each in race.passages}
    found = FoundPassages(table, by_id, DOCUMENTS.top_k)
    for row in asked(race, "select"):
        for method in METHODS:
            rows = [
                each
                for each in race.found["select"]
                if (each["id"], each["method"]) == (row["id"], method)
            ]
            most = 1 if method == ORIGINAL else DOCUMENTS.top_k
            some = found.find(method, row["id"])
            assert [each.passage.id for each in some] == [each["passage"] for each in rows[:most]]
            assert [each.rank for each in some] == list(range(1, most + 1))
            for each in rows:
                assert found.is_right(row["id"], each["passage"]) == each["is_right"]


def test_it_answers_as_the_reader_with_the_index_does(race: SimpleNamespace) -> None:
    """What is judged is what `squadron ask` would answer with this model and this index."""
    reader = Reader.load(race.root / "model", race.result.answering)
    index = PassageIndex.open(str(race.root / "index"), TextEncoder())
    rows = asked(race, "select")
    for method in METHODS:
        top_k = 1 if method == ORIGINAL else DOCUMENTS.top_k
        given = answer_questions(
            [row["question"] for row in rows],
            lambda texts, name=method, k=top_k: find_passages_of_each(index, texts, name, top_k=k),
            reader,
        )
        own = [row for row in race.answers["select"] if row["method"] == method]
        for one, row in zip(given, own, strict=True):
            chosen = one.best or one.guess
            assert chosen is not None
            assert row["answer"] == (one.best.reading.text if one.best else "")
            assert (row["passage"], row["rank"]) == (chosen.found.passage.id, chosen.found.rank)
            assert row["probability"] == pytest.approx(chosen.reading.probability)
            assert row["document"] == chosen.found.passage.document


def test_the_figures_are_those_of_the_answers(race: SimpleNamespace) -> None:
    for split in ("select", "test"):
        rows = {row["id"]: row for row in asked(race, split)}
        open_split = race.result.open_domain.splits[split]
        assert list(open_split.methods) == list(METHODS)
        for method, figures in open_split.methods.items():
            own = [row for row in race.answers[split] if row["method"] == method]
            exact, f1 = [], []
            for row in own:
                golds = [each["text"] for each in rows[row["id"]]["answers"]]
                scores = plain_scores(golds, row["answer"], "v2")
                exact.append(scores[0])
                f1.append(scores[1])
            assert figures.exact_match == pytest.approx(100 * sum(exact) / len(own))
            assert figures.f1 == pytest.approx(100 * sum(f1) / len(own))
            assert [row["exact_match"] for row in own] == exact
            assert race.figures[f"{split}_open_{method}_exact_match"] == figures.exact_match
        scores = read_table(
            race.root / "evaluation" / split / "scores.parquet", schema="scores/3"
        ).to_pylist()
        given = [row["exact_match"] for row in scores if row["id"] in rows]
        assert open_split.given.exact_match == pytest.approx(100 * sum(given) / len(given))


def test_the_evaluation_is_handed_on_unchanged_beside_that(race: SimpleNamespace) -> None:
    before = content_of(race.root / "evaluation")
    after = content_of(race.root / "answered")
    new = {f"{split}/open_domain.parquet" for split in ("select", "test")}
    assert set(after) - set(before) == new
    assert {name for name in before if before[name] != after[name]} == {"metrics.json"}
    old = read_record(ContenderResult, race.root / "evaluation" / "metrics.json")
    assert old.open_domain is None
    figures = {**old.figures, "seconds_answer": race.result.figures["seconds_answer"]}
    expected = replace(old, open_domain=race.result.open_domain, figures=figures)
    assert race.result == expected
    assert race.result.open_domain.index == race.searches.index
    assert race.searches.index.place == "s3://bucket/index"


def test_tables_have_their_schemas(race: SimpleNamespace) -> None:
    found = read_table(race.root / "found" / "test.parquet", schema="found/1")
    answers = read_table(
        race.root / "answered" / "test" / "open_domain.parquet", schema="open_answers/1"
    )
    assert (found.schema.names, answers.schema.names) == (FOUND.names, OPEN_ANSWERS.names)


def test_a_disqualified_contender_answers_nothing(race: SimpleNamespace, tmp_path: Path) -> None:
    evaluation = tmp_path / "evaluation"
    evaluation.mkdir()
    result = ContenderResult("m", "x", "span", disqualified="the loss became nan")
    write_record(evaluation / "metrics.json", result)
    shutil.copy(race.root / "evaluation" / "training_log.json", evaluation)
    assert answer(race.root, race.contender, evaluation, tmp_path / "answered") == {}
    assert read_record(ContenderResult, tmp_path / "answered" / "metrics.json") == result
    assert json.loads((race.root / "answer.json").read_text()) == {}


def refusal(
    capfd: pytest.CaptureFixture[str], root: Path, documents: Documents, **more: str
) -> str:
    with pytest.raises(SystemExit) as caught:
        cut(root, documents, **more)
    assert caught.value.code == 2
    return capfd.readouterr().err


@pytest.fixture
def data(race: SimpleNamespace, tmp_path: Path) -> Path:
    """A folder with the examples alone."""
    shutil.copytree(race.root / "examples", tmp_path / "examples")
    return tmp_path


def test_a_document_that_was_not_planned_is_refused(
    data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = data / "a.txt"
    file.write_text("Words.")
    planned = Digests("", (), {str(file): "another"})
    said = refusal(capfd, data, Documents(files=(str(file),)), digests=str(planned))
    assert "a.txt has other content than when the race was planned" in said
    assert not (data / "passages").exists()


def test_documents_without_text_are_refused(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (data / "a.txt").write_text("")
    said = refusal(capfd, data, Documents(files=(str(data / "a.txt"),)))
    assert "there is no passage" in said


def test_a_file_named_like_a_title_is_refused(
    race: SimpleNamespace, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    title = race.examples["select"][0]["title"]
    # A folder names its files by their path in it.
    folder = data / "folder"
    folder.mkdir()
    shutil.copy(EXAMPLES / "moon_landing.txt", folder / "a.txt")
    documents = Documents(files=(str(folder),), contexts=("select",))
    cut(data, documents)
    rows = read_table(data / "examples" / "select.parquet", schema="examples/1")
    column = rows.schema.get_field_index("title")
    assert title in rows["title"].to_pylist()
    named = rows.set_column(column, "title", [["a.txt"] * len(rows)])
    write_table(
        data / "examples" / "select.parquet", named, schema="examples/1", made_from="changed"
    )
    said = refusal(capfd, data, documents)
    assert "the file a.txt has the name of a title of the data" in said


def test_a_broken_file_is_named_and_the_others_go_on(
    data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (data / "bad.pdf").write_bytes(b"%PDF-1.7 broken")
    (data / "good.md").write_text("# Mill\n\nThe mill was built in 1820. It burnt down in 1901.")
    cut(data, Documents(files=(str(data / "bad.pdf"), str(data / "good.md"))))
    about = read_record(AboutPassages, data / "passages" / "documents.json")
    assert (about.files, about.passages, about.contexts) == (1, 1, 0)
    assert list(about.refused) == ["bad.pdf"]
    assert f"Warning: {about.refused['bad.pdf']}" in capfd.readouterr().err
