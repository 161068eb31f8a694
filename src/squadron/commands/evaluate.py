"""`squadron evaluate`: judges a model on a file of questions."""

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron.commands._libraries import silence_libraries
from squadron.commands._seen import describe_seen
from squadron.data.sources import AUTO, list_sources
from squadron.wording import LEVEL, interval

if TYPE_CHECKING:
    from squadron.data.validation_report import Report
    from squadron.judging import Judgement
    from squadron.scores.figures import SplitFigures

HELP = "judge a model on a file of questions and answers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the model, the file and the options for the output."""
    parser.add_argument(
        "model",
        help="a model folder, models:/NAME@ALIAS, the name of a registered model, or an alias or "
        "version of the one registered last",
    )
    parser.add_argument(
        "data",
        help="a file of questions with their answers, s3://bucket/key, or a data set of the "
        "Hugging Face hub (hf://datasets/NAMESPACE/NAME?split=SPLIT)",
    )
    parser.add_argument(
        "--source",
        default="squad",
        choices=[AUTO, *list_sources()],
        help="how the file is laid out",
    )
    parser.add_argument(
        "--output",
        default="",
        metavar="FOLDER",
        help="gets answers.json, predictions.json and null_odds.json, as `squadron score` reads "
        "them, whole or not at all",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(options: argparse.Namespace) -> int:
    """Prints exact match and F1 of a model on a file, as a race would judge it there.

    It prints a warning first if the model was trained on titles or questions of the file.
    """
    silence_libraries()
    from squadron import judging, storage
    from squadron.data import locations
    from squadron.registry import open_model
    from squadron.scores.answer_files import write_answers

    if options.output:
        storage.require_writable(options.output)
    with tempfile.TemporaryDirectory() as temporary:
        file = locations.fetch(options.data, Path(temporary) / "data")
        examples, report = judging.read_file(file, options.source)
        with open_model(options.model) as opened:
            seen = judging.find_seen(opened.folder, examples)
            warning = describe_seen(seen, options.data)
            if warning and not options.json:
                print(f"Warning: {warning}\n", flush=True)
            judgement = judging.judge_examples(opened.load_reader(), examples)
            name, version = opened.name, opened.version
        status = version.tags.get("validation_status", "unknown") if version else ""
        shown = f"{name}, validation_status={status}" if status else name
        if options.json:
            print(json.dumps(_as_dict(name, judgement, report, warning), indent=1))
        else:
            print("\n".join(_lines(shown, options.data, judgement, report)))
        if options.output:
            folder = Path(temporary) / "answers"
            write_answers(folder, judgement.questions, judgement.judged)
            place = storage.publish(folder, options.output)
            if not options.json:
                print(f"Answers:    {place}")
    return 0


def _lines(name: str, data: str, judgement: "Judgement", report: "Report") -> list[str]:
    figures = judgement.figures
    total = figures.total
    lines = [
        f"Model:      {name}",
        f"Data:       {data}",
        f"Questions:  {total:,} of {figures.titles:,} titles and {figures.paragraphs:,} "
        f"paragraphs, by the rules of SQuAD {judgement.questions.rule}",
    ]
    for label, counter in (("Left out:", report.rejected), ("Repaired:", report.repaired)):
        lines += [f"{label:11} {count:,} x {reason}" for reason, count in counter.most_common()]
    for label, name in (("Exact match:", "exact_match"), ("F1:", "f1")):
        value = figures.estimate(name).value
        lines.append(f"{label:13}{value:6.2f}{_intervals(figures, name)}")
    if judgement.thresholds:
        names = ("EM", "F1", "HasAns EM", "NoAns EM")
        lines += ["", f"{'Null threshold':22}" + "".join(f"{name:>11}" for name in names)]
        for label, each in judgement.thresholds.items():
            shown = "answers all" if each.value is None else f"{each.value:.2f}"
            keys = ("exact_match", "f1", "has_ans_exact_match", "no_ans_exact_match")
            cells = "".join(f"{each.figures.get(key, 0.0):11.2f}" for key in keys)
            lines.append(f"{label:10}{shown:>12}{cells}")
        lines += ['"best here" was chosen on these questions; it only tells what is possible.', ""]
    speed = total / judgement.seconds if judgement.seconds else 0.0
    lines.append(f"Seconds:    {judgement.seconds:.1f} ({speed:.1f} questions/s)")
    return lines


def _intervals(figures: "SplitFigures", name: str) -> str:
    """Returns the 95 % intervals of a figure as text; "" if it has none."""
    shown = []
    for by, unit in (("", "paragraph"), ("title", "title")):
        found = interval(figures.estimate(name, by))
        if found:
            shown.append(f"{found} by {unit}")
    return f"  ({LEVEL}: {', '.join(shown)})" if shown else ""


def _as_dict(name: str, judgement: "Judgement", report: "Report", warning: str) -> dict[str, Any]:
    return {
        "model": name,
        "warning": warning,
        "figures": judgement.figures.flat(),
        "null_thresholds": {
            label: {"value": each.value, "figures": each.figures}
            for label, each in judgement.thresholds.items()
        },
        "left_out": dict(report.rejected),
        "repaired": dict(report.repaired),
        "seconds": judgement.seconds,
    }
