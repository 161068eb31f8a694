"""Compares the seconds of cutting windows: ours, the tokenizers library, and `datasets.map`.

    python benchmarks/bench_featurize.py DATA.json [--output FILE.json]

- ours: `windows.slide_windows` and `expand`. They make every window with its tokens, offsets and
  answer positions, which is more than featurize needs.
- encode_batch: `tokenizers` on all (question, context) pairs with the same truncation
  (only_second, 384 tokens, stride 128). It takes no offsets or ids out of the encodings and locates
  no answer, so it does less than the others. No program that tokenises pairs can be faster.
- datasets.map: a transformers fast tokenizer, batched, with overflowing tokens and offsets. Each
  answer is located in Python, in one process. There is no padding, which makes it faster.

Before the measurement, all three are compared: they must give the same windows, token ids and
answer positions. All sides start from the examples in memory. There are as many tokenizer threads
as cores.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import at_most, finish, make_parser, medians, read_questions, take_turns
from squadron.config import Windows
from squadron.data.layout import read_layout
from squadron.data.window_table import NULL_TOKEN
from squadron.data.windows import slide_windows
from squadron.models import backbones, minilm

MOST_TIMES_ENCODE_BATCH = 1.5


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report."""
    import datasets

    parser = make_parser(__doc__)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--backbone", default=minilm.NAME, help="whose tokenizer")
    options = parser.parse_args(arguments)
    datasets.disable_progress_bars()

    settings = Windows()
    examples = read_questions(options.data)
    fast = backbones.load_tokenizer(options.backbone)
    bare = backbones.bare_tokenizer(fast)
    layout = read_layout(bare, fast.pad_token_id)
    truncating = backbones.bare_tokenizer(fast)
    truncating.enable_truncation(
        settings.max_length, stride=settings.stride, strategy="only_second"
    )
    pairs = list(
        zip(examples["question"].to_pylist(), examples["context"].to_pylist(), strict=True)
    )
    dataset = datasets.Dataset.from_list([as_row(row) for row in examples.to_pylist()])

    def ours() -> Any:
        return slide_windows(examples, bare, layout, settings)[0].expand()

    def encode_batch() -> Any:
        return truncating.encode_batch(pairs)

    def datasets_map() -> Any:
        return map_windows(dataset, fast, settings)

    table, encodings, mapped = ours(), encode_batch(), datasets_map()
    check_ids(table, encodings, mapped)
    apart = count_differing_answers(table, mapped)
    del encodings, mapped
    seconds = take_turns(
        {"ours": ours, "encode_batch": encode_batch, "datasets_map": datasets_map}, options.repeat
    )
    median = medians(seconds)
    print(f"{len(examples)} questions, {len(table)} windows, median of {options.repeat} in turns")
    for name, figure in median.items():
        print(f"{name:13s} {figure:7.3f} s, {figure / median['ours']:5.2f} times ours")
    print(f"answers that datasets.map places elsewhere: {apart}")
    times = median["ours"] / median["encode_batch"]
    report = {
        "benchmark": "featurize",
        "data": options.data.name,
        "questions": len(examples),
        "windows": len(table),
        "tokens": len(table["input_ids"].combine_chunks().flatten()),
        "answers_placed_elsewhere_by_datasets_map": apart,
        "seconds_median": median,
        "times_encode_batch": times,
        "times_faster_than_datasets_map": median["datasets_map"] / median["ours"],
        "seconds": seconds,
    }
    wanted = at_most("ours / encode_batch", times, MOST_TIMES_ENCODE_BATCH, "times")
    finish(report, [wanted], options)


def as_row(example: dict[str, Any]) -> dict[str, Any]:
    """Returns one example in the columns of Hugging Face's SQuAD."""
    return {
        "id": example["id"],
        "question": example["question"],
        "context": example["context"],
        "answers": {
            "text": [answer["text"] for answer in example["answers"]],
            "answer_start": [answer["start_char"] for answer in example["answers"]],
        },
    }


def map_windows(dataset: Any, tokenizer: Any, settings: Windows) -> Any:
    """Returns windows as a Hugging Face training script makes them."""

    def cut(examples: dict[str, list[Any]]) -> dict[str, Any]:
        encoded = tokenizer(
            examples["question"],
            examples["context"],
            truncation="only_second",
            max_length=settings.max_length,
            stride=settings.stride,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        owners = encoded.pop("overflow_to_sample_mapping")
        offsets = encoded["offset_mapping"]
        encoded["start_positions"], encoded["end_positions"] = [], []
        for number, owner in enumerate(owners):
            start, end = locate_answer(
                examples["answers"][owner], offsets[number], encoded.sequence_ids(number)
            )
            encoded["start_positions"].append(start)
            encoded["end_positions"].append(end)
        encoded["example_id"] = [examples["id"][owner] for owner in owners]
        return encoded

    return dataset.map(
        cut, batched=True, remove_columns=dataset.column_names, load_from_cache_file=False
    )


def locate_answer(
    answers: dict[str, list[Any]], offsets: list[tuple[int, int]], sequences: list[int | None]
) -> tuple[int, int]:
    """Returns (first, last) token of the first answer, found from both ends of the context."""
    if not answers["answer_start"]:
        return NULL_TOKEN, NULL_TOKEN
    first_char = answers["answer_start"][0]
    last_char = first_char + len(answers["text"][0])
    first = 0
    while sequences[first] != 1:
        first += 1
    last = len(sequences) - 1
    while sequences[last] != 1:
        last -= 1
    if offsets[first][0] > first_char or offsets[last][1] < last_char:
        return NULL_TOKEN, NULL_TOKEN
    while first < len(offsets) and offsets[first][0] <= first_char:
        first += 1
    while offsets[last][1] >= last_char:
        last -= 1
    return first - 1, last + 1


def check_ids(table: Any, encodings: Any, mapped: Any) -> None:
    """Ends the program unless all three sides gave the same windows, token by token."""
    flat = [piece for encoding in encodings for piece in (encoding, *encoding.overflowing)]
    sides = {
        "encode_batch": [piece.ids for piece in flat],
        "datasets.map": list(mapped["input_ids"]),
    }
    ours = table["input_ids"].to_pylist()
    for name, theirs in sides.items():
        if ours != theirs:
            sys.exit(f"The windows differ: {len(ours)} of ours, {len(theirs)} of {name}")


def count_differing_answers(table: Any, mapped: Any) -> int:
    """Returns how many windows have their answer on other tokens on the two sides."""
    ours = zip(table["start_token"].to_pylist(), table["end_token"].to_pylist(), strict=True)
    theirs = zip(mapped["start_positions"], mapped["end_positions"], strict=True)
    return sum(own != other for own, other in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
