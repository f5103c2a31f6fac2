import CLinux
import Dispatch

/// Hears the signals that ask a process to end, for as long as it is kept.
struct SignalWatch: ~Copyable {
    private let sources: [any DispatchSourceSignal]

    /// Calls `handler` for each SIGINT, SIGTERM and SIGHUP, except for those that the process was started to ignore.
    init(_ handler: @escaping @Sendable (Int32) -> Void) {
        // A source hears of a signal that does nothing else.
        sources = [SIGINT, SIGTERM, SIGHUP].filter { caisson_ignore_signal($0) == 0 }.map { number in
            let source = DispatchSource.makeSignalSource(signal: number)
            source.setEventHandler { handler(number) }
            source.activate()
            return source
        }
    }

    deinit { for source in sources { source.cancel() } }
}
