"""Tests of what happened: takes the records room, gives confidence that nothing recorded is lost or mixed."""
