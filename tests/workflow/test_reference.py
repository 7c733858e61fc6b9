"""What is committed from finished results: all files of an experiment, or none."""

import importlib.util
import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture
def reference(tmp_path, monkeypatch):
    """The script, at work in an empty folder."""
    spec = importlib.util.spec_from_file_location("reference_script", ROOT / "workflow" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "reference_script", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(path.name))


def test_lens_networks_are_copied_when_all_of_them_are_there(reference, tmp_path, capsys):
    results = tmp_path / "results" / "laptop" / "lenses"
    for name in ("ou66", "ou200"):
        for path in (f"models/{name}/seed0.safetensors", f"models/{name}/seed0.json", f"metrics/{name}.json"):
            write(results / path)
    write(results / "metrics" / "operating_point_ou66.json")
    with pytest.raises(SystemExit):
        reference.main()
    said = capsys.readouterr().out
    assert "operating_point_ou200.json is missing" in said
    assert "strain stays as it is" in said
    assert not (tmp_path / "reference").exists()
    write(results / "metrics" / "operating_point_ou200.json")
    reference.main()
    copied = {path.name: path.read_text() for path in (tmp_path / "reference" / "lenses").iterdir()}
    assert copied == {
        f"{before}{name}.{ending}": content
        for name in ("ou66", "ou200")
        for before, ending, content in (
            ("", "safetensors", "seed0.safetensors"),
            ("", "json", "seed0.json"),
            ("metrics_", "json", f"{name}.json"),
            ("operating_point_", "json", f"operating_point_{name}.json"),
        )
    }


def test_the_network_of_transients_is_the_one_of_the_labels_after_the_review(reference, tmp_path):
    results = tmp_path / "results" / "laptop" / "transients"
    names = ("models/phase2/cnn1/seed0.safetensors", "models/phase2/cnn1/seed0.json")
    for path in (*names, "metrics/phase2_cnn1.json", "metrics/operating_point_phase2_cnn1.json"):
        write(results / path)
    reference.main()
    copied = {path.name: path.read_text() for path in (tmp_path / "reference" / "transients").iterdir()}
    assert set(copied) == {"cnn1.safetensors", "cnn1.json", "metrics_cnn1.json", "operating_point_cnn1.json"}
    assert copied["metrics_cnn1.json"] == "phase2_cnn1.json"
