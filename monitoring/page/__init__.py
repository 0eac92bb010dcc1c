"""What both pages share: one template environment, one style, charts without a script."""
