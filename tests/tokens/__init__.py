"""Tests of what is learned from: takes small tokenizers made on the spot, gives confidence in ids and masks."""
