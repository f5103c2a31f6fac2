import CLinux
import Synchronization
import SystemPackage

/// A console on the process's standard input and output, whatever these are. A closed one counts as absent.
final class StandardStreams: ConsoleSide {
    private let queues: ConsoleQueues
    private let input: Int32
    private let output: Int32
    private let reporter: ConsoleReporter
    private let terminal = Mutex<Terminal?>(nil)

    init(
        _ queues: ConsoleQueues, input: Int32, output: Int32, reporter: ConsoleReporter
    ) {
        self.queues = queues
        self.input = input
        self.output = output
        self.reporter = reporter
    }

    func start() throws(HostError) {
        if isatty(input) == 1 {
            try terminal.withLock { terminal throws(HostError) in terminal = try Terminal(raw: input) }
        }
        if isOpen(output) { try queues.output.attach(HostStream(inherited: output, .output)) }
        if isOpen(input) { try queues.input.attach(HostStream(inherited: input, .input)) }
    }

    func inputEnded() { reporter.report(.inputEnded) }

    func outputFailed(_ errno: Errno) {
        reporter.report(.outputFailed(HostError("write to", "standard output", errno)))
    }

    func stop() { terminal.withLock { $0 = nil } }

    private func isOpen(_ descriptor: Int32) -> Bool { caisson_poll(descriptor, 0, 0) & Int32(POLLNVAL) == 0 }
}
