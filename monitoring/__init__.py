"""What people look at: pages made from the marts."""
