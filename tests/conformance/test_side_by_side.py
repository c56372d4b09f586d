"""Whatever is done, in whatever order, the result is the same in memory and on Azurite."""

import pytest

from tests.conformance.in_memory import SimulatedCloud
from tests.conformance.on_azurite import AzuriteCloud
from tests.conformance.player import Player

SEEDS = range(1, 5)
MOVES = 40


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in SEEDS)])
async def test_the_same_moves_have_the_same_results(
    in_memory: SimulatedCloud, on_azurite: AzuriteCloud, seed: int
) -> None:
    simulated, real = Player(in_memory), Player(on_azurite)
    for player in (simulated, real):
        await player.begin()
    done: list[object] = []
    for number in range(MOVES):
        done.append(await simulated.play(f"{seed} {number}"))
        assert done[-1] == await real.play(f"{seed} {number}"), done[-3:]
