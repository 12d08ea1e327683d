"""Settings files: ours and Ray Serve's, good, absent, empty and broken."""

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cascade import explain, resolve
from pipeline.errors import SettingsError
from pipeline.settings_file import MAX_BYTES, load_file, parse

SERVE = """\
proxy_location: HeadOnly
applications:
- name: mouthpiece
  import_path: deployments.app:build
  args:
    video:
      size: 256
    voice:
      backends: [flite, espeak]
"""


def refused(text: str | bytes) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        resolve(parse(text, "my.yaml"), {})
    return caught.value


def test_a_bare_file(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("video:\n  size: 256\n")
    layer = load_file(path)
    assert layer.values == {"video": {"size": 256}}
    assert layer.place(("video", "size")) == f"{path}:2"


def test_the_args_of_a_serve_config():
    layer = parse(SERVE, "serve_config.yaml")
    assert layer.values == {"video": {"size": 256}, "voice": {"backends": ["flite", "espeak"]}}
    explained = explain(layer, {})
    assert explained["video.size"].origin == "serve_config.yaml:7"
    assert explained["voice.backends"].origin == "serve_config.yaml:9"


@pytest.mark.parametrize("args", ["", "  args:\n", "  args: {}\n"])
def test_a_serve_config_may_have_no_args(args):
    layer = parse(f"applications:\n- name: mouthpiece\n  import_path: x:y\n{args}", "serve_config.yaml")
    assert resolve(layer, {}) == resolve({}, {})


@pytest.mark.parametrize("text", ["applications: []", "applications: 3", "applications: [3]", "applications:"])
def test_a_serve_config_without_an_application(text):
    error = refused(text)
    assert error.field == "applications"
    assert error.message.startswith("my.yaml:1:")


def test_a_missing_file_warns_and_changes_nothing(tmp_path, caplog):
    path = tmp_path / "absent.yaml"
    with caplog.at_level(logging.WARNING):
        layer = load_file(path)
    assert str(path) in caplog.text
    assert resolve(layer, {}) == resolve({}, {})


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "null\n", "~"])
def test_an_empty_file_warns_and_changes_nothing(tmp_path, caplog, text):
    path = tmp_path / "empty.yaml"
    path.write_text(text)
    with caplog.at_level(logging.WARNING):
        layer = load_file(path)
    assert f"{path} is empty" in caplog.text
    assert resolve(layer, {}) == resolve({}, {})


def test_the_deploy_file_of_this_project_says_the_defaults(caplog):
    with caplog.at_level(logging.WARNING):
        layer = load_file(Path(__file__).parents[2] / "serve_config.yaml")
    assert caplog.text == ""
    assert layer.values
    assert resolve(layer, {}) == resolve({}, {})


def test_a_good_file_does_not_warn(tmp_path, caplog):
    path = tmp_path / "my.yaml"
    path.write_text(SERVE)
    with caplog.at_level(logging.WARNING):
        load_file(path)
    assert caplog.text == ""


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load_file(tmp_path)
    assert caught.value.code == "unreadable_settings"
    assert str(tmp_path) in caught.value.message


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SettingsError) as caught:
        load_file(path)
    assert caught.value.code == "unreadable_settings"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("video:\n  size: [1, 2\nfps: 3\n", "my.yaml:3:4"),
        ("video:\n\tsize: 3\n", "my.yaml:2:1"),
        ("a: b: c\n", "my.yaml:1:5"),
        ("video: {}\n---\nvideo: {}\n", "my.yaml:2:1"),
        ("video: !!python/object:os.system {}\n", "my.yaml:1:8"),
        ("video: *nothing\n", "my.yaml:1:8"),
        (b"video: \xff\xfe\n", "my.yaml"),
        ("[" * 1500, "my.yaml"),
        ("when: 2020-13-45\n", "my.yaml"),
    ],
)
def test_invalid_yaml_names_file_and_line(text, place):
    error = refused(text)
    assert error.message.startswith(f"{place}: this is not valid YAML: ")
    assert "\n" not in error.message
    assert error.code == "invalid_yaml"


def test_an_unknown_key_names_file_line_and_key():
    error = refused("video:\n  size: 256\n  szie: 512\n")
    assert error.message == "my.yaml:3: there is no setting video.szie (did you mean video.size?)."
    assert (error.code, error.field, error.accepted) == ("unknown_setting", "video.szie", "size, fps, preset, crf")


def test_an_unknown_key_that_another_section_has():
    error = refused("server:\n  crf: 20\n")
    assert error.message == "my.yaml:2: there is no setting server.crf (did you mean video.crf?)."


def test_an_unknown_section_lists_the_sections():
    error = refused("vidoe:\n  size: 256\n")
    assert error.message.startswith("my.yaml:1: there is no setting vidoe")
    assert "video" in (error.accepted or "").split(", ")


def test_a_wrong_value_says_what_was_got_and_what_is_accepted():
    error = refused("video:\n  size: 256\n  fps: fast\n")
    assert error.message == "my.yaml:3: video.fps must be a valid number, got 'fast'."
    assert (error.field, error.accepted) == ("video.fps", "a valid number")


def test_every_mistake_is_told_at_once():
    error = refused("video:\n  size: 3\nserver:\n  port: no\nface: []\n")
    assert [line.split(" ")[:2] for line in error.message.splitlines()] == [
        ["my.yaml:4:", "server.port"],
        ["my.yaml:5:", "face"],
        ["my.yaml:2:", "video.size"],
    ]


def test_a_key_set_twice():
    error = refused("video:\n  size: 256\n  fps: 30\n  size: 512\n")
    assert error.message == "my.yaml:4: video.size is set twice, first at my.yaml:2."
    assert (error.code, error.field) == ("duplicate_setting", "video.size")


@pytest.mark.parametrize("text", ["3: 4\n", "video:\n  on: 4\n", "[1, 2]: 3\n", "? {a: b}\n: 3\n"])
def test_keys_are_text(text):
    assert "keys must be text" in refused(text).message


@pytest.mark.parametrize("text", ["3", "text", "[1, 2]", "applications:\n- args: [1]\n"])
def test_settings_are_a_mapping(text):
    assert "must be a mapping of settings" in refused(text).message


def test_aliases_and_merged_mappings_work_and_the_nearer_key_wins():
    layer = parse("video: &base\n  size: 256\n  crf: 30\ngeneration: {}\n", "my.yaml")
    assert resolve(layer, {}).video.crf == 30
    layer = parse("options:\n  espeak: &a\n    gap: 1\n    rate: 2\n  flite:\n    <<: *a\n    gap: 3\n", "my.yaml")
    assert resolve(layer, {}).options["flite"] == {"gap": 3, "rate": 2}
    assert layer.place(("options", "flite", "gap")) == "my.yaml:7"
    assert layer.place(("options", "flite", "rate")) == "my.yaml:4"


def test_an_alias_of_itself_is_refused():
    assert "alias of itself" in refused("options: &a\n  espeak: *a\n").message


def test_aliases_that_unfold_without_end_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert "unfolds into too much" in refused("\n".join(lines)).message


def test_an_empty_section_changes_nothing():
    assert resolve(parse("video:\nvoice:\n  backends: [flite]\noptions:\n  flite:\n", "my.yaml"), {}).video.size == 512


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("video: size\n-[]{}&*!|>'\"%@`#,?0~<\t\0é\ud800"), max_size=60))
def test_any_text_is_settings_or_an_error(text):
    try:
        resolve(parse(text, "my.yaml"), {})
    except SettingsError as error:
        assert error.message.startswith("my.yaml")


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_settings_or_an_error(content):
    try:
        resolve(parse(content, "my.yaml"), {})
    except SettingsError as error:
        assert error.message.startswith("my.yaml")
