"""Tests of the fake vendors: their rules as tables, their servers over real sockets."""
