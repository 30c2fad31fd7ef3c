"""Diffusion sampling as pure maths on tensors: noise levels, schedules, noise, guidance, solvers, the loop."""
