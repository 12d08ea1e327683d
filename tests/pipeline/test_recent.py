from __future__ import annotations

from pipeline.recent import Recent


def test_what_was_used_longest_ago_goes_first() -> None:
    recent: Recent[int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert [recent.get(key) for key in "abc"] == [1, None, 3]


def test_a_heavy_result_takes_the_room_of_several() -> None:
    recent: Recent[int] = Recent(10)
    for key in "abcde":
        recent.put(key, 0, 2)
    recent.put("f", 0, 5)
    assert [key for key in "abcdef" if recent.get(key) is not None] == ["d", "e", "f"]
    recent.put("g", 0, 11)
    assert recent.get("g") is None, "more than there is room for"
    recent.put("h", 0, 10)
    assert recent.get("h") == 0, "and the room is free again"


def test_put_again_it_weighs_once() -> None:
    recent: Recent[int] = Recent(2)
    for value in range(5):
        recent.put("a", value)
    recent.put("b", 9)
    assert (recent.get("a"), recent.get("b")) == (4, 9)


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    assert Recent.key(b"ab", b"c") != Recent.key(b"a", b"bc")
