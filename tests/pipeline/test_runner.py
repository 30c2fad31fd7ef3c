import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modules.core.cancellation import CancelToken
from modules.core.errors import NoModelError, OutOfMemoryError, UnknownName
from modules.core.events import Cancelled, Finished, ImageReady, JobEvent, ModelLoading, Preview, Progress
from modules.core.flags import Flags
from modules.core.parameters import Txt2Img
from modules.core.paths import resolve_paths
from modules.core.settings import Settings, with_changes
from modules.imaging.metadata import read_parameters
from modules.library.model_library import open_library
from modules.pipeline import limits
from modules.pipeline.runner import PipelineRunner
from tests.pipeline.running import UNSAVED, made, pixels, run, stop_at

CAT = Txt2Img(prompt="a cat", sampler="Euler a", steps=3, seed=5, width=64, height=64)


def changed(**values: object) -> Txt2Img:
    return Txt2Img.model_validate(CAT.model_dump() | values)


def test_a_batch_equals_single_pictures(runner: PipelineRunner) -> None:
    batch, _ = run(runner, changed(batch_size=2, make_grid=False))
    single, _ = run(runner, changed(seed=6))
    assert [image.seed for image in batch.images] == [5, 6]
    assert np.abs(pixels(batch.images[1].data) - pixels(single.images[0].data)).max() <= 1


def test_sizes_that_are_no_multiple_of_64_work(runner: PipelineRunner) -> None:
    image = run(runner, changed(width=63, height=72))[0].images[0]
    assert pixels(image.data).shape == (72, 56, 3)


def test_guidance_of_one_ignores_the_negative_prompt(runner: PipelineRunner) -> None:
    with_it, _ = run(runner, changed(cfg_scale=1, negative_prompt="dog"))
    without, _ = run(runner, changed(cfg_scale=1))
    assert np.array_equal(pixels(with_it.images[0].data), pixels(without.images[0].data))


@pytest.mark.parametrize(
    "change",
    [
        {"CLIP_stop_at_last_layers": 2},
        {"eta_ancestral": 0.5},
        {"eta_noise_seed_delta": 31337},
        {"enable_prompt_comments": False},
        {"comma_padding_backtrack": 0},
        {"emphasis": "No norm"},
        {"use_old_emphasis_implementation": True},
        {"pad_cond_uncond": True},
        {"pad_cond_uncond_v0": True},
        {"randn_source": "NV"},
        {"tiling": True},
        {"use_downcasted_alpha_bar": True},
        {"sd_noise_schedule": "Zero Terminal SNR"},
        {"enable_quantization": True},
        {"always_discard_next_to_last_sigma": True},
        {"sgm_noise_multiplier": True},
        {"k_sched_type": "karras"},
        {"s_min_uncond": 15, "s_min_uncond_all": True},
        {"skip_early_cond": 0.5},
    ],
)
def test_settings_change_the_picture(runner: PipelineRunner, change: dict[str, object]) -> None:
    words = "a (cat:1.5), " + "red blue " * 35 + ", green yellow black white pink # comment"
    request = changed(prompt=words, negative_prompt="dog")
    assert not np.array_equal(made(runner, request), made(runner, request, **change))


@pytest.mark.parametrize(
    ("sampler", "scheduler", "change"),
    [
        ("DDIM", "Automatic", {"eta_ddim": 0.5}),
        ("Euler", "Automatic", {"s_churn": 3}),
        ("DPM++ 2M", "Karras", {"sigma_min": 0.5}),
        ("DPM++ 2M", "Karras", {"sigma_max": 5}),
        ("DPM++ 2M", "Karras", {"rho": 2}),
        ("DPM++ 2M", "Karras", {"use_old_karras_scheduler_sigmas": True}),
        ("DPM++ 2M", "Beta", {"beta_dist_alpha": 2}),
        ("DPM++ 2M", "Beta", {"beta_dist_beta": 2}),
        ("DPM++ SDE", "Karras", {"s_noise": 0.9}),
        ("DPM++ SDE", "Karras", {"no_dpmpp_sde_batch_determinism": True}),
        ("UniPC", "Automatic", {"uni_pc_variant": "bh2"}),
        ("UniPC", "Automatic", {"uni_pc_skip_type": "time_quadratic"}),
        ("UniPC", "Automatic", {"uni_pc_order": 1}),
        ("UniPC", "Automatic", {"uni_pc_lower_order_final": False}),
    ],
)
def test_settings_of_samplers_change_the_picture(
    runner: PipelineRunner, sampler: str, scheduler: str, change: dict[str, object]
) -> None:
    request = changed(sampler=sampler, scheduler=scheduler, steps=5)
    assert not np.array_equal(made(runner, request), made(runner, request, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 6},
        {"subseed": 8, "subseed_strength": 0.3},
        {"seed_resize_from_width": 128, "seed_resize_from_height": 128},
        {"sampler": "Heun"},
        {"scheduler": "Karras"},
        {"steps": 4},
        {"cfg_scale": 3},
        {"eta": 0.5},
        {"s_min_uncond": 15},
        {"tiling": True},
        {"negative_prompt": "dog"},
    ],
)
def test_fields_of_the_request_change_the_picture(runner: PipelineRunner, change: dict[str, object]) -> None:
    assert not np.array_equal(made(runner, CAT), made(runner, changed(**change)))


@pytest.mark.parametrize("change", [{"s_churn": 3}, {"s_churn": 3, "s_tmin": 5}, {"s_churn": 3, "s_tmax": 5}])
def test_fields_of_the_request_say_how_noise_is_added(runner: PipelineRunner, change: dict[str, object]) -> None:
    pictures = [made(runner, changed(sampler="Euler", **fields)) for fields in ({}, change, change | {"s_noise": 1.1})]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_the_request_wins_over_the_settings(runner: PipelineRunner) -> None:
    assert np.array_equal(made(runner, CAT), made(runner, changed(eta=1), eta_ancestral=0.5))
    assert np.array_equal(made(runner, CAT), made(runner, changed(s_min_uncond=0), s_min_uncond=15))
    assert np.array_equal(made(runner, CAT), made(runner, changed(tiling=False), tiling=True))


def test_changed_settings_of_added_noise_win_over_the_request(runner: PipelineRunner) -> None:
    """As in A1111, since clients always send the defaults."""
    plain = changed(sampler="Euler")
    sent = changed(sampler="Euler", s_churn=0, s_tmin=0, s_tmax=0, s_noise=1)
    settings = {"s_churn": 3, "s_tmin": 1, "s_tmax": 5, "s_noise": 1.1}
    assert np.array_equal(made(runner, plain, **settings), made(runner, sent, **settings))
    assert not np.array_equal(made(runner, plain), made(runner, sent, **settings))


def test_opposite_edges_fit_together_only_for_the_picture_that_asks_for_it(runner: PipelineRunner) -> None:
    before = made(runner, CAT)
    tiled = made(runner, changed(tiling=True))
    assert np.abs(tiled[0] - tiled[-1]).mean() < np.abs(before[0] - before[-1]).mean()
    assert np.array_equal(made(runner, CAT), before)


def test_noise_is_that_of_another_size_only_where_both_sides_are_given(runner: PipelineRunner) -> None:
    assert np.array_equal(made(runner, CAT), made(runner, changed(seed_resize_from_width=128)))


def test_progress_counts_every_step_of_every_batch(runner: PipelineRunner) -> None:
    _, events = run(runner, changed(batch_count=2))
    steps = [event for event in events if isinstance(event, Progress) and event.stage == "Sampling"]
    assert [(event.batch, event.step) for event in steps] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    assert [event.fraction for event in steps] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])


def test_previews_are_pictures_and_can_be_switched_off(runner: PipelineRunner) -> None:
    _, events = run(runner, CAT)
    previews = [event for event in events if isinstance(event, Preview)]
    assert Image.open(io.BytesIO(previews[0].data)).size == (8, 8)
    for off in ({"live_previews_enable": False}, {"show_progress_every_n_steps": -1}):
        _, events = run(runner, CAT, with_changes(UNSAVED, off))
        assert not any(isinstance(event, Preview) for event in events)


def test_interrupt_stops_within_a_step_and_keeps_what_is_finished(runner: PipelineRunner) -> None:
    result, events = run(runner, changed(batch_count=3), react=stop_at(1, 1, "interrupt"))
    assert isinstance(events[-1], Cancelled)
    assert [image.seed for image in result.images] == [5]
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert (last.batch, last.step) == (1, 1)


def test_interrupt_stops_between_two_pictures_of_a_batch(runner: PipelineRunner) -> None:
    def react(event: JobEvent, token: CancelToken) -> None:
        if isinstance(event, ImageReady):
            token.interrupt()

    result, events = run(runner, changed(batch_size=3), react=react)
    assert isinstance(events[-1], Cancelled)
    assert [image.seed for image in result.images] == [5]


def test_incomplete_pictures_are_kept_when_the_setting_says_so(runner: PipelineRunner) -> None:
    settings = with_changes(UNSAVED, {"save_incomplete_images": True})
    result, _ = run(runner, changed(batch_count=3), settings, react=stop_at(1, 1, "interrupt"))
    assert [image.seed for image in result.images] == [5, 6]


def test_skip_goes_on_with_the_next_batch(runner: PipelineRunner) -> None:
    result, events = run(runner, changed(batch_count=3, make_grid=False), react=stop_at(1, 1, "skip"))
    assert isinstance(events[-1], Finished)
    assert [image.seed for image in result.images] == [5, 7]
    assert result.notes == ("Batch 2 of 3 was skipped.",)


def test_a_skip_that_comes_too_late_spares_the_next_batch(runner: PipelineRunner) -> None:
    def react(event: JobEvent, token: CancelToken) -> None:
        if isinstance(event, Progress) and event.stage == "Decoding" and event.batch == 0:
            token.skip()

    result, _ = run(runner, changed(batch_count=2, make_grid=False), react=react)
    assert [image.seed for image in result.images] == [5, 6]


def test_pictures_and_grid_are_saved(runner: PipelineRunner, data: Path) -> None:
    result, events = run(runner, changed(batch_count=2), Settings())
    grid, first, second = result.images
    assert grid.is_grid
    assert first.path
    assert second.path
    assert first.path.read_bytes() == first.data
    assert first.path.parent.parent == data / "outputs" / "txt2img-images"
    assert (first.path.name, second.path.name) == ("00000-5.png", "00001-6.png")
    assert grid.path
    assert grid.path.parent.parent == data / "outputs" / "txt2img-grids"
    assert read_parameters(first.data) == first.infotext
    assert [event.image.seed for event in events if isinstance(event, ImageReady)] == [5, 6]
    assert (grid.width, grid.height) == (128, 64)


@pytest.mark.parametrize(
    ("change", "files"),
    [
        ({"samples_save": False}, 0),
        ({"outdir_samples": "elsewhere"}, 1),
        ({"outdir_txt2img_samples": "elsewhere"}, 1),
        ({"outdir_txt2img_samples": "elsewhere", "save_to_dirs": False}, 1),
    ],
)
def test_settings_decide_where_pictures_go(
    runner: PipelineRunner, data: Path, change: dict[str, object], files: int
) -> None:
    before = set(data.rglob("*.png"))
    result, _ = run(runner, CAT, with_changes(Settings(), change))
    new = set(data.rglob("*.png")) - before
    assert len(new) == files
    assert {result.images[0].path} - {None} == new
    if "save_to_dirs" in change:
        assert new.pop().parent == data / "elsewhere"
    elif files:
        assert new.pop().parent.parent == data / "elsewhere"


@pytest.mark.parametrize(
    ("change", "grids"),
    [
        ({}, 1),
        ({"grid_save": False}, 0),
        ({"outdir_grids": "sheets"}, 1),
        ({"outdir_txt2img_grids": "sheets", "grid_save_to_dirs": False}, 1),
    ],
)
def test_settings_decide_where_grids_go(
    runner: PipelineRunner, data: Path, change: dict[str, object], grids: int
) -> None:
    before = set(data.rglob("grid-*.png"))
    settings = with_changes(Settings(samples_save=False), change)
    result, _ = run(runner, changed(batch_count=2), settings)
    assert len(set(data.rglob("grid-*.png")) - before) == grids
    assert result.images[0].is_grid


def test_a_grid_is_made_only_when_it_is_wanted(runner: PipelineRunner) -> None:
    two = changed(batch_count=2)
    assert len(run(runner, two)[0].images) == 3
    assert len(run(runner, changed(batch_count=2, make_grid=False))[0].images) == 2
    assert len(run(runner, two, with_changes(UNSAVED, {"return_grid": False}))[0].images) == 2
    assert len(run(runner, CAT)[0].images) == 1
    assert len(run(runner, CAT, with_changes(UNSAVED, {"grid_only_if_multiple": False}))[0].images) == 2


def test_grid_rows_follow_the_setting(runner: PipelineRunner) -> None:
    grid = run(runner, changed(batch_count=3), with_changes(UNSAVED, {"n_rows": 3}))[0].images[0]
    assert (grid.width, grid.height) == (64, 192)


def test_infotext_stays_out_of_the_file_when_the_setting_says_so(runner: PipelineRunner) -> None:
    image = run(runner, CAT, with_changes(UNSAVED, {"enable_pnginfo": False}))[0].images[0]
    assert read_parameters(image.data) is None
    assert image.infotext


def test_save_images_of_the_request_wins(runner: PipelineRunner) -> None:
    assert run(runner, changed(save_images=False), Settings())[0].images[0].path is None


def test_the_same_checkpoint_is_loaded_once(data: Path) -> None:
    flags = Flags(data_dir=data, no_half=True, use_cpu=("all",))
    paths = resolve_paths(flags)
    fresh = PipelineRunner(flags=flags, paths=paths, library=open_library(paths))
    _, events = run(fresh, CAT)
    assert any(isinstance(event, ModelLoading) for event in events)
    result, events = run(fresh, CAT)
    assert not any(isinstance(event, ModelLoading) for event in events)
    assert (result.model_name, result.model_hash) == ("tiny-sd1", "bb64a9c9c4")


def test_a_name_of_the_settings_chooses_the_checkpoint(runner: PipelineRunner) -> None:
    result, _ = run(runner, CAT, with_changes(UNSAVED, {"sd_model_checkpoint": "tiny-sd1b"}))
    assert (result.model_name, result.model_hash) == ("tiny-sd1b", "0dd9da1b35")


def test_a_checkpoint_that_is_gone_from_the_settings_gives_way_to_the_first(runner: PipelineRunner) -> None:
    result, _ = run(runner, CAT, with_changes(UNSAVED, {"sd_model_checkpoint": "gone.safetensors"}))
    assert result.model_name == "tiny-sd1"


def test_without_a_checkpoint_the_folder_is_named(tmp_path: Path) -> None:
    flags = Flags(data_dir=tmp_path, use_cpu=("all",))
    paths = resolve_paths(flags)
    empty = PipelineRunner(flags=flags, paths=paths, library=open_library(paths))
    with pytest.raises(NoModelError, match="Stable-diffusion"):
        run(empty, CAT)


def test_what_cannot_fit_into_memory_is_refused_beforehand(
    runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def a_mebibyte(_device: object) -> int:
        return 2**20

    monkeypatch.setattr(limits, "available_bytes", a_mebibyte)
    with pytest.raises(OutOfMemoryError, match="64×64"):
        run(runner, CAT)


def test_an_allocation_that_fails_becomes_a_sentence(runner: PipelineRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")

    monkeypatch.setattr("modules.pipeline.passes.sample", fail)
    with pytest.raises(OutOfMemoryError, match="Choose a smaller"):
        run(runner, CAT)


def test_unknown_sampler_is_refused_before_it_reaches_the_pipeline() -> None:
    with pytest.raises(UnknownName, match="Eulr"):
        changed(sampler="Eulr")
