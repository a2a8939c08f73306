"""scripts/autoencoder_limits.py: the error of PCA against its closed form."""

import numpy as np
import pytest
from scripts.autoencoder_limits import pca_error


@pytest.mark.parametrize(("components", "expected"), [(1, 5.0), (2, 1.0), (3, 0.0)])
def test_pca_error_is_the_variance_of_the_omitted_directions(components: int, expected: float) -> None:
    # Orthogonal directions of variance 9, 4 and 1 about a mean that is not 0.
    codes = np.array(np.meshgrid([-3, 3], [-2, 2], [-1, 1])).reshape(3, -1).T.astype(np.float64)
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 3)))[0].T
    images = codes @ directions + 0.5
    assert pca_error(images, images, components) == pytest.approx(expected, abs=1e-9)
