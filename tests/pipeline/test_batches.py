from modules.core.parameters import Img2Img, Picture, Txt2Img
from modules.pipeline.batches import batches


def test_seeds_count_up_through_all_batches() -> None:
    first, second = batches(Txt2Img(seed=10, subseed=50, batch_size=3, batch_count=2))
    assert (first.index, first.first, first.seeds, first.subseeds) == (0, 0, (10, 11, 12), (50, 51, 52))
    assert (second.index, second.first, second.seeds, second.subseeds) == (1, 3, (13, 14, 15), (53, 54, 55))


def test_with_a_variation_only_the_variation_seeds_count_up() -> None:
    first, second = batches(Txt2Img(seed=10, subseed=50, subseed_strength=0.1, batch_size=2, batch_count=2))
    assert (first.seeds, first.subseeds) == ((10, 10), (50, 51))
    assert (second.seeds, second.subseeds) == ((10, 10), (52, 53))


def test_pictures_of_a_batch_have_seeds_of_their_own() -> None:
    picture = Picture(data=b"x")
    (batch,) = batches(Img2Img(seed=3, subseed=4, images=(picture, picture), batch_size=2))
    assert (batch.seeds, batch.subseeds) == ((3, 4), (4, 5))
