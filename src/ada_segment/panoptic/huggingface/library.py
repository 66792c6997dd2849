"""The transformers library, imported where it is used."""

from typing import Any

from ada_segment.errors import ConfigError


def transformers_for(what: str) -> Any:
    """The module `transformers`. Raises ConfigError, naming the extra, where it or SciPy (its matcher) is missing."""
    try:
        import scipy.optimize  # noqa: F401
        import transformers
    except ImportError:
        raise ConfigError(f"{what} needs transformers and SciPy: pip install 'ada-segment[hf]'") from None
    return transformers
