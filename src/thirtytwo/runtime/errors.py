"""The one error of the data side."""

__all__ = ["DataError"]


class DataError(ValueError):
    """Data that cannot be had, unpacked or prepared; the message names the file, what was expected and what to do."""
