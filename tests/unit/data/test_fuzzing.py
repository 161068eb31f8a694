"""Whatever a file holds, reading it gives valid examples or one sentence, never a traceback.

Every case is named by its kind and a number (tests/fuzzing.py). More of them, for an hour or a
night: SQUADRON_FUZZ_CASES=20000 SQUADRON_FUZZ_FIRST=1000 pytest tests/unit/data/test_fuzzing.py
"""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from squadron import storage
from squadron.artifacts import EXAMPLES
from squadron.config import Contender, Data, experiment_file, from_json, load_experiment, to_json
from squadron.data.answer_finder import AnswerFinder, Verdict
from squadron.data.example_table import as_row
from squadron.data.sources import load_source, read_file, squad
from squadron.data.validation import validate_examples
from squadron.data.validation_report import Report
from squadron.errors import InputError
from squadron.models import backbones, minilm, scratch, variants
from squadron.models.model_names import read_model_name
from tests.fuzzing import mutate, mutate_folder
from tests.layouts import LAYOUTS

CASES = int(os.environ.get("SQUADRON_FUZZ_CASES", "0"))
FIRST = int(os.environ.get("SQUADRON_FUZZ_FIRST", "0"))
FEW = {"experiment": 120, "squad": 200, "csv": 100, "jsonl": 100, "pairs": 60}
NAMES = {"experiment": "x.yaml", "squad": "x.json", "csv": "x.csv", "jsonl": "x.jsonl"}
NAMES |= {"pairs": "x.txt"}
SOURCES = {"squad": "squad", "csv": "table", "jsonl": "table", "pairs": "pairs"}
# The layouts of one set of questions. Those of SQuAD are in the list above.
FILES = {kind: each for kind, each in LAYOUTS.items() if each.source != "squad"}
FEW |= dict.fromkeys(FILES, 60)
NAMES |= {kind: each.name for kind, each in FILES.items()}
SOURCES |= {kind: each.source for kind, each in FILES.items()}


def read_experiment(path: Path) -> None:
    """Loads and checks an experiment; one that passes can be sent to the steps."""
    experiment = load_experiment(path)
    load_source(experiment.data.source)
    for location in filter(None, (*experiment.data.files, experiment.results)):
        storage.is_remote(location)
    for contender in experiment.contenders:
        variants.check_contender(contender, "contenders")
        name = contender.backbone
        # The offline one is hashed whole.
        is_made = bool(read_model_name(name) or scratch.read_kind(name))
        if not is_made and name != minilm.NAME:
            backbones.locate(name)
    assert from_json(Data, to_json(experiment.data)) == experiment.data
    for contender in experiment.contenders:
        assert from_json(Contender, to_json(contender)) == contender


def read_data(path: Path, source: str) -> None:
    """Reads and validates examples; those that pass can be stored."""
    report = Report()
    examples = validate_examples(read_file(source, path), report)
    assert len({example.id for example in examples}) == len(examples) == report.accepted
    for example in examples:
        assert bool(example.answers) != example.is_impossible
        for answer in example.answers:
            assert answer.text.strip() == answer.text != ""
            assert example.context.startswith(answer.text, answer.start_char)
    table = pa.Table.from_pylist([as_row(example) for example in examples], schema=EXAMPLES)
    assert table.num_rows == len(examples)
    json.dumps(asdict(report.summarise()), ensure_ascii=False).encode()


def read_case(kind: str, number: int, folder: Path) -> str:
    """ "valid", "refused", or what went wrong."""
    path = folder / NAMES[kind]
    if kind == "folder":
        shutil.rmtree(path, ignore_errors=True)
        mutate_folder(kind, number, folder)
    else:
        path.write_bytes(mutate(kind, number))
    try:
        if kind == "experiment":
            read_experiment(path)
        else:
            read_data(path, SOURCES[kind])
    except InputError as error:
        message = str(error)
        return "refused" if message and len(message.splitlines()) == 1 else f"{message!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return "valid"


def find_faults(kind: str, numbers: range, folder: Path) -> tuple[dict[int, str], set[str]]:
    """(case -> what went wrong, the good ends that there were)."""
    ends = {number: read_case(kind, number, folder) for number in numbers}
    good = {"valid", "refused"}
    return {n: end for n, end in ends.items() if end not in good}, good & {*ends.values()}


@pytest.mark.parametrize("kind", FEW)
def test_mutated_files_give_valid_examples_or_one_sentence(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faults, ends = find_faults(kind, range(FIRST, FIRST + (CASES or FEW[kind])), tmp_path)
    assert faults == {}
    assert ends == {"valid", "refused"}


@pytest.mark.parametrize(
    ("kind", "module", "name", "parse"),
    [
        ("experiment", experiment_file, "parse_yaml", yaml.safe_load),
        ("squad", squad, "parse_json", json.loads),
    ],
)
def test_the_same_cases_fail_with_a_parser_that_guards_nothing(
    kind, module, name, parse, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, name, parse)
    ends = (read_case(kind, number, tmp_path) for number in range(FEW[kind]))
    assert any(end.startswith("RecursionError") for end in ends)


def test_an_answer_that_does_not_stand_in_its_context_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(AnswerFinder, "repair", lambda finder, answer: Verdict())
    faults, _ = find_faults("squad", range(FEW["squad"]), tmp_path)
    assert any(fault.startswith("AssertionError") for fault in faults.values())
