import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.config import Experiment, build_experiment, digest, from_json, to_json
from tests.effort import draws

SHARES = st.floats(0, 0.3) | st.integers(0, 9)
POSITIVE = st.floats(1e-8, 1e3) | st.integers(1, 50)
PATHS = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=3)
LABELS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
OPTIONS = st.dictionaries(
    st.text(max_size=4), st.text(max_size=4) | st.integers() | st.lists(st.booleans()), max_size=3
)


def partly(**fields):
    return st.fixed_dictionaries({}, optional=fields)


WINDOWS = partly(
    max_length=st.integers(300, 512),
    stride=st.integers(0, 150),
    max_question_length=st.integers(1, 2**63 - 1),
).map(lambda raw: raw | {k: min(v, 140) for k, v in raw.items() if k == "max_question_length"})
TRAIN = partly(
    epochs=st.integers(1, 9),
    learning_rate=POSITIVE,
    batch_size=st.integers(1, 64),
    warmup_share=st.floats(0, 0.99),
    weight_decay=st.floats(0, 1) | st.just(-0.0),
    patience=st.integers(0, 3),
    monitor=st.sampled_from(["exact_match", "eval_loss"]),
    precision=st.sampled_from(["auto", "bf16", "fp32"]),
    seed=st.integers(0, 2**63 - 1),
)
PREDICT = partly(n_best=st.integers(1, 99), max_answer_tokens=st.integers(1, 99))
DATA = st.fixed_dictionaries(
    {"train": PATHS},
    optional={
        "test": PATHS,
        "splits": partly(tune=SHARES, select=SHARES, test=SHARES),
        "seed": st.integers(-(2**63), 2**63 - 1),
        "max_tune_examples": st.integers(0, 2**63 - 1),
        "max_rejected_share": st.floats(0, 1) | st.just(-0.0),
    },
)
CONTENDERS = st.lists(
    st.fixed_dictionaries(
        {"variant": st.sampled_from(["span", "pretrained", "anything"]), "label": LABELS},
        optional={
            "backbone": st.text(min_size=1, max_size=5),
            "options": OPTIONS,
            "windows": WINDOWS,
            "train": TRAIN,
            "predict": PREDICT,
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda contender: contender["label"],
)
EXPERIMENTS = st.fixed_dictionaries(
    {"name": st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True), "data": DATA},
    optional={
        "windows": WINDOWS,
        "train": TRAIN,
        "predict": PREDICT,
        "register": partly(model_name=st.text(max_size=5), demo=st.booleans()),
        "resources": partly(
            gpu_count=st.integers(0, 1),
            node_selector=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
            tolerations=st.lists(st.text(max_size=3), max_size=2),
        ),
        "results": st.text(max_size=5),
        "attempt": st.text(max_size=5),
        "evaluate": st.fixed_dictionaries(
            {},
            optional={
                "bertscore": st.booleans(),
                "answer_rule": st.sampled_from(["window", "lowest_null"]),
            },
        ),
    },
).flatmap(lambda raw: CONTENDERS.map(lambda contenders: {**raw, "contenders": contenders}))


def turned(value):
    """The same, every mapping in the opposite order and whole floats as ints."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [turned(item) for item in value]
    if isinstance(value, float) and value.is_integer() and not math.copysign(1, value) < 0:
        return int(value)
    return value


@settings(max_examples=draws(100), deadline=None)
@given(EXPERIMENTS)
def test_json_gives_back_what_it_was_made_from_and_equal_sections_have_equal_text(raw):
    experiment = build_experiment(raw)
    same = build_experiment(turned(raw))
    assert from_json(Experiment, to_json(experiment)) == experiment == same
    assert to_json(experiment) == to_json(same)
    sections = [
        (experiment.data, same.data),
        (experiment.evaluate, same.evaluate),
        (experiment.register, same.register),
        (experiment.resources, same.resources),
        *zip(experiment.contenders, same.contenders, strict=True),
    ]
    for section, other in sections:
        text = to_json(section)
        assert text.isascii()
        assert from_json(type(section), text) == section
        assert to_json(other) == text


@settings(max_examples=draws(50), deadline=None)
@given(EXPERIMENTS)
def test_building_changes_nothing_of_what_it_is_given(raw):
    before = json.dumps(raw)
    build_experiment(raw)
    assert json.dumps(raw) == before


def test_a_digest_changes_with_every_part_and_with_where_it_ends():
    texts = [("a", "b"), ("ab",), ("a", "b", ""), ("", "a", "b"), ("b", "a"), ("a",)]
    digests = {digest(*parts) for parts in texts}
    assert len(digests) == len(texts)
    assert digest("a", "b") == digest("a", "b")
    assert all(len(found) == 16 and int(found, 16) >= 0 for found in digests)
