import HostResources
import SystemPackage

/// A console that a file takes down. It has no input.
final class FileSide: ConsoleSide {
    private let queues: ConsoleQueues
    private let path: String
    private let reporter: ConsoleReporter

    /// Opens the file, and empties it if it is there.
    init(
        _ queues: ConsoleQueues, path: String, reporter: ConsoleReporter
    ) throws(HostError) {
        self.queues = queues
        self.path = path
        self.reporter = reporter
        let file = try OwnedFileDescriptor(
            opening: path, .writeOnly, options: [.create, .truncate, .nonBlocking])
        try queues.output.attach(HostStream(file, .immediate))
    }

    func start() {}
    func inputEnded() {}
    func outputFailed(_ errno: Errno) { reporter.report(.outputFailed(HostError("write to", path, errno))) }
    func stop() {}
}
