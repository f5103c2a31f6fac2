// Caisson
