"""Makes Python processes behave as on another processor. tests/processors.sh puts it on PYTHONPATH.

Python imports a module of this name when it starts, so the processes that a test starts are changed
as well. Without its two variables it changes nothing.

- AS_IF_BF16=1: torch says that this processor has bf16 instructions. `precision: auto` then means
  bf16, which torch emulates. The arithmetic is that of bf16, only slower.
- AS_IF_SEED=N: N is added to every seed that torch is given. Weights, dropout and the order of
  batches then differ, which is more than the last bits of another processor change.
"""

import functools
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

SEED = int(os.environ.get("AS_IF_SEED", "0"))
HAS_BF16 = os.environ.get("AS_IF_BF16") == "1"


def _shift_seeds(module):
    plain = module.manual_seed

    @functools.wraps(plain)
    def manual_seed(seed):
        return plain(int(seed) + SEED)

    module.manual_seed = manual_seed


def _claim_bf16(module):
    module._is_avx512_bf16_supported = lambda: True


CHANGES = {}
if SEED:
    CHANGES["torch.random"] = _shift_seeds
if HAS_BF16:
    CHANGES["torch.cpu"] = _claim_bf16


class _Changing(MetaPathFinder):
    """Finds modules as Python does, and changes some right after they were executed."""

    def find_spec(self, name, path=None, target=None):
        if name not in CHANGES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            CHANGES[name](module)

        spec.loader.exec_module = exec_module
        return spec


if CHANGES:
    sys.meta_path.insert(0, _Changing())
