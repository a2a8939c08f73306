"""Reading of arrays from files that are missing, damaged or incomplete."""

import numpy as np
import pytest

from thirtytwo.core.arrays import read_arrays
from thirtytwo.runtime.errors import EvaluationError


def test_files_missing_damaged_or_without_the_array_are_refused(tmp_path):
    path = tmp_path / "vae.npz"
    with pytest.raises(EvaluationError, match="no such file"):
        read_arrays(path, ("images",))
    np.savez(path, labels=np.arange(1000))
    with pytest.raises(EvaluationError, match="images"):
        read_arrays(path, ("images",))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(EvaluationError, match="damaged"):
        read_arrays(path, ("labels",))
