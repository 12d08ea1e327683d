"""Deep merge, by properties."""

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.layers import Layer, leaves, merge

SCALARS = st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2) | st.booleans()
TREES = st.recursive(
    st.dictionaries(st.sampled_from("abcd"), SCALARS, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), SCALARS | inner, max_size=3),
    max_leaves=12,
)


def at(tree, key):
    for name in key:
        if not isinstance(tree, dict) or name not in tree:
            return None
        tree = tree[name]
    return tree


@settings(deadline=None)
@given(TREES, TREES)
def test_the_later_layer_wins_and_siblings_stay(base, over):
    merged = merge(base, over)
    for key, value in leaves(over):
        if value != {}:
            assert at(merged, key) == value
    overridden = [key for key, _ in leaves(over)]
    for key, value in leaves(base):
        related = any(key[: len(other)] == other or other[: len(key)] == key for other in overridden)
        if not related:
            assert at(merged, key) == value


@settings(deadline=None)
@given(TREES, TREES, TREES)
def test_it_does_not_matter_which_two_are_merged_first(a, b, c):
    # Only where no layer makes a section of a value or a value of a section, which settings never do.
    def kinds(tree):
        return {
            key[:end]: end < len(key) or value == {} for key, value in leaves(tree) for end in range(1, len(key) + 1)
        }

    known = [kinds(tree) for tree in (a, b, c)]
    if all(x[key] == y[key] for x in known for y in known for key in x.keys() & y.keys()):
        assert merge(merge(a, b), c) == merge(a, merge(b, c))


@settings(deadline=None)
@given(TREES)
def test_nothing_over_something_and_something_over_nothing(tree):
    assert merge(tree, {}) == merge({}, tree) == merge(tree, tree) == tree


@settings(deadline=None)
@given(TREES, TREES)
def test_the_arguments_are_left_as_they_were(base, over):
    before = copy.deepcopy((base, over))
    merged = merge(base, over)
    merged["new"] = 1
    assert (base, over) == before


def test_an_empty_section_changes_nothing_but_null_is_a_value():
    assert merge({"a": {"b": 1}, "c": 2}, {"a": None, "c": None}) == {"a": {"b": 1}, "c": None}


@settings(deadline=None)
@given(TREES)
def test_a_layer_of_single_keys_is_the_tree_that_they_came_from(tree):
    layer = Layer.of([(key, value, ".".join(key)) for key, value in leaves(tree)], "here")
    assert layer.values == tree
    assert all(layer.place(key) == ".".join(key) for key, _ in leaves(tree))
    assert layer.place(("unheard", "of")) == "here"
