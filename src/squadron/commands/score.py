"""`squadron score`: prints the official SQuAD figures of a predictions file."""

import argparse
import json
from pathlib import Path

HELP = "the official SQuAD figures of a predictions file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the two files and the options for more figures."""
    parser.add_argument("data", type=Path, help="SQuAD JSON, v1.1 or v2.0")
    parser.add_argument(
        "predictions", type=Path, help='JSON object: question id -> text, "" for none'
    )
    parser.add_argument(
        "--null-odds",
        type=Path,
        metavar="FILE",
        help="JSON object: question id -> number, higher where it is more likely unanswerable; "
        "adds the best thresholds",
    )
    parser.add_argument(
        "--bertscore", action="store_true", help="also BERTScore, by the offline encoder"
    )


def run(options: argparse.Namespace) -> int:
    """Prints the official SQuAD figures of a predictions file."""
    import logging

    from squadron.scores.scoring import score_files

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    summary, _ = score_files(options.data, options.predictions, options.null_odds)
    if options.bertscore:
        summary |= _bertscore(options.data, options.predictions)
    print(json.dumps(summary, indent=2))
    return 0


def _bertscore(data: Path, predictions: Path) -> dict[str, float]:
    """Returns mean BERTScores, 0 to 100. `score_files` has checked the files."""
    from squadron.scores.bertscore import BertScorer
    from squadron.scores.official_layout import collect_questions

    questions = collect_questions(json.loads(data.read_bytes()))
    chosen = json.loads(predictions.read_bytes())
    texts = [chosen.get(question_id, "") for question_id in questions.ids]
    means = BertScorer().mean_scores(texts, questions.golds)
    return {f"BERTScore_{name}": value for name, value in means.items()}
