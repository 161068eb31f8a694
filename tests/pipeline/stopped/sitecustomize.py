"""Stops a race from inside when its training has written a checkpoint; test_race.py puts this
folder on PYTHONPATH.

Python imports a module of this name when it starts. STOP_AT_CHECKPOINT holds the number of a
signal, which every process of the group then gets. A test that looks for checkpoints from outside
could come too late on a machine that trains fast or is busy. Without the variable nothing happens.
"""

import os
import sys
import time
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

SIGNAL = int(os.environ.get("STOP_AT_CHECKPOINT", "0"))


def _stop_after_a_step(module):
    plain = module.save_checkpoint

    def save_checkpoint(folder, name, tensors, state):
        plain(folder, name, tensors, state)
        if name.startswith("step-"):
            os.killpg(os.getpgrp(), SIGNAL)
            time.sleep(3600)  # until the signal arrives

    module.save_checkpoint = save_checkpoint


class _Changing(MetaPathFinder):
    """Finds modules as Python does, and changes one right after it was executed."""

    def find_spec(self, name, path=None, target=None):
        if name != "squadron.models.checkpoints":
            return None
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _stop_after_a_step(module)

        spec.loader.exec_module = exec_module
        return spec


if SIGNAL:
    sys.meta_path.insert(0, _Changing())
