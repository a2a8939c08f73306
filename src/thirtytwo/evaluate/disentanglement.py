"""Disentanglement of codes of real images whose true factors are known: MIG, DCI and SAP.

All take the mean representation, mu(x), as Locatello et al. 2019 do. scikit-learn is imported where it is used: it takes
seconds, and most runs have no factors.
"""

import numpy as np

from thirtytwo.evaluate.latent_space import categories, one_hot, r2
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["dci", "disentanglement", "mutual_information_gap", "separated_attribute_predictability"]

_BINS = 20  # of a continuous factor or code, Locatello et al. 2019, appendix C
_TREES = 30


def disentanglement(codes: np.ndarray, factors: np.ndarray) -> dict[str, float]:
    """Scores in [0, 1] of codes [N, D] against factors [N, F]: mig, dci_disentanglement, dci_completeness,
    dci_informativeness and sap; a factor or code that never changes is left out.

    Raises:
        EvaluationError: fewer than two codes or no factor that changes, or different numbers of images.
    """  # fmt: skip
    if len(codes) != len(factors) or codes.ndim != 2 or factors.ndim != 2:
        raise EvaluationError(f"expected codes [N, D] and factors [N, F], got {codes.shape} and {factors.shape}")
    codes, factors = (array[:, np.ptp(array, axis=0) > 0].astype(np.float64) for array in (codes, factors))
    if codes.shape[1] < 2 or factors.shape[1] < 1 or len(codes) < _BINS:
        raise EvaluationError(
            f"disentanglement needs {_BINS} images, 2 codes and 1 factor that change; got {len(codes)}, "
            f"{codes.shape[1]} and {factors.shape[1]}"
        )
    return {
        "mig": mutual_information_gap(codes, factors),
        **dci(codes, factors),
        "sap": separated_attribute_predictability(codes, factors),
    }


def mutual_information_gap(codes: np.ndarray, factors: np.ndarray) -> float:
    """Mean over factors v of (I(z_j; v) of the best code less that of the second best) / H(v); Chen et al. 2018, eq. 6.

    From histograms of 20 bins; their bias is nearly the same for all codes and drops out of the difference.
    """
    from sklearn.metrics import mutual_info_score

    bins = [_binned(column) for column in codes.T]
    gaps = []
    for column in factors.T:
        v = _binned(column) if categories(column) is None else np.unique(column, return_inverse=True)[1]
        second, best = np.sort([mutual_info_score(v, z) for z in bins])[-2:]
        gaps.append((best - second) / mutual_info_score(v, v))  # I(v; v) = H(v)
    return float(np.mean(gaps))


def dci(codes: np.ndarray, factors: np.ndarray) -> dict[str, float]:
    """Disentanglement, completeness and informativeness (Eastwood & Williams 2018, section 2).

    A random forest on the first half of the images predicts each factor; R [D, F] are its importances, made to sum to
    1 for each factor. Informativeness is the mean R^2 of the predictions on the second half.
    """
    from sklearn.ensemble import RandomForestRegressor

    half = len(codes) // 2
    columns, informativeness = [], []
    for column in factors.T:
        target = one_hot(column, categories(column))
        forest = RandomForestRegressor(_TREES, min_samples_leaf=3, random_state=0)
        forest.fit(codes[:half], target[:half].squeeze())
        predicted = forest.predict(codes[half:]).reshape(target[half:].shape)
        informativeness.append(r2(target[half:], predicted))
        columns.append(forest.feature_importances_)
    importance = np.stack(columns, axis=1)
    weight = importance.sum(axis=1) / importance.sum()  # rho_i
    return {
        "dci_disentanglement": float((weight * _concentration(importance)).sum()),
        "dci_completeness": float(_concentration(importance.T).mean()),
        "dci_informativeness": float(np.mean(informativeness)),
    }


def _concentration(importance: np.ndarray) -> np.ndarray:
    """1 - H_K(p) of each row of [N, K], entropy to the base K: 1 where one entry has all, 0 where all are equal."""
    total = importance.sum(axis=1, keepdims=True)
    p = np.divide(importance, total, out=np.full_like(importance, 1 / importance.shape[1]), where=total > 0)
    if importance.shape[1] == 1:
        return np.ones(len(p))
    return 1 + (p * np.log(np.where(p > 0, p, 1))).sum(axis=1) / np.log(importance.shape[1])


def separated_attribute_predictability(codes: np.ndarray, factors: np.ndarray) -> float:
    """Mean over factors of the score of the best code less that of the second best; Kumar et al. 2018, section 3.

    The score of a code is R^2 of the linear regression of a continuous factor on it; for a category the balanced
    accuracy of thresholds on it, one less than categories, set on the first half of the images and scored on the rest.
    """
    half = len(codes) // 2
    gaps = []
    for column in factors.T:
        values = categories(column)
        if values is None:
            scores = np.corrcoef(codes.T, column)[-1, :-1] ** 2
        else:
            scores = np.array([_threshold_accuracy(z, column, len(values), half) for z in codes.T])
        second, best = np.sort(scores)[-2:]
        gaps.append(best - second)
    return float(np.mean(gaps))


def _threshold_accuracy(code: np.ndarray, labels: np.ndarray, classes: int, half: int) -> float:
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_leaf_nodes=classes, class_weight="balanced", random_state=0)
    tree.fit(code[:half, None], labels[:half])
    return float(balanced_accuracy_score(labels[half:], tree.predict(code[half:, None])))


def _binned(column: np.ndarray) -> np.ndarray:
    """The number of the bin of each value, among 20 of equal width from the smallest to the largest."""
    edges = np.linspace(column.min(), column.max(), _BINS + 1)
    return np.digitize(column, edges[1:-1])
