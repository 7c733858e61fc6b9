"""The archive of Goldstein et al. 2015 instead of a simulated survey, on one made like it, without truth."""

import io
import tarfile

import numpy as np
import pandas as pd
import yaml

from skyneedle.core.store import DataSet
from skyneedle.transients.fetch.download import CATALOGUE
from skyneedle.transients.preprocess import CHANNELS
from skyneedle.transients.simulate import archive, catalogue, examples, settings
from tests.workflow.conftest import SNAKEMAKE, dry_run, run

FIRST = 11_000_000
TARS = {0: "SNWG/Archive/2013/Y1/{night}/{expid}", 10: "stamps10/{expid}"}  # the last one is flatter
SMALL = settings.profile("des", {"n_blocks": 40, "bands": {"r": settings.DECAM_BANDS["r"]}})
SHARES = {"training": 0.4, "validation": 0.2, "testing": 0.2, "reserve": 0.2}


def make_archive(folder, n):
    """Two tars of pictures and images of n candidates each, and their catalogue with rows of other tars.

    Returns the images and the label by id.
    """
    folder.mkdir()
    planes, labels, rows = {}, {}, []
    for number, place in TARS.items():
        with tarfile.open(folder / f"stamps_{number}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for one in range(FIRST + number * n, FIRST + number * n + n):
                made = examples.example(one, SMALL, seed=3)
                planes[one], labels[one] = made.stamps, int(made.truth["label_given"])
                rows.append({"ID": one, "OBJECT_TYPE": labels[one]} | made.features)
                where = place.format(**made.truth)
                for channel, plane in zip(CHANNELS, made.stamps, strict=True):
                    for ending, encode in (("gif", archive.gif_bytes), ("fits", archive.fits_bytes)):
                        content = encode(plane)
                        info = tarfile.TarInfo(f"{where}/{channel}{one}.{ending}")
                        info.size = len(content)
                        tar.addfile(info, io.BytesIO(content))
    rows += [rows[0] | {"ID": 7}]
    order = np.random.default_rng(4).permutation(len(rows))
    columns = ["ID", "OBJECT_TYPE", *catalogue.COLUMNS]
    header = "".join(f"# line {k}\n" for k in range(6))
    listed = pd.DataFrame(rows).reindex(columns=columns).iloc[order]
    (folder / CATALOGUE).write_text(header + listed.to_csv(index=False))
    return planes, labels


def options(checkout, folder, **more):
    """Options of the smoke scale, transients alone, one network, from the archive in a folder of mirrors."""
    transients = {
        "images": {"source": "autoscan", "tars": list(TARS)},
        "splits": {"phase1": {"shares": SHARES}},
        "networks": [{"name": "cnn1", "source": "cnn1", "training": {"epochs": 1}}],
    } | more
    own = {"experiments": ["transients"], "mirrors": [str(folder)], "transients": transients}
    (checkout / "own.yaml").write_text(yaml.safe_dump(own))
    return ["--configfile", "config/smoke.yaml", "own.yaml"]


def test_the_archive_is_packed_bit_for_bit_and_learned_from(checkout, tmp_path):
    mirror = tmp_path / "mirror"
    planes, labels = make_archive(mirror, 60)
    call = [*SNAKEMAKE, "--cores", "1", *options(checkout, mirror), "--"]
    figures, board = "results/smoke/figures/ayyar2022", "results/smoke/scoreboard.csv"
    run(*call, f"{figures}/fig2_stamps.svg", f"{figures}/fig4_old_labels.svg", board, cwd=checkout)
    results = "results/smoke/transients"
    data = DataSet([checkout / results / "data" / "des" / f"{shard:03d}.h5" for shard in range(2)])
    table = data.table
    assert table["id"].tolist() == list(planes)
    assert table["label_given"].tolist() == list(labels.values())
    for place, one in enumerate(planes):
        np.testing.assert_array_equal(data.read("stamps", place), planes[one])
    assert (table["night"][:60] > 20_130_000).all()
    assert (table["night"][60:] == -1).all()
    assert (table["expid"] > 0).all()
    assert (table["host_id"] == -1).all()
    counts = data.attributes["counts"]
    assert (counts["kept"], counts["other_kind"], counts["rows_without_candidate"]) == (60, 180, 61)
    split = pd.read_parquet(checkout / results / "splits" / "phase1.parquet")
    assert sorted(split["id"]) == sorted(planes)
    given = pd.read_parquet(checkout / results / "labels" / "given.parquet").set_index("id")["label"]
    assert given.to_dict() == labels
    assert not (checkout / results / "truth").exists()
    assert {"cnn1", "forest"} <= set(pd.read_csv(checkout / figures / "fig4_old_labels.csv")["method"])
    assert len(pd.read_csv(checkout / figures / "fig2_stamps.csv")) == 3 * 10
    published = pd.read_csv(checkout / board).query("paper == 'ayyar2022'")
    rows = published.drop_duplicates("quantity").set_index("quantity")
    assert rows.loc["samples", "reproduced"] == len(planes)
    assert rows.loc["Model 1: area under the curve", "reproduced"] > 0
    for quantity, reason in {
        "share of non-artifacts that are injected": "no truth: the labels are real",
        "loss of FPR by wrong training labels, Model 1 minus random forest": "no truth: the labels are real",
        "share of all labels that was changed": "no new labels: people have to review",
        "FPR of Model 1 at an MDR of 0.05, new labels": "no new labels: people have to review",
    }.items():
        assert np.isnan(rows.loc[quantity, "reproduced"])
        assert rows.loc[quantity, "note"].startswith(reason)


def test_without_a_review_only_what_needs_no_new_labels_is_made(checkout, tmp_path):
    done = run(*SNAKEMAKE, "--dry-run", *options(checkout, tmp_path), cwd=checkout)
    for absent in ("truth", "simulate_transients", "relabel", "fig8_new_labels", "phase2_given"):
        assert absent not in done.stdout, absent
    jobs = dry_run(*options(checkout, tmp_path), cwd=checkout, scale="laptop")
    assert jobs["pack_autoscan_transients"] == 2
    assert {"suspects_transients", "judge_transients_phase1", "tables_transients", "scoreboard"} <= set(jobs)
    wanted = [*options(checkout, tmp_path), "--", "results/smoke/transients/labels/relabelled.parquet"]
    done = run(*SNAKEMAKE, "--dry-run", *wanted, cwd=checkout, check=False)
    assert done.returncode != 0
    assert "people have to review the suspects first" in done.stdout


def test_with_a_review_the_whole_graph_plans_without_truth(checkout, tmp_path):
    (tmp_path / "review.parquet").touch()
    smoke = yaml.safe_load((checkout / "config/smoke.yaml").read_text())["transients"]
    reviewed = options(checkout, tmp_path, labels={"log": str(tmp_path / "review.parquet")})
    done = run(*SNAKEMAKE, "--dry-run", *reviewed, cwd=checkout)
    assert "truth/ongoing" in done.stdout
    assert "truth/des" not in done.stdout
    jobs = dry_run(*reviewed, cwd=checkout, scale="laptop")
    assert jobs["simulate_transients"] == smoke["surveys"]["ongoing"]["shards"]
    assert {"judge_transients_phase2", "relabelling_transients", "survey_transients"} <= set(jobs)
    assert {"figure_ayyar2022_fig6_relabelled", "figure_ayyar2022_fig13_real_bogus"} <= set(jobs)
    assert not {"review_transients", "noise_transients", "score_suspects_transients"} & set(jobs)
    assert not {"strata_transients", "real_transients", "pixel_modes_transients"} & set(jobs)


def test_an_archive_that_is_not_there_says_what_to_do(checkout, tmp_path):
    wanted = [*options(checkout, tmp_path), "--", "results/smoke/transients/archive/des/status.json"]
    done = run(*SNAKEMAKE, "--cores", "1", *wanted, cwd=checkout, check=False)
    assert done.returncode != 0
    log = (checkout / "logs/smoke/fetch_autoscan_transients.log").read_text()
    assert f"{CATALOGUE}: not fetched: no mirror has it, and network is false. Put what is missing" in log
