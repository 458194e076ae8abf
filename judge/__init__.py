"""Pure statistics: counts in, verdict and evidence out; no IO, no clock, no randomness.

`from judge import log_e_below` works for every public function and type. Nothing is loaded before
it is asked for: whoever only needs a histogram does not pay for the tests.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from judge.arms import ArmBlocks as ArmBlocks
    from judge.blocks import block_log_e_above as block_log_e_above
    from judge.blocks import block_log_e_below as block_log_e_below
    from judge.consequence import attempt_alpha as attempt_alpha
    from judge.counts import differences as differences
    from judge.design_effect import deff as deff
    from judge.design_effect import deff_of_history as deff_of_history
    from judge.difference import diff_log_e as diff_log_e
    from judge.difference import diff_lower as diff_lower
    from judge.difference import diff_upper as diff_upper
    from judge.discrepancy import DiscrepancyPolicy as DiscrepancyPolicy
    from judge.discrepancy import judge_discrepancy as judge_discrepancy
    from judge.errors_live import ErrorsLivePolicy as ErrorsLivePolicy
    from judge.errors_live import judge_errors_live as judge_errors_live
    from judge.errors_live import rho_open as rho_open
    from judge.errors_paired import ErrorsPairedPolicy as ErrorsPairedPolicy
    from judge.errors_paired import judge_errors_paired as judge_errors_paired
    from judge.evidence import Evidence as Evidence
    from judge.evidence import Part as Part
    from judge.full import FullCounts as FullCounts
    from judge.full_step import judge_errors_full as judge_errors_full
    from judge.full_step import judge_latency_full as judge_latency_full
    from judge.histogram import edges as edges
    from judge.histogram import hist_bucket as hist_bucket
    from judge.histogram import hist_edges as hist_edges
    from judge.histogram import quantile as quantile
    from judge.late import e_sr as e_sr
    from judge.latencies import Latencies as Latencies
    from judge.latencies import quantile_interval as quantile_interval
    from judge.latency import LatencyPolicy as LatencyPolicy
    from judge.latency import judge_latency as judge_latency
    from judge.latency_live import LatencyLivePolicy as LatencyLivePolicy
    from judge.latency_live import judge_latency_live as judge_latency_live
    from judge.paired import paired_log_e as paired_log_e
    from judge.paired import paired_lower as paired_lower
    from judge.paired import paired_upper as paired_upper
    from judge.pairs import PairCounts as PairCounts
    from judge.quantiles import quantile_better_log_e as quantile_better_log_e
    from judge.quantiles import quantile_ranks as quantile_ranks
    from judge.rates import eta_samples as eta_samples
    from judge.rates import log_e_above as log_e_above
    from judge.rates import log_e_below as log_e_below
    from judge.rates import log_needed as log_needed
    from judge.rates import min_samples as min_samples
    from judge.rates import rate_cs as rate_cs
    from judge.rates import rate_gate as rate_gate
    from judge.rates import rate_lower as rate_lower
    from judge.rates import rate_upper as rate_upper
    from judge.ratio import ratio_log_e as ratio_log_e
    from judge.ratio import ratio_lower as ratio_lower
    from judge.ratio import ratio_upper as ratio_upper
    from judge.recompute import inputs_of as inputs_of
    from judge.split import split_check as split_check
    from judge.split import srm_log_e as srm_log_e
    from judge.split_gate import SplitCounts as SplitCounts
    from judge.split_gate import SplitPolicy as SplitPolicy
    from judge.split_gate import effective_keys as effective_keys
    from judge.split_gate import judge_split as judge_split
    from judge.verdict import Verdict as Verdict
    from judge.verdict import worst as worst

_HOMES = {
    "ArmBlocks": "arms",
    "block_log_e_above": "blocks",
    "block_log_e_below": "blocks",
    "attempt_alpha": "consequence",
    "differences": "counts",
    "deff": "design_effect",
    "deff_of_history": "design_effect",
    "diff_log_e": "difference",
    "diff_lower": "difference",
    "diff_upper": "difference",
    "DiscrepancyPolicy": "discrepancy",
    "judge_discrepancy": "discrepancy",
    "ErrorsLivePolicy": "errors_live",
    "judge_errors_live": "errors_live",
    "rho_open": "errors_live",
    "ErrorsPairedPolicy": "errors_paired",
    "judge_errors_paired": "errors_paired",
    "Evidence": "evidence",
    "Part": "evidence",
    "FullCounts": "full",
    "judge_errors_full": "full_step",
    "judge_latency_full": "full_step",
    "edges": "histogram",
    "hist_bucket": "histogram",
    "hist_edges": "histogram",
    "quantile": "histogram",
    "e_sr": "late",
    "Latencies": "latencies",
    "LatencyPolicy": "latency",
    "judge_latency": "latency",
    "quantile_interval": "latencies",
    "LatencyLivePolicy": "latency_live",
    "judge_latency_live": "latency_live",
    "paired_log_e": "paired",
    "paired_lower": "paired",
    "paired_upper": "paired",
    "PairCounts": "pairs",
    "quantile_better_log_e": "quantiles",
    "quantile_ranks": "quantiles",
    "eta_samples": "rates",
    "log_e_above": "rates",
    "log_e_below": "rates",
    "log_needed": "rates",
    "min_samples": "rates",
    "rate_cs": "rates",
    "rate_gate": "rates",
    "rate_lower": "rates",
    "rate_upper": "rates",
    "ratio_log_e": "ratio",
    "ratio_lower": "ratio",
    "ratio_upper": "ratio",
    "inputs_of": "recompute",
    "srm_log_e": "split",
    "split_check": "split",
    "SplitCounts": "split_gate",
    "SplitPolicy": "split_gate",
    "effective_keys": "split_gate",
    "judge_split": "split_gate",
    "Verdict": "verdict",
    "worst": "verdict",
}


def __getattr__(name: str) -> Any:
    """Return a public name from the module that holds it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
