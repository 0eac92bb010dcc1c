"""Who is told what is wrong, when, and once: findings of the warehouse become messages."""
