import CLinux
import Dispatch

/// Hears the signals that ask a process to end, and of its terminal's new size, for as long as it is kept.
///
/// A signal is noted from the first moment on. Dispatch's own sources for signals want them ignored meanwhile, and what
/// comes before such a source listens is lost.
struct SignalWatch: ~Copyable {
    private var source: (any DispatchSourceRead)?

    /// Notes these signals from now on, except for those that the process was started to ignore.
    init(_ numbers: [Int32]) {
        // Where one cannot be noted it ends the process by itself.
        for number in numbers { _ = caisson_note_signal(number) }
    }

    /// Calls `handler` for each signal that was noted and for each that comes. That takes a thread, so it is for later than what is urgent.
    mutating func listen(_ handler: @escaping @Sendable (Int32) -> Void) {
        let notes = caisson_signal_notes()
        guard notes >= 0 else { return }
        let source = DispatchSource.makeReadSource(fileDescriptor: notes)
        source.setEventHandler {
            var number = caisson_next_signal()
            while number != 0 {
                handler(number)
                number = caisson_next_signal()
            }
        }
        source.activate()
        self.source = source
    }

    deinit { source?.cancel() }
}
