from unpatched import nothing_hangs

__all__ = ["nothing_hangs"]
