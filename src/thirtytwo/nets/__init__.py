"""Architectures only: no losses, no data, nothing imported from the rest of the package."""
