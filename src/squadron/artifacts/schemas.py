"""The columns of every table that passes from step to step, and the names of model files."""

import pyarrow as pa

EXAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("question", pa.string()),
        # Each different context is stored once. `read_contexts` returns them as Python texts.
        ("context", pa.dictionary(pa.int32(), pa.string())),
        # All accepted answers; none means "not answered here". Characters count in `context`.
        ("answers", pa.list_(pa.struct([("text", pa.string()), ("start_char", pa.int32())]))),
        ("reasoning_type", pa.string()),  # one of question_types.TYPES
        ("label_source", pa.string()),  # where the type comes from: "data" or "rules"
    ]
)

WINDOWS = pa.schema(
    [
        ("example_id", pa.string()),
        ("question_ids", pa.large_list(pa.int32())),  # tokens of the question, cut to the limit
        # Tokens of the whole context, stored once however many examples share it. A token covers
        # the characters [start, end) of the context; data/tokens.py says how blanks count.
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
        # Window w holds the context tokens from w * step on, at most `room` of them.
        ("room", pa.int32()),
        ("step", pa.int32()),
        ("windows", pa.int32()),  # number of windows
        # The windows that hold the answer, in rising order, with the places of the answer's first
        # and last token in the input_ids of the window.
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
        ("reasoning_type", pa.int32()),  # place in question_types.TYPES, -1 for none
    ]
)
"""One row per example. `window_table.WindowTable` reads the windows from it."""

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
        # The answer's first and last token; (0, 0), the null token, if it is not in the window.
        ("start_token", pa.int32()),
        ("end_token", pa.int32()),
        ("reasoning_type", pa.int32()),  # place in question_types.TYPES, -1 for none
    ]
)
"""One row per window, as `WindowTable.expand` returns them. No file has this schema."""

CANDIDATES = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),
        ("rank", pa.int32()),  # within its window, from 0
        ("start_char", pa.int32()),
        ("end_char", pa.int32()),
        ("score", pa.float32()),  # log-odds against the no-answer hypothesis of the same window
        ("null_score", pa.float32()),  # no-answer score of the window, as the model gives it
    ]
)

WINDOW_TYPES = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),
        ("log_probabilities", pa.list_(pa.float32())),  # one for each of question_types.TYPES
    ]
)

SCORES = pa.schema(
    [
        ("id", pa.string()),
        ("paragraph", pa.int64()),  # questions of one paragraph have the same number
        ("title", pa.int64()),  # questions of one title have the same number
        ("exact_match", pa.float64()),  # 0 or 1
        ("f1", pa.float64()),  # 0 to 1
    ]
)

BREAKDOWN = pa.schema(
    [
        ("group", pa.string()),  # one of breakdown.GROUPS
        ("value", pa.string()),  # the part of the group that this row describes
        ("questions", pa.int64()),
        ("exact_match", pa.float64()),  # 0 to 100, like all columns below
        ("exact_match_low", pa.float64()),  # 95 % interval; null for too few questions
        ("exact_match_high", pa.float64()),
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
        ("golds", pa.list_(pa.string())),  # empty for an unanswerable question
        ("answer", pa.string()),  # "" if the model abstained
        ("score", pa.float64()),  # score of the best candidate, -inf without one
        ("kind", pa.string()),  # one of error_kinds.KINDS
        ("excerpt", pa.string()),  # part of the context
        # Characters [start, end) of the excerpt, -1 for none. The gold answer is the nearest one.
        ("answer_start", pa.int32()),
        ("answer_end", pa.int32()),
        ("gold_start", pa.int32()),
        ("gold_end", pa.int32()),
    ]
)

PASSAGES = pa.schema(
    [
        ("id", pa.string()),
        ("document", pa.string()),
        ("page", pa.int32()),
        ("section", pa.string()),
        # Characters [start, end) of the document's text.
        ("start_char", pa.int64()),
        ("end_char", pa.int64()),
        ("text", pa.string()),
        ("page_breaks", pa.list_(pa.int32())),
    ]
)
"""One row per passage (`documents.passages.Passage`)."""

FOUND = pa.schema(
    [
        ("id", pa.string()),  # of the question
        ("method", pa.string()),  # one of retrieval.METHODS
        ("rank", pa.int32()),  # from 1
        ("passage", pa.string()),  # its id
        ("score", pa.float64()),  # by the method; scores of two methods can't be compared
        ("is_right", pa.bool_()),  # whether it holds the answer; retrieval/recall.py says how
    ]
)

OPEN_ANSWERS = pa.schema(
    [
        ("id", pa.string()),
        ("method", pa.string()),  # the search that found the passages
        ("answer", pa.string()),  # "" if the model abstained
        ("probability", pa.float64()),  # that the best span is exactly right; null if not known
        ("document", pa.string()),  # of the passage that was chosen; "" without one, as below
        ("page", pa.int32()),
        ("passage", pa.string()),
        ("rank", pa.int32()),  # of that passage in the search; 0 without one
        ("is_right", pa.bool_()),  # whether that passage holds the answer
        ("exact_match", pa.float64()),  # 0 or 1
        ("f1", pa.float64()),  # 0 to 1
    ]
)
"""One row per question and search method: the answer whose passage had to be found first."""


MODEL_ABOUT = "variant.json"
"""File in a model folder: the contender, its training, and the sha256 of every file."""
MODEL_SCHEMA = "model/1"
ANSWERING = "answering.json"
"""File in the folder of a registered model: how it answers (`answering.Answering`)."""
