/// A guest's console on the host: where output goes and input comes from.
package final class Console: Sendable {
    /// What the console tells its machine; called on the event loop.
    package enum Event: Sendable, Equatable {
        /// Ctrl-A x.
        case quit
        /// Ctrl-A c.
        case togglePause
        /// Standard input ended. The machine goes on.
        case inputEnded
        /// Output cannot be written and is thrown away from now on.
        case outputFailed(HostError)
    }

    /// Where a client finds the console: a pseudo-terminal's device or a socket.
    package let path: String?

    /// Opens the console. A terminal goes into raw mode with `start`, and back with `close`.
    /// - Parameter loop: serves the console until `close`.
    /// - Throws: `HostError`.
    package init(
        _ specification: ConsoleSpecification, loop: EventLoop, standardInput: Int32 = 0, standardOutput: Int32 = 1
    ) throws(HostError) {
        preconditionFailure("being built")
    }

    /// Connects the guest's side and starts to read input.
    /// - Parameters:
    ///   - deliver: takes from the front of the bytes what the guest has room for and returns how many that were;
    ///     after fewer than all, `inputReady()` is awaited. Called on the event loop, or inside `inputReady()`.
    ///   - outputReady: after `write` took fewer bytes than offered, there is room again. Called on the event loop.
    ///   - event: called on the event loop.
    package func start(
        deliver: @escaping @Sendable (Span<UInt8>) -> Int, outputReady: @escaping @Sendable () -> Void,
        event: @escaping @Sendable (Event) -> Void
    ) throws(HostError) {
        preconditionFailure("being built")
    }

    /// Takes output from the front of `bytes`, never blocks, and returns how many bytes there was room for.
    package func write(_ bytes: Span<UInt8>) -> Int { preconditionFailure("being built") }

    /// The guest takes input again.
    package func inputReady() { preconditionFailure("being built") }

    /// Shows a line of Caisson's own, in order with the guest's output.
    package func show(_ text: String) { preconditionFailure("being built") }

    /// Writes what is buffered, for at most `timeout`, leaves raw mode, removes sockets and links, and lets go of the
    /// closures given to `start`. Not on the event loop.
    package func close(timeout: Duration = .seconds(1)) { preconditionFailure("being built") }
}
