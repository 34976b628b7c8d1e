"""What `plot.py` draws: for each part of a result, a generator of (title, function of an Axes)."""
from plots import densities, dictionary, memory, network, series, sets, spectrum

PANELS = {"spectrum": spectrum.spectrum_panels, "stationary": densities.stationary_panels,
          "eigenfunctions": spectrum.eigenfunction_panels, "evolve": densities.evolve_panels,
          "transitions": densities.transition_panels,
          "pseudospectrum": dictionary.pseudospectrum_panels,
          "modes": dictionary.mode_panels,
          "memory": memory.memory_panels,
          "expectation": network.expectation_panels, "density": network.density_panels,
          "probability": network.probability_panels, "monte_carlo": network.monte_carlo_panels,
          "norms": network.norm_panels, "layer_memory": network.memory_panels,
          "reduction": network.reduction_panels,
          "time_scales": series.time_scale_panels,
          "chapman_kolmogorov": series.chapman_kolmogorov_panels,
          "cover": sets.cover_panels, "coarse_sets": sets.coarse_set_panels,
          "coherent_sets": sets.coherent_set_panels}
