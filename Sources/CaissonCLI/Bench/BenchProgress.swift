import Glibc
import HostIO
import ImageStore
import SystemPackage

/// Tells on standard error how far a benchmark is, and how long it may still take: on a terminal a line that changes, else a line a round.
final class BenchProgress {
    private let isTerminal: Bool
    private var isShown = false
    private var steps: [String] = []
    private var remaining: [String: Int] = [:]
    private var lastTimes: [String: Duration] = [:]
    private var rounds = 0
    private var round = 0
    private var current: (step: String, begin: ContinuousClock.Instant)?

    private let write: (String) -> Void

    /// - Parameter write: where the lines go. Nobody is left to tell where standard error's reader is gone.
    init(
        isTerminal: Bool = isatty(STDERR_FILENO) == 1,
        write: @escaping (String) -> Void = { _ = try? FileDescriptor.standardError.writeAll($0.utf8) }
    ) {
        self.isTerminal = isTerminal
        self.write = write
    }

    /// Every round has these steps once, those to warm up included.
    func plan(_ steps: [String], warmups: Int, rounds: Int) {
        self.steps = steps
        self.rounds = rounds
        remaining = Dictionary(uniqueKeysWithValues: steps.map { ($0, warmups + rounds) })
    }

    /// - Parameter round: counted from 0; less than that to warm up.
    func begin(round: Int) {
        finishStep()
        self.round = round
        if !isTerminal { write("caisson: \(name(of: round))\(estimate.map { ", \($0)" } ?? "")\n") }
    }

    func step(_ step: String) {
        finishStep()
        current = (step, ContinuousClock.now)
        remaining[step, default: 1] -= 1
        if isTerminal { show("\(name(of: round)): \(step)\(estimate.map { ", \($0)" } ?? "")") }
    }

    /// Something that is no step, for the moment.
    func say(_ text: String) { if isTerminal { show(text) } }

    /// Something that stays to be read.
    func tell(_ text: String) {
        clear()
        write("caisson: \(text)\n")
    }

    func end() {
        finishStep()
        clear()
    }

    private func finishStep() {
        if let (step, begin) = current { lastTimes[step] = ContinuousClock.now - begin }
        current = nil
    }

    /// Once every step has been done: how long those to come will take, by how long they took last.
    var estimate: String? {
        guard !steps.isEmpty, steps.allSatisfy({ lastTimes[$0] != nil || remaining[$0] == 0 }) else { return nil }
        let time = steps.reduce(Duration.zero) { sum, step in sum + (lastTimes[step] ?? .zero) * (remaining[step] ?? 0)
        }
        return "about \(Self.text(time)) left"
    }

    static func text(_ time: Duration) -> String {
        let seconds = time.components.seconds
        return seconds < 100 ? "\(seconds) s" : "\((seconds + 30) / 60) min"
    }

    private func name(of round: Int) -> String {
        round < 0 ? "warming up" : "round \(round + 1) of \(rounds)"
    }

    private func show(_ text: String) {
        write("\r\u{1b}[K\(text.printable)")
        isShown = true
    }

    private func clear() {
        if isShown { write("\r\u{1b}[K") }
        isShown = false
    }
}
