"""The search with its chains on a GPU: the CPU's placements, progress, and what it raises."""

import pytest
from conftest import needs_gpu

import lplb

pytestmark = needs_gpu

OPTIONS = {"num_ranks": 8, "slots_per_rank": 5, "num_moves": 400, "seed": 5}


@pytest.fixture
def windows(rng):
    return rng.poisson(300 * rng.lognormal(0, 0.8, (3, 1, 32)), (3, 6, 32))


def test_places_as_the_cpu(windows):
    expected = lplb.optimize_layers(windows, **OPTIONS)
    assert lplb.optimize_layers(windows, device=0, **OPTIONS) == expected
    current = [layer.placement for layer in expected.layers]
    later = windows[:, ::-1] + 20
    limited = {"current": current, "max_moved": 3, **OPTIONS}
    assert lplb.optimize_layers(later, device=0, **limited) == lplb.optimize_layers(later, **limited)


def test_tells_how_far_it_is_and_passes_on_what_a_callback_raises(windows):
    seen = []
    lplb.optimize_layers(windows, device=0, progress=lambda *numbers: seen.append(numbers), **OPTIONS)
    assert seen[-1] == (3, 3)

    def stop(done, everything):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        lplb.optimize_layers(windows, device=0, progress=stop, **OPTIONS)


def test_refuses_a_device_that_is_not_there(windows):
    with pytest.raises(lplb.CudaError, match=r"\[cuda::optimize_layers\]"):
        lplb.optimize_layers(windows, device=99, **OPTIONS)
