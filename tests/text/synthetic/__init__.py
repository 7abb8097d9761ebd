"""Tests of `twosignal.text.synthetic`."""
