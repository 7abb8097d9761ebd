"""What a run's records say about the run: takes samples, probes and step losses, gives findings and a verdict."""

from twosignal.audits.coherence import CoherenceScore, classic_score
from twosignal.audits.finding import Finding, Verdict
from twosignal.audits.gate import Gate
from twosignal.audits.health import check_step, check_steps
from twosignal.audits.render import render_text
from twosignal.audits.report import Recording, Report, audit, read_recording
from twosignal.audits.tiers import Tier, perplexity, tier_of

__all__ = [
    "CoherenceScore",
    "Finding",
    "Gate",
    "Recording",
    "Report",
    "Tier",
    "Verdict",
    "audit",
    "check_step",
    "check_steps",
    "classic_score",
    "perplexity",
    "read_recording",
    "render_text",
    "tier_of",
]
