"""What tasks gain from their companions, stage by stage: the surrogate that learns it from trials and proposes more."""
