"""What calls cost: prices of the user's, times the usage that the records hold."""
