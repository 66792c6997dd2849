"""Errors that a user can act on: the command line shows their text alone, never a traceback."""


class AdaSegmentError(Exception):
    """Base of all errors below. Its text names the file, key or value at fault and the way out."""


class ConfigError(AdaSegmentError):
    """A setting is unknown, of the wrong type, or out of its bounds."""


class DataError(AdaSegmentError):
    """A file or folder of the data is missing, unreadable or contradicts another one."""


class LossError(AdaSegmentError):
    """A model's losses are missing, unknown or not finite, or a weight of one is not usable."""


class RunError(AdaSegmentError):
    """A run folder exists already, is incomplete, or does not fit what is asked of it."""


class SearchError(AdaSegmentError):
    """A search cannot go on: every member of a round failed, twice."""
