"""When the front end is built again, and how the built app is started."""

import pytest

from billerjacket_app import build


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small tree that counts as built."""
    for name in (*build.SOURCES, *build.PACKAGES):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "." in path.name[1:] and path.suffix != ".lock":
            path.write_text("one")
        else:
            path.mkdir()
            (path / "file.py").write_text("one")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BUILT", tmp_path / ".web/build/client")
    monkeypatch.setattr(build, "STAMP", tmp_path / ".web/stamp")
    monkeypatch.setattr(build, "LOCK", tmp_path / ".reflex/lock")
    build.BUILT.mkdir(parents=True)
    (build.BUILT / "index.html").write_text("<html>")
    build.STAMP.write_text(build._stamp(build.digest_of(build.SOURCES)))
    return tmp_path


def test_an_unchanged_tree_is_not_built_again(tree):
    assert build.is_built()
    assert build.build_if_changed() is False


@pytest.mark.parametrize("name", [*build.SOURCES, *build.PACKAGES])
def test_a_change_of_any_source_asks_for_a_build(tree, name):
    changed = tree / name
    (changed / "file.py" if changed.is_dir() else changed).write_text("two")
    assert not build.is_built()


def test_a_file_that_is_new_or_gone_asks_for_a_build(tree):
    (tree / "assets/new.css").write_text("")
    assert not build.is_built()
    (tree / "assets/new.css").unlink()
    assert build.is_built()
    (build.BUILT / "index.html").unlink()
    assert not build.is_built()


def test_byte_code_is_no_source(tree):
    cache = tree / "billerjacket_app/__pycache__"
    cache.mkdir()
    (cache / "file.pyc").write_text("x")
    assert build.is_built()


def test_a_failed_build_says_why_and_is_tried_again(tree):
    (tree / "rxconfig.py").write_text("raise SystemExit('no such setting')")
    with pytest.raises(build.BuildFailed, match="no such setting"):
        build.build_if_changed()
    assert not build.is_built()


def test_a_package_list_that_was_only_set_out_anew_is_put_back(tree, monkeypatch):
    listed = tree / "package.json"
    monkeypatch.setattr(build, "PACKAGE_LIST", listed)
    listed.write_text('{\n  "react": "19.3.1"\n}')
    build._keep_form_of(b'{"react": "19.3.1"}')
    assert listed.read_bytes() == b'{"react": "19.3.1"}'
    listed.write_text('{"react": "19.3.2"}')
    build._keep_form_of(b'{"react": "19.3.1"}')
    assert listed.read_bytes() == b'{"react": "19.3.2"}'


def test_the_served_app_gets_its_address_from_the_environment():
    assert build.serve_environment("0.0.0.0", 8123)["BILLERJACKET_PORT"] == "8123"  # noqa: S104
    assert "8123" in build.serve_command("127.0.0.1", 8123)
