"""FieldMirror: keeps a dense field in the daemon equal to an array of this process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .client import Client
from .fields import Field


class FieldMirror:
    """One field that this process alone writes to: AbortedError where another one does."""

    def __init__(self, client: Client, field: str | Field, values: npt.NDArray[Any] | None = None) -> None:
        """values: what the field is known to hold."""
        self._client = client
        self._lock = threading.Lock()
        self._field = field if isinstance(field, Field) else client.fields.get(field)  # guarded by _lock
        self._values = None if values is None else self._stored(values)  # what the daemon has; guarded by _lock

    @property
    def field(self) -> Field:
        return self._field

    @contextlib.contextmanager
    def holding(self, values: npt.NDArray[Any] | None) -> Iterator[Field]:
        """The field as it is once it holds `values` (None: what it holds), for as long as the context lasts.

        Values are compared, not version counters of their owner: those miss some ways of writing to a tensor.
        """
        with self._lock:
            if values is not None:
                values = self._stored(values)
                if self._values is None or not np.array_equal(values, self._values):
                    self._field = self._client.fields.update(self._field, values, expected_version=self._field.version)
                    self._values = values
            yield self._field

    def _stored(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A copy of the field's dtype, and of its shape where just the single channel is lacking."""
        grid = self._field.dense_grid
        copy = np.array(values, values.dtype if grid is None else grid.dtype, order="C")
        return copy[..., np.newaxis] if grid is not None and (*copy.shape, 1) == grid.shape else copy
