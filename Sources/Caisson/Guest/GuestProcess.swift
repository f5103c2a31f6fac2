import GuestAgent
import Synchronization

/// A command that runs in a machine's guest: `VirtualMachine.run(_:)`. It is killed when nobody holds this any more.
///
///     let process = try await machine.run(GuestCommand(["make", "test"]))
///     for await bytes in process.standardOutput { … }
///     let result = try await process.waitUntilExit()
public final class GuestProcess: Sendable {
    /// How a process ended.
    public enum TerminationStatus: Sendable, Equatable {
        /// With an exit status.
        case exited(UInt8)
        /// By a signal.
        case signaled(Int32)
    }

    /// What a process left.
    public struct Result: Sendable, Equatable {
        /// How it ended.
        public let status: TerminationStatus
        /// CPU time in its programs, with that of its children that it waited for.
        public let userTime: Duration
        /// CPU time in the guest's kernel for it, with that of its children that it waited for.
        public let systemTime: Duration
        /// The most memory that it had, in bytes.
        public let maximumResidentSize: UInt64
    }

    /// Its number in the guest.
    public let processIdentifier: UInt32
    /// What it writes to standard output, and with a terminal all of its output.
    public let standardOutput: GuestOutput
    /// What it writes to standard error.
    public let standardError: GuestOutput
    private let record: ProcessRecord

    init(_ record: ProcessRecord, processIdentifier: UInt32) {
        self.record = record
        self.processIdentifier = processIdentifier
        standardOutput = GuestOutput(record: record, stream: .output)
        standardError = GuestOutput(record: record, stream: .errors)
    }

    deinit { record.cancel() }

    /// Writes to its standard input, and waits until there is room; after its end, or where nobody reads that, it goes nowhere.
    public func write(_ bytes: [UInt8]) async {
        var sent = 0
        while sent < bytes.count {
            sent += record.write(bytes.span.extracting(droppingFirst: sent))
            if sent < bytes.count { await record.waitForRoom() }
        }
    }

    /// Its standard input ends; a terminal's by Ctrl-D.
    public func finishWriting() { record.close(.input) }

    /// Sends a signal, by its number on Linux for x86, to the process and those that it started; none to one that has ended.
    public func send(signal: Int32) {
        if let number = UInt8(exactly: signal) { record.signal(number) }
    }

    /// Tells it the new size of its terminal's window.
    public func resize(_ size: GuestCommand.WindowSize) { record.resize(size) }

    /// Waits for its end. All that it wrote before can be read then, or still be waited for.
    /// - Throws: `guestFailure` where the guest ended before it.
    public func waitUntilExit() async throws(VirtualMachineError) -> Result {
        let end = try await record.end().get()
        let status: TerminationStatus =
            switch end.status {
            case .exited(let status): .exited(status)
            case .signaled(let number): .signaled(Int32(number))
            }
        // The guest's number, in KiB.
        let (size, overflows) = end.maximumResidentSize.multipliedReportingOverflow(by: 1024)
        return Result(
            status: status, userTime: .microseconds(Int64(clamping: end.userTime)),
            systemTime: .microseconds(Int64(clamping: end.systemTime)),
            maximumResidentSize: overflows ? .max : size)
    }
}

/// Output of a process in the guest, in pieces as they come, for one reader. A reader that takes none has the process wait once
/// 256 KiB are there.
public struct GuestOutput: AsyncSequence, Sendable {
    let record: ProcessRecord
    let stream: CommandStream

    /// Takes the pieces.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let record: ProcessRecord
        let stream: CommandStream

        /// The next piece; nil at the end, and where the task is cancelled.
        public mutating func next() async -> [UInt8]? { await record.next(of: stream) }
    }

    /// The reader.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(record: record, stream: stream) }
}
