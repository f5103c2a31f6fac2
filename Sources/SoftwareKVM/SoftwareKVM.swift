// SoftwareKVM
