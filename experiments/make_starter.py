"""Makes the files of the starter reader from the model that experiments/starter.yaml trained.

    python experiments/make_starter.py MODEL_FOLDER DEV.json

The weights are stored in bf16. The threshold and the probabilities of `squadron ask` are settled on
the first SETTLED_ON questions of examples/corpus.json. The figures in the card are those of the
stored weights: on DEV.json, where every question is answered, and on the rest of the corpus.
"""

import argparse
import hashlib
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file, save_file

from squadron.answers.answering import Answering
from squadron.artifacts import write_json
from squadron.judging import judge_examples, read_file
from squadron.models import model_folder, starter
from squadron.models.model_folder import ModelAbout
from squadron.reader import Reader
from squadron.scores.evaluation import Questions, judge, settle_answering
from squadron.wording import interval

CORPUS = Path(__file__).resolve().parents[1] / "examples" / "corpus.json"
SETTLED_ON = 390
"""Questions of the corpus on which the threshold is settled: 13 titles. The others are judged."""
_SHOWN = re.compile("exact_match|f1")
KEPT_RIGHT = 0.95
COPIED = ("adapter_config.json", "backbone.json", "config.json", "trained_on.json")


CARD = """# The starter reader

A small reader for extractive question answering: {weights} weights ({size} MB in bf16) on top of
the sentence encoder all-MiniLM-L6-v2. They are low-rank matrices of all linear layers (LoRA, rank
{rank}) and the QA head, in the layout of the library peft. `backbone: starter` adds them to the
encoder when it is loaded.

## How it was made

    python pipeline.py run experiments/starter.yaml --set data.train=TRAIN.json \\
      --set data.test=DEV.json
    python experiments/make_starter.py MODEL_FOLDER DEV.json

TRAIN.json holds a part of the train set of SQuAD and the New Wikipedia part of SQuADShifts.
{windows} windows were trained on. `trained_on.json` lists its titles and the digests of its
questions. There were {epochs} epochs with a learning rate of {rate}, batches of {batch} windows and
the seed {seed}; epoch {best} was the best on the split tune.
The digest of settings, data and code is {made_from}.

## What it can do

| questions | number | EM (95 %) | F1 (95 %) |
|---|---|---|---|
{rows}

The intervals are by paragraph. A quarter of the corpus's questions have no answer. The threshold is
the highest one that keeps 95 % of the right answers to its first {settled} questions. Only
few of the questions that it learned from have no answer. `figures.json` has the figures and the
sha256 of the files.
`tests/integration/test_starter.py` computes the second line again.

## Licences

The adapter: CC BY-SA 4.0, as SQuAD is (Rajpurkar et al. 2016, arXiv:1606.05250). SQuADShifts: CC BY
4.0 (Miller et al. 2020, arXiv:2004.14444). all-MiniLM-L6-v2: Apache-2.0.
"""


def main() -> None:
    """Writes the folder of the starter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the model folder of the contender `starter`")
    parser.add_argument("dev", type=Path, help="SQuAD v1.1, which it was not trained on")
    options = parser.parse_args()
    about = model_folder.check_files(options.model)
    starter.FOLDER.mkdir(exist_ok=True)
    for name in COPIED:
        shutil.copyfile(options.model / name, starter.FOLDER / name)
    weights = load_file(options.model / starter.WEIGHTS)
    stored = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in weights.items()}
    save_file(stored, starter.FOLDER / starter.WEIGHTS, metadata={"format": "pt"})
    settle(about.made_from)
    figures = {"dev": judge_file(options.dev), "corpus": judge_corpus()}
    write_json(
        starter.FOLDER / "figures.json", figures, schema="starter/1", made_from=about.made_from
    )
    (starter.FOLDER / "README.md").write_text(describe(about, figures), encoding="utf-8")
    print(json.dumps(figures, indent=1))


def read_corpus() -> tuple[pa.Table, pa.Table]:
    """Returns the questions on which the threshold is settled, and those that are judged."""
    examples, _ = read_file(CORPUS, "squad")
    return examples.slice(0, SETTLED_ON), examples.slice(SETTLED_ON)


def settle(made_from: str) -> None:
    """Settles how the starter answers, and writes answering.json.

    The threshold of the best EM would leave a third of all questions unanswered, also of those that
    the starter would answer rightly. That is no good first answer. So the threshold is the highest
    one that keeps KEPT_RIGHT of the right answers.
    """
    examples, _ = read_corpus()
    (starter.FOLDER / "answering.json").unlink(missing_ok=True)
    reader = Reader.load_starter()
    rule = reader.answering.answer_rule
    candidates = reader.find_candidates(examples, title="settle")
    best = judge(Questions.read(examples), candidates, None, search=False, rule=rule).best_spans
    threshold = float(np.quantile(best.score[best.right], 1 - KEPT_RIGHT, method="lower"))
    answering = settle_answering(best, threshold, rule)
    model_folder.write_answering(starter.FOLDER, answering, made_from=made_from)


def judge_corpus() -> dict[str, Any]:
    """Returns the figures on the questions of the corpus that settled nothing."""
    _, examples = read_corpus()
    return judge_table(examples, Reader.load_starter()) | _name_file(CORPUS)


def judge_file(path: Path) -> dict[str, Any]:
    """Returns the figures on a file where every question is answered."""
    examples, _ = read_file(path, "squad")
    reader = Reader.load_starter()
    reader.answering = Answering()
    return judge_table(examples, reader) | _name_file(path)


def judge_table(examples: pa.Table, reader: Reader) -> dict[str, Any]:
    """Returns the figures of a reader on a table of examples, with 95 % intervals."""
    figures = judge_examples(reader, examples).figures
    return {
        "questions": len(examples),
        "titles": figures.titles,
        "paragraphs": figures.paragraphs,
        **{name: value for name, value in figures.flat().items() if _SHOWN.search(name)},
        "shown": {
            name: f"{figures.estimate(name).value:.2f} ({interval(figures.estimate(name))})"
            for name in ("exact_match", "f1")
        },
    }


def _name_file(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def describe(about: ModelAbout, figures: dict[str, dict[str, Any]]) -> str:
    """Returns the card."""
    training, settings = about.training, about.contender
    rows = "\n".join(
        f"| {label} | {each['questions']:,} | {' | '.join(each['shown'].values())} |"
        for label, each in (
            (f"{figures['dev']['file']}, all answered", figures["dev"]),
            ("the last of examples/corpus.json", figures["corpus"]),
        )
    )
    return CARD.format(
        weights=f"{training.trainable_parameters:,.0f}",
        size=f"{(starter.FOLDER / starter.WEIGHTS).stat().st_size / 1e6:.2f}",
        rank=settings.options["rank"],
        windows=f"{training.windows_seen // training.epoch:,}",
        epochs=training.epoch,
        best=training.best_epoch,
        rate=settings.train.learning_rate,
        batch=settings.train.batch_size,
        seed=settings.train.seed,
        made_from=about.made_from,
        rows=rows,
        settled=SETTLED_ON,
    )


if __name__ == "__main__":
    sys.exit(main())
