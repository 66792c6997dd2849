"""Files that are whole or absent, and nested states as one safetensors file, which cannot run code when read."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ada_segment.errors import RunError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a temporary file beside `path`, flush it to the disk, and rename it to `path`.

    A reader sees the old file or the new one, never a part; after an error the old one is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all. NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def save_state(path: Path, state: object, *, about: dict[str, Any] | None = None) -> None:
    """Save a nested state as safetensors; all that is not a tensor goes into the file's header, as JSON.

    Args:
        path: ends in .safetensors.
        state: nested dict (keys: str or int), list, tuple of tensors (any dtype), bool, int, float, str, None.
        about: what the state is, for a person or for a check at loading; also written to `path` with the ending
            .json, where it can be read without any tool.

    Raises:
        TypeError: the state holds something else.
    """
    tensors: dict[str, Tensor] = {}
    header = {"state": json.dumps(_flatten(state, tensors)), "about": json.dumps(about or {})}
    write_whole(path, lambda temporary: save_file(tensors, temporary, metadata=header))
    if about is not None:
        write_json(path.with_suffix(".json"), about)


def load_state(path: Path) -> Any:
    """Load what `save_state` saved; tensors on the CPU.

    Raises:
        RunError: the file is missing, broken, or no state.
    """
    header, tensors = _read(path, with_tensors=True)
    return _unflatten(json.loads(header["state"]), tensors)


def read_about(path: Path) -> dict[str, Any]:
    """What `save_state` was told in `about`. Raises RunError like `load_state`."""
    about: dict[str, Any] = json.loads(_read(path, with_tensors=False)[0]["about"])
    return about


def copy_state(state: Any) -> Any:
    """A copy of a nested state whose tensors share no memory with the original's and lie on the CPU."""
    if isinstance(state, Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: copy_state(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(copy_state(value) for value in state)
    return state


def _flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    """JSON in which {"tensor": name} stands for a tensor; every container is tagged, since keys may be integers."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # safetensors refuses tensors that share memory, so each is stored on its own.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str | int):
                raise TypeError(f"a state's keys are str or int, not {type(key).__name__}: {key!r}")
        return {"dict": [[key, _flatten(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_flatten(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value}
    raise TypeError(f"a state holds tensors, numbers, strings, None, dicts, lists and tuples, not {type(value)}")


def _unflatten(node: dict[str, Any], tensors: dict[str, Tensor]) -> Any:
    (kind, value), *_ = node.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _unflatten(item, tensors) for key, item in value}
    if kind in ("list", "tuple"):
        items = [_unflatten(item, tensors) for item in value]
        return tuple(items) if kind == "tuple" else items
    return value


def _read(path: Path, *, with_tensors: bool) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            header = dict(file.metadata() or {})
            names = file.keys() if with_tensors else ()
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise RunError(f"{path} is missing; name a folder or file that a run has written") from None
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} cannot be read ({error}); it is damaged or no safetensors file") from None
    if "state" not in header or "about" not in header:
        raise RunError(f"{path} holds no state written by ada-segment")
    return header, tensors
