import Synchronization
import SystemPackage

/// What lies behind a console: connects its queues to streams.
protocol ConsoleSide: AnyObject, Sendable {
    /// Connects the streams, now or whenever a client comes.
    func start() throws(HostError)
    /// Input came to its end. On the loop.
    func inputEnded()
    /// Output failed, and its stream is gone. On the loop.
    func outputFailed(_ errno: Errno)
    /// Lets go of everything but the queues' streams.
    func stop()
}

/// A console's two queues, which its side connects.
struct ConsoleQueues: Sendable {
    let output: OutputQueue
    let input: InputPump

    func detach() {
        output.detach()
        input.detach()
    }

    var isAttached: Bool { output.isAttached || input.isAttached }
}

/// Passes events on to whoever started the console, as long as it is open.
final class ConsoleReporter: Sendable {
    private let handler = Mutex<(@Sendable (Console.Event) -> Void)?>(nil)

    func setHandler(_ new: (@Sendable (Console.Event) -> Void)?) {
        // What the old one keeps alive may end with it, and call this: that is for after the lock.
        let old = handler.withLock { exchange(&$0, with: new) }
        withExtendedLifetime(old) {}
    }

    func report(_ event: Console.Event) {
        let handler = handler.withLock { $0 }
        handler?(event)
    }
}
