from pathlib import Path

from squadron.config.synthesis import METHODS as CHOICES
from squadron.documents.questions import METHODS, is_synthetic
from squadron.documents.synthesis import make_synthesis

TEXT = (
    "Rainfall has been measured here since 14 May 1931. The first gauge was bought by Désiré "
    "Kallan with his own money."
)
OTHER = "The battery of the station holds 48 kWh and feeds the house for two whole days."


def write(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def test_the_settings_name_exactly_the_methods_that_there_are():
    assert {*CHOICES} == METHODS.keys()


def test_each_method_is_asked_once_about_each_document_of_a_folder(tmp_path):
    folder = write(tmp_path / "docs", a=TEXT, b=OTHER)
    (folder / "c.docx").write_text("no document")
    (folder / "d.pdf").write_bytes(b"%PDF-1.4 broken")
    made = make_synthesis(
        {folder: str(folder)}, ["cloze", "lead_sentence", "cloze"], lambda text: False
    )
    found = [(e.title, e.id.split(":")[1], e.answers[0].text) for e in made.examples]
    assert found == [
        ("a.txt", "cloze", "14 May 1931"),
        ("a.txt", "cloze", "Désiré Kallan"),
        ("a.txt", "lead_sentence", "Rainfall has been measured here since 14 May 1931."),
        ("b.txt", "cloze", "48 kWh"),
    ]
    assert all(map(is_synthetic, made.examples))
    assert made.documents == ["a.txt", "b.txt"]
    assert list(made.refused) == ["d.pdf"]
    assert (made.passages, made.left_out) == (2, 0)


def test_nothing_is_made_from_a_passage_that_is_left_out(tmp_path):
    folder = write(tmp_path / "docs", a=TEXT, b=OTHER)
    made = make_synthesis({folder: str(folder)}, ["cloze"], lambda text: "kWh" in text)
    assert {example.title for example in made.examples} == {"a.txt"}
    assert (made.passages, made.left_out) == (2, 1)
    assert made.documents == ["a.txt", "b.txt"]


def test_names_and_ids_do_not_depend_on_the_folder_of_a_download(tmp_path):
    def make(download: str):
        paths = {
            write(tmp_path / download / str(number) / "docs", a=f"{text}", b=""): f"s3://b/{number}"
            for number, text in enumerate((TEXT, OTHER))
        }
        return make_synthesis(paths, ["cloze"], lambda text: False)

    made = make("first")
    assert made == make("second")
    assert made.documents == ["a.txt", "s3://b/1/a.txt"]
    assert list(made.refused) == ["b.txt", "s3://b/1/b.txt"]
    assert made.refused["s3://b/1/b.txt"] == "s3://b/1/b.txt holds no text: leave it out"
