"""Shows figures to people and to machines."""

import itertools
import json
import os
import platform
import statistics
import sys

BAR = 36
EIGHTHS = " ▏▎▍▌▋▊▉█"


def spread(samples):
    """The 10th and the 90th percentile."""
    if len(samples) < 2:
        return samples[0], samples[0]
    cuts = statistics.quantiles(samples, n=10, method="inclusive")
    return cuts[0], cuts[-1]


def ratios(group):
    """How many times each other subject's median Caisson's is."""
    ours = next(result for result in group if result.subject == "caisson")
    return {other.subject: ours.median / other.median for other in group if other is not ours and other.median}


def bar(value, largest):
    eighths = round(value / largest * BAR * 8) if largest else 0
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def show(results, stream):
    colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def paint(code, text):
        return f"\033[{code}m{text}\033[0m" if colour else text

    for figure, group in itertools.groupby(results, key=lambda result: result.figure):
        group = list(group)
        against = ratios(group)
        unit = group[0].unit
        print(paint(1, f"{figure}, {unit}"), f"({len(group[0].samples)} samples: median, 10 % to 90 %)", file=stream)
        largest = max(result.median for result in group)
        for result in group:
            low, high = spread(result.samples)
            ours = result.subject == "caisson"
            line = f"  {result.subject:15}{result.median:9.2f}  {f'{low:.2f} to {high:.2f}':20} "
            line += paint(36 if ours else 2, f"{bar(result.median, largest):{BAR}}")
            if not ours:
                ratio = against[result.subject]
                line += f"  caisson: {ratio:.2f}x" if ratio >= 0.1 else f"  caisson: {ratio:.2g}x"
                if goal := result.goals.get(result.subject):
                    met = against[result.subject] <= goal
                    line += paint(32 if met else 31, f", goal {goal}: {'met' if met else 'missed'}")
            print(line.rstrip(), file=stream)
        print(file=stream)


def write_json(results, path):
    figures = []
    for figure, group in itertools.groupby(results, key=lambda result: result.figure):
        group = list(group)
        figures.append({
            "figure": figure,
            "unit": group[0].unit,
            "subjects": {
                result.subject: {
                    "median": result.median,
                    "p10": spread(result.samples)[0],
                    "p90": spread(result.samples)[1],
                    "samples": result.samples,
                }
                for result in group
            },
            "caissonTo": ratios(group),
        })
    host = {"kernel": platform.release(), "machine": platform.machine(), "processors": os.cpu_count()}
    document = json.dumps({"host": host, "figures": figures}, indent=2, ensure_ascii=False) + "\n"
    if path == "-":
        sys.stdout.write(document)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write(document)
