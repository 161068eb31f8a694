"""The step predict: windows and a model -> candidates."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from squadron.artifacts import (
    CANDIDATES,
    EXTENTS,
    read_windows,
    write_record,
    write_table,
    written_in_parts,
)
from squadron.config import Contender, from_json
from squadron.steps._files import (
    checkpoint_folder,
    judged_splits,
    read_about_windows,
    settle_answer_tokens,
)
from squadron.steps._record import chosen_params
from squadron.steps._status import Status
from squadron.steps._step import peak_memory_mb, step, timed

if TYPE_CHECKING:
    from squadron.answers.answering import Answering
    from squadron.data.window_table import WindowTable
    from squadron.progress import Progress


@step
def predict(
    *, contender: str, windows: Path, model: Path, candidates: Path, digests: str = ""
) -> None:
    """Scores the windows of the judged splits and writes their candidates.

    Each split gets {split}.parquet, its candidates; {split}.windows.parquet, which part of the
    context each window holds; and {split}.types.parquet, if the model predicts the types of
    questions. A disqualified contender gets only status.json, which all contenders have.

    Args:
        contender: JSON of config.Contender.
        digests: JSON of provenance.Digests; the decorator compares the code.
        windows: The folder that featurize wrote.
        model: The folder that train wrote.
        candidates: The folder to write.
    """
    from squadron import tracking
    from squadron.models import model_folder

    settings = settle_answer_tokens(from_json(Contender, contender), windows)
    about = model_folder.read_about(model)
    figures = {**read_about_windows(windows).figures, **about.training.figures}
    status = Status(
        made_from=about.made_from,
        disqualified=about.disqualified,
        training=about.training,
        params=chosen_params(settings),
        figures=figures,
    )
    if not about.disqualified:
        with timed(figures, "predict"):
            done = _predict_splits(settings, windows, model, candidates)
        status = replace(status, trained_on=done.trained_on, answering=done.answering)
        figures["predict_peak_memory_mb"] = peak_memory_mb()
        figures["windows_per_second_predict"] = done.windows / figures["seconds_predict"]
    write_record(candidates / "status.json", status)
    tracking.log_metrics(tracking.address_run(tracking.current_race(), settings.label), figures)
    # The model has arrived here, so no retry of its training needs the checkpoints any more.
    shutil.rmtree(checkpoint_folder(settings.label, about.made_from), ignore_errors=True)


class _Predicted(NamedTuple):
    """What is known once all splits are predicted."""

    windows: int
    """How many were scored."""
    trained_on: str
    """What the model was trained on, in words."""
    answering: "Answering | None"
    """How a registered model answers: it races with the threshold and rule with which it serves."""


def _predict_splits(
    settings: Contender, windows: Path, model: Path, candidates: Path
) -> _Predicted:
    """Writes the candidates of all judged splits."""
    from squadron.data.window_table import WindowTable
    from squadron.models import model_folder, trained_on
    from squadron.models.devices import pick_device
    from squadron.models.prediction import make_ready
    from squadron.progress import Progress

    layout = read_about_windows(windows).layout
    loaded = model_folder.load_model(model)
    network = make_ready(loaded.model, pick_device())
    tables = {
        split: WindowTable(read_windows(windows / f"{split}.arrow"), layout).first_examples(count)
        for split, count in judged_splits(settings).items()
    }
    total = sum(table.num_rows for table in tables.values())
    with Progress(f"predict    {settings.label}", total, "windows") as progress:
        for split, table in tables.items():
            path = candidates / f"{split}.parquet"
            _write_split(path, network, table, settings, progress, loaded.about.made_from)
    return _Predicted(total, trained_on.read_record(str(model)).standing, loaded.answering)


def _write_split(
    path: Path,
    network: Any,
    table: "WindowTable",
    settings: Contender,
    progress: "Progress",
    made_from: str,
) -> None:
    """Writes the files of one split, chunk by chunk, so that memory does not grow with it.

    Args:
        path: The file of candidates; the others are beside it.
        network: The model, on the device of `pick_device`.
        table: The windows of the split.
        settings: Of the contender.
        progress: Advanced by windows.
        made_from: Digest of what made the model.
    """
    import pyarrow as pa

    from squadron.models.devices import pick_device
    from squadron.models.prediction import predict_candidates

    types: list[pa.Table] = []
    with written_in_parts(path, CANDIDATES, schema="candidates/1", made_from=made_from) as add:
        for rows in predict_candidates(
            *(network, table, table.layout, settings.predict, pick_device()),
            *(progress, types.append),
        ):
            add(rows)
    extents = path.with_suffix(".windows.parquet")
    with written_in_parts(extents, EXTENTS, schema="extents/1", made_from=made_from) as add:
        for chunk in table.chunks():
            add(chunk.extents())
    if types:
        write_table(
            path.with_suffix(".types.parquet"),
            pa.concat_tables(types),
            schema="types/1",
            made_from=made_from,
        )
