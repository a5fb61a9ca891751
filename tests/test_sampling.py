from typing import NamedTuple

import pytest

from fer_video.sampling import Grid, Plan


class Packet(NamedTuple):
    pts: int | None
    is_discard: bool = False


def plan() -> Plan:
    """Cells of 10 units of time."""
    return Plan(lambda pts: pts // 10)


def needed(*packets: Packet) -> list[int | None]:
    return [packet.pts for packet, is_needed in plan().judge(packets) if is_needed]


def test_the_first_frame_in_each_cell_is_needed_whatever_the_order_of_decoding() -> None:
    assert needed(*map(Packet, [0, 12, 4, 8, 24, 16, 20, 28])) == [0, 12, 20]


def test_what_cannot_be_judged_is_decoded() -> None:
    assert needed(Packet(0), Packet(None), Packet(2, is_discard=True), Packet(4)) == [0, None, 2]


def test_nothing_before_the_start_is_needed() -> None:
    assert needed(*map(Packet, [-20, -10, 3, 6])) == [3]


def test_packets_keep_their_order_and_none_is_lost() -> None:
    packets = [Packet(pts) for pts in range(0, 1000, 3)]
    assert [packet for packet, _ in plan().judge(packets)] == packets


def test_a_needed_frame_that_does_not_come_is_noticed() -> None:
    lost = plan()
    list(lost.judge(map(Packet, [0, 4, 10, 14])))
    assert (lost.came(0), lost.failed) == ([], False)
    assert (lost.came(14), lost.failed) == ([4, 10], True)


def test_a_needed_frame_that_is_missing_at_the_end_is_noticed() -> None:
    cut_short = plan()
    list(cut_short.judge(map(Packet, [0, 4, 10])))
    cut_short.came(0)
    assert (cut_short.ended(), cut_short.failed) == ([4, 10], True)


@pytest.mark.parametrize("fps", [7, 24000 / 1001, 30, 59.94])
def test_a_grid_takes_the_first_time_in_each_of_its_cells(fps) -> None:
    grid, cells = Grid(0.5, 1 / fps, 1e-4), Grid(0.5, 1 / fps, 1e-4)
    times_s = [0.3 + index / 50 for index in range(500)]
    first_of_cell = {cells.cell(time_s): time_s for time_s in reversed(times_s)}
    first_of_cell.pop(-1)
    assert [time_s for time_s in times_s if grid.takes(time_s)] == sorted(first_of_cell.values())
