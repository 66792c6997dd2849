"""Lightning Fabric, imported without torchmetrics.

To compare its version, Lightning Fabric imports torchmetrics wherever it is installed, as it is beside the library
lightning, and scipy, matplotlib and transformers come with it: a third of the seconds that each process of a run takes
to start. The version is in the package's metadata.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

ASKED_FOR_ITS_VERSION = "torchmetrics"


@contextmanager
def only_its_version(package: str) -> Iterator[None]:
    """While open, `import package` gives a module that has a version and nothing else, unless it is there already."""
    try:
        stand_in = ModuleType(package)
        stand_in.__dict__["__version__"] = version(package)
    except PackageNotFoundError:
        stand_in = None
    if stand_in is None or package in sys.modules:
        yield
        return
    sys.modules[package] = stand_in
    try:
        yield
    finally:
        del sys.modules[package]


with only_its_version(ASKED_FOR_ITS_VERSION):
    from lightning_fabric import Fabric

__all__ = ["Fabric"]
