"""Tests of `twosignal.text`."""
