import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from oracles import augmentation as oracle

from bbdg_ref.training import mixup, normalise, random_crop, random_flip, random_rotation

IMAGES = hnp.arrays(np.uint8, st.tuples(*(st.integers(1, n) for n in (4, 3, 5, 6))))


@given(images=IMAGES, padding=st.integers(0, 4), seed=st.integers(0, 999))
def test_a_crop_is_the_image_shifted_by_the_generators_draws(images, padding, seed):
    got = random_crop(images, padding=padding, rng=np.random.default_rng(seed))
    top, left = np.random.default_rng(seed).integers(0, 2 * padding + 1, (2, len(images)))
    event(f"padding {padding}")
    assert got.dtype == np.uint8 and got.shape == images.shape
    for image, out, t, w in zip(images, got, top, left, strict=True):
        assert np.array_equal(out, oracle.shifted(image, t, w, padding))


def test_all_shifts_are_equally_likely():
    image = np.zeros((20_000, 1, 9, 9), np.uint8)
    image[:, :, 4, 4] = 1
    out = random_crop(image, padding=4, rng=np.random.default_rng(0))
    counts = out.sum(axis=(0, 1))
    assert counts.sum() == 20_000  # a shift of at most 4 keeps the middle pixel inside
    # 81 places, 247 each on average, standard deviation 15.6
    assert np.abs(counts - 20_000 / 81).max() < 6 * 15.6


@given(images=IMAGES, seed=st.integers(0, 999))
def test_a_flip_is_the_image_or_its_mirror_image(images, seed):
    got = random_flip(images, rng=np.random.default_rng(seed))
    chosen = np.random.default_rng(seed).random(len(images)) < 0.5
    event(f"{chosen.sum()} of {len(images)} mirrored")
    for image, out, flipped in zip(images, got, chosen, strict=True):
        assert np.array_equal(out, oracle.mirrored(image) if flipped else image)


@given(images=IMAGES, degrees=st.sampled_from([0.0, 1.0, 15.0, 60.0, 180.0]), seed=st.integers(0, 999))
def test_a_rotation_is_by_the_generators_angle_about_the_centre(images, degrees, seed):
    got = random_rotation(images, degrees=degrees, rng=np.random.default_rng(seed))
    angles = np.random.default_rng(seed).uniform(-degrees, degrees, len(images))
    event(f"up to {degrees} degrees")
    assert got.dtype == np.uint8 and got.shape == images.shape
    for image, out, angle in zip(images, got, angles, strict=True):
        assert np.abs(out - oracle.rotated(image, angle)).max() <= 0.5 + 1e-6  # rounded to the nearest
        if degrees == 0:
            assert np.array_equal(out, image)


def test_a_positive_angle_is_counterclockwise():
    image = np.zeros((1, 1, 5, 5), np.uint8)
    image[0, 0, 2, 4] = 200  # to the right of the centre

    class Quarter:
        def uniform(self, low, high, size):
            return np.full(size, 90.0)

    turned = random_rotation(image, degrees=90, rng=Quarter())
    assert np.argwhere(turned).tolist() == [[0, 0, 0, 2]] and turned.max() == 200  # above it


def test_angles_are_spread_evenly_over_both_directions():
    image = np.zeros((4000, 1, 3, 41), np.uint8)
    image[:, :, 1] = 200  # a horizontal line: how much of its end is left tells the angle, a row up or down its sign
    out = random_rotation(image, degrees=4, rng=np.random.default_rng(0)).astype(int)
    up = out[:, 0, 0, 20:].sum(axis=1) > out[:, 0, 2, 20:].sum(axis=1)
    assert abs(up.mean() - 0.5) < 6 * 0.5 / np.sqrt(4000)
    # at the 10th pixel from the centre the line leaves the row by 10 sin(angle)
    left = out[:, 0, 1, 30]
    assert abs((left < 200 * (1 - 10 * np.sin(np.radians(2)))).mean() - 0.5) < 6 * 0.5 / np.sqrt(4000)


@given(images=IMAGES, seed=st.integers(0, 999))
def test_augmentation_draws_the_same_from_the_same_generator_and_changes_no_input(images, seed):
    before = images.copy()
    for augment in (
        lambda rng: random_crop(images, padding=2, rng=rng),
        lambda rng: random_flip(images, rng=rng),
        lambda rng: random_rotation(images, degrees=15, rng=rng),
    ):
        first, second = np.random.default_rng(seed), np.random.default_rng(seed)
        assert np.array_equal(augment(first), augment(second))
        assert first.bit_generator.state == second.bit_generator.state
        assert first.bit_generator.state != np.random.default_rng(seed).bit_generator.state
    assert np.array_equal(images, before)


@given(images=IMAGES, seed=st.integers(0, 99))
def test_normalised_pixels_are_the_formulas(images, seed):
    rng = np.random.default_rng(seed)
    mean, std = rng.uniform(0.2, 0.8, (2, images.shape[1])).astype(np.float32)
    got = normalise(images, mean, std)
    assert got.dtype == np.float32 and got.shape == images.shape
    # three roundings of terms of at most 1/std
    bound = 4 * np.finfo(np.float32).eps / std[None, :, None, None]
    assert (np.abs(got - oracle.normalised(images, mean, std)) <= bound).all()


@given(n=st.integers(1, 6), seed=st.integers(0, 999))
def test_mixup_mixes_images_and_targets_with_one_lambda_and_one_permutation(n, seed):
    source = np.random.default_rng(seed + 1)
    images = source.standard_normal((n, 2, 3, 3)).astype(np.float32)
    targets = np.eye(4, dtype=np.float32)[source.integers(0, 4, n)]
    rng = np.random.default_rng(seed)
    mixed = mixup(images, targets, rng=rng)
    twin = np.random.default_rng(seed)
    lam, other = twin.beta(1.0, 1.0), twin.permutation(n)
    assert rng.bit_generator.state == twin.bit_generator.state
    for i, j in enumerate(other):
        eps = 4 * np.finfo(np.float32).eps
        assert np.allclose(mixed.images[i], lam * images[i] + (1 - lam) * images[j], rtol=0, atol=5 * eps)
        assert np.allclose(mixed.targets[i], lam * targets[i] + (1 - lam) * targets[j], rtol=0, atol=eps)
    assert mixed.images.dtype == mixed.targets.dtype == np.float32
    assert np.allclose(mixed.targets.sum(axis=1), 1, rtol=0, atol=4 * np.finfo(np.float32).eps)
