"""How the kernel is compiled, and where the result is kept.

Compiling takes seconds, so numba keeps machine code on disk; but it only notices changes in the file that holds the
function, and the kernel's decisions live in `harness/policies`. Machine code of yesterday's policies would then run
silently. So the directory of the cache carries a hash of everything that is compiled in:

    <cache>/kernel-<hash of policies/*.py, sim/kernel*.py, three more files and numba's version>/

<cache> is NUMBA_CACHE_DIR, else blackstart/ in the user's cache directory. Where nothing can be written, the kernel is
compiled anew in each process. Leaves out: clearing old directories; each is a few megabytes and may be deleted.
"""

from __future__ import annotations

import hashlib
import os
import types
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from numba import __version__ as numba_version
from numba import config, njit

F = TypeVar("F", bound=Callable[..., Any])
_HERE = Path(__file__).parent
# Steps and constants that are compiled in from other places.
_ELSEWHERE: Final = tuple(
    _HERE.parent / name for name in ("flows/wants.py", "models/service_time.py", "models/apps/mobile_banking.py")
)


# Nothing is allocated inside the kernel (tables grow between two calls of it), so nobody needs to count references to
# them: counting took most of the time. Divisors are checked where specs are made.
_OPTIONS: Final[dict[str, Any]] = {"_nrt": False, "error_model": "numpy"}


def jit(function: F) -> F:
    """Compile a function of the kernel; called by other compiled functions only."""
    return cast("F", njit(**_OPTIONS)(function))


def jit_cached(function: F) -> F:
    """Compile an entry point of the kernel, with its machine code kept on disk where that is possible."""
    directory = cache_dir()
    if directory is None:
        return jit(function)
    settings: Any = config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(directory)
    try:
        return cast("F", njit(cache=True, **_OPTIONS)(function))
    finally:
        settings.CACHE_DIR = before


@cache
def compiled(step: Callable[..., Any]) -> Any:
    """A policy's step as numba runs it: its own source, with the few functions of ours that it calls compiled first."""
    needed = {name: value for name, value in step.__globals__.items() if name in step.__code__.co_names}
    scope = {
        name: compiled(value) if isinstance(value, types.FunctionType) else value for name, value in needed.items()
    }
    twin = types.FunctionType(step.__code__, {**scope, "__builtins__": __builtins__}, step.__name__)
    return njit(twin)


def cache_dir() -> Path | None:
    """The directory for this version of the kernel and the policies; None where none can be made."""
    base = os.environ.get("NUMBA_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = (Path(base) if base else Path(home) / "blackstart") / f"kernel-{sources_hash()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return path if os.access(path, os.W_OK) else None


@cache
def sources_hash() -> str:
    """16 hex digits of every source that is compiled into the kernel."""
    found = hashlib.blake2b(numba_version.encode(), digest_size=8)
    for path in (*sorted((_HERE.parent / "policies").glob("*.py")), *sorted(_HERE.glob("kernel*.py")), *_ELSEWHERE):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
