"""The official SQuAD evaluations in simple code: one question at a time, nothing cached.

The reference for property tests and for the benchmark. It imports nothing of squadron, follows the
official procedure step by step (normalising anew for the filter, for exact match and for F1) and is
meant to be checked by reading. It adds with `+`, in the order of the data set: Python's own `sum`
of floats rounds otherwise from 3.12 on.
"""

import collections
import re
import string


def plain_normalize(answer):
    punctuation = set(string.punctuation)
    answer = "".join(char for char in answer.lower() if char not in punctuation)
    answer = re.sub(r"\b(a|an|the)\b", " ", answer, flags=re.UNICODE)
    return " ".join(answer.split())


def plain_exact(gold, prediction):
    return 1 if plain_normalize(gold) == plain_normalize(prediction) else 0


def plain_tokens(answer):
    return plain_normalize(answer).split() if answer else []


def plain_f1(gold, prediction, rule):
    gold_tokens = plain_tokens(gold)
    predicted_tokens = plain_tokens(prediction)
    if rule == "v2" and (gold_tokens == [] or predicted_tokens == []):
        return 1 if gold_tokens == predicted_tokens else 0
    overlap = collections.Counter(gold_tokens) & collections.Counter(predicted_tokens)
    shared = sum(overlap.values())
    if shared == 0:
        return 0
    precision = 1.0 * shared / len(predicted_tokens)
    recall = 1.0 * shared / len(gold_tokens)
    return (2 * precision * recall) / (precision + recall)


def plain_scores(golds, prediction, rule):
    """Returns exact match and F1 of one question. None is a missing prediction."""
    if prediction is None:
        return 0, 0
    if rule == "v2":
        golds = [gold for gold in golds if plain_normalize(gold) != ""] or [""]
    return (
        max(plain_exact(gold, prediction) for gold in golds),
        max(plain_f1(gold, prediction, rule) for gold in golds),
    )


def plain_evaluation(dataset, predictions):
    """Returns the official result of parsed DATA.json and PREDICTIONS.json."""
    questions = [
        question
        for article in dataset["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    rule = "v2" if any("is_impossible" in question for question in questions) else "v1.1"
    exact_by_id = {}
    f1_by_id = {}
    for question in questions:
        golds = [answer["text"] for answer in question["answers"]]
        scores = plain_scores(golds, predictions.get(question["id"]), rule)
        exact_by_id[question["id"]], f1_by_id[question["id"]] = scores
    result = plain_averages(exact_by_id, f1_by_id, list(exact_by_id), "")
    with_answer = [question["id"] for question in questions if question["answers"]]
    without_answer = [question["id"] for question in questions if not question["answers"]]
    if with_answer:
        result.update(plain_averages(exact_by_id, f1_by_id, with_answer, "HasAns_"))
    if without_answer:
        result.update(plain_averages(exact_by_id, f1_by_id, without_answer, "NoAns_"))
    return result


def plain_averages(exact_by_id, f1_by_id, ids, prefix):
    exact_sum = 0
    f1_sum = 0
    for question_id in ids:
        exact_sum = exact_sum + exact_by_id[question_id]
        f1_sum = f1_sum + f1_by_id[question_id]
    return {
        f"{prefix}exact": 100.0 * exact_sum / len(ids),
        f"{prefix}f1": 100.0 * f1_sum / len(ids),
        f"{prefix}total": len(ids),
    }


def plain_evaluation_with_null_odds(dataset, predictions, null_odds, threshold=1.0):
    """Returns the official v2.0 result with null odds. Every question has a prediction and odds."""
    questions = {
        question["id"]: question
        for article in dataset["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    raw = {i: plain_scores([a["text"] for a in q["answers"]], predictions[i], "v2")
           for i, q in questions.items()}  # fmt: skip
    kept = {}
    for i, question in questions.items():
        wrong_or_right = 0.0 if question["answers"] else 1.0
        kept[i] = (wrong_or_right, wrong_or_right) if null_odds[i] > threshold else raw[i]
    exact, f1 = ({i: pair[side] for i, pair in kept.items()} for side in (0, 1))
    with_answer = [i for i, question in questions.items() if question["answers"]]
    without = [i for i, question in questions.items() if not question["answers"]]
    result = plain_averages(exact, f1, list(questions), "")
    if with_answer:
        result.update(plain_averages(exact, f1, with_answer, "HasAns_"))
    if without:
        result.update(plain_averages(exact, f1, without, "NoAns_"))
    for side, name in enumerate(("exact", "f1")):
        now = highest = len(without)
        place = 0.0
        for i in sorted(null_odds, key=null_odds.get):
            if i not in questions:
                continue
            if questions[i]["answers"]:
                now = now + raw[i][side]
            elif predictions[i] != "":
                now = now - 1
            if now > highest:
                highest, place = now, null_odds[i]
        result[f"best_{name}"] = 100.0 * highest / len(questions)
        result[f"best_{name}_thresh"] = place
    return result
