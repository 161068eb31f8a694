"""The columns of every table that passes from step to step, and names of files in model folders."""

import pyarrow as pa

EXAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("question", pa.string()),
        # Each different context is stored once. `read_contexts` gives them as Python texts.
        ("context", pa.dictionary(pa.int32(), pa.string())),
        # Every accepted answer; none means "not answered here". Characters of `context`.
        ("answers", pa.list_(pa.struct([("text", pa.string()), ("start_char", pa.int32())]))),
        ("reasoning_type", pa.string()),  # one of question_types.TYPES
        ("label_source", pa.string()),  # of the type: "data" or "rules"
    ]
)

WINDOWS = pa.schema(
    [
        ("example_id", pa.string()),
        ("question_ids", pa.large_list(pa.int32())),  # tokens of the question, cut to the limit
        # Tokens of the whole context, stored once however many examples share it. A token has the
        # characters [start, end) of the context; see windows.py about blanks.
        (
            "context",
            pa.dictionary(
                pa.int32(),
                pa.struct(
                    [
                        ("input_ids", pa.large_list(pa.int32())),
                        ("start_chars", pa.large_list(pa.int32())),
                        ("end_chars", pa.large_list(pa.int32())),
                    ]
                ),
            ),
        ),
        # Window w holds the context tokens from w * step on, `room` at most.
        ("room", pa.int32()),
        ("step", pa.int32()),
        ("windows", pa.int32()),  # how many there are
        # The windows that hold the answer, rising, and its first and last token in their input_ids.
        (
            "labels",
            pa.large_list(
                pa.struct(
                    [
                        ("window", pa.int32()),
                        ("start_token", pa.int32()),
                        ("end_token", pa.int32()),
                    ]
                )
            ),
        ),
        ("reasoning_type", pa.int32()),  # its place in question_types.TYPES, -1 for none
    ]
)
"""One row per example: window_table.WindowTable reads the windows out of it."""

CUT_WINDOWS = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),  # number within its example, from 0
        ("input_ids", pa.list_(pa.int32())),
        # Characters [start, end) of each context token, in the example's context.
        ("start_chars", pa.list_(pa.int32())),
        ("end_chars", pa.list_(pa.int32())),
        # Positions in input_ids, inclusive.
        ("context_start", pa.int32()),
        ("context_end", pa.int32()),
        # The answer's first and last token; (0, 0), the null token, where it is not in the window.
        ("start_token", pa.int32()),
        ("end_token", pa.int32()),
        ("reasoning_type", pa.int32()),  # its place in question_types.TYPES, -1 for none
    ]
)
"""One row per window, which only memory holds: what `WindowTable.expand` gives."""

CANDIDATES = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),
        ("rank", pa.int32()),  # within its window, from 0
        ("start_char", pa.int32()),
        ("end_char", pa.int32()),
        ("score", pa.float32()),  # log-odds against the no-answer hypothesis of its own window
        ("null_score", pa.float32()),  # the window's own no-answer score, as the model gives it
    ]
)

WINDOW_TYPES = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),
        ("log_probabilities", pa.list_(pa.float32())),  # of question_types.TYPES, in that order
    ]
)

SCORES = pa.schema(
    [
        ("id", pa.string()),
        ("paragraph", pa.int64()),  # questions of one paragraph have the same number
        ("title", pa.int64()),  # questions of one title have the same number
        ("exact", pa.float64()),  # 0 or 1
        ("f1", pa.float64()),  # 0 to 1
    ]
)

BREAKDOWN = pa.schema(
    [
        ("group", pa.string()),  # one of breakdown.GROUPS
        ("value", pa.string()),  # the part of the group that the row is about
        ("questions", pa.int64()),
        ("exact", pa.float64()),  # 0 to 100, as all below
        ("exact_low", pa.float64()),  # of the 95 % interval; null where there are too few
        ("exact_high", pa.float64()),
        ("f1", pa.float64()),
        ("f1_low", pa.float64()),
        ("f1_high", pa.float64()),
    ]
)

EXTENTS = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),
        # Characters [start, end) of the example's context that the window holds.
        ("start_char", pa.int32()),
        ("end_char", pa.int32()),
    ]
)

ERRORS = pa.schema(
    [
        ("id", pa.string()),
        ("question", pa.string()),
        ("golds", pa.list_(pa.string())),  # none: nothing answers it
        ("answer", pa.string()),  # "": abstained
        ("score", pa.float64()),  # of the best candidate, -inf where there is none
        ("kind", pa.string()),  # one of error_kinds.KINDS
        ("excerpt", pa.string()),  # of the context
        # Characters [start, end) of the excerpt, -1 for none; of gold answers the nearest one.
        ("answer_start", pa.int32()),
        ("answer_end", pa.int32()),
        ("gold_start", pa.int32()),
        ("gold_end", pa.int32()),
    ]
)


MODEL_ABOUT = "variant.json"
"""In a model folder: the contender, its training, and the sha256 of every file."""
MODEL_SCHEMA = "model/1"
ANSWERING = "answering.json"
"""In a registered model folder: how it answers (answering.Answering), as evaluation found."""
