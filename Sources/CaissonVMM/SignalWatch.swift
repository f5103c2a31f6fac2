import CLinux
import HostIO

/// Hears the signals that ask a process to end, and of its terminal's new size, for as long as it is kept.
///
/// A signal is noted from the first moment on, also while nobody listens.
struct SignalWatch: ~Copyable {
    private var listening: (loop: EventLoop, registration: EventLoop.Registration)?

    /// Notes these signals from now on, except for those that the process was started to ignore.
    init(_ numbers: [Int32]) {
        // Where one cannot be noted it ends the process by itself.
        for number in numbers { _ = caisson_note_signal(number) }
    }

    /// Calls `handler` on `loop` for each signal that was noted and for each that comes.
    mutating func listen(on loop: EventLoop, _ handler: @escaping @Sendable (Int32) -> Void) throws(HostError) {
        let notes = caisson_signal_notes()
        guard notes >= 0 else { return }
        let registration = try loop.register(notes, for: .readable) { _ in
            var number = caisson_next_signal()
            while number != 0 {
                handler(number)
                number = caisson_next_signal()
            }
        }
        listening = (loop, registration)
    }

    deinit { listening.map { $0.loop.remove($0.registration) } }
}
