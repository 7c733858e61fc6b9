"""What the flow diagrams show, as data: boxes and arrows."""

from typing import NamedTuple


class Node(NamedTuple):
    """One box: centre and size in units of the diagram's grid; ``kind`` is a key of ``FILLS``."""

    name: str
    text: str
    x: float
    y: float
    width: float = 1.8
    height: float = 0.62
    kind: str = "step"


class Edge(NamedTuple):
    """An arrow between two boxes; ``style`` is "data", or "background" for what time-shifted data go
    through."""

    source: str
    target: str
    style: str = "data"


# Fill and dashes of the frame: kinds differ in grey too.
FILLS = {
    "data": ("#dcebf7", "-"),
    "step": ("#ffffff", "-"),
    "simulation": ("#fdf0d9", (0, (4, 1.5))),
    "result": ("#d7efe5", "-"),
}

# Source: Gebhard et al. 2019, Sec. II B.
PIPELINE_NODES = (
    Node("h1", "strain H1", 1.0, 8.0, kind="data"),
    Node("space", "parameter space\n(masses, spins)", 3.5, 8.9, kind="data"),
    Node("bank", "template bank\n(LALSuite waveforms)", 3.5, 8.0, kind="simulation"),
    Node("l1", "strain L1", 6.0, 8.0, kind="data"),
    Node("filter_h1", "matched filter:\nSNR time series", 1.0, 7.0),
    Node("shift", "time shift of one detector,\nlonger than light travel", 8.45, 8.0, width=2.1),
    Node("filter_l1", "matched filter:\nSNR time series", 6.0, 7.0),
    Node("peaks_h1", "peaks above threshold,\nloudest in 1 s", 1.0, 6.0),
    Node("peaks_l1", "peaks above threshold,\nloudest in 1 s", 6.0, 6.0),
    Node("triggers_h1", "triggers H1", 1.0, 5.1, height=0.45, kind="data"),
    Node("triggers_l1", "triggers L1", 6.0, 5.1, height=0.45, kind="data"),
    Node("chisq_h1", "χ² tests:\nre-weighted SNR", 1.0, 4.25),
    Node("chisq_l1", "χ² tests:\nre-weighted SNR", 6.0, 4.25),
    Node("coincidence", "coincidence: same template,\ntimes within light travel", 3.5, 4.25, width=2.3),
    Node("candidates", "candidate events\nand their loudness", 2.1, 3.2, kind="data"),
    Node("noise", "candidates by chance\nand their loudness", 5.0, 3.2, kind="data"),
    Node("significance", "how often is noise as loud?\nfalse-alarm rate, significance", 3.5, 2.15, width=2.5),
    Node("detection", "detection", 3.5, 1.3, height=0.45, kind="result"),
)
PIPELINE_EDGES = (
    Edge("space", "bank"),
    Edge("h1", "filter_h1"),
    Edge("l1", "filter_l1"),
    Edge("bank", "filter_h1"),
    Edge("bank", "filter_l1"),
    Edge("l1", "shift", "background"),
    Edge("shift", "filter_l1", "background"),
    Edge("filter_h1", "peaks_h1"),
    Edge("filter_l1", "peaks_l1"),
    Edge("peaks_h1", "triggers_h1"),
    Edge("peaks_l1", "triggers_l1"),
    Edge("triggers_h1", "chisq_h1"),
    Edge("triggers_l1", "chisq_l1"),
    Edge("chisq_h1", "coincidence"),
    Edge("chisq_l1", "coincidence"),
    Edge("coincidence", "candidates"),
    Edge("coincidence", "noise", "background"),
    Edge("candidates", "significance"),
    Edge("noise", "significance", "background"),
    Edge("significance", "detection"),
)

# Our own generation of examples; every number comes from the settings, and what the recipes do differently
# from here.
GENERATION_NODES = (
    Node(
        "background",
        "background: {source}\n{detectors}, {raw_sample_rate_hz:g} Hz",
        1.4,
        8.0,
        2.5,
        kind="data",
    ),
    Node("time", "GPS time of the window\n{time_grid}", 1.4, 7.0, 2.5),
    Node("noise", "noise window\n{window_s:g} s", 1.4, 6.0, 2.5, kind="data"),
    Node(
        "prior",
        "{mass_low:g}–{mass_high:g} M☉, aligned spins 0–{spin_high:g},\nsky, orientation: isotropic",
        5.0,
        8.0,
        3.0,
    )._replace(kind="simulation"),
    Node(
        "waveform", "{approximant} from {f_low_hz:g} Hz:\nh₊(t) and hₓ(t)", 5.0, 7.0, 3.0, kind="simulation"
    ),
    Node("project", "antenna patterns and delays\n{antenna}", 5.0, 6.0, 3.0, kind="simulation"),
    Node(
        "snr",
        "scale to network SNR uniform in {snr_low:g}–{snr_high:g}\n{psd}",
        5.0,
        5.0,
        3.0,
        kind="simulation",
    ),
    Node("inject", "add ({injection_percent:.0f} % of the examples)", 3.0, 4.05, 2.7, 0.45),
    Node("resample", "to {sample_rate_hz:g} Hz\n{resample}", 3.0, 3.2, 2.7),
    Node(
        "whiten",
        "whiten: Welch median, {whiten_segment_s:g}-s segments;\nhigh-pass {highpass_hz:g} Hz",
        3.0,
        2.25,
        3.3,
    ),
    Node(
        "crop",
        "crop {crop_s:g} s: {crop_start_s:g}–{crop_stop_s:g} s of the window;\nmerger {position}",
        3.0,
        1.3,
        3.3,
    ),
    Node("train", "training\n{n_train:,}", 1.0, 0.25, 1.5, kind="result"),
    Node("validation", "validation\n{n_validation:,}", 3.0, 0.25, 1.5, kind="result"),
    Node("test", "testing\n{n_test:,}", 5.0, 0.25, 1.5, kind="result"),
)
GENERATION_EDGES = (
    Edge("background", "time"),
    Edge("time", "noise"),
    Edge("prior", "waveform"),
    Edge("waveform", "project"),
    Edge("project", "snr"),
    Edge("noise", "inject"),
    Edge("snr", "inject"),
    Edge("inject", "resample"),
    Edge("resample", "whiten"),
    Edge("whiten", "crop"),
    Edge("crop", "train"),
    Edge("crop", "validation"),
    Edge("crop", "test"),
)
# Source: spec A1 and F1 to F15.
RECIPES = {
    "corrected": {
        "time_grid": "on the grid of samples",
        "antenna": "at the window's own GPS time",
        "psd": "with the PSD of signal-free data",
        "resample": "anti-alias filter first",
        "position": "{event_s_low:.2f}–{event_s_high:.2f} s into it",
    },
    "faithful": {
        "time_grid": "on whole seconds",
        "antenna": "at GPS 100 s, as published",
        "psd": "with the PSD of noise plus signal",
        "resample": "every second sample, no filter",
        "position": "always {event_s_low:.2f} s into it",
    },
}
GENERATION_KEYS = (
    *(
        "recipe",
        "source",
        "detectors",
        "raw_sample_rate_hz",
        "sample_rate_hz",
        "window_s",
        "mass_low",
        "mass_high",
    ),
    *("spin_high", "approximant", "f_low_hz", "snr_low", "snr_high", "injection_share", "whiten_segment_s"),
    *(
        "highpass_hz",
        "crop_s",
        "crop_start_s",
        "event_s_low",
        "event_s_high",
        "n_train",
        "n_validation",
        "n_test",
    ),
)
