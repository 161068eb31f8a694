"""Adds questions without an answer to a file in the layout of SQuAD where most or all have one.

    python experiments/add_unanswered.py TRAIN.json OUTPUT.json [--share 0.25]

A question is asked again of another paragraph of its title: of those that hold none of its answers,
the one that is most like the question (cosine of TF-IDF). A reader that learns from such pairs can
tell a text that only shares words with a question from one that answers it. OUTPUT.json has the
layout of SQuAD v2.0. Equal files and arguments give equal output.

Source: Clark and Gardner 2018 (arXiv:1710.10723) for training on paragraphs without the answer;
Rajpurkar, Jia and Liang 2018 (arXiv:1806.03822), section 5, call such questions TFIDFNeg.
"""

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

SEED = 13
_WORD = re.compile(r"\w+")


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, help="SQuAD v1.1 or v2.0 layout")
    parser.add_argument("output", type=Path, help="is written in SQuAD v2.0 layout")
    parser.add_argument("--share", type=float, default=0.25, help="of the output's questions")
    options = parser.parse_args()
    if not 0 < options.share < 1:
        parser.error(f"--share: {options.share} is not allowed; above 0 and below 1")
    titles = json.loads(options.train.read_text(encoding="utf-8"))["data"]
    counts = Counter[str]()
    random = np.random.default_rng(SEED)
    for title in titles:
        counts.update(add_unanswered(title["paragraphs"], options.share, random))
    content = {"version": "v2.0", "data": titles}
    options.output.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    print(", ".join(f"{name} {count:,}" for name, count in counts.items()))


def add_unanswered(
    paragraphs: list[dict[str, Any]], share: float, random: np.random.Generator
) -> dict[str, int]:
    """Asks some questions of a title again where they have no answer, in place.

    Args:
        paragraphs: The paragraphs of one title, as SQuAD has them.
        share: How many of all questions shall have no answer, 0 to 1.
        random: Draws which questions are asked again.

    Returns:
        How many questions have an answer, how many have none in the file, and how many were added.
    """
    every = [(home, qa) for home, each in enumerate(paragraphs) for qa in each["qas"]]
    asked = [(home, qa) for home, qa in every if qa["answers"]]
    for _, qa in every:
        qa["is_impossible"] = not qa["answers"]
    likeness_QP = compare([qa["question"] for _, qa in asked], [p["context"] for p in paragraphs])
    folded = [paragraph["context"].casefold() for paragraph in paragraphs]
    wanted = round(len(asked) * share / (1 - share)) - (len(every) - len(asked))
    added = 0
    for row in random.permutation(len(asked)).tolist():
        home, qa = asked[row]
        answers = [answer["text"].casefold() for answer in qa["answers"]]
        silent = [
            place
            for place, text in enumerate(folded)
            if place != home and not any(answer in text for answer in answers)
        ]
        if added >= wanted or not silent:
            continue
        place = max(silent, key=lambda place: likeness_QP[row, place])
        again = {"id": f"{qa['id']}-elsewhere", "question": qa["question"], "answers": []}
        paragraphs[place]["qas"].append({**again, "is_impossible": True})
        added += 1
    return {"with an answer": len(asked), "without": len(every) - len(asked), "added": added}


def compare(questions: list[str], paragraphs: list[str]) -> np.ndarray:
    """Returns the cosine of TF-IDF of Q questions and P paragraphs, shape (Q, P)."""
    texts = [Counter(_WORD.findall(text.casefold())) for text in questions + paragraphs]
    column = {word: number for number, word in enumerate(sorted(set().union(*texts)))}
    count_TW = np.zeros((len(texts), len(column)), np.float32)
    for row, words in enumerate(texts):
        count_TW[row, [column[word] for word in words]] = list(words.values())
    holds_W = (count_TW[len(questions) :] > 0).sum(0)
    weight_TW = count_TW * np.log((1 + len(paragraphs)) / (1 + holds_W))
    weight_TW /= np.maximum(np.linalg.norm(weight_TW, axis=1, keepdims=True), 1e-9)
    return weight_TW[: len(questions)] @ weight_TW[len(questions) :].T


if __name__ == "__main__":
    sys.exit(main())
