"""A day: its steps, what limits, resumes and watches them, and what it says at its end."""
