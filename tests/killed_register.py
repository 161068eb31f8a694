"""Runs the step register in processes that end in the middle of it.

Run this file as a process of its own: it loads the libraries once and forks, because each process
would otherwise need seconds to load them.
"""

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from squadron import tracking
from squadron.config import Register
from tests import gated_race
from tests.stores import make_store

KILLED = 9
COMMITS, COPIES = 10, 2
"""How many processes end in the place of a commit to the database, and of a copied file."""
SEED = 12
_WRITING = ("INSERT", "UPDATE", "DELETE")


class Fuse:
    """Counts what a process writes, and ends the process in the place of one write."""

    def __init__(self, kind: str = "", number: int = 0) -> None:
        self.counts = {"commit": 0, "copy": 0}
        self._end = (kind, number)
        self._has_written: set[int] = set()
        event.listen(Engine, "before_cursor_execute", self._execute)
        event.listen(Engine, "commit", self._commit)
        sys.addaudithook(self._audit)

    def _execute(self, connection: Any, _: Any, statement: str, *others: Any) -> None:
        if statement.lstrip().upper().startswith(_WRITING):
            self._has_written.add(id(connection))

    def _commit(self, connection: Any) -> None:
        if id(connection) in self._has_written:
            self._has_written.discard(id(connection))
            self._count("commit")

    def _audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "shutil.copyfile":
            self._count("copy")

    def _count(self, kind: str) -> None:
        self.counts[kind] += 1
        if (kind, self.counts[kind]) == self._end:
            os._exit(KILLED)


def register(folder: Path, store: Path) -> None:
    """Runs the step of a race that stages its winner."""
    options = Register(model_name=gated_race.NAME, promote_to="staging")
    gated_race.run_register(folder, ("better", "raw"), options, store / "race_result.json")


def in_process(store: Path, work: Any) -> int:
    """Does some work with a store in a process of its own; returns its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        os.environ[tracking.URI_VARIABLE] = make_store(store)
        work()
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def kill_and_repeat(folder: Path, kind: str, number: int) -> dict[str, Any]:
    """Ends a register in the place of a write, and runs it again."""
    store = folder / f"{kind}-{number}"

    def run_killed() -> None:
        Fuse(kind, number)
        register(folder, store)

    in_process(store, gated_race.open_race)
    return {
        "store": str(store),
        "killed": in_process(store, run_killed),
        "repeated": in_process(store, lambda: register(folder, store)),
    }


def main(folder: Path) -> None:
    """Writes found.json: for each kill, the store and both exit codes."""
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    import torch

    torch.set_num_threads(1)  # A process with threads can't be forked.
    os.environ[tracking.RACE_VARIABLE] = str(gated_race.RACE)
    os.environ.pop("MLFLOW_RUN_ID", None)
    gated_race.write_race(folder)
    counted = folder / "counts.json"

    def count() -> None:
        fuse = Fuse()
        register(folder, folder / "whole")
        counted.write_text(json.dumps(fuse.counts))

    in_process(folder / "whole", gated_race.open_race)
    in_process(folder / "whole", count)
    counts = json.loads(counted.read_text())
    chance = random.Random(SEED)
    places = [
        (kind, number)
        for kind, some in (("commit", COMMITS), ("copy", COPIES))
        for number in sorted(chance.sample(range(1, counts[kind] + 1), some))
    ]
    found = [kill_and_repeat(folder, *place) for place in places]
    (folder / "found.json").write_text(json.dumps({"counts": counts, "found": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
