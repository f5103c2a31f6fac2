import Devices
import HostIO
import Synchronization

/// The line between a console, which lasts as long as its machine, and a port of the guest's, which is a new one after each
/// reset.
final class ConsoleLine: ConsoleBackend, Sendable {
    private let console: Console
    private let port = Mutex<(any ConsolePort)?>(nil)
    private let tail: ConsoleTail?

    /// Opens the console that `source` says.
    /// - Parameter tail: gets a copy of what is written.
    init(_ source: ConsoleSource, loop: EventLoop, tail: ConsoleTail? = nil) throws(HostError) {
        self.tail = tail
        console = try Console(
            source.specification, loop: loop, standardInput: source.input, standardOutput: source.output)
    }

    /// Opens the line; whoever holds the other end hears of its commands.
    /// - Parameter event: called on the console's event loop.
    func start(event: @escaping @Sendable (ConsoleLine, Console.Event) -> Void) throws(HostError) {
        try console.start(
            deliver: { bytes in self.current?.receive(bytes) ?? 0 },
            outputReady: { self.current?.transmitReady() },
            event: { event(self, $0) })
    }

    /// Plugs a machine's port in. Input that waits for one comes at once.
    func connect(to new: (any ConsolePort)?) {
        port.withLock { $0 = new }
        if new != nil { console.inputReady() }
    }

    private var current: (any ConsolePort)? { port.withLock { $0 } }

    func transmit(_ bytes: Span<UInt8>) -> Int {
        let taken = console.write(bytes)
        tail?.append(bytes.extracting(first: taken))
        return taken
    }

    func receiveReady() { console.inputReady() }

    func show(_ text: String) { console.show(text) }
    var path: String? { console.path }

    /// Not on the console's event loop.
    func close() {
        connect(to: nil)
        console.close()
    }
}
