"""Tests `squadron check`: its exit codes, its page at several widths, and its JSON."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from squadron import storage
from squadron.__main__ import main
from squadron.artifacts import parse_record
from squadron.data.validation_file import Check
from tests.limits import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[3]
CONTEXT = "Désiré sang 東京 [a song] at the golden gate, and then the choir went home."


def write_squad(path, *questions, context=CONTEXT):
    """A SQuAD file of (id, question, answer or None, shift of the start); returns its path."""
    qas = []
    for name, question, answer, shift in questions:
        answers = [{"text": answer, "answer_start": context.find(answer) + shift}] if answer else []
        qas.append(
            {"id": name, "question": question, "answers": answers, "is_impossible": not answers}
        )
    articles = [{"title": "T", "paragraphs": [{"context": context, "qas": qas}]}]
    path.write_text(json.dumps({"version": "v2.0", "data": articles}))
    return str(path)


GOOD = [(f"g{n}", f"What {n}?", "a song", 0) for n in range(60)]
FAULTY = ("f", "Who?", "Bob", 0)


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Runs `squadron check` in an empty folder; returns code, stdout, stderr."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")

    def run(*arguments, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        code = main(["check", *arguments])
        assert list((tmp_path / "empty").iterdir()) == []
        return code, *capsys.readouterr()

    return run


def test_data_without_a_fault_pass_with_code_0(check, tmp_path):
    write_squad(tmp_path / "d.json", *GOOD, ("u", "Why?", None, 0))
    code, shown, _ = check("../d.json")
    assert code == 0
    assert shown == (
        "Data       ../d.json (read as squad)\n"
        "Questions  61 read, 61 accepted, 0 rejected\n"
        "           60 with an answer, 1 without\n"
        "Types      60 factual, 1 causal and 0 comparative (guessed from words)\n"
        "\n"
        "characters  number  median  longest\n"
        "contexts         1      73       73\n"
        "questions       61       8        8\n"
        "answers         60       6        6\n"
        "\n"
        "These data pass: no question was rejected.\n"
    )


def test_a_few_rejected_questions_pass_and_more_fail_with_code_1(check, tmp_path):
    few = write_squad(tmp_path / "few.json", *GOOD, FAULTY)
    code, shown, _ = check(few)
    assert code == 0
    assert "These data pass: 1 of 61 questions were rejected (1.6%), and 2.0% may be." in shown
    code, shown, _ = check(write_squad(tmp_path / "many.json", *GOOD[:48], FAULTY))
    assert code == 1
    assert "These data fail: 1 of 49 questions were rejected (2.0%)" in shown
    assert "raise data -> max_rejected_share of the experiment" in " ".join(shown.split())


def test_data_without_any_valid_question_fail(check, tmp_path):
    (tmp_path / "d.json").write_text('{"data": [{"title": "T", "paragraphs": []}]}')
    code, shown, _ = check(str(tmp_path / "d.json"))
    assert (code, shown.splitlines()[-1]) == (1, "These data fail: no question was accepted.")


def test_the_page_has_each_reason_with_samples(check, tmp_path):
    path = write_squad(
        tmp_path / "d.json",
        *GOOD,
        ("b", "Bytes?", "a song", len(CONTEXT[:15].encode()) - 15),
        ("w", "Cut?", "gold", 0),
        ("r", "What 3?", "at", 0),
        FAULTY,
    )
    code, shown, _ = check(path)
    assert code == 0
    assert shown.partition("\n\n")[2].partition("\n\n")[2].partition("\n\nThese data")[0] == (
        "what      why                                                     count\n"
        "rejected  answer not in the context                                   1\n"
        "repaired  start was counted in UTF-8 bytes                            1\n"
        "noted     answer begins or ends inside a word                         1\n"
        "noted     question repeated under another id with another answer      1\n"
        "\n"
        "rejected: answer not in the context\n"
        "  data[0].paragraphs[0].qas[63] (question f)\n"
        '    "Bob" at -1: []Désiré sang 東京 [a song] at the…\n'
        "\n"
        "repaired: start was counted in UTF-8 bytes\n"
        "  data[0].paragraphs[0].qas[60] (question b)\n"
        "    Désiré sang 東京 [[a song]] at the golden gate, and then…\n"
        "\n"
        "noted: answer begins or ends inside a word\n"
        "  data[0].paragraphs[0].qas[61] (question w)\n"
        "    …ésiré sang 東京 [a song] at the [gold]en gate, and then the choir we…\n"
        "\n"
        "noted: question repeated under another id with another answer\n"
        "  data[0].paragraphs[0].qas[62] (question r)\n"
        "    What 3? [at]; question g3: [a song]"
    )


@pytest.mark.parametrize("columns", [30, 60, 80, 120, 300])
def test_no_line_is_wider_than_the_terminal(check, tmp_path, columns):
    long = "東京 " * 60
    context = f"{long}Ann{long}"
    path = write_squad(
        tmp_path / ("long name " * 9 + ".json"),
        *[(f"{n}" * 40, f"{long}?", answer, 0) for n, answer in enumerate(("Ann", "京", "Bob"))],
        context=context,
    )
    _, shown, _ = check(path, columns=columns)
    cells = [len(line) + sum(char in "東京" for char in line) for line in shown.splitlines()]
    width = max(60, min(120, columns))
    assert width - 10 < max(cells) <= width
    assert not any(line != line.rstrip() for line in shown.splitlines())


def test_the_number_of_samples_can_be_chosen(check, tmp_path):
    faulty = [(f"f{n}", f"Who {n}?", "Bob", 0) for n in range(9)]
    path = write_squad(tmp_path / "d.json", *GOOD, *faulty)
    for most, shown in (("0", 0), ("2", 2), ("4", 4), ("99", 5), ("-1", 0)):
        assert check(path, "--samples", most)[1].count("(question f") == shown
    assert check(path)[1].count("(question f") == 2


def test_several_files_are_one_data_set(check, tmp_path):
    write_squad(tmp_path / "a.json", *GOOD)
    write_squad(tmp_path / "b.json", *GOOD[:1], ("u", "Where?", "the choir", 0))
    first, second = "../a.json", "../b.json"  # longer names would be wrapped
    code, shown, _ = check(first, second)
    assert code == 0
    assert "Data       " + first in shown
    assert "           " + second in shown
    assert "62 read, 61 accepted, 1 rejected" in shown
    assert "rejected  id used twice" in shown
    # With several files, each sample names its own.
    assert f"{second}: data[0].paragraphs[0].qas[0]" in shown.replace("\n  ", " ")


def test_json_is_the_record_with_all_samples(check, tmp_path):
    path = write_squad(tmp_path / "d.json", *GOOD[:20], FAULTY)
    code, shown, _ = check(path, "--json")
    found = parse_record(Check, shown)
    assert code == 1
    assert not found.is_usable
    assert [(file.location, file.source) for file in found.files] == [(path, "squad")]
    assert found.findings.rejected == {"answer not in the context": 1}
    assert found.findings.samples[0].id == "f"
    assert found.reasoning_types == {"rules": {"factual": 20, "causal": 0, "comparative": 0}}


def test_types_of_the_data_are_told_from_guessed_ones(check):
    code, shown, _ = check(str(ROOT / "examples" / "moon_landing.json"))
    assert code == 0
    assert "6 factual, 3 causal and 1 comparative (by the data)" in shown


def test_a_table_is_recognized(check):
    code, shown, _ = check(str(ROOT / "examples" / "finance_faq.csv"))
    assert code == 0
    assert "finance_faq.csv (read as table)" in shown


def test_what_can_not_be_read_ends_with_code_2_and_one_sentence(check, tmp_path):
    (tmp_path / "text.json").write_text("Hello")
    (tmp_path / "half.json").write_text('{"data": [{"paragraphs": [')
    for arguments, words in (
        (["none.json"], "none.json"),
        ([str(tmp_path / "text.json")], "no layout that is known; choose one with --source: ["),
        ([str(tmp_path / "half.json")], "is not JSON"),
        ([str(tmp_path / "text.json"), "--source", "squad"], "is not JSON"),
        ([str(tmp_path)], str(tmp_path)),
    ):
        code, shown, error = check(*arguments)
        assert (code, shown) == (2, "")
        (sentence,) = error.splitlines()
        assert words in sentence


def test_samples_name_the_location_and_not_where_a_download_went(check, tmp_path, monkeypatch):
    path = Path(write_squad(tmp_path / "d.json", *GOOD, FAULTY))

    def download(location, folder):
        folder.mkdir()
        return Path(shutil.copy(path, folder / "d.json"))

    monkeypatch.setattr(storage, "fetch", download)
    monkeypatch.setattr(storage, "content_digest", lambda location: "d")
    _, shown, _ = check("s3://bucket/d.json", "--json")
    found = parse_record(Check, shown)
    assert found.findings.samples[0].where == "s3://bucket/d.json: data[0].paragraphs[0].qas[60]"


def test_it_loads_no_library_of_models():
    code = (
        "import sys; from squadron.__main__ import main;"
        "main(['check', 'examples/moon_landing.json']);"
        "print({'torch', 'transformers', 'mlflow', 'pandas'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.stdout.splitlines()[-1] == "set()"
