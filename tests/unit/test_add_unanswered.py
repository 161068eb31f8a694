"""experiments/add_unanswered.py asks questions again where they have no answer."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.add_unanswered import add_unanswered

ROOT = Path(__file__).resolve().parents[2]
WORDS = ("bridge", "river", "king", "stone", "boat", "year")


def make_title(contexts):
    """Paragraphs with a question on each of their words, whose answer is that word."""
    return [
        {
            "context": context,
            "qas": [
                {
                    "id": f"{place}-{number}",
                    "question": f"What about the {word} of old?",
                    "answers": [{"text": word, "answer_start": context.index(word)}],
                }
                for number, word in enumerate(dict.fromkeys(context.split()))
            ],
        }
        for place, context in enumerate(contexts)
    ]


def find_added(paragraphs):
    return [
        (place, qa)
        for place, paragraph in enumerate(paragraphs)
        for qa in paragraph["qas"]
        if qa["is_impossible"]
    ]


contexts = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join), min_size=1, max_size=6
)


@given(contexts, st.floats(0.05, 0.9), st.integers(0, 2**32))
def test_an_added_question_stands_elsewhere_and_where_no_answer_of_it_stands(texts, share, seed):
    paragraphs = make_title(texts)
    asked = {qa["id"]: (place, qa) for place, p in enumerate(paragraphs) for qa in p["qas"]}
    before = json.loads(json.dumps([p["qas"] for p in paragraphs]))
    counts = add_unanswered(paragraphs, share, np.random.default_rng(seed))
    added = find_added(paragraphs)
    assert counts == {"with an answer": len(asked), "without": 0, "added": len(added)}
    assert len(added) <= round(len(asked) * share / (1 - share))
    assert len({qa["id"] for _, qa in added}) == len(added)
    for place, qa in added:
        home, original = asked[qa["id"].removesuffix("-elsewhere")]
        assert place != home
        assert qa["question"] == original["question"]
        assert qa["answers"] == []
        assert original["answers"][0]["text"] not in texts[place]
    for paragraph, old in zip(paragraphs, before, strict=True):
        kept = [qa for qa in paragraph["qas"] if not qa.pop("is_impossible")]
        assert kept == old


def test_the_paragraph_most_like_the_question_is_chosen():
    texts = ["the king built it", "a boat on a lake", "What about the year of the boat, my king?"]
    paragraphs = make_title(texts)
    paragraphs[0]["qas"] = paragraphs[0]["qas"][2:3]
    paragraphs[1]["qas"], paragraphs[2]["qas"] = [], []
    add_unanswered(paragraphs, 0.5, np.random.default_rng(0))
    assert [place for place, _ in find_added(paragraphs)] == [2]


def test_questions_without_an_answer_count_towards_the_share():
    paragraphs = make_title(["bridge river", "king stone"])
    paragraphs[0]["qas"] += [{"id": f"n{n}", "question": "Why?", "answers": []} for n in range(4)]
    counts = add_unanswered(paragraphs, 0.5, np.random.default_rng(0))
    assert counts == {"with an answer": 4, "without": 4, "added": 0}


@pytest.mark.parametrize("share", ["0", "1", "-0.5", "nan"])
def test_a_share_that_is_none_is_refused(tmp_path, share):
    command = [sys.executable, ROOT / "experiments" / "add_unanswered.py", "train.json", "out.json"]
    done = subprocess.run(
        [*command, f"--share={share}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "is not allowed; above 0 and below 1" in done.stderr


def test_the_written_file_is_read_as_squad(tmp_path):
    from squadron.judging import read_file

    train = tmp_path / "train.json"
    data = [{"title": "Rivers", "paragraphs": make_title(["bridge river", "king stone boat"])}]
    train.write_text(json.dumps({"version": "1.1", "data": data}))
    outputs = [tmp_path / name for name in ("one.json", "two.json")]
    for output in outputs:
        command = [sys.executable, ROOT / "experiments" / "add_unanswered.py", train, output]
        subprocess.run([*command, "--share", "0.4"], check=True)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    examples, _ = read_file(outputs[0], "squad")
    answers = examples["answers"].to_pylist()
    assert len(answers) == 8
    assert sum(not each for each in answers) == 3
