import io

import pytest

from squadron.commands._conversation import COMMANDS, talk
from squadron.commands._document_search import DocumentSearch
from squadron.commands._shown import Shown
from squadron.errors import InputError
from squadron.retrieval import PassageIndex
from tests.unit.retrieval.indexes import make_document, open_index


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    index = open_index(str(tmp_path_factory.mktemp("index")))
    index.update(
        [
            make_document("report 2021.pdf", "The mill was old.", "Lions roar."),
            make_document("report 2022.pdf", "The mill burnt down.", "Sheep bleat."),
            make_document("it's notes.md", "The mill's owner was Ann."),
        ]
    )
    return index


def converse(
    monkeypatch: pytest.MonkeyPatch, typed: str, search: DocumentSearch | None
) -> list[str]:
    """Returns the questions that were asked, each with what was searched."""
    asked = []

    def answer(questions: list[str]) -> list[Shown]:
        (question,) = questions
        asked.append(f"{question} in {search.document or 'all' if search else 'the text'}")
        return [Shown(["Answer:   x"], {})]

    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    talk(answer, search)
    return asked


def test_the_last_question_is_asked_again_within_a_document(
    index: PassageIndex, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = "Who?\n:in 2022\nWhen?\n:all\nWhy?\n\nnever asked\n"
    asked = converse(monkeypatch, typed, DocumentSearch(index, 3))
    assert asked == [
        *("Who? in all", "Who? in report 2022.pdf", "When? in report 2022.pdf", "Why? in all")
    ]
    said = capsys.readouterr().out
    assert "Searching report 2022.pdf.\nAnswer:   x\n\n" in said
    assert "Searching all documents.\n" in said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (":help", COMMANDS),
        (":in", "Name a document; :help shows what can be typed."),
        (":in report", "2 documents have 'report' in the name; name one of: report 2021.pdf, re"),
        (":in nothing", "No document of the index has 'nothing' in the name; name one of: it's"),
    ],
)
def test_what_asks_nothing_is_explained(
    index: PassageIndex,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    said: str,
) -> None:
    asked = converse(monkeypatch, f"{typed}\nWho?\n", DocumentSearch(index, 3, "it's"))
    assert asked == ["Who? in it's notes.md"]
    assert capsys.readouterr().out.startswith(said)


def test_a_text_has_no_documents_to_choose(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert converse(monkeypatch, ":in a.pdf\n:all\nWho?\n", None) == ["Who? in the text"]
    assert capsys.readouterr().out.count("There is one text alone, and no document") == 2


def test_a_search_finds_passages_of_its_document_alone(index: PassageIndex) -> None:
    search = DocumentSearch(index, 9)
    (found,) = search(["What of the mill?"])
    assert len({each.passage.document for each in found}) == 3
    for name in ("report 2021.pdf", "report 2022.pdf", "it's notes.md"):
        search.narrow(name)
        (found,) = search(["What of the mill?"])
        assert {each.passage.document for each in found} == {name}
        assert "mill" in found[0].passage.text
    search.narrow("")
    assert len(search(["What of the mill?"])[0]) == 5


def test_an_unknown_document_is_refused_before_anything_is_asked(index: PassageIndex) -> None:
    with pytest.raises(InputError, match="No document of the index has 'none' in the name"):
        DocumentSearch(index, 3, "none")
