"""Tests of `modules/sampling`; the numbers they compare with were recorded from k-diffusion and A1111."""
