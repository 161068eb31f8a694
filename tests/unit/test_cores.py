"""Threads follow the limit of the container, not the cores of the machine."""

import threading
from pathlib import Path

import pytest

from squadron.cores import call_in_short_thread, limit_threads, read_limit
from squadron.steps import _step
from squadron.steps._step import step

LIMITS = {"200000 100000": 2, "400000 100000": 4, "50000 100000": 1, "250000 100000": 2}
LIMITS |= {"max 100000": 0, "nonsense": 0}


@pytest.mark.parametrize(("text", "cores"), LIMITS.items(), ids=LIMITS)
def test_the_limit_of_cgroup_v2_is_read(tmp_path: Path, text: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{text}\n", encoding="utf-8")
    assert read_limit(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 0), ("300000", 3)])
def test_the_limit_of_cgroup_v1_is_read(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n", encoding="utf-8")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n", encoding="utf-8")
    assert read_limit(tmp_path) == cores


def test_threads_are_as_many_as_cores_unless_someone_chose(tmp_path: Path) -> None:
    environment: dict[str, str] = {}
    limit_threads(environment, tmp_path)
    assert environment == {}, "no limit, no choice"
    (tmp_path / "cpu.max").write_text("200000 100000\n", encoding="utf-8")
    limit_threads(environment, tmp_path)
    assert environment == {"OMP_NUM_THREADS": "2"}
    chosen = {"OMP_NUM_THREADS": "1"}
    limit_threads(chosen, tmp_path)
    assert chosen == {"OMP_NUM_THREADS": "1"}


def test_a_step_limits_its_threads_before_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(_step, "limit_threads", lambda: order.append("limit"))

    @step
    def work(*, name: str) -> None:
        order.append(name)

    work(name="work")
    assert order == ["limit", "work"]


def test_a_short_thread_ends_and_gives_the_result() -> None:
    thread = call_in_short_thread(threading.current_thread)
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_an_error_in_a_short_thread_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        call_in_short_thread(lambda: 1 // 0)
