"""What Doubletalk costs, and how true it is: `make bench` and `make calibrate`. Linux, two cores, a C compiler."""
