"""Tiny real parts for tests: a 2-layer BERT with a WordPiece vocabulary, and a few questions.

Nothing is downloaded and nothing is mocked. The backbone is a folder, as in an experiment.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from squadron.answers import ranking
from squadron.artifacts import EXAMPLES, WINDOWS, read_windows, write_record
from squadron.config import Predict, Windows
from squadron.data.layout import Layout, read_layout
from squadron.data.question_types import guess_type
from squadron.data.validation_file import Validation
from squadron.data.window_table import WindowTable
from squadron.data.windows import slide_windows
from squadron.models import backbones
from squadron.models.prediction import predict_candidates
from squadron.models.training import Training
from squadron.scores import metrics
from squadron.steps._files import read_about_windows
from tests.results import make_validation

LIBRARY = (
    "The old library of Porto opened in 1906. Its red staircase was built by Xavier Esteves, and "
    "the glass roof lets in light from the north."
)
RIVER = (
    "The river Tagus rises in Spain and ends near Lisbon. Boats carried salt and wine along it "
    "until the railway came in 1856."
)
BRIDGE = (
    "Maria Pia bridge was designed by Théophile Seyrig. Workers needed twenty months; the arch "
    "spans 160 metres above the Douro."
)
TRAM = (
    "Line 28 is the best known tram of the city. It climbs from Martim Moniz to Campo de Ourique "
    "in about forty minutes, often full of visitors."
)
EIGHT_QUESTIONS = (
    ("When did the library open?", LIBRARY, "1906"),
    ("Who built the staircase?", LIBRARY, "Xavier Esteves"),
    ("Where does the river rise?", RIVER, "Spain"),
    ("What did boats carry?", RIVER, "salt and wine"),
    ("Who designed the bridge?", BRIDGE, "Théophile Seyrig"),
    ("How wide is the arch?", BRIDGE, "160 metres"),
    ("Which line is the best known?", TRAM, "Line 28"),
    ("How long does the ride take?", TRAM, "about forty minutes"),
)
UNANSWERED = (
    ("Who designed the bridge?", LIBRARY, ""),
    ("What did boats carry?", TRAM, ""),
)
"""Questions whose contexts hold no answer."""

# At this size, more threads are slower. With one thread, sums don't depend on their number either.
torch.set_num_threads(1)

FP32 = Predict(n_best=5, max_answer_tokens=8, precision="fp32")


def write_backbone(folder: Path, *, seed: int = 0, head: bool = True, **changes: Any) -> str:
    """Writes a random tiny BERT and its tokenizer; returns the folder as the name of a backbone.

    Args:
        folder: The folder to write; it may be missing.
        seed: The seed of the weights.
        head: Whether it has a QA head. Its training data are then unknown.
        changes: Changes of the BertConfig, such as `hidden_dropout_prob=0.1`. It has no dropout by
            default.
    """
    from transformers import BertConfig, BertForQuestionAnswering, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(_make_vocabulary()) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True)
    # Many published tokenizers are stored with truncation and padding.
    tokenizer.backend_tokenizer.enable_truncation(max_length=12)
    tokenizer.backend_tokenizer.enable_padding(length=12)
    tokenizer.save_pretrained(folder)
    config = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 128,
        "pad_token_id": tokenizer.pad_token_id,
        "hidden_dropout_prob": 0.0,
        # Ten times that of BERT, so that tokens differ from the start and a frozen body is useful.
        "initializer_range": 0.3,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertForQuestionAnswering(BertConfig(**{**config, **changes}))
        (model if head else model.bert).save_pretrained(folder)
    return str(folder)


def _make_vocabulary() -> list[str]:
    """Returns WordPiece tokens: characters, words, and long words in two pieces.

    The trainer of the tokenizers library is not used: it breaks ties differently in each process.
    """
    texts = " ".join(question + " " + context for question, context, _ in EIGHT_QUESTIONS)
    plain = unicodedata.normalize("NFD", texts.lower())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    letters = sorted(set(plain) - {" "})
    words = sorted(set(re.findall(r"\w+", plain)))
    pieces = [piece for word in words for piece in (word[:5], "##" + word[5:])]
    tokens = [*letters, *("##" + letter for letter in letters), *(p for p in pieces if p != "##")]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(tokens)]


def make_examples(questions: Sequence[tuple[str, str, str]]) -> pa.Table:
    """Returns (question, context, answer) as a table of EXAMPLES. The answer "" means none."""
    rows = [
        {
            "id": f"q{number}",
            "title": "Portugal",
            "question": question,
            "context": context,
            "answers": [{"text": answer, "start_char": context.index(answer)}] if answer else [],
            "reasoning_type": guess_type(question),
            "label_source": "rules",
        }
        for number, (question, context, answer) in enumerate(questions)
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)


def write_squad(path: Path, questions: Sequence[tuple[str, str, str]], title: str) -> Path:
    """Writes (question, context, answer) as SQuAD v2, with two titles that share no paragraph.

    Args:
        path: The file to write.
        questions: (question, context, answer). The answer "" means none.
        title: The titles and the ids begin with it.
    """
    contexts = list(dict.fromkeys(context for _, context, _ in questions))
    articles: dict[str, list[Any]] = {f"{title} {side}": [] for side in ("left", "right")}
    for number, (question, context, answer) in enumerate(questions):
        record: dict[str, Any] = {
            "id": f"{title}-{number}",
            "question": question,
            "is_impossible": not answer,
        }
        start = context.index(answer)
        record["answers"] = [{"text": answer, "answer_start": start}] if answer else []
        side = "right" if contexts.index(context) % 2 else "left"
        articles[f"{title} {side}"].append({"context": context, "qas": [record]})
    data = [{"title": name, "paragraphs": paragraphs} for name, paragraphs in articles.items()]
    path.write_text(json.dumps({"data": data}), encoding="utf-8")
    return path


def cut_windows(
    backbone: str, examples: pa.Table, settings: Windows | None = None
) -> tuple[WindowTable, Layout]:
    """Returns the windows of examples and their layout. By default, the windows are short."""
    tokenizer = backbones.load_tokenizer(backbone)
    bare = backbones.bare_tokenizer(tokenizer)
    layout = read_layout(bare, tokenizer.pad_token_id)
    settings = settings or Windows(max_length=64, stride=16, max_question_length=16)
    return slide_windows(examples, bare, layout, settings)[0], layout


def open_windows(path: Path) -> WindowTable:
    """Reads windows that featurize wrote."""
    return WindowTable(read_windows(path), read_about_windows(path.parent).layout)


def join_windows(*parts: WindowTable) -> WindowTable:
    """Joins the windows of several tables of one tokenizer, one table after the other."""
    dictionaries, columns, place = [], [], 0
    for part in parts:
        context = part.table["context"].combine_chunks()
        indices = pa.array(context.indices.to_numpy() + place, pa.int32())
        columns.append(indices)
        dictionaries.append(context.dictionary)
        place += len(context.dictionary)
    joined = pa.concat_tables([part.table for part in parts]).drop_columns(["context"])
    context = pa.DictionaryArray.from_arrays(
        pa.concat_arrays(columns), pa.concat_arrays(dictionaries)
    )
    joined = joined.combine_chunks().add_column(
        WINDOWS.get_field_index("context"), "context", context
    )
    return WindowTable(joined.cast(WINDOWS), parts[0].layout)


def answer_all(
    model: Any, windows: WindowTable, layout: Layout, examples: pa.Table, settings: Predict = FP32
) -> list[str]:
    """Returns the text of the best span of every example."""
    tables = predict_candidates(model, windows, layout, settings, torch.device("cpu"))
    ranked = ranking.rank_candidates(pa.concat_tables(list(tables)), examples["id"].to_pylist())
    return ranking.best_texts(ranked, examples["context"].to_pylist())


def assert_same_candidates(ours: pa.Table, theirs: pa.Table) -> None:
    """Asserts the same spans in the same order. Scores may differ in their last digits."""
    for name in ("example_id", "window", "rank", "start_char", "end_char"):
        assert ours[name].to_pylist() == theirs[name].to_pylist(), name
    for name in ("score", "null_score"):
        # Sums of a few hundred numbers of up to some tens, with 24 bits each.
        assert np.allclose(ours[name].to_numpy(), theirs[name].to_numpy(), rtol=1e-5, atol=1e-4)


def assert_learned(run: Training, least: float = 75.0) -> None:
    """Asserts that a training on the eight questions went well, on any processor.

    Another order of summation leads to other weights, with which the best epoch may miss one or two
    questions. Untrained models answer at most one of them.

    Args:
        run: What train_model returned.
        least: The exact match, 0 to 100, that the best epoch must reach.
    """
    losses = [row["train_loss"] for row in run.log if "train_loss" in row]
    assert np.mean(losses[-4:]) < 0.3 * np.mean(losses[:4])
    assert run.best_exact_match >= least


def make_judge(
    model: Any, windows: WindowTable, layout: Layout, examples: pa.Table
) -> Callable[[], dict[str, float]]:
    """Returns a function for `evaluate` of train_model: exact match and F1 over the examples."""
    golds = [[answer["text"] for answer in some] for some in examples["answers"].to_pylist()]

    def judge() -> dict[str, float]:
        exact, f1 = metrics.score_answers(golds, answer_all(model, windows, layout, examples))
        return {"exact_match": 100.0 * float(np.mean(exact)), "f1": 100.0 * float(np.mean(f1))}

    return judge


def write_validation(folder: Path, validation: Validation | None = None) -> None:
    """Writes a validation.json for examples that ingest did not make.

    Args:
        folder: The folder of the examples.
        validation: Its content; by default four splits that share nothing.
    """
    write_record(folder / "validation.json", validation or make_validation())
