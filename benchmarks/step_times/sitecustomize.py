"""Notes where the time of a Python process goes; bench_dag.py puts this folder on PYTHONPATH.

Python imports a module of this name by itself when it starts. Where SQUADRON_BENCHMARK_TIMES names
a folder, it writes <pid>.json there when the process ends: when it started and ended, its processor
time, its outermost imports, and the time inside the steps' functions. Without the variable it does
nothing.
"""

import atexit
import builtins
import functools
import importlib
import json
import os
import sys
import threading
import time


class Times:
    """What one process notes of itself; times are seconds since the epoch."""

    def __init__(self):
        self._wrapped = False
        self._main = threading.get_ident()
        self.begin()

    def begin(self):
        """Starts to note, also in a copy of a process: what that one did is not the copy's."""
        self.started = time.time()
        self._processor = time.process_time()
        self.imports = []
        self.functions = []
        self._importing = False

    def watch_import(self, original):
        """The import function that is timed when it is the outermost one."""

        @functools.wraps(original)
        def timed(*args, **kwargs):
            if self._importing or threading.get_ident() != self._main:
                return original(*args, **kwargs)
            self._importing = True
            start = time.time()
            try:
                return original(*args, **kwargs)
            finally:
                self._importing = False
                self.imports.append((start, time.time()))
                self._wrap_functions()

        return timed

    def _wrap_functions(self):
        module = sys.modules.get("squadron.steps")
        if module is None or self._wrapped:
            return
        self._wrapped = True
        for key, value in list(vars(module).items()):
            # Each step is the one function of a module of its name.
            if getattr(value, "__module__", "") == f"squadron.steps.{key}":
                setattr(module, key, self._watch_function(value))

    def _watch_function(self, function):
        @functools.wraps(function)
        def timed(*args, **kwargs):
            start = time.time()
            try:
                return function(*args, **kwargs)
            finally:
                self.functions.append((function.__name__, start, time.time()))

        return timed

    def write(self, folder):
        """Writes what was noted."""
        notes = {
            "started": self.started,
            "ended": time.time(),
            "processor": time.process_time() - self._processor,
            "imports": self.imports,
            "functions": self.functions,
        }
        with open(os.path.join(folder, f"{os.getpid()}.json"), "w") as file:  # noqa: PTH118, PTH123
            json.dump(notes, file)


if os.environ.get("SQUADRON_BENCHMARK_TIMES"):
    times = Times()
    builtins.__import__ = times.watch_import(builtins.__import__)
    importlib.import_module = times.watch_import(importlib.import_module)
    atexit.register(times.write, os.environ["SQUADRON_BENCHMARK_TIMES"])
    os.register_at_fork(after_in_child=times.begin)
