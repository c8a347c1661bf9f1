"""Accuracy on real data: every figure of docs/results.md has its run here."""
