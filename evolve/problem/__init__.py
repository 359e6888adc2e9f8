"""What a problem is: its contract, its folder and how it is read, found, copied and begun.  Measures nothing."""
