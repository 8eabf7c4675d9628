"""Reads the programs that torch.export writes, without torch."""
