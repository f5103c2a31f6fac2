import CLinux
import Caisson
import HostIO

/// What goes on beside a machine that runs, on its control loop, for as long as it is kept: signals, a line of statistics a second, and
/// what a start leaves to be done.
struct MachineAttendance: ~Copyable {
    private let machine: VirtualMachine
    private var signals: SignalWatch
    private let recorder: StatisticsRecorder?
    private let settled: LoopTimer

    /// - Parameters:
    ///   - file: gets the statistics.
    ///   - heard: called for each signal.
    init(
        of machine: VirtualMachine, statistics file: StatisticsFile?, signals: consuming SignalWatch,
        heard: @escaping @Sendable (Int32) -> Void
    ) throws(HostError) {
        try signals.listen(on: machine.control, heard)
        let recorder = try file.map { file throws(HostError) in try StatisticsRecorder(of: machine, in: file) }
        // What only the start needed, most of the program, stays in the page cache alone. The timer is kept, as what lets go of it
        // would have to come back from there.
        settled = try LoopTimer(on: machine.control) { _ = caisson_release_code() }
        settled.schedule(after: 100_000_000)
        self.machine = machine
        self.signals = signals
        self.recorder = recorder
    }

    /// Its last figures are known. Signals are still heard.
    borrowing func machineHasEnded() { recorder?.finish(machine.statistics) }
}
