"""classifier: trains the data set's classifier; writes its weights and its accuracy on the test split."""

import json
import sys
import time
from pathlib import Path

from thirtytwo.core.device import set_up
from thirtytwo.data.batches import load
from thirtytwo.evaluate.classes import accuracy
from thirtytwo.features.extraction import extract
from thirtytwo.features.training import save, train
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CheckpointError, EvaluationError, ParamsError, TrainingError
from thirtytwo.runtime.interrupt import StopSignals
from thirtytwo.settings import configs
from thirtytwo.settings.classifier import ClassifierConfig

ROOT = Path(__file__).resolve().parents[1]


def main(name: str) -> None:
    """Writes data/classifiers/<set>.pt and metrics/classifier/<set>.json."""
    settings = configs.read(ClassifierConfig, "classifier", name, ROOT)
    device, start = set_up(settings.compute), time.monotonic()
    data = load(ROOT / "data" / "prepared" / f"{name}.npz")
    model = train(data, settings.classifier, seed=settings.seed, device=device, exit_code=StopSignals().exit_code)
    seconds = time.monotonic() - start
    test = data.only("test")
    _, probabilities = extract(test.images, model, f"the test split of {name}")
    share, low, high = accuracy(probabilities.argmax(axis=1), test.labels)
    save(model, data.classes, ROOT / "data" / "classifiers" / f"{name}.pt")
    metrics = {
        "accuracy_test": share,
        "accuracy_test_low": low,
        "accuracy_test_high": high,
        "n_test": len(test.labels),
        "parameters": sum(weight.numel() for weight in model.parameters()),
    }
    log = {"seconds": seconds, "device": str(device), "threads": settings.compute.threads}
    for folder, content in (("metrics", metrics), ("logs", log)):
        files.write(ROOT / folder / "classifier" / f"{name}.json", f"{json.dumps(content, indent=1)}\n".encode())
    print(f"{name}: {share:.2%} of {len(test.labels)} test images (95 % interval {low:.2%} to {high:.2%})")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (ParamsError, TrainingError, EvaluationError, CheckpointError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
