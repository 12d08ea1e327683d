import threading

import pytest

from pipeline.errors import StorageFull
from pipeline.storage.shared_count import SharedCount


@pytest.fixture
def path(tmp_path):
    return tmp_path / "count"


def test_it_is_counted_when_it_is_opened(path):
    assert SharedCount(path, lambda: 5).value() == 5
    assert SharedCount(path, lambda: 7).value() == 7
    assert path.stat().st_mode & 0o777 == 0o600


def test_everyone_sees_what_one_changes(path):
    first, second = SharedCount(path, lambda: 0), SharedCount(path, lambda: 0)
    with first.changing() as change:
        change.value += 3
    with second.changing() as change:
        change.value += 4
    assert first.value() == second.value() == 7


def test_many_threads_lose_nothing(path):
    counts = [SharedCount(path, lambda: 0) for _ in range(2)]

    def work(count):
        for _ in range(200):
            with count.changing() as change:
                change.value += 1

    threads = [threading.Thread(target=work, args=(counts[number % 2],)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts[0].value() == 1200


def test_a_refusal_keeps_it_and_a_surprise_has_it_counted_anew(path):
    recounts = []

    def recount():
        recounts.append(1)
        return 100

    count = SharedCount(path, recount)
    recounts.clear()
    with pytest.raises(StorageFull), count.changing() as change:
        change.value += 1
        raise StorageFull("no room")
    with count.changing():
        pass
    assert (count.value(), recounts) == (101, [])
    with pytest.raises(KeyboardInterrupt), count.changing():
        raise KeyboardInterrupt
    with count.changing() as change:
        change.value += 1
    assert (count.value(), recounts) == (101, [1])
