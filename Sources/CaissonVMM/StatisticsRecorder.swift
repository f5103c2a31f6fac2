import Caisson
import CaissonOptions
import HostIO
import Synchronization
import SystemPackage

/// Writes what a machine does to a file: a line of JSON a second, and one at the end.
final class StatisticsRecorder {
    private let timer: LoopTimer
    private let file: StatisticsFile

    /// The machine has started.
    init(of machine: VirtualMachine, in file: StatisticsFile) throws(HostError) {
        self.file = file
        timer = try LoopTimer(on: machine.control) { [unowned machine] in file.write(machine.statistics) }
        timer.schedule(after: 1_000_000_000, every: 1_000_000_000)
    }

    /// The machine has ended: writes the last line. On the control loop, or while nobody runs it.
    func finish(_ statistics: VirtualMachineStatistics?) {
        timer.schedule(after: nil)
        file.write(statistics)
        file.close()
    }
}

/// A file of lines. One that fails ends there.
final class StatisticsFile: Sendable {
    private let path: String
    private let descriptor: Mutex<FileDescriptor?>

    /// Makes the file, or empties it.
    /// - Throws: `hostFailure`.
    init(path: String) throws(VirtualMachineError) {
        self.path = path
        do {
            descriptor = Mutex(
                try FileDescriptor.open(
                    FilePath(path), .writeOnly, options: [.create, .truncate, .closeOnExec],
                    permissions: [.ownerReadWrite, .groupReadWrite, .otherReadWrite]))
        } catch {
            throw VirtualMachineError(.hostFailure, "cannot write the statistics to \(path): \(error)")
        }
    }

    func write(_ statistics: VirtualMachineStatistics?) {
        guard let statistics, let file = descriptor.withLock({ $0 }) else { return }
        do {
            try file.writeAll("\(statistics.json.line)\n".utf8)
        } catch {
            Messages.say("the statistics end here: cannot write to \(path): \(error)")
            close()
        }
    }

    func close() { try? descriptor.withLock { exchange(&$0, with: nil) }?.close() }
}
