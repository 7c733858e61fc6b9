# Simulated images of lenses and of what looks like them, for the experiments lenses and transfer.

SIMULATED_SETS = simulated_sets()


rule simulate_lenses:
    output:
        h5="<results>/lenses/data/{set}/{shard}.h5",
    log:
        "<logs>/simulate_lenses/{set}_{shard}.log",
    benchmark:
        "<benchmarks>/simulate_lenses/{set}_{shard}.tsv"
    wildcard_constraints:
        set="|".join(SIMULATED_SETS),
        shard=r"\d{3}",
    # Two threads wait for two idle cores, so among trainings of one thread the last shards would come last of all.
    priority: 50
    conda:
        "../../envs/skyneedle.yaml"
    threads: 2
    params:
        cfg=lambda wildcards: survey(wildcards.set),
        set=lambda wildcards: SIMULATED_SETS[wildcards.set],
        seed=config["seed"],
        code=code("lenses/simulate.py"),
    script:
        "../../scripts/lenses/simulate.py"
