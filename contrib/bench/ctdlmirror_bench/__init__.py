"""Benchmarks of a mirror: one module for each, one for measuring, one for printing.  See docs/performance.md."""
