"""Synthetic tables of the shapes that the figures read."""

import numpy as np
import pandas as pd

TOLERANCES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SETTINGS = {
    "recipe": "corrected",
    "source": "simulated",
    "detectors": ["H1", "L1"],
    "raw_sample_rate_hz": 4096,
    "sample_rate_hz": 2048,
    "window_s": 16,
    "mass_low": 10,
    "mass_high": 80,
    "spin_high": 0.998,
    "approximant": "SEOBNRv4_opt",
    "f_low_hz": 20,
    "snr_low": 5,
    "snr_high": 20,
    "injection_share": 0.75,
    "whiten_segment_s": 4,
    "highpass_hz": 20,
    "crop_s": 8,
    "crop_start_s": 4.0,
    "event_s_low": 1.25,
    "event_s_high": 6.75,
    "n_train": 32768,
    "n_validation": 4096,
    "n_test": 16384,
}


def receptive_field() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Twelve blocks that double the field; which units of four layers unit 4 of the last one depends on."""
    field = pd.DataFrame({"layer": range(13), "receptive_field": [2**layer for layer in range(13)]})
    rows, used = [], {4}
    for layer in (3, 2, 1, 0):
        rows += [(layer, unit, int(unit in used)) for unit in range(16 - 2**layer + 1)]
        used |= {unit + 2 ** (layer - 1) for unit in used} if layer else set()
    return field, pd.DataFrame(rows, columns=["layer", "unit", "connected"])


def by_snr(n: int = 410) -> pd.DataFrame:
    rows = []
    for tolerance in TOLERANCES:
        for low in np.arange(5, 20, 0.5):
            share = (1 / (1 + np.exp(-(low - 6.8) / 0.8))) * (1 - 0.05 * (0.01 / tolerance) ** 2)
            half = np.sqrt(share * (1 - share) / n + 0.25 / n**2)
            rows.append(
                (
                    "fcn",
                    tolerance,
                    low,
                    low + 0.5,
                    n,
                    round(share * n),
                    share,
                    share - half,
                    min(1, share + half),
                )
            )
    names = ["network", "tolerance_s", "snr_low", "snr_high", "n", "detected", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def by_tolerance() -> pd.DataFrame:
    rows = []
    for exposure, seconds in (("paper", 16384 * 8.0), ("evaluated", 16384 * 6.0005)):
        for tolerance in TOLERANCES:
            count = round(110 + 300 * (0.005 / tolerance) ** 1.5)
            value, error = seconds / count, seconds / count / np.sqrt(count)
            rows.append(("fcn", tolerance, exposure, count, seconds, value, value - error, value + error))
    names = ["network", "tolerance_s", "exposure", "false_positives", "exposure_s", "value", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def by_postprocessing() -> pd.DataFrame:
    rows, seconds = [], 16384 * 6.0005
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.9):
        for window in 2 ** np.arange(9):
            ratio = 0.95 - 0.12 * threshold - 0.01 * np.log2(window)
            count = int(3000 * np.exp(-3.5 * threshold - 0.45 * np.log2(window)))
            value = seconds / count if count else np.inf
            low, high = (seconds / (count + np.sqrt(count) + 1.8 * (count == 0)), np.inf)
            high = seconds / max(count - np.sqrt(count), 0.3) if count else np.inf
            rows.append(
                (
                    "fcn",
                    threshold,
                    window,
                    ratio,
                    ratio - 0.003,
                    ratio + 0.003,
                    count,
                    seconds,
                    value,
                    low,
                    high,
                )
            )
    names = [
        *("network", "threshold", "window", "detection_ratio", "detection_low", "detection_high"),
        *("false_positives", "exposure_s", "value", "low", "high"),
    ]
    return pd.DataFrame(rows, columns=names)


def events(missing: str = "", why: str = "") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two events; the one named ``missing`` has no strain."""
    rng, rows, samples = np.random.default_rng(0), [], []
    for name, gps, offset in (("GW150914", 1126259462.4, 0.003), ("GW151226", 1135136350.6, 0.012)):
        if name == missing:
            rows.append(
                {"event": name, "status": "missing", "reason": why, "gps_catalogue": gps, "threshold": 0.5}
            )
            continue
        rows.append(
            {"event": name, "status": "found", "reason": "", "gps_catalogue": gps, "gps_found": gps + offset}
            | {"offset_s": offset, "threshold": 0.5}
        )
        time = np.arange(-8, 8, 1 / 2048)
        chirp = (
            4
            * np.exp(-np.abs(np.minimum(time, 0) / 0.08))
            * (time < 0.01)
            * np.sin(300 * np.sqrt(np.abs(time)))
        )
        inside = np.abs(time) < 6.7
        smooth = np.where(inside, 0.02 + 0.9 * np.exp(-(((time - offset) / 0.08) ** 4)), np.nan)
        raw = np.clip(smooth + 0.15 * rng.normal(size=len(time)) * (smooth > 0.1), 0, 1)
        samples.append(
            pd.DataFrame(
                {"event": name, "gps": gps + time, "H1": rng.normal(size=len(time)) + chirp}
                | {"L1": rng.normal(size=len(time)) - chirp, "raw": raw, "smoothed": smooth}
                | {"above": np.where(inside, (smooth >= 0.5).astype(float), np.nan)}
            )
        )
    return pd.DataFrame(rows), pd.concat(samples) if samples else pd.DataFrame({"event": []})


def preimages() -> pd.DataFrame:
    rng, tables = np.random.default_rng(1), []
    time = np.arange(6144) / 2048
    for constraint in (
        "gw_like",
        "minimal_perturbation",
        "positive_strain",
        "zero_coalescence",
        "minimal_amplitude",
    ):
        noise = rng.normal(size=(2, 6144))
        added = 2 * np.exp(-(((time - 1.5) / 0.1) ** 2)) * np.sin(2 * np.pi * 80 * time)
        given = {
            "positive_strain": np.maximum(noise, 0),
            "minimal_amplitude": np.clip(noise, -0.08, 0.08),
        }.get(constraint, noise + added)
        if constraint == "zero_coalescence":
            given = given * (np.abs(time - 1.5) > 0.125)
        judged = (np.arange(6144) >= 2047) & (np.arange(6144) < 4096)
        target = np.where(judged, (np.abs(time - 1.5) <= 0.05).astype(float), np.nan)
        output = np.where(judged, np.exp(-(((time - 1.5) / 0.06) ** 6)), np.nan)
        tables.append(
            pd.DataFrame(
                {"constraint": constraint, "example": 7, "sample": np.arange(6144), "time_s": time}
                | {
                    "H1_original": noise[0],
                    "L1_original": noise[1],
                    "H1_input": given[0],
                    "L1_input": given[1],
                }
                | {"target": target, "output": output}
            )
        )
    return pd.concat(tables, ignore_index=True)


def contrived(n: int = 12) -> pd.DataFrame:
    rng, rows = np.random.default_rng(2), []
    kinds = [("preimage", name) for name in ("gw_like", "minimal_perturbation", "positive_strain")]
    for index, (kind, constraint) in enumerate([*kinds, ("injection", ""), ("noise", "")]):
        for example in range(n):
            overlap = np.clip(rng.normal((0.6, 0.35, 0.2, 0.97, 0.2)[index], 0.03), 0, 1)
            rows.append(
                (
                    constraint,
                    example,
                    kind,
                    overlap,
                    rng.uniform(5, 20),
                    rng.normal(-3 * index, 1),
                    rng.uniform(),
                )
            )
    names = ["constraint", "example", "kind", "overlap_best", "optimal_snr", "noise_loglik_z", "output_peak"]
    return pd.DataFrame(rows, columns=names)


def histories() -> dict[str, pd.DataFrame]:
    epochs = np.arange(1, 31)
    out = {}
    for index, name in enumerate(("fcn", "fcn8", "fcn16", "fcn64", "classifier")):
        rate = np.where(epochs < 18, 3e-4, 1.5e-4)
        train = 0.03 + 0.1 * np.exp(-epochs / (4 + index))
        validation = train + 0.0006 * epochs
        out[name] = pd.concat(
            pd.DataFrame({"epoch": epochs, "split": split, "loss": loss, "learning_rate": rate})
            for split, loss in (("train", train), ("validation", validation))
        )
    return out


def networks() -> pd.DataFrame:
    rows = []
    ratios = {"fcn": 0.86, "fcn8": 0.78, "fcn16": 0.83, "fcn64": 0.88, "fcn_h1": 0.6, "fcn_h1l1v1": 0.87}
    for index, (name, value) in enumerate(
        (ratios | {"classifier": 0.7, "excess_power": 0.4, "my_network": 0.8}).items()
    ):
        rows.append((name, "detection_ratio", value, value - 0.01, value + 0.01, 600, ""))
        seconds = 200.0 + 30 * index
        none = name == "fcn_h1l1v1"  # not one false positive
        tail = (np.nan, seconds, np.nan) if none else (seconds, 0.8 * seconds, 1.3 * seconds)
        rows.append((name, "inverse_false_positive_rate_s", *tail, 20, ""))
    return pd.DataFrame(rows, columns=["network", "metric", "value", "low", "high", "n", "reason"])


def stream() -> pd.DataFrame:
    rows = []
    for name, detected, false in (("fcn", 52, 9), ("classifier", 40, 30), ("excess_power", 20, 12)):
        ratio = detected / 64
        rows.append((name, 64, detected, ratio, ratio - 0.05, ratio + 0.05, false, 4096.0, 4096 / false))
    names = [
        *("network", "injections", "detected", "detection_ratio", "detection_low", "detection_high"),
        *("false_positives", "exposure_s", "value"),
    ]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(low=table["value"] * 0.8, high=table["value"] * 1.3)


def classifier_share() -> pd.DataFrame:
    rows = []
    for share in (0.1, 0.25, 0.5, 0.75, 0.9):
        for kind, value in (("injections", 0.4 + 0.5 * share), ("noise", 0.3 * share**2)):
            rows.append((share, "classifier", kind, value, value - 0.02, value + 0.02))
    return pd.DataFrame(rows, columns=["share", "network", "set", "value", "low", "high"])


def classifier_counting() -> pd.DataFrame:
    rows = []
    for step in (0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0):
        for threshold in (0.5, 0.9):
            counted = 0.02 / step * (1 - threshold)
            rows.append((step, threshold, 0.03 * (1.05 - threshold), counted, 0.8 * counted, 1.2 * counted))
    return pd.DataFrame(rows, columns=["step_s", "threshold", "naive_rate", "counted_rate", "low", "high"])


def classifier_position() -> pd.DataFrame:
    rows = []
    for position in np.arange(0.05, 1, 0.1):
        for name, value in (
            ("classifier, last quarter", 0.9 / (1 + np.exp(-(position - 0.7) / 0.05))),
            ("fcn", 0.88),
        ):
            value += 0.01 * np.sin(20 * position)
            rows.append((name, position, value, value - 0.02, value + 0.02))
    return pd.DataFrame(rows, columns=["network", "position_s", "value", "low", "high"])


def recipes() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    nominal = rng.uniform(5, 20, 80)
    tables = [
        pd.DataFrame({"recipe": name, "nominal": nominal, "true": nominal * rng.normal(mean, 0.015, 80)})
        for name, mean in (("faithful", 1.010), ("corrected", 1.0))
    ]
    return pd.concat(tables, ignore_index=True)
