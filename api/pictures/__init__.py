"""Pictures of searches and trials: drawings as SVG, figures for Plotly, Pareto fronts."""
