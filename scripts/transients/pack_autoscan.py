"""Pack one tar of the real archive into a shard of a data set."""

import json
from pathlib import Path

from skyneedle.core import runtime
from skyneedle.transients.fetch import download, pack

with runtime.rule(snakemake) as job:
    files = json.loads(Path(snakemake.input.status).read_text())["files"]
    pack.write_shard(
        snakemake.output.h5,
        files[snakemake.params.tar]["path"],
        files[download.CATALOGUE]["path"],
        pixel_mode="gif" if snakemake.params.recipe == "faithful" else "fits",
        provenance=job.provenance,
    )
