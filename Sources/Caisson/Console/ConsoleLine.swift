import Devices
import HostIO
import Synchronization

/// The line between a console, which lasts as long as its machine, and a serial port, which is a new one after each reset.
final class ConsoleLine: ConsoleBackend, Sendable {
    private let console: Console
    private let port = Mutex<Serial16550A?>(nil)

    init(_ console: Console) { self.console = console }

    /// Opens the line; whoever holds the other end hears of its commands.
    /// - Parameter event: called on the console's event loop.
    func start(event: @escaping @Sendable (Console.Event) -> Void) throws(HostError) {
        try console.start(
            deliver: { bytes in self.current?.receive(bytes) ?? 0 },
            outputReady: { self.current?.transmitReady() },
            event: event)
    }

    /// Plugs a machine's port in. Input that waits for one comes at once.
    func connect(to new: Serial16550A?) {
        port.withLock { $0 = new }
        if new != nil { console.inputReady() }
    }

    private var current: Serial16550A? { port.withLock { $0 } }

    func transmit(_ bytes: Span<UInt8>) -> Int { console.write(bytes) }
    func receiveReady() { console.inputReady() }

    func show(_ text: String) { console.show(text) }
    var path: String? { console.path }

    /// Not on the console's event loop.
    func close() {
        connect(to: nil)
        console.close()
    }
}
