"""Recommendations: computed daily, retrained when needed, promoted only when better."""
