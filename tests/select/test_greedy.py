"""The lazy picks against the plain definition in double precision, on pools of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from pfd.errors import DataError
from pfd.select import GateSettings, SelectSettings, select_frames
from pfd.select.descriptor import environments_by_species
from pfd.select.greedy import cost_score, greedy_cover, greedy_entropy, mean_score, top_score

BANDWIDTH = 0.015
SCORES = {"mean": mean_score, "top": top_score, "per_cost": cost_score}


def surprises(groups, frame, data):
    """Of each environment of a frame; None if a species of it is not in the data."""
    values = []
    for group in groups.values():
        x, y = group.of(frame), np.concatenate([group.features[:0], *(group.of(other) for other in data)])
        if len(x) and not len(y):
            return None
        if len(x):
            squared = ((x[:, None] - y[None]) ** 2).sum(axis=2)
            values.append(-logsumexp(-squared / (2 * BANDWIDTH**2), axis=1))
    return np.concatenate(values)


def assert_greedy(groups, pool, reference, picks, gains, worth, gain_of):
    """Each pick is the best by the definition, up to rounding, and has the gain that was told."""
    for place, (pick, gain) in enumerate(zip(picks, gains, strict=True)):
        data = [*reference, *picks[:place]]
        values = {frame: surprises(groups, frame, data) for frame in range(pool) if frame not in picks[:place]}
        unseen = {frame for frame, value in values.items() if value is None}
        if unseen:
            assert pick in unseen
            continue
        best = max(worth(frame, value) for frame, value in values.items())
        assert worth(pick, values[pick]) == pytest.approx(best, rel=1e-9, abs=1e-8)
        assert gain == pytest.approx(gain_of(values[pick]), rel=1e-9, abs=1e-8)


def frames_of(kinds, seed):
    generator = np.random.default_rng(seed)
    bases = {
        "one atom": Atoms("Na"),
        "one in a tiny cell": bulk("Na", "sc", a=3.2),
        "tiny": bulk("NaCl", "rocksalt", a=5.64),
        "salt": bulk("NaCl", "rocksalt", a=5.64, cubic=True),
        "huge": Atoms("NaCl", positions=[[0, 0, 0], [2.4, 0, 0]], cell=[80.0] * 3, pbc=True),
        "metal": bulk("Na", cubic=True).repeat(2),
    }
    frames = [bases[kind].copy() for kind in kinds]
    for frame in frames:
        frame.positions += generator.normal(size=frame.positions.shape) * generator.choice([0.0, 0.01, 0.2])
    return frames


KINDS = st.sampled_from(["one atom", "one in a tiny cell", "tiny", "salt", "huge", "metal"])


@settings(max_examples=60)
@given(
    st.lists(KINDS, min_size=1, max_size=9), st.lists(KINDS, max_size=3), st.sampled_from([*SCORES]), st.integers(0, 99)
)
def test_entropy_picks_by_the_definition(kinds, known, score, seed):
    frames = frames_of(kinds + known, seed)
    groups = environments_by_species(frames, 32, 5.0)
    reference = range(len(kinds), len(frames))
    picks, gains = greedy_entropy(groups, len(kinds), 6, BANDWIDTH, score)
    assert len(picks) == len(set(picks)) == min(6, len(kinds))
    assert np.isfinite(gains).all()
    worth = lambda _, values: SCORES[score](values)  # noqa: E731
    gain_of = top_score if score == "top" else mean_score
    assert_greedy(groups, len(kinds), reference, picks, gains, worth, gain_of)


@pytest.mark.parametrize("score", [*SCORES])
def test_a_reference_of_many_stages_gives_the_same_picks(score):
    generator = np.random.default_rng(0)
    base = bulk("Si", cubic=True).repeat((2, 2, 1))
    frames = []
    for _ in range(90):
        frame = base.copy()
        frame.positions += generator.normal(size=frame.positions.shape) * generator.choice([0.03, 0.1, 0.4])
        frames.append(frame)
    groups = environments_by_species(frames, 32, 5.0)
    assert 50 * 32 > 4 * 256
    picks, gains = greedy_entropy(groups, 40, 10, BANDWIDTH, score)
    worth = lambda _, values: SCORES[score](values)  # noqa: E731
    assert_greedy(groups, 40, range(40, 90), picks, gains, worth, top_score if score == "top" else mean_score)


@pytest.mark.filterwarnings("ignore::Warning:quests")
def test_cover_is_that_of_the_quests_package():
    fps = pytest.importorskip("quests.compression.fps")
    entropy = pytest.importorskip("quests.entropy").entropy
    generator = np.random.default_rng(3)
    frames = [bulk("Si", cubic=True) for _ in range(40)]
    for frame in frames:
        frame.positions += generator.normal(size=(8, 3)) * 0.04
    groups = environments_by_species(frames, 32, 5.0)
    rows = [groups[14].of(frame) for frame in range(40)]
    own = np.array([entropy(row) for row in rows[:30]])
    theirs = fps.msc_conditional(rows[:30], own, 12, rows[30:])
    picks, gains = greedy_cover(groups, 30, 12, BANDWIDTH)
    assert picks == [int(index) for index in theirs]
    assert np.isfinite(gains).all()


def test_a_permutation_of_the_pool_permutes_the_picks():
    frames = frames_of(["salt"] * 12, 5)
    for seed, frame in enumerate(frames):
        frame.rattle(0.05, seed=seed)
    order = np.random.default_rng(1).permutation(10)
    plain, _ = greedy_entropy(environments_by_species(frames, 32, 5.0), 10, 5, BANDWIDTH, "top")
    shuffled = [*(frames[index] for index in order), *frames[10:]]
    moved, _ = greedy_entropy(environments_by_species(shuffled, 32, 5.0), 10, 5, BANDWIDTH, "top")
    assert [int(order[index]) for index in moved] == plain


def test_a_vacancy_in_a_large_frame_is_seen_by_its_worst_environments():
    generator = np.random.default_rng(0)
    crystal = bulk("Si", cubic=True).repeat(3)
    frames = [crystal.copy() for _ in range(24)]
    del frames[0][100]
    for number, frame in enumerate(frames):
        width = 0.1 if number in (1, 2, 20) else 0.05  # hotter frames hide it in the mean
        frame.positions += generator.normal(size=frame.positions.shape) * width
    groups = environments_by_species(frames, 32, 5.0)
    assert greedy_entropy(groups, 16, 1, BANDWIDTH, "top")[0] == [0]
    assert 0 not in greedy_entropy(groups, 16, 2, BANDWIDTH, "mean")[0]


def test_permuted_elements_surprise_and_swapped_ones_do_not():
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(2)
    generator = np.random.default_rng(0)

    def moved(base):
        frame = base.copy()
        frame.positions += generator.normal(size=frame.positions.shape) * 0.05
        return frame

    permuted, swapped = salt.copy(), salt.copy()
    permuted.numbers = generator.permutation(salt.numbers)
    swapped.numbers = np.where(salt.numbers == 11, 17, 11)
    reference = [moved(salt) for _ in range(6)]
    frames = [moved(salt), moved(swapped), moved(permuted), *reference]
    groups = environments_by_species(frames, 32, 5.0)
    plain, full, random = (surprises(groups, frame, range(3, 9)).mean() for frame in range(3))
    assert abs(full - plain) < 0.5
    assert random > plain + 50


def test_a_pool_beyond_the_memory_is_refused_with_its_size():
    pool = frames_of(["metal"] * 5, 0)
    tight = SelectSettings(max_frames=2, memory_GB=1e-5, gate=GateSettings(near_duplicate=0))
    with pytest.raises(DataError, match=r"80 environments needs .* memory_GB allows 1e-05"):
        select_frames([frame for seed, frame in enumerate(pool) if not frame.rattle(0.1, seed=seed)], [], tight, 0)
    assert len(select_frames(pool, [], tight.model_copy(update={"method": "random"}), 0).indices) == 2
