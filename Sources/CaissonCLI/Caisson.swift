import ArgumentParser

@main
struct Caisson: ParsableCommand {}
