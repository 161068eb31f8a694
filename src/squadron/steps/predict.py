"""The step predict: windows and a model -> candidates."""

import shutil
from pathlib import Path

from squadron.artifacts import (
    CANDIDATES,
    EXTENTS,
    read_windows,
    write_json,
    write_table,
    written_in_parts,
)
from squadron.config import Contender, from_json
from squadron.steps._files import (
    checkpoint_folder,
    find_layout,
    judged_splits,
    read_about_windows,
    settle_answer_tokens,
)
from squadron.steps._record import chosen_params
from squadron.steps._step import peak_memory_mb, step, timed


@step
def predict(
    *, contender: str, windows: Path, model: Path, candidates: Path, digests: str = ""
) -> None:
    """Scores the windows of the judged splits: candidates/{split}.parquet, streamed.

    With {split}.windows.parquet, what each window holds of its context, and {split}.types.parquet
    from a model that tells the types of questions.

    Args:
        contender: JSON of config.Contender.
        digests: JSON of provenance.Digests; the decorator compares the code.
        windows: As featurize wrote them.
        model: As train wrote it.
        candidates: The folder to write.
    """
    import pyarrow as pa

    from squadron import tracking
    from squadron.data.window_table import WindowTable
    from squadron.models import model_folder, trained_on
    from squadron.models.devices import pick_device
    from squadron.models.prediction import predict_candidates
    from squadron.progress import Progress

    settings = settle_answer_tokens(from_json(Contender, contender), windows)
    about = model_folder.read_about(model)
    about_windows = read_about_windows(windows)
    figures: dict[str, float] = {**about_windows["figures"], **about["training"]["figures"]}
    status = {
        "disqualified": about["disqualified"],
        "training": {k: v for k, v in about["training"].items() if k != "figures"},
        "params": chosen_params(settings),
        "figures": figures,
    }
    if not about["disqualified"]:
        with timed(figures, "predict"):
            layout = find_layout(about_windows)
            device = pick_device()
            loaded = model_folder.load_model(model)
            network = loaded.model.to(device)
            status["trained_on"] = trained_on.read_record(str(model)).standing
            if loaded.answering:
                # It has been registered and races as it serves.
                status["answering"] = loaded.answering.as_dict()
            tables = {
                name: WindowTable(read_windows(windows / f"{name}.arrow"), layout).first_examples(
                    count
                )
                for name, count in judged_splits(settings).items()
            }
            total = sum(table.num_rows for table in tables.values())
            made_from = about["made_from"]
            with Progress(f"predict    {settings.label}", total, "windows") as bar:
                for name, table in tables.items():
                    path = candidates / f"{name}.parquet"
                    with written_in_parts(
                        path, CANDIDATES, schema="candidates/1", made_from=made_from
                    ) as add:
                        types: list[pa.Table] = []
                        for rows in predict_candidates(
                            network, table, layout, settings.predict, device, bar, types.append
                        ):
                            add(rows)
                    path = candidates / f"{name}.windows.parquet"
                    with written_in_parts(
                        path, EXTENTS, schema="extents/1", made_from=made_from
                    ) as add:
                        for chunk in table.chunks():
                            add(chunk.extents())
                    if types:
                        write_table(
                            candidates / f"{name}.types.parquet",
                            pa.concat_tables(types),
                            schema="types/1",
                            made_from=made_from,
                        )
        figures["predict_peak_memory_mb"] = peak_memory_mb()
        figures["windows_per_second_predict"] = total / figures["seconds_predict"]
    write_json(candidates / "status.json", status, schema="status/1", made_from=about["made_from"])
    tracking.log_metrics(tracking.address_run(tracking.current_race(), settings.label), figures)
    # The model has arrived here, so no retry of its training needs them any more.
    shutil.rmtree(checkpoint_folder(settings.label, about["made_from"]), ignore_errors=True)
