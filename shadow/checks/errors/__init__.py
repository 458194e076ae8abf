"""Whether wrong requests are refused alike: status, shape of the error, and its words."""
