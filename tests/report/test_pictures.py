"""Pictures keep every pixel; plots fit their names; numbers have the digits that their intervals support."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from thirtytwo.core.intervals import Estimate
from thirtytwo.core.tiling import grid_png
from thirtytwo.report import pictures, plots, samples, wording
from thirtytwo.report.plots import Point, Series
from thirtytwo.report.reading import load
from thirtytwo.runtime.project import Project


def test_real_images_take_turns_through_the_classes():
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    assert pictures.spread_over_classes(labels, 6).tolist() == [0, 3, 5, 1, 4, 6]
    assert pictures.spread_over_classes(labels, 99).tolist() == [0, 3, 5, 1, 4, 6, 2, 7]


def test_tiles_keep_every_pixel(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32, 3), np.uint8)
    pictures.rows(tmp_path / "rows.webp", images, framed=(1,))
    with Image.open(tmp_path / "rows.webp") as image:
        shown = np.asarray(image.convert("RGBA"))
    assert shown.shape == (2 * 33 + 1, 3 * 33 + 1, 4)
    for row in range(2):
        for column in range(3):
            part = shown[33 * row + 1 : 33 * row + 33, 33 * column + 1 : 33 * column + 33]
            assert (part[..., :3] == images[row, column]).all()
            assert (part[..., 3] == 255).all()
    assert (shown[10, 33] == (255, 128, 0, 255)).all()
    assert (shown[10, 0] == (255, 255, 255, 0)).all()  # a transparent gap


@pytest.mark.parametrize("channels", [1, 3])
def test_stage_grid_is_read_back(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, channels), np.uint8)
    (tmp_path / "grid.png").write_bytes(grid_png(images, 4))
    tiles = pictures.stage_tiles(tmp_path / "grid.png")
    assert tiles.shape == (3, 4, 32, 32, 3)
    assert (tiles.reshape(12, 32, 32, 3) == np.broadcast_to(images, (12, 32, 32, 3))).all()


def test_cards_are_enlarged_twice(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 1), np.uint8)
    pictures.board(tmp_path / "card.webp", images, 3, scale=2)
    with Image.open(tmp_path / "card.webp") as image:
        shown = np.asarray(image.convert("RGB"))
    assert shown.shape == (2 * (2 * 33 + 1), 2 * (3 * 33 + 1), 3)  # the seventh image is dropped
    assert (shown[2 : 2 + 64 : 2, 2 : 2 + 64 : 2, 0] == images[0, ..., 0]).all()


def test_neighbours_are_the_named_images(full):
    root = full[0]
    dataset = next(one for one in load(Project(root)).sets if one.name == "shapes")
    folder = root / "neighbours"
    folder.mkdir()
    samples.nearest(dataset, folder)
    with Image.open(folder / "neighbours-wgan_gp.webp") as image:
        pixels = np.asarray(image.convert("RGB"))
    with np.load(root / "data/samples/wgan_gp/0.npz") as file:
        assert (pixels[1:33, 34:66] == file["images"][1]).all()
    assert (pixels[34:66, 34:66] == dataset.images[7]).all()


@pytest.mark.parametrize("names", [["gan", "vae"], [f"ddpm_cats_2ud_cosine_{i}" for i in range(7)]])
def test_a_legend_lies_within_its_figure_and_names_each_once(names):
    figure = plots.new(4.2, 2.7)
    for axes in figure.subplots(1, 2):
        for name in names:
            axes.plot([0, 1], label=name)
    plots.legend(figure)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert [entry.get_text() for entry in figure.legends[0].get_texts()] == names


def test_plots_are_written(tmp_path, monkeypatch, real_plots):
    monkeypatch.setattr(plots, "_save", real_plots)
    runs = [Point("a$", "gan", Estimate(1.0, 0.9, 1.2), 1.0, "2 ×"), Point("b", "diffusion", Estimate(30.0), 50.0)]
    plots.ranking(tmp_path / "ranking.webp", "set$", runs, Estimate(0.5, 0.4, 0.6))
    plots.points(tmp_path / "points.webp", "set", runs, ("evaluations", "FD"))
    lines = [Series("a", [1, 2, 3], [3.0, 2.0, 1.0], [2.5, 1.5, 0.5], [3.5, 2.5, 1.5])]
    plots.series(tmp_path / "series.webp", "set", lines, ("step", "loss"), log=(True, True))
    for name in ("ranking", "points", "series"):
        with Image.open(tmp_path / f"{name}.webp") as image:
            pixels = np.asarray(image.convert("RGB"))
        assert pixels.shape[1] > 600
        assert 0.5 < (pixels == 255).mean() < 0.99  # ink on white


@pytest.mark.parametrize(
    ("score", "scale", "text"),
    [
        ((0.9610, 0.9516, 0.9686), 1, "0.961 [0.952, 0.969]"),
        ((1.21698, 1.0954, 1.3703), 1, "1.22 [1.10, 1.37]"),
        ((41.37, 39.27, 43.47), 1, "41.4 [39.3, 43.5]"),
        ((1234.5, 1178.0, 1290.0), 1, "1,234 [1,178, 1,290]"),
        ((0.0285, 0.0227, 0.0343), 1000, "28 [23, 34]"),
        ((0.0006, -0.0025, 0.0037), 1, "0.0006 [-0.0025, 0.0037]"),
        ((1.0, 1.0, 1.0), 1, "1.00 [1.00, 1.00]"),
        ((0.0213, None, None), 1, "0.0213"),
        ((None, None, None), 1, "\N{EN DASH}"),
    ],
)
def test_digits_follow_the_interval(score, scale, text):
    assert wording.inline(Estimate(*score), scale) == text


def test_plain_numbers():
    assert wording.decimals_for([0.0213]) == 4
    assert wording.decimals_for([]) == 0
    assert wording.column([1234.5, None, -0.01], 1) == ["1,234.5", "\N{EN DASH}", "0.0"]
    assert wording.plain(0.123456) == "0.1235"
    assert wording.plain(38400) == "38,400"
    assert wording.listed(["a", "b", "c"]) == "`a`, `b` and `c`"
    assert (wording.multiple(2.14), wording.multiple(142.3)) == ("2.1", "142")


def test_fewer_levels_change_no_colour_by_more_than_two(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32, 3), dtype=np.uint8)
    for levels in (64, 256):
        pictures.rows(tmp_path / f"{levels}.webp", images, levels=levels)
    few, all_ = (np.asarray(Image.open(tmp_path / f"{levels}.webp")).astype(int) for levels in (64, 256))
    assert 0 < np.abs(few - all_).max() <= 2
    assert len(np.unique(few[..., :3])) <= 64 + 1
    assert (tmp_path / "64.webp").stat().st_size < 0.9 * (tmp_path / "256.webp").stat().st_size


def test_a_plot_keeps_the_colours_of_its_lines_and_of_its_grid(tmp_path):
    figure = plots.new(4.4, 2.9)
    axes = figure.subplots()
    axes.grid(color="#e6e6e6")
    for number, colour in enumerate(plots.COLOURS):
        axes.plot([1, 2, 3], [number + 1, 9 - number, number + 2], color=colour, label=f"line {number}")
    plots.legend(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())
    pictures.plot_file(tmp_path / "plot.webp", drawn)
    with Image.open(tmp_path / "plot.webp") as file:
        shown = np.asarray(file.convert("RGB")).astype(int)
    for colour in (*plots.COLOURS, "#e6e6e6"):
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        places = (drawn[..., :3] == rgb).all(axis=2)
        assert places.sum() > 50, colour
        assert np.abs(shown[places] - rgb).max() <= 8, colour
