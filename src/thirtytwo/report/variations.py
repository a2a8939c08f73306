"""Questions about one setting, answered by runs that differ in nothing else: one function for each question.

A function takes a data set and returns a text, or None without such runs.
"""

from itertools import pairwise

from thirtytwo.report import wording
from thirtytwo.report.results import SetResult
from thirtytwo.report.wording import groups, judged_by, lowest, score

__all__ = ["annealing", "architecture", "beta", "latent_size", "modules", "noise_schedule", "timesteps"]


def latent_size(dataset: SetResult) -> str | None:
    """Distortion of autoencoders and FD of GANs by the size of the code and of the network."""
    texts = []
    for family, needed in (("autoencoder", "distortion"), ("gan", "fd_classifier")):
        for group in groups(dataset, family, needed, ("latent_dim", "width")):
            key, title = judged_by(group) if family == "gan" else (needed, "Squared error per image")
            sizes = sorted(group, key=lambda run: (run.model["latent_dim"], run.model["width"]))
            parts = [
                f"`{run.name}` (latent {run.model['latent_dim']}, hidden {run.model['width']}) {score(run, key)}"
                for run in sizes
            ]
            texts.append(f"{title}: {', '.join(parts)}. {lowest(group, key)}")
    return " ".join(texts) or None


def beta(dataset: SetResult) -> str | None:
    """Distortion and rate of autoencoders that differ only in beta."""
    texts = []
    for group in groups(dataset, "autoencoder", "distortion", ("beta", "variational")):
        values = sorted(group, key=lambda run: run.model["beta"])
        parts = [
            f"beta {run.model['beta']:g} (`{run.name}`): distortion {score(run, 'distortion')}"
            + (f", rate {run.metric('rate_nats'):.3g} nats" if run.metric("rate_nats") is not None else "")
            + (f", FD of the samples {score(run, 'fd_classifier')}" if run.scored else "")
            + (f", their edges {score(run, 'edges')} of real ones" if run.metric("edges") is not None else "")
            for run in values
        ]
        steps = [wording.difference(a, b, "distortion") for a, b in pairwise(values)]
        sides, gaps = {side for side, _ in steps}, "; ".join(gap for _, gap in steps)
        end = "whether the distortion falls is not known from one training"
        if sides == {"lower"}:
            end = f"the distortion{wording.one_training(values)} falls, beyond chance"
        elif "higher" in sides:
            end = f"the distortion{wording.one_training(values)} does not always fall"
        texts.append(
            f"{'; '.join(parts)}. Towards beta = 0, {end} ({gaps}). At beta = 0 the loss is the reconstruction alone, the "
            "rate is free, and the VAE is an autoencoder."
        )
    return " ".join(texts) or None


def annealing(dataset: SetResult) -> str | None:
    """A beta that rises during training against a constant one."""
    texts = []
    for group in groups(dataset, "autoencoder", "distortion", ("beta_schedule",)):
        by_schedule = {run.model["beta_schedule"]: run for run in group}
        if {"constant", "linear"} <= by_schedule.keys():
            fixed, rising = by_schedule["constant"], by_schedule["linear"]
            side, gap = wording.difference(rising, fixed, "distortion")
            verb = {"lower": "improves the reconstruction", "higher": "worsens the reconstruction"}.get(side)
            ending = f"Annealing {verb}{wording.one_training((rising, fixed))}" if verb else (
                "Whether annealing improves the reconstruction is not known from one training"
            )  # fmt: skip
            texts.append(
                f"Squared error on held-out images: {score(rising, 'distortion')} with beta rising from 0 "
                f"(`{rising.name}`), {score(fixed, 'distortion')} with constant beta (`{fixed.name}`). {ending} "
                f"({gap}). {wording.samples_of_both(rising, fixed)}."
            )
    return " ".join(texts) or None


def modules(dataset: SetResult) -> str | None:
    """What BatchNorm and LeakyReLU do for a GAN."""
    texts = []
    for key, title, base in (
        ("activation", "ReLU in place of LeakyReLU in the discriminator", "leaky_relu"),
        ("batch_norm", "No BatchNorm", True),
    ):
        for group in groups(dataset, "gan", "fd_classifier", (key,)):
            reference = next((run for run in group if run.model[key] == base), None)
            for run in group:
                if reference is not None and run is not reference:
                    covered = f", {wording.cover(run)} classes" if run.metric("classes") else ""
                    texts.append(f"{title} (`{run.name}`){covered}: {wording.samples_of_both(run, reference)}.")
    return " ".join(texts) or None


def noise_schedule(dataset: SetResult) -> str | None:
    """Diffusion models that differ only in the schedule of the noise."""
    return _settings(dataset, ("schedule",), "schedule {schedule}")


def timesteps(dataset: SetResult) -> str | None:
    """Diffusion models that differ only in T."""
    return _settings(dataset, ("timesteps",), "T = {timesteps}")


def architecture(dataset: SetResult) -> str | None:
    """Diffusion models that differ only in the size of their UNets."""
    sizes = ("width", "width_multipliers", "blocks", "attention_resolutions")
    return _settings(dataset, sizes, "width {width} times {width_multipliers}")


def _settings(dataset: SetResult, free: tuple[str, ...], words: str) -> str | None:
    """The scores of diffusion models that differ only in the settings `free`, which `words` names."""
    texts = []
    for group in groups(dataset, "diffusion", "fd_classifier", free):
        key, title = judged_by(group)
        parts = []
        for run in sorted(group, key=lambda run: [str(run.model[name]) for name in free]):
            size = run.result("parameters_denoiser").value
            millions = f", {size / 1e6:.2g} M parameters" if size and "width" in free else ""
            parts.append(f"{words.format(**run.model)} (`{run.name}`{millions}) {score(run, key)}")
        texts.append(f"{title}: {'; '.join(parts)}. {lowest(group, key)}")
    return " ".join(texts) or None
