"""Score against CPU-seconds of training: our runs and other packages' recipes, on the same images, judge and thread.

    python benchmarks/time_to_quality.py [--dataset digits5k] [--seconds 300] [--images 500] [--points 5] [--out FOLDER]
        [--only PEER ...]

Run it in a repository whose pipeline has made the data set's images, classifier and floor. Each peer trains by its own
published recipe, named at its function below, for `--seconds` of CPU time and draws `--images` images at `--points` times.
Ours train as their run in params.yaml says, and draw as many from each of ten snapshots. All are scored alike; only training
counts as training time. One thread.
Peers need packages that this project does not install:

    pip install denoising-diffusion-pytorch==2.3.4 pythae==0.1.2 accelerate ema-pytorch einops

The table says how many CPU-seconds ours needed for a score as low as a peer's last one. No peer takes labels; of ours, those
that do draw as many images of each class, which lowers FD a little: the floor at the same N is printed for both.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from matplotlib.ticker import LogLocator, NullLocator
from tabulate import tabulate
from torch import Tensor, nn

from thirtytwo.data.batches import ImageSet, load, to_uint8
from thirtytwo.evaluate import frechet
from thirtytwo.evaluate.floor import real_pair
from thirtytwo.evaluate.real import Real, read_real
from thirtytwo.features.extraction import extract, load_classifier
from thirtytwo.models import build
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime.files import sha256
from thirtytwo.runtime.project import Project
from thirtytwo.sampling.drawing import Task, cycle_labels, first
from thirtytwo.settings.families import read_sample, read_train
from thirtytwo.training.run import train_run

CPU = torch.device("cpu")
OURS = {"diffusion": "cddpm", "autoencoder": "cvae", "gan": "dcgan"}  # the run that stands beside the peers of a family
SNAPSHOTS = 10  # of a run of ours, each of which is scored
STEPS = 20  # of DDIM for the diffusion peers' samples, whose default of 250 or 1 000 steps takes hours on a CPU


class Row(NamedTuple):
    """A point of a curve; seconds are of CPU time, those of drawing for each image."""

    name: str
    family: str
    step: int
    train_seconds: float
    draw_seconds: float
    fd: float


class Peer(NamedTuple):
    """A recipe: `step` trains on images [B, C, 32, 32] in [0, 1], `draw` returns n images in [0, 1]."""

    name: str
    family: str
    batch: int
    step: Callable[[Tensor], None]
    draw: Callable[[int], Tensor]


def lucidrains(channels: int) -> Peer:
    """denoising-diffusion-pytorch, the example of its README: Unet(64, (1, 2, 4, 8)), batch 32, Adam 8e-5, EMA 0.995."""
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet
    from ema_pytorch import EMA

    net = Unet(dim=64, dim_mults=(1, 2, 4, 8), channels=channels, flash_attn=False)
    diffusion = GaussianDiffusion(net, image_size=32, timesteps=1000, sampling_timesteps=STEPS)
    optimiser = torch.optim.Adam(diffusion.parameters(), lr=8e-5, betas=(0.9, 0.99))
    ema = EMA(diffusion, beta=0.995, update_every=10)

    def step(images: Tensor) -> None:
        descend(optimiser, diffusion(images), diffusion, 1.0)
        ema.update()

    return Peer("denoising-diffusion-pytorch", "diffusion", 32, step, lambda n: ema.ema_model.sample(batch_size=n))


def diffusers_example(channels: int) -> Peer:
    """diffusers' example train_unconditional.py: batch 16, AdamW 1e-4 after a warm-up of 500 steps, EMA as it sets it."""
    from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
    from diffusers.training_utils import EMAModel

    net = UNet2DModel(
        sample_size=32, in_channels=channels, out_channels=channels, layers_per_block=2,
        block_out_channels=(128, 128, 256, 256, 512, 512),
        down_block_types=("DownBlock2D",) * 4 + ("AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D") + ("UpBlock2D",) * 4,
    )  # fmt: skip
    noising, solver = DDPMScheduler(1000), DDIMScheduler(1000)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6)
    warmup = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / 500))
    ema = EMAModel(net.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)

    def step(images: Tensor) -> None:
        x, noise = 2 * images - 1, torch.randn_like(images)
        t = torch.randint(0, 1000, (len(x),))
        loss = F.mse_loss(net(noising.add_noise(x, noise, t), t).sample, noise)
        descend(optimiser, loss, net, 1.0)
        warmup.step()
        ema.step(net.parameters())

    def draw(n: int) -> Tensor:
        ema.store(net.parameters())
        ema.copy_to(net.parameters())
        solver.set_timesteps(STEPS)
        x = torch.randn(n, channels, 32, 32)
        for t in solver.timesteps:
            x = solver.step(net(x, t).sample, t, x).prev_sample
        ema.restore(net.parameters())
        return (x + 1) / 2

    return Peer("diffusers' example", "diffusion", 16, step, draw)


def pythae_vae(channels: int) -> Peer:
    """pythae's VAE with its default networks and training settings: latent 16, batch 64, Adam 1e-4."""
    from pythae.data.datasets import DatasetOutput
    from pythae.models import VAE, VAEConfig

    model = VAE(VAEConfig(input_dim=(channels, 32, 32), latent_dim=16))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)

    def step(images: Tensor) -> None:
        descend(optimiser, model(DatasetOutput(data=images)).loss, model)

    def draw(n: int) -> Tensor:
        return model.decoder(torch.randn(n, 16)).reconstruction

    return Peer("pythae's VAE", "autoencoder", 64, step, draw)


def dcgan_tutorial(channels: int) -> Peer:
    """PyTorch's DCGAN tutorial, less its last stage of 64x64: width 64, latent 100, batch 128, Adam 2e-4, beta1 0.5."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(100, 256, 4, 1, 0, bias=False), nn.BatchNorm2d(256), nn.ReLU(True),
        nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(True),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True),
        nn.ConvTranspose2d(64, channels, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(channels, 64, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2, True),
        nn.Conv2d(128, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.LeakyReLU(0.2, True),
        nn.Conv2d(256, 1, 4, 1, 0, bias=False), nn.Flatten(0),
    )  # fmt: skip
    for module in [*generator, *discriminator]:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    adams = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (discriminator, generator)]

    def loss(outputs: Tensor, target: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, torch.full_like(outputs, target))

    def step(images: Tensor) -> None:
        fake = generator(torch.randn(len(images), 100, 1, 1))
        real = loss(discriminator(2 * images - 1), 1.0)
        descend(adams[0], real + loss(discriminator(fake.detach()), 0.0), discriminator)
        descend(adams[1], loss(discriminator(fake), 1.0), generator)

    def draw(n: int) -> Tensor:
        generator.eval()
        images = (generator(torch.randn(n, 100, 1, 1)) + 1) / 2
        generator.train()
        return images

    return Peer("PyTorch's DCGAN tutorial", "gan", 128, step, draw)


PEERS = {"lucidrains": lucidrains, "diffusers": diffusers_example, "pythae": pythae_vae, "dcgan": dcgan_tutorial}


def descend(optimiser: torch.optim.Optimizer, loss: Tensor, net: nn.Module, clip: float = 0.0) -> None:
    """One step of the optimiser; `clip` bounds the norm of the gradient."""
    optimiser.zero_grad()
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(net.parameters(), clip)
    optimiser.step()


def train_peer(
    peer: Peer, images: Tensor, seconds: float, count: int, points: int, fd: Callable[[Tensor], float]
) -> list[Row]:
    """Train for `seconds`, and score `count` samples at `points` equally spaced times."""
    rng, spent, step, rows = torch.Generator().manual_seed(0), 0.0, 0, []
    for point in range(1, points + 1):
        while spent < seconds * point / points:
            batch = images[torch.randint(0, len(images), (peer.batch,), generator=rng)]
            start = time.process_time()
            peer.step(batch)
            spent, step = spent + time.process_time() - start, step + 1
        start = time.process_time()
        with torch.no_grad():
            drawn = torch.cat([peer.draw(min(50, count - done)) for done in range(0, count, 50)])
        drawing = (time.process_time() - start) / count
        rows.append(Row(peer.name, peer.family, step, spent, drawing, fd(2 * drawn.clamp(0, 1) - 1)))
        print(rows[-1], flush=True)
    return rows


def train_ours(run: str, project: Project, data: ImageSet, count: int, fd: Callable[[Tensor], float]) -> list[Row]:
    """Train a run anew, and score `count` samples of its snapshots."""
    cfg = read_train(run, project)
    budget = cfg.settings.steps or cfg.settings.epochs * (len(data.only("train").images) // cfg.settings.batch_size)
    often = cfg.settings.model_copy(update={"snapshot_every": max(1, budget // SNAPSHOTS)})
    cfg = cfg.model_copy(update={"settings": often})
    begin, times = time.process_time(), [0.0]

    def step_done() -> int:
        times.append(time.process_time() - begin)
        return 0

    with tempfile.TemporaryDirectory() as folder:
        _, snapshots = train_run(
            cfg, data, parent=project.root / cfg.parent / "0.pt", device=CPU, checkpoints=Path(folder),
            exit_code=step_done, curve=Path(folder) / "curve.csv",
        )  # fmt: skip
    model: Any = build.untrained(cfg, data.images.shape[3], len(data.classes))
    model.modules.eval().requires_grad_(False)
    task, rows = Task(read_sample(run, project), data, CPU), []
    drawer = import_module(f"thirtytwo.sampling.{cfg.family}.sample").drawer
    for step, state in snapshots.items():
        for name, weights in state.items():
            model.modules[name].load_state_dict(weights)
        start = time.process_time()
        images = first(drawer(model, task), count, cycle_labels(model, count, len(data.classes)))
        seconds = (time.process_time() - start) / count
        rows.append(Row(f"ThirtyTwo, {run}", cfg.family, step, times[step], seconds, fd(images)))
        print(rows[-1], flush=True)
    return rows


def table(rows: list[Row]) -> str:
    """Each peer beside ours: the last scores, and our time to the peer's."""
    by_name = {name: [row for row in rows if row.name == name] for name in dict.fromkeys(row.name for row in rows)}
    ours = {curve[0].family: curve for name, curve in by_name.items() if name.startswith("ThirtyTwo")}
    lines = []
    for name, curve in by_name.items():
        last, own = curve[-1], ours.get(curve[0].family, [])
        reached = next((row.train_seconds for row in own if row.fd <= last.fd), None)
        ratio = f"{last.train_seconds / reached:.1f}" if reached else "not reached"
        lines.append([
            name, last.step, f"{last.train_seconds:.0f}", f"{last.fd:.2f}", f"{1000 * last.draw_seconds:.1f}",
            "" if own is curve else f"{reached:.0f}" if reached else "", "" if own is curve else ratio,
        ])  # fmt: skip
    head = ["", "steps", "train, CPU-s", "FD", "draw, CPU-ms an image", "ours to that FD, CPU-s", "ratio"]
    return tabulate(lines, head, tablefmt="github")


def plot(rows: list[Row], path: Path) -> None:
    """FD over CPU-seconds, a panel a family."""
    families = dict.fromkeys(row.family for row in rows)
    figure, axes = plt.subplots(1, len(families), figsize=(11, 3.8), squeeze=False, layout="constrained")
    for axis, family in zip(axes[0], families, strict=True):
        for name in dict.fromkeys(row.name for row in rows if row.family == family):
            curve = [row for row in rows if row.name == name]
            axis.plot([row.train_seconds for row in curve], [row.fd for row in curve], marker="o", label=name)
        axis.set(title=family, xlabel="CPU-seconds of training", ylabel="FD", xscale="log", yscale="log")
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
            scale.set_major_formatter("{x:g}")
            scale.set_minor_locator(NullLocator())
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    figure.savefig(path, bbox_inches="tight", dpi=120)


def scorer(real: Real, project: Project, dataset: str) -> Callable[[Tensor], float]:
    """FD of images [N, C, 32, 32] in [-1, 1] against the reference."""
    judge, _ = load_classifier(Classifier, project.judge(dataset), CPU)
    fitted = frechet.statistics(real.reference.features)
    return lambda images: frechet.distance_to(extract(to_uint8(images).numpy(), judge)[0], *fitted)


def main() -> None:
    """Train, score, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="digits5k")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("time_to_quality"))
    parser.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    project = Project.containing(Path.cwd())
    data = load(project.prepared(args.dataset))
    real = read_real(project.features(args.dataset), "train", sha256(project.judge(args.dataset)))
    fd = scorer(real, project, args.dataset)
    images = torch.from_numpy(data.only("train").images).permute(0, 3, 1, 2).float() / 255
    peers = [PEERS[name](images.shape[1]) for name in args.only]
    rows = [row for peer in peers for row in train_peer(peer, images, args.seconds, args.images, args.points, fd)]
    families = dict.fromkeys(peer.family for peer in peers)
    rows += [row for family in families for row in train_ours(OURS[family], project, data, args.images, fd)]
    args.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(args.out / "time_to_quality.csv", index=False)
    plot(rows, args.out / "time_to_quality.png")
    features, floors = real.images.features, []
    for strata in (None, real.images.labels):
        pair = real_pair(real.split, "train", args.images, 1, strata=strata)
        floors.append(frechet.distance_to(features[pair.samples], *frechet.statistics(features[pair.reference])))
    print(f"{args.dataset}, N = {args.images}, one thread; floor {floors[0]:.3f}, with equal classes {floors[1]:.3f}")
    print(table(rows))


if __name__ == "__main__":
    main()
