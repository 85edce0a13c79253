"""Work on all cores: in order, whatever the cores, and over at once when it is broken off."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import PATIENCE

from e6graph.store import parallel
from e6graph.store.parallel import in_order


@pytest.mark.parametrize("cores", [1, 2, 7])
def test_results_come_in_order(monkeypatch, cores):
    monkeypatch.setattr(parallel, "cores", lambda: cores)
    assert list(in_order(lambda n: n * n, range(20))) == [n * n for n in range(20)]
    assert list(in_order(abs, [])) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_no_thread_has_begun_is_dropped(monkeypatch, error):
    begun, first, over = [], threading.Event(), threading.Event()

    class Pool(ThreadPoolExecutor):
        """One whose only thread goes on when it was told to end, and not before."""

        def __init__(self, cores):
            super().__init__(1)

        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            over.set()
            super().shutdown(wait=wait)

    def work(item):
        begun.append(item)
        first.set()
        assert over.wait(PATIENCE)

    def items():
        yield 1
        yield 2  # its turn comes after the first
        first.wait(PATIENCE)
        raise error

    monkeypatch.setattr(parallel, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr(parallel, "cores", lambda: 2)  # so that two may wait
    with pytest.raises(error):
        list(in_order(work, items()))
    assert begun == [1]
