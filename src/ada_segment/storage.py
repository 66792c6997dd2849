"""Files that are whole or absent, and nested states as one safetensors file, which cannot run code when read."""

import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save, save_file
from torch import Tensor

from ada_segment.errors import RunError

HASH = "sha256"
# fmt: off
STORED = frozenset({
    torch.bool, torch.uint8, torch.uint16, torch.uint32, torch.uint64,
    torch.int8, torch.int16, torch.int32, torch.int64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64,
    torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
})
# fmt: on
"""Kinds of tensors that safetensors has a name for."""


def write_whole(path: Path, write: Callable[[Path], object], *, durable: bool = True) -> None:
    """Let `write` make a temporary file beside `path`, flush it to the disk, and rename it to `path`.

    A reader sees the old file or the new one, never a part; after an error the old one is still there. What is not
    `durable` is not flushed: it may be lost when the machine stops.

    Raises:
        OSError: it cannot be written; names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_and_rename(path, write, durable=durable)
    except OSError as error:
        # A full disk comes without any name; what lies elsewhere has its own.
        if error.filename is not None and path.absolute().parent not in Path(error.filename).absolute().parents:
            raise
        raise type(error)(error.errno or 0, error.strerror or str(error), str(path)) from None
    if durable:
        _flush_folder(path.parent)


@contextmanager
def errors_of_the_disk(path: Path) -> Iterator[None]:
    """What safetensors calls an error of its own, as a full disk, is an OSError that names `path`."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(0, f"cannot be written ({error})", str(path)) from None


def _write_and_rename(path: Path, write: Callable[[Path], object], *, durable: bool) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    # What the user's umask has left of the permissions; safetensors puts a file for the user alone in its place.
    permissions = stat.S_IMODE(os.fstat(handle).st_mode)
    os.close(handle)
    try:
        write(temporary)
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.chmod(permissions)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_leftover(path: Path, names: Iterable[str]) -> bool:
    """Whether `path` is what a kill leaves of a file of one of these names (patterns) that was being written."""
    return any(fnmatchcase(path.name, f".{name}.{'[a-z0-9_]' * 8}") for name in names)


def remove_leftover(path: Path) -> None:
    """Remove what `is_leftover` knows: a file, or the folder of a state that was being written."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, without which a renamed file may have its old name after a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems know no such thing
        pass
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all; what is in it of names that are no UTF-8 as `printable`."""
    write_whole(path, lambda temporary: temporary.write_text(printable(text), encoding="utf-8"))


def printable(text: str) -> str:
    r"""Text that UTF-8 has: bytes of a file name that are none, as Windows' zips leave them, become "\udce9"."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all. NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def save_state(path: Path, state: object, *, about: dict[str, Any] | None = None, durable: bool = True) -> None:
    """Save a nested state as safetensors; all that is not a tensor goes into the file's header, as JSON.

    Args:
        path: ends in .safetensors.
        state: nested dict (keys: str or int), list, tuple of dense tensors, bool, int, float, str, None.
        about: what the state is, for a person or for a check at loading; also written to `path` with the ending
            .json, where it can be read without any tool.
        durable: flush to the disk and store a hash that `load_state` checks; if not, the file is for other processes.

    Raises:
        TypeError: the state holds something else; says where.
        OSError: the file cannot be written.
    """
    header, tensors = _parts(state, about)
    if durable:
        header[HASH] = _hash(header, tensors)

    def write(temporary: Path) -> None:
        # safetensors writes a file with a name of its own choice beside the one it is given; in here it is a leftover.
        with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as place:
            written = Path(place) / path.name
            with errors_of_the_disk(path):
                save_file(tensors, written, metadata=header)
            written.replace(temporary)

    write_whole(path, write, durable=durable)
    if about is not None:
        write_json(path.with_suffix(".json"), about)


def load_state(path: Path) -> Any:
    """Load what `save_state` saved; tensors on the CPU.

    Raises:
        RunError: the file is missing, broken, or no state; or its content is not what was saved.
    """
    header, tensors = _read(path, with_tensors=True)
    if HASH in header and header[HASH] != _hash(header, tensors):
        raise RunError(f"{path} is damaged: its content does not have the hash that it was saved with")
    return _nested(path, header, tensors)


def load_entry(path: Path, key: str) -> Any:
    """One entry of a dict that `save_state` saved; the others are not read, nor is their hash checked.

    Raises:
        RunError: like `load_state`, or there is no such entry.
    """
    header, _ = _read(path, with_tensors=False)
    try:
        node = dict(json.loads(header["state"])["dict"])[key]
        header = {"state": json.dumps(node)}
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in _tensor_names(node)}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path} holds no {key} ({type(error).__name__}: {error})") from None
    return _nested(path, header, tensors)


def fingerprint(state: object) -> str:
    """A hash of a nested state as `save_state` takes it, the same in every process."""
    return _hash(*_parts(state, None))


def state_to_bytes(state: object) -> bytes:
    """A nested state as `save_state` takes it, as bytes for another process."""
    header, tensors = _parts(state, None)
    return save(tensors, metadata=header)


def state_from_bytes(content: bytes) -> Any:
    """The state of `state_to_bytes`. Raises RunError when it is none."""
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])["__metadata__"]
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"a state from another process is damaged: {error}") from None
    return _nested(Path("a state"), header, tensors)


def read_about(path: Path) -> dict[str, Any]:
    """What `save_state` was told in `about`. Raises RunError like `load_state`."""
    try:
        about: Any = json.loads(_read(path, with_tensors=False)[0]["about"])
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict):
        raise RunError(f"{path} does not say what it holds; it was not written by ada-segment")
    return about


def copy_state(state: Any) -> Any:
    """A copy of a nested state whose tensors share no memory with the original's and lie on the CPU.

    Raises:
        TypeError: it holds something else than `save_state` can store, which might not be copied either; says where.
    """
    return _copied(state, "state")


def _copied(value: Any, where: str) -> Any:
    if isinstance(value, Tensor):
        return _storable(value, where).to("cpu", copy=True)
    if isinstance(value, dict):
        return {_key(key, where): _copied(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_copied(item, f"{where}[{index}]") for index, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return _plain(value, where)


def _parts(state: object, about: dict[str, Any] | None) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a file that holds `state`."""
    tensors: dict[str, Tensor] = {}
    return {"state": json.dumps(_flatten(state, tensors, "state")), "about": json.dumps(about or {})}, tensors


def _hash(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of all that a file says: header, and each tensor's name, type, shape and bytes."""
    found = hashlib.sha256("\0".join((header["state"], header["about"])).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"\0{name} {tensor.dtype} {list(tensor.shape)}\0".encode())
        # One that has a single element is contiguous whatever its stride, but cannot be looked at as bytes.
        found.update(tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _nested(path: Path, header: Mapping[str, str], tensors: dict[str, Tensor]) -> Any:
    try:
        return _unflatten(json.loads(header["state"]), tensors)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path} holds no state written by ada-segment ({type(error).__name__}: {error})") from None


def _flatten(value: Any, tensors: dict[str, Tensor], where: str) -> Any:
    """JSON in which {"tensor": name} stands for a tensor; every container is tagged, since keys may be integers."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # safetensors refuses tensors that share memory, so each is stored on its own.
        tensors[name] = _storable(value, where).to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        items = [[_key(key, where), _flatten(item, tensors, f"{where}[{key!r}]")] for key, item in value.items()]
        return {"dict": items}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_flatten(item, tensors, f"{where}[{index}]") for index, item in enumerate(value)]}
    return {"value": _plain(value, where)}


def _key(key: Any, where: str) -> str | int:
    if isinstance(key, str | int):
        return key
    raise TypeError(f"{where} has the key {key!r}; a state's keys are str or int, not {type(key).__name__}")


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"{where} is {type(value)}; a state holds tensors, numbers, strings, None, dicts, lists and tuples: of an "
        "array make a tensor, and leave out what can be made anew"
    )


def _storable(tensor: Tensor, where: str) -> Tensor:
    """The tensor without its graph, where safetensors has a name for its kind."""
    plain = tensor.layout is torch.strided and not (tensor.is_meta or tensor.is_nested)
    if plain and tensor.dtype in STORED:
        return tensor.detach()
    kind = "without data (on the device meta)" if tensor.is_meta else f"of {tensor.dtype}, {tensor.layout}"
    raise TypeError(
        f"{where} is a tensor {kind}, which no safetensors file holds; of a sparse one make a dense one, of wide "
        "complex numbers torch.view_as_real"
    )


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


def _tensor_names(node: dict[str, Any]) -> Iterator[str]:
    """The tensors that a node of `_flatten` stands for."""
    (kind, value), *_ = node.items()
    if kind == "tensor":
        yield value
    elif kind in ("dict", "list", "tuple"):
        for item in value:
            yield from _tensor_names(item[1] if kind == "dict" else item)


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
